"""From triage.toml to the running parts; the only place that chooses.

Rule of the room: a part that cannot be loaded is replaced by one that leaves the work to a
person, with a note for the banner; the order of the steps is not chosen here.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from triage.audit import AnchorFile
from triage.connectors import ALERTS, INBOXES, OUTBOXES, AlertDoor, Inbox, Outbox
from triage.domain import DAYS, Channel, OpeningHours, PortalFacts, Protected, read_span
from triage.encoder.registry import Registry
from triage.errors import (
    BadSettings,
    MissingModel,
    PortalShut,
    PortalSilent,
    TriageError,
    blame,
)
from triage.loading import Parts, clinical_digests, load_parts
from triage.pipeline import Rooms
from triage.plugins import load
from triage.settings import (
    DoorSettings,
    OutboxSettings,
    Settings,
    approval_master,
    context_secret,
    read_settings,
    secret,
    store_url,
)

# The database and the desk are loaded by what opens them: `triage classify` needs neither.
if TYPE_CHECKING:
    from triage.connectors.alert_mail import CanaryMail
    from triage.desk import Desk, Provider
    from triage.desk.portal import Ask
    from triage.engine import SecondEye, Sender, Tell, Watch, Worker
    from triage.store import Keys, Life, Store

log = logging.getLogger(__name__)
Opened = TypeVar("Opened")
#: What the watch writes in every round, in the home folder; `triage run` looks at it.
ALIVE = "watch.alive"


Door = TypeVar("Door", bound=DoorSettings)


@dataclass(frozen=True, slots=True)
class House:
    """One clinic's settings, keys and store; every process makes its own."""

    home: Path
    settings: Settings

    @classmethod
    def at(cls, home: Path) -> "House":
        """Read the settings of a home folder."""
        return cls(home, read_settings(home))

    @property
    def keys(self) -> "Keys":
        """The keys of the store; the approval master is not among them."""
        from triage.store import Keys

        return Keys.load(self.home / "keys")

    @property
    def url(self) -> str:
        """The database URL with a relative SQLite path put in the home folder."""
        return store_url(self.settings.store.url, self.home)

    def url_of(self, part: str) -> str:
        """Return the database URL of a process: web, worker or sender."""
        own = str(getattr(self.settings.store, f"{part}_url", ""))
        return store_url(own, self.home) if own else self.url

    def store(self, part: str = "") -> "Store":
        """Open the store as one process, or as the owner; the caller closes it."""
        from triage.store import open_store

        clinic = self.settings.clinic.id
        return open_store(self.url_of(part), self.keys, part=part or "command", clinic=clinic)

    @property
    def anchor_file(self) -> AnchorFile:
        """The lines that say what the head of the audit was at some time."""
        return AnchorFile(self.home / self.settings.audit.anchor)

    @property
    def erasure_lists(self) -> list[Path]:
        """The files that say who was erased: one at home, one on another disk."""
        from triage.store.backup_folder import LIST

        second, beside = self.settings.retention.second_list, self.settings.backup.folder
        second = second or (f"{beside}/{LIST}" if beside else "")
        return [self.home / "erasures.list", *([self.home / second] if second else [])]

    def life(self, store: "Store") -> "Life":
        """Return what erases, as the owner of the tables; the caller closes it."""
        from triage.store import open_life

        return open_life(self.url, self.keys, store, lists=self.erasure_lists)

    def registry(self) -> Registry:
        """Return the models that ship and those registered here."""
        return Registry(self.home)

    def desk(self, store: "Store", *, provider: "Provider | None" = None) -> "Desk":
        """Return the desk for people; only the web process gives it the `provider`."""
        from triage.desk import Desk

        desk = self.settings.desk
        return Desk(
            store,
            registry=self.registry(),
            undo=timedelta(seconds=desk.undo_seconds),
            clinical=clinical_digests(),
            mail_domain=desk.mail_domain,
            clinic=self.settings.clinic.id,
            anchors=self.anchor_file.read,
            provider=provider,
            portal_only=self.settings.clinic.portal_only,
            portal=self.portal(),
            facts=self.settings.clinic.facts,
            drills=desk.drill_one_in,
            doors=[door.name for door in self.settings.alert],
        )

    def provider(self) -> "Provider | None":
        """Return the organisation's own log-in, not yet asked anything; raise BadSettings."""
        openid = self.settings.openid
        if not openid.issuer:
            return None
        from triage.connectors.openid import OpenIdProvider

        return OpenIdProvider(openid.model_dump(), secret(self.home, "openid"))

    def portal(self) -> "Ask | None":
        """Return what asks the first FHIR inbox's server about a patient; None without one.

        The secret is `<inbox>-context`, one of its own that reads no messages; it is read when
        somebody asks. A desk without it says so and serves everything else.
        """
        door = next((one for one in self.settings.inbox if one.kind == "fhir"), None)
        if door is None:
            return None

        def ask(reference: Protected) -> PortalFacts:
            from triage.connectors.fhir_context import FhirContext

            try:
                held = secret(self.home, context_secret(door.name), keyring=door.keyring)
                if not held and door.model_dump().get("auth") != "none":
                    raise PortalShut(context_secret(door.name))
                context = FhirContext(door.model_dump(exclude={"authserv_id"}), held)
            except (PortalShut, BadSettings):
                raise PortalShut(context_secret(door.name)) from None
            except (TriageError, OSError) as trouble:
                raise PortalSilent(f"inbox {door.name}, {type(trouble).__name__}") from None
            return context.of(reference)

        return ask

    def parts(self, store: "Store | None" = None) -> Parts:
        """Load redactor, classifier, rules and drafter, or what stands in for them.

        With the store, texts for urgent messages are on once a clinician signed them.
        """
        from triage.parsing import reader

        facts: dict[str, object] = {"facts": dict(self.settings.clinic.facts)}
        if store is not None:
            texts, digest = "urgent_texts", clinical_digests()["urgent_texts"]
            signed = store.signatures.signed(texts, digest, clinic=self.settings.clinic.id)
            facts["urgent_texts_signed"] = signed is not None
            own = store.templates.serving
            facts["own_templates"] = partial(own, clinic=self.settings.clinic.id)
        found = load_parts(self.settings.parts, self.registry(), facts)
        ids = {door.name: door.authserv_id for door in self.settings.inbox}
        return replace(found, rooms=replace(found.rooms, parse=reader(ids)))

    def worker(
        self, store: "Store", parts: Parts, *, name: str = "worker", tell: "Tell | None" = None
    ) -> "Worker":
        """Return the process that lands and files."""
        from triage.engine import Anchoring, InboxKeeper, Jobs, Worker
        from triage.store import jobs_database
        from triage.upkeep import chores

        bell, clinic = Event(), self.settings.clinic.id
        store.practice.adopt(self.settings.practice, clinic=clinic)
        database = jobs_database(self.url_of("worker"), self.keys)
        jobs = Jobs(store, parts.rooms, database, name=name, clinic=clinic)
        inboxes, troubles = _open(self.settings.inbox, self.inbox)
        keepers = [
            InboxKeeper(inbox, store, clinic=clinic, landed=bell.set, tell=tell)
            for inbox in inboxes
        ]
        doors = ["inbox_failing" for _ in troubles]
        named = {door.name for door in self.settings.inbox if door.authserv_id}
        blind = [i for i in inboxes if i.channel is Channel.EMAIL and i.name not in named]
        doors += ["senders_unchecked" for _ in blind[:1]]
        refresh = self._refresher(store, doors)
        every = timedelta(minutes=self.settings.audit.anchor_minutes)
        anchoring = Anchoring(store, self.anchor_file, clinic=clinic, by=name, every=every)
        return Worker(
            store,
            jobs,
            keepers,
            bell,
            notes=[*parts.notes, *doors],
            refresh=refresh,
            anchoring=anchoring,
            chores=chores(
                self.home,
                self.settings,
                self.keys,
                url=self.url,
                lists=self.erasure_lists,
                open_life=lambda: self.life(store),
                open_store=self.store,
            ),
        )

    def _refresher(
        self, store: "Store", doors: Sequence[str]
    ) -> Callable[[], tuple[Rooms, Sequence[str]] | None]:
        """Return a function that gives new rooms once other models serve or a text was signed."""
        last = self._chosen(store)

        def refresh() -> tuple[Rooms, Sequence[str]] | None:
            nonlocal last
            if (now := self._chosen(store)) == last:
                return None
            last = now
            parts = self.parts(store)
            return parts.rooms, [*parts.notes, *doors]

        return refresh

    def _chosen(self, store: "Store") -> tuple[object, ...]:
        registry, clinic = self.registry(), self.settings.clinic.id
        digest = clinical_digests()["urgent_texts"]
        signed = store.signatures.signed("urgent_texts", digest, clinic=clinic)
        serving = _folder(registry, "router"), _folder(registry, "redactor")
        return *serving, registry.promise(), signed

    def inboxes(self) -> list[Inbox]:
        """Return every configured inbox, not yet connected; raise on the first bad one."""
        return [self.inbox(door) for door in self.settings.inbox]

    def inbox(self, door: DoorSettings) -> Inbox:
        """Return one inbox, not yet connected."""
        kind = load("connectors", door.kind, INBOXES)
        options = door.model_dump(exclude={"authserv_id"})
        made: Inbox = kind(options, secret(self.home, door.name, keyring=door.keyring))
        return made

    def outboxes(self) -> dict[Channel, Outbox]:
        """Return the outbox of each channel; only the sender process calls this."""
        return {Channel(door.channel): self.outbox(door) for door in self.ways_out}

    @property
    def ways_out(self) -> tuple[OutboxSettings, ...]:
        """The outboxes that may be used: none for e-mail where the clinic answers on the portal."""
        closed = Channel.EMAIL if self.settings.clinic.portal_only else None
        return tuple(door for door in self.settings.outbox if door.channel != closed)

    def outbox(self, door: OutboxSettings) -> Outbox:
        """Return one outbox with its secret."""
        kind = load("connectors", door.kind, OUTBOXES)
        made: Outbox = kind(door.model_dump(), secret(self.home, door.name, keyring=door.keyring))
        return made

    def sender(self, store: "Store") -> "Sender":
        """Return the process that sends; it alone reads the approval master key."""
        from triage.engine import Sender

        outboxes, troubles = _open(self.ways_out, self.outbox)
        opened = {outbox.channel: outbox for outbox in outboxes}
        # These are configured and not well: unlike what is closed, their replies wait for them.
        shut = {
            Channel(door.channel): partial(self.outbox, door)
            for door in self.ways_out
            if door.name in troubles and Channel(door.channel) not in opened
        }
        return Sender(
            store,
            opened,
            master=approval_master(self.home),
            clinic=self.settings.clinic.id,
            notes=["outbox_failing"] if len(troubles) > len(shut) else [],
            shut=shut,
        )

    def alerts(self) -> list[AlertDoor]:
        """Return the ways to tell staff; raise on the first bad one."""
        made: list[AlertDoor] = []
        for door in self.settings.alert:
            kind = load("connectors", door.kind, ALERTS)
            held = secret(self.home, door.name, keyring=door.keyring)
            made.append(kind(door.model_dump(), held))
        return made

    def watch(self) -> "Watch":
        """Return the process that tells staff when anything else is dead or stopped."""
        from triage.engine import Escalator, Limits, Watch, Watched
        from triage.engine.alarms import AlarmBook

        watch, clinic = self.settings.watch, self.settings.clinic
        days = {DAYS.index(day): read_span(span) for day, span in watch.hours.items()}
        watched = Watched(
            clinic.id,
            [door.name for door in self.settings.inbox],
            hours=OpeningHours(days, ZoneInfo(clinic.timezone)),
        )
        return Watch(
            lambda: self.store("watch"),
            watched,
            self.alerts(),
            limits=Limits(
                timedelta(seconds=watch.process_seconds),
                timedelta(seconds=watch.inbox_seconds),
                timedelta(minutes=watch.canary_minutes),
            ),
            canary=self._canary(),
            alive_file=self.home / ALIVE,
            life_file=self.home / watch.heartbeat_file,
            life_sign=self._life_sign(),
            book=AlarmBook(clinic.id, repeat=timedelta(minutes=watch.repeat_minutes)),
            urgent=Escalator(clinic.id),
        )

    def second_eye(self) -> "SecondEye":
        """Return what looks after the watch itself, in the process that started it."""
        from triage.engine import SecondEye

        return SecondEye(self.settings.clinic.id, self.home / ALIVE, self.alerts())

    def _canary(self) -> "CanaryMail | None":
        if self.settings.canary is None:
            return None
        from triage.connectors.alert_mail import CanaryMail

        options = {**self.settings.canary.model_dump(), "name": "canary"}
        mail = CanaryMail(options, secret(self.home, "canary"))
        if mail.inbox not in {door.name for door in self.settings.inbox}:
            raise BadSettings("canary.inbox is not the name of an inbox")
        return mail

    def _life_sign(self) -> "Callable[[], None] | None":
        if not self.settings.watch.heartbeat_url:
            return None
        from triage.connectors.alert_hook import LifeSign

        options = {"name": "heartbeat", "url": self.settings.watch.heartbeat_url}
        return LifeSign(options, secret(self.home, "heartbeat")).give


def _open(doors: Sequence[Door], make: Callable[[Door], Opened]) -> tuple[list[Opened], list[str]]:
    """Make every door; one that cannot be made is logged and the others go on."""
    opened: list[Opened] = []
    troubles: list[str] = []
    for door in doors:
        try:
            opened.append(make(door))
        except TriageError as trouble:
            log.error("door %(door)s cannot be made: %(why)s", blame(trouble, door=door.name))
            troubles.append(door.name)
    return opened, troubles


def _folder(registry: Registry, task: str) -> str:
    try:
        return f"{registry.folder(task)} {registry.pin(registry.serving(task))}"
    except MissingModel:
        return ""
