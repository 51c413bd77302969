"""The desk as one object: signing in, the queue, search, replies, supervision, training data."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from triage.desk.bulk import BulkDesk
from triage.desk.calm import CalmDesk
from triage.desk.checking import Checker
from triage.desk.contacts import ContactDesk
from triage.desk.forms import FormDesk
from triage.desk.glass import GlassDesk
from triage.desk.health import banners
from triage.desk.hooks import HookDesk
from triage.desk.live import LiveDesk
from triage.desk.openid import OpenIdDesk, Provider
from triage.desk.paper import PaperDesk
from triage.desk.people import PeopleDesk
from triage.desk.portal import Ask, PortalDesk
from triage.desk.practice import PracticeDesk
from triage.desk.queue import QueueDesk
from triage.desk.replies import ReplyDesk
from triage.desk.rewriting import RewritingDesk
from triage.desk.score import ScoreDesk
from triage.desk.search import SearchDesk
from triage.desk.signing import SignInDesk
from triage.desk.supervision import SupervisionDesk
from triage.desk.teams import TeamDesk
from triage.desk.templates import TemplateDesk
from triage.desk.together import TogetherDesk
from triage.desk.trained import ModelsDesk
from triage.desk.urgent import UrgentDesk
from triage.desk.views import Banner
from triage.desk.watching import WatchDesk
from triage.domain import Anchor, User
from triage.encoder.registry import Registry
from triage.errors import NotAllowed
from triage.store import Store


def utcnow() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


class Desk:
    """Front door for people; each attribute is one counter with its own few methods.

    `facts` is what the clinic says about itself; one in `drills` suggestions gets an error that
    its approver should find, none where it is 0. `clinic` is whose models the registry keeps:
    people of another clinic of the same store find none there. None only where the store has one
    clinic.
    """

    def __init__(
        self,
        store: Store,
        *,
        registry: Registry | None = None,
        undo: timedelta = timedelta(seconds=30),
        clinical: Mapping[str, str] | None = None,
        mail_domain: str = "triage.invalid",
        clinic: str | None = None,
        clock: Callable[[], datetime] = utcnow,
        anchors: Callable[[], Sequence[Anchor]] | None = None,
        provider: Provider | None = None,
        portal_only: bool = False,
        portal: Ask | None = None,
        facts: Mapping[str, object] | None = None,
        drills: int = 0,
        doors: Collection[str] | None = None,
    ) -> None:
        facts = dict(facts or {})
        self._store = store
        self._clock = clock
        self._clinical = dict(clinical or {})
        self.signing = SignInDesk(store, clock)
        self.openid = OpenIdDesk(store, clock, self.signing, provider, clinic)
        self.people = PeopleDesk(store, clock)
        self.glass = GlassDesk(store, clock)
        checker = Checker(store, clock, facts, drills)
        self.forms = FormDesk(store)
        self.queue = QueueDesk(store, clock, self._clinical, portal_only, checker=checker)
        self.calm = CalmDesk(store, clock)
        self.live = LiveDesk(store, clock, self._clinical)
        self.practice = PracticeDesk(store, doors)
        self.urgent = UrgentDesk(store, clock)
        self.paper = PaperDesk(store, clock, self.queue, self.urgent)
        self.hooks = HookDesk(store, clinic)
        self.portal = PortalDesk(store, portal, checker.remember)
        self.search = SearchDesk(store, clock, self._clinical)
        self.replies = ReplyDesk(store, clock, undo, mail_domain, portal_only, checker=checker)
        self.rewriting = RewritingDesk(store, self.queue, self.replies, facts)
        self.templates = TemplateDesk(store, clock, facts)
        self.contacts = ContactDesk(store)
        self.together = TogetherDesk(store, clock)
        self.teams = TeamDesk(store)
        self.bulk = BulkDesk(store, self.queue, self.replies)
        self.supervision = SupervisionDesk(store, clock, self._clinical, anchors)
        self.score = ScoreDesk(store, clock)
        self.watch = WatchDesk(store, clock, clinic=clinic)
        self.models = ModelsDesk(store, registry, clock, clinic=clinic)

    def who(self, token: str, *, watching: bool = False) -> User:
        """Return the person of a session.

        Raises NotSignedIn, CodeWanted, EnrolmentWanted or PasswordWanted. `watching` says that a
        page asked by itself, which keeps no session alive.
        """
        return self.signing.who(token, watching=watching)

    def sign_out(self, token: str) -> None:
        """End a session."""
        self._store.people.close_session(token)

    def banners(self, actor: User) -> tuple[Banner, ...]:
        """Return what everybody must know now; fixed sentences about nobody.

        No right of the table is asked, because they stand on every page: any active person of
        the clinic may, and nobody else. Raises NotAllowed.
        """
        if not actor.active or not actor.roles:
            raise NotAllowed("banners")
        return banners(self._store, actor, self._clock(), self._clinical)
