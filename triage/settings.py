"""What a clinic writes in triage.toml, read strictly; secrets lie elsewhere.

Rule of the room: a wrong line is refused with its place and never with its value.
"""

import os
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from triage.domain import read_span
from triage.errors import BadSettings

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClinicSettings(_Strict):
    """The practice: who it is and the facts templates may state."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    name: str
    timezone: str = "UTC"
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
    #: Says on the way in that nobody here is real; on loopback only.
    demonstration: bool = False

    @model_validator(mode="after")
    def _shown_to_nobody_else(self) -> Self:
        if self.demonstration and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("a demonstration is served on 127.0.0.1 only")
        return self


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

    @model_validator(mode="after")
    def _hours_can_be_read(self) -> Self:
        for span in self.hours.values():
            read_span(span)
        return self


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
    desk: DeskSettings = DeskSettings()
    parts: PartsSettings = PartsSettings()
    inbox: tuple[DoorSettings, ...] = ()
    outbox: tuple[OutboxSettings, ...] = ()
    watch: WatchSettings = WatchSettings()
    #: Where staff are told; none of these can reach a patient.
    alert: tuple[DoorSettings, ...] = ()
    canary: CanarySettings | None = None


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


def secret(home: Path, name: str) -> str:
    """Return the secret of a door from TRIAGE_SECRET_<NAME> or `home/secrets/<name>`, else ''."""
    variable = f"TRIAGE_SECRET_{name.upper().replace('-', '_')}"
    if variable in os.environ:
        return os.environ[variable]
    path = home / "secrets" / name
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


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
