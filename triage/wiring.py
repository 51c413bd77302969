"""From triage.toml to the running parts; the only place that chooses.

Rule of the room: a part that cannot be loaded is replaced by one that leaves the work to a
person, with a note for the banner; the order of the steps is not chosen here.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from triage.audit import AnchorFile
from triage.classifiers import BUILTIN as CLASSIFIERS
from triage.classifiers.abstain import AlwaysAbstain
from triage.connectors import ALERTS, INBOXES, OUTBOXES, AlertDoor, Inbox, Outbox
from triage.domain import DAYS, Channel, OpeningHours, read_span
from triage.drafting import BUILTIN as DRAFTERS
from triage.encoder.registry import Registry
from triage.errors import BadRules, BadSettings, MissingModel, TriageError, blame
from triage.pipeline import Rooms
from triage.plugins import load
from triage.redaction import BUILTIN as REDACTORS
from triage.redaction.withhold import WithholdEverything
from triage.settings import (
    DoorSettings,
    OutboxSettings,
    PartsSettings,
    Settings,
    approval_master,
    read_settings,
    secret,
    store_url,
)

# The database and the desk are loaded by what opens them: `triage classify` needs neither.
if TYPE_CHECKING:
    from triage.connectors.alert_mail import CanaryMail
    from triage.desk import Desk
    from triage.engine import SecondEye, Sender, Watch, Worker
    from triage.store import Keys, Store

log = logging.getLogger(__name__)
Opened = TypeVar("Opened")
#: What the watch writes in every round, in the home folder; `triage run` looks at it.
ALIVE = "watch.alive"


#: Built-in parts that need no trained model.
MODEL_FREE = frozenset({"withhold", "abstain"})
Door = TypeVar("Door", bound=DoorSettings)


@dataclass(frozen=True, slots=True)
class Parts:
    """The rooms of the path and what could not be loaded."""

    rooms: Rooms
    notes: tuple[str, ...] = ()
    #: Errors behind the notes, in words for an administrator.
    troubles: tuple[str, ...] = field(default=())


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

        return open_store(self.url_of(part), self.keys)

    @property
    def anchor_file(self) -> AnchorFile:
        """The lines that say what the head of the audit was at some time."""
        return AnchorFile(self.home / self.settings.audit.anchor)

    def registry(self) -> Registry:
        """Return the models that ship and those registered here."""
        return Registry(self.home)

    def desk(self, store: "Store") -> "Desk":
        """Return the desk for people."""
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
        )

    def parts(self, store: "Store | None" = None) -> Parts:
        """Load redactor, classifier, rules and drafter, or what stands in for them.

        With the store, texts for urgent messages are on once a clinician signed them.
        """
        facts: dict[str, object] = {"facts": dict(self.settings.clinic.facts)}
        if store is not None:
            texts, digest = "urgent_texts", clinical_digests()["urgent_texts"]
            signed = store.signatures.signed(texts, digest, clinic=self.settings.clinic.id)
            facts["urgent_texts_signed"] = signed is not None
        return load_parts(self.settings.parts, self.registry(), facts)

    def worker(self, store: "Store", parts: Parts, *, name: str = "worker") -> "Worker":
        """Return the process that lands and files."""
        from triage.engine import Anchoring, InboxKeeper, Jobs, Worker
        from triage.store import jobs_database

        bell, clinic = Event(), self.settings.clinic.id
        database = jobs_database(self.url_of("worker"), self.keys)
        jobs = Jobs(store, parts.rooms, database, name=name, clinic=clinic)
        inboxes, troubles = _open(self.settings.inbox, self.inbox)
        keepers = [InboxKeeper(inbox, store, clinic=clinic, landed=bell.set) for inbox in inboxes]
        doors = ["inbox_failing" for _ in troubles]
        refresh = self._refresher(store, doors)
        every = timedelta(minutes=self.settings.audit.anchor_minutes)
        anchoring = Anchoring(store, self.anchor_file, clinic=clinic, by=name, every=every)
        notes = [*parts.notes, *doors]
        return Worker(store, jobs, keepers, bell, notes=notes, refresh=refresh, anchoring=anchoring)

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
        made: Inbox = kind(door.model_dump(), secret(self.home, door.name))
        return made

    def outboxes(self) -> dict[Channel, Outbox]:
        """Return the outbox of each channel; only the sender process calls this."""
        return {Channel(door.channel): self.outbox(door) for door in self.settings.outbox}

    def outbox(self, door: OutboxSettings) -> Outbox:
        """Return one outbox with its secret."""
        kind = load("connectors", door.kind, OUTBOXES)
        made: Outbox = kind(door.model_dump(), secret(self.home, door.name))
        return made

    def sender(self, store: "Store") -> "Sender":
        """Return the process that sends; it alone reads the approval master key."""
        from triage.engine import Sender

        outboxes, troubles = _open(self.settings.outbox, self.outbox)
        return Sender(
            store,
            {outbox.channel: outbox for outbox in outboxes},
            master=approval_master(self.home),
            clinic=self.settings.clinic.id,
            notes=["outbox_failing" for _ in troubles],
        )

    def alerts(self) -> list[AlertDoor]:
        """Return the ways to tell staff; raise on the first bad one."""
        made: list[AlertDoor] = []
        for door in self.settings.alert:
            kind = load("connectors", door.kind, ALERTS)
            made.append(kind(door.model_dump(), secret(self.home, door.name)))
        return made

    def watch(self) -> "Watch":
        """Return the process that tells staff when anything else is dead or stopped."""
        from triage.engine import Limits, Watch, Watched
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


def clinical_digests() -> dict[str, str]:
    """Return the digests of what a clinician signs; a table that cannot be read is left out."""
    from triage.drafting.wording import urgent_digest
    from triage.priority.redflags import TABLE
    from triage.priority.table import load as load_table

    digests = {"urgent_texts": urgent_digest()}
    with suppress(BadRules):
        digests["redflags"] = load_table(TABLE).digest
    return digests


def load_parts(parts: PartsSettings, registry: Registry, drafting: Mapping[str, object]) -> Parts:
    """Load what serves; each part that fails is replaced and noted."""
    from triage.parsing import parse
    from triage.priority import RedFlags, rank

    notes: list[str] = []
    troubles: list[str] = []

    def attempt(make: Any, instead: Any, note: str) -> Any:
        try:
            return make()
        except Exception as trouble:
            # Also what nobody foresaw, such as too little memory for a model: the worker starts.
            notes.append(note)
            ours = isinstance(trouble, TriageError | OSError | ImportError)
            troubles.append(str(trouble) if ours else f"{note}: {type(trouble).__name__}")
            return instead

    def model(task: str, name: str, table: Mapping[str, str]) -> Any:
        options = dict(parts.options.get(name, {}))
        if name in table and name not in MODEL_FREE:
            options.setdefault("model_dir", str(registry.folder(task)))
        if name == "minilm":
            options = {**options, **_promised(registry)}
        return load({"redactor": "redaction", "router": "classifiers"}[task], name, table)(options)

    redactor = attempt(
        lambda: model("redactor", parts.redactor, REDACTORS), WithholdEverything(), "no_redactor"
    )
    classifier = attempt(
        lambda: model("router", parts.classifier, CLASSIFIERS), AlwaysAbstain(), "no_classifier"
    )
    rules = attempt(RedFlags, None, "no_rules")
    options = {**drafting, **parts.options.get(parts.drafter, {})}
    drafter = attempt(
        lambda: load("drafting", parts.drafter, DRAFTERS)(options), None, "no_drafter"
    )
    rooms = Rooms(parse, redactor, classifier, rules, rank, drafter)
    return Parts(rooms, tuple(notes), tuple(troubles))


def _folder(registry: Registry, task: str) -> str:
    try:
        return str(registry.folder(task))
    except MissingModel:
        return ""


def _promised(registry: Registry) -> dict[str, float]:
    """Return what the clinic wants promised, as the classifier's settings name it."""
    return dict(zip(("promise_missed", "promise_wrong"), registry.promise() or (), strict=False))
