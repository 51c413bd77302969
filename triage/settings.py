"""What a clinic writes in triage.toml, read strictly; secrets lie elsewhere.

Rule of the room: a wrong line is refused with its place and never with its value.
"""

import os
import re
import tomllib
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from triage.domain import Setting, read_span
from triage.errors import BadSettings

#: A key of a door by which a secret would come into the file that people send around.
_SECRET_KEY = re.compile(r"secret|passw|pwd|token$|api_?key|private_?key|credential", re.IGNORECASE)
#: How a clinic writes that nobody is told out of hours; the reason is for whoever asks later.
_NOBODY = re.compile(r"none, because \S.{9,300}")
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClinicSettings(_Strict):
    """The practice: who it is and the facts templates may state."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    name: str
    timezone: str = "UTC"
    #: No reply leaves by e-mail; patients are answered on the portal or by phone.
    portal_only: bool = False
    #: Named slots of the reply templates, such as phone or refill_turnaround.
    facts: dict[str, str] = {}


class StoreSettings(_Strict):
    """Where everything is kept; a path without a slash lies in the home folder."""

    url: str = "sqlite:///triage.db"
    #: On PostgreSQL each process logs in as a role of its own; empty means `url`.
    web_url: str = ""
    worker_url: str = ""
    sender_url: str = ""
    watch_url: str = ""


class AuditSettings(_Strict):
    """Where the head of the audit is written down (best on another machine's disk), how often."""

    #: In the home folder unless absolute.
    anchor: str = "audit.anchor"
    anchor_minutes: float = Field(default=10.0, gt=0, le=60)


class BackupSettings(_Strict):
    """Where the worker writes backups by itself (best on another machine's disk), how often."""

    #: In the home folder unless absolute; empty when something else makes them.
    folder: str = "backups"
    every_minutes: float = Field(default=60.0, ge=1, le=1440)
    #: How many days rows of a backup stay; its keys never stay longer than seven.
    keep_days: int = Field(default=30, ge=1, le=3650)


class RetentionSettings(_Strict):
    """How long closed cases are kept, and where it is written down who was erased."""

    #: Closed longer ago than this is erased, every day; None erases nothing by itself.
    days: int | None = Field(default=None, ge=30)
    #: A second file of the erasure list, on another disk; empty is the one beside the backups.
    second_list: str = ""


class DowntimeSettings(_Strict):
    """The list for a time without a machine: where it lies (best on another machine's disk)."""

    #: In the home folder unless absolute.
    folder: str = "downtime"
    #: A list older than a quarter of an hour is an alarm.
    every_minutes: float = Field(default=10.0, ge=1, le=14)


class DeskSettings(_Strict):
    """The web page and the undo window."""

    host: str = "127.0.0.1"
    port: int = 8137
    #: PEM files, in the home folder unless absolute; without them the desk stays on loopback.
    certificate: str = ""
    certificate_key: str = ""
    #: A proxy on this machine speaks TLS in front of the desk.
    behind_tls: bool = False
    #: Names browsers call the desk by, besides those of this machine.
    names: tuple[str, ...] = ()
    undo_seconds: float = Field(default=30.0, ge=0, le=600)
    mail_domain: str = "triage.invalid"
    #: One in so many suggestions gets an error its approver should find; 0 is never.
    drill_one_in: int = Field(default=0, ge=0, le=10_000)
    #: Says on the way in that nobody here is real; on loopback only.
    demonstration: bool = False
    #: A home of `triage train-staff`: nobody is real, it has no doors, and nothing else runs in it.
    staff_training: bool = False

    @model_validator(mode="after")
    def _shown_to_nobody_else(self) -> Self:
        shown = self.demonstration or self.staff_training
        if shown and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("a demonstration is served on 127.0.0.1 only")
        return self


class OpenIdSettings(_Strict):
    """Signing in through the organisation's own log-in too; off without an issuer.

    The client's secret lies in secrets/openid or TRIAGE_SECRET_OPENID, never here.
    """

    issuer: str = ""
    client_id: str = ""
    #: How browsers reach this desk, such as https://desk.example.org.
    desk_url: str = ""
    #: What stands on the button.
    label: str = Field(default="Sign in with your organisation", min_length=1, max_length=60)
    #: Values of `acr` or `amr` by which the provider says that it asked for a second factor;
    #: without one of them the desk asks for its own.
    acr: tuple[str, ...] = ()
    amr: tuple[str, ...] = ("mfa",)
    #: How long ago the provider may have asked who is there; 0 does not ask, for computers that
    #: nobody shares.
    fresh_minutes: float = Field(default=5.0, ge=0, le=720)
    auth: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"
    #: PEM file of the authorities to trust; empty means those of the system.
    ca_file: str = ""


class WatchSettings(_Strict):
    """How long what may be silent before staff are told, and who watches the watch."""

    every_seconds: float = Field(default=10.0, ge=1, le=30)
    process_seconds: float = Field(default=60.0, ge=3, le=90)
    #: With a round of the watch added, an inbox without a look for 180 seconds has alarmed.
    inbox_seconds: float = Field(default=150.0, ge=70, le=150)
    canary_minutes: float = Field(default=5.0, ge=1, le=60)
    repeat_minutes: float = Field(default=30.0, ge=1, le=1440)
    #: In the home folder unless absolute; old when the watch is dead or cannot tell anybody.
    heartbeat_file: str = "watch.heartbeat"
    #: Asked once a minute for the same reason, as a watcher elsewhere wants it.
    heartbeat_url: str = ""
    #: Day -> `08:00-17:30`; empty: every hour counts.
    hours: dict[Day, str] = {}
    #: Days on which nobody is there, written 2026-12-25.
    holidays: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _hours_can_be_read(self) -> Self:
        for span in self.hours.values():
            read_span(span)
        return self


class CalledSettings(_Strict):
    """Who is told at one step: the user name of a person, and names of [[alert]] doors."""

    who: str = ""
    doors: tuple[str, ...] = ()


class StepsSettings(_Strict):
    """Who is told 5, 15 and 30 minutes after an urgent message nobody acted on."""

    again: CalledSettings
    deputy: CalledSettings
    on_call: CalledSettings


class EscalationSettings(_Strict):
    """The plan until somebody writes another in the app."""

    in_hours: StepsSettings | None = None
    #: A clinic that tells nobody out of hours says so, and why: `none, because ...`.
    out_of_hours: StepsSettings | str

    @field_validator("out_of_hours", mode="before")
    @classmethod
    def _said_why(cls, given: Any) -> Any:
        if isinstance(given, str) and not _NOBODY.fullmatch(given):
            raise ValueError('write who is told, or "none, because ..." with the reason')
        return given

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if self.in_hours is None and not self.nobody:
            raise ValueError("in_hours is missing")
        return self

    @property
    def nobody(self) -> str:
        """Why nobody is told out of hours; nothing where somebody is."""
        return self.out_of_hours if isinstance(self.out_of_hours, str) else ""

    @property
    def plain(self) -> dict[str, Any]:
        """The plan as the store keeps it; with the reason where a part of it is left out."""
        plain = self.model_dump(mode="json")
        if not self.nobody:
            return plain
        return {"in_hours": plain["in_hours"] or {}, "out_of_hours": {}, "nobody": self.nobody}


class PartsSettings(_Strict):
    """Which redactor, classifier and drafter serve; the order of steps cannot be set."""

    redactor: str = "presidio"
    classifier: str = "minilm"
    drafter: str = "templates"
    options: dict[str, dict[str, Any]] = {}


class DoorSettings(BaseModel):
    """One inbox or outbox; further keys belong to its kind."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    kind: str
    #: Whether the secret lies in this machine's keyring, under `triage` and the door's name.
    keyring: bool = False

    @model_validator(mode="after")
    def _no_secret_here(self) -> Self:
        for key in self.model_extra or {}:
            if _SECRET_KEY.search(key):
                raise ValueError(f"{key} does not belong in this file; see docs/mailboxes.md")
        return self


class InboxSettings(DoorSettings):
    """An inbox may say whose verdict on senders counts."""

    #: The id under which the mail server behind this inbox writes Authentication-Results, such as
    #: mx.clinic.example; without it such lines only add doubt, and the banner says so.
    authserv_id: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,200}$")


class OutboxSettings(DoorSettings):
    """An outbox says which channel it answers on."""

    channel: Literal["email", "portal"]


class CanarySettings(BaseModel):
    """The test mail; further keys belong to the mail server that takes it."""

    model_config = ConfigDict(extra="allow", frozen=True)
    inbox: str
    to: str


class Settings(_Strict):
    """The whole of triage.toml."""

    clinic: ClinicSettings
    store: StoreSettings = StoreSettings()
    audit: AuditSettings = AuditSettings()
    backup: BackupSettings = BackupSettings()
    retention: RetentionSettings = RetentionSettings()
    downtime: DowntimeSettings = DowntimeSettings()
    desk: DeskSettings = DeskSettings()
    openid: OpenIdSettings = OpenIdSettings()
    parts: PartsSettings = PartsSettings()
    inbox: tuple[InboxSettings, ...] = ()
    outbox: tuple[OutboxSettings, ...] = ()
    #: Web forms and voicemail services that deliver to this desk, signed.
    hook: tuple[DoorSettings, ...] = ()
    watch: WatchSettings = WatchSettings()
    #: Where staff are told; none of these can reach a patient.
    alert: tuple[DoorSettings, ...] = ()
    canary: CanarySettings | None = None
    escalation: EscalationSettings | None = None

    @property
    def practice(self) -> dict[Setting, dict[str, Any]]:
        """What this file says of what can also be set in the app, which then counts."""
        watch, found = self.watch, dict[Setting, dict[str, Any]]()
        if watch.hours or watch.holidays:
            holidays = sorted(day.isoformat() for day in watch.holidays)
            found[Setting.HOURS] = {"days": dict(watch.hours), "holidays": holidays}
        if self.escalation is not None:
            found[Setting.ESCALATION] = self.escalation.plain
        return found

    @model_validator(mode="after")
    def _nothing_leaves_training(self) -> Self:
        if self.desk.staff_training:
            doors = (*self.inbox, *self.outbox, *self.hook, *self.alert)
            lines = (self.openid.issuer, self.watch.heartbeat_url, self.canary)
            if doors or any(lines) or self.store != StoreSettings():
                raise ValueError("a practice for training has no doors and a store of its own")
        return self

    @model_validator(mode="after")
    def _one_name_each(self) -> Self:
        names = [door.name for door in (*self.hook, *self.inbox)]
        if self.hook and len(set(names)) < len(names):
            raise ValueError("a hook has the name of another hook or of an inbox")
        return self


def read_settings(home: Path) -> Settings:
    """Read `home/triage.toml`; raise BadSettings that names the line to mend, never a value."""
    path = home / "triage.toml"
    try:
        return Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BadSettings(f"{path} is not there; make one with `triage init`") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as trouble:
        raise BadSettings(f"{path}: {trouble}") from None
    except ValidationError as trouble:
        first = trouble.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BadSettings(f"{path}: {place}: {first['msg']}") from None


def secret_variable(name: str) -> str:
    """Return the name of the environment's variable with the secret of a door."""
    return f"TRIAGE_SECRET_{name.upper().replace('-', '_')}"


def context_secret(inbox: str) -> str:
    """Return the name of the secret by which the desk reads what a portal knows of a patient.

    The desk talks to browsers, so it never holds the inbox's own secret, which reads all messages.
    """
    return f"{inbox}-context"


def secret(home: Path, name: str, *, keyring: bool = False) -> str:
    """Return the secret of a door from TRIAGE_SECRET_<NAME> or `home/secrets/<name>`, else ''.

    With `keyring` this machine's keyring is asked where neither is there.
    """
    variable = secret_variable(name)
    if variable in os.environ:
        return os.environ[variable]
    path = home / "secrets" / name
    if path.is_file():
        return path.read_text(encoding="utf-8").strip()
    return _from_keyring(name) if keyring else ""


def _from_keyring(name: str) -> str:
    try:
        found = import_module("keyring").get_password("triage", name)
    except ImportError:
        raise BadSettings(f"{name}, keyring (run `pip install keyring` first)") from None
    except Exception as trouble:
        # Whatever the desktop's or the system's keyring says, only its type is repeated.
        raise BadSettings(f"{name}, keyring ({type(trouble).__name__})") from None
    if not found:
        raise BadSettings(f"{name}, keyring (empty; run `keyring set triage {name}`)")
    return str(found)


def store_url(url: str, home: Path) -> str:
    """Return `url` with a relative SQLite path resolved against the home folder."""
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(prefix + "/"):
        return f"{prefix}{home.resolve() / url.removeprefix(prefix)}"
    return url


def approval_master(home: Path) -> bytes:
    """Read the 32-byte approval master; raise BadSettings when it is missing or short."""
    path = home / "approval.key"
    try:
        master = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        master = b""
    if len(master) != 32:
        raise BadSettings(f"{path} must hold 64 hexadecimal digits; make it with `triage init`")
    return master
