"""The durable job engine around the path: what was begun is finished, whoever dies.

Rule of the room: jobs carry ids only; a landed row is the job; the same code runs embedded on
SQLite and distributed on PostgreSQL.
"""

from triage.engine.anchoring import Anchoring
from triage.engine.backups import Backups
from triage.engine.chores import Chore
from triage.engine.escalating import Escalator
from triage.engine.inboxes import InboxKeeper
from triage.engine.jobs import Jobs
from triage.engine.loops import Worker
from triage.engine.paper import PaperFile
from triage.engine.progress import Tell
from triage.engine.retention import Retention
from triage.engine.second import SecondEye
from triage.engine.sending import Sender
from triage.engine.watching import Limits, Watch, Watched

__all__ = [
    "Anchoring",
    "Backups",
    "Chore",
    "Escalator",
    "InboxKeeper",
    "Jobs",
    "Limits",
    "PaperFile",
    "Retention",
    "SecondEye",
    "Sender",
    "Tell",
    "Watch",
    "Watched",
    "Worker",
]
