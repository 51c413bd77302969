"""The two parts of a practice for training: its desk, and a sender that sends nothing anywhere.

Rule of the room: no settings and no secret is asked where replies go; there is nowhere.
"""

from triage.cli.newcomers.nowhere import Nowhere
from triage.desk import Desk
from triage.desk.desk import utcnow
from triage.desk.score import ScoreDesk
from triage.domain import Channel, Lesson
from triage.engine import Sender
from triage.settings import approval_master
from triage.store import Store
from triage.wiring import House


def practice_desk(house: House, store: Store, lesson: Lesson) -> Desk:
    """Return a desk with a score sheet; every page of it says that nobody is real."""
    desk = house.desk(store)
    desk.score = ScoreDesk(store, utcnow, lesson)
    return desk


def practice_sender(house: House, store: Store) -> Sender:
    """Return what settles approved replies without sending them."""
    ways = {channel: Nowhere(channel) for channel in (Channel.EMAIL, Channel.PORTAL)}
    master, clinic = approval_master(house.home), house.settings.clinic.id
    return Sender(store, ways, master=master, clinic=clinic)
