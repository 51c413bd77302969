"""The keys of the store: made once, kept in files only their owner can read.

Rule of the room: keys never enter the database, a log, a URL or a process argument.
"""

import hashlib
import os
import secrets
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from triage.errors import WrongKey

_NAMES = ("data", "file", "index", "audit")
_SIZE = 32
_COMMAND = "TRIAGE_KEY_COMMAND"


def key_id(key: bytes) -> bytes:
    """Return the four bytes that name `key` inside every value it sealed."""
    return hashlib.sha256(b"triage key id" + key).digest()[:4]


@dataclass(frozen=True, slots=True)
class Keys:
    """Four independent secrets of 32 bytes."""

    #: Master keys: AES-256-GCM keys that wrap the data keys; every one of them opens.
    data: tuple[bytes, ...] = field(repr=False)
    #: SQLCipher's key of the whole SQLite file.
    file: bytes = field(repr=False)
    #: HMAC key of the blind indexes.
    index: bytes = field(repr=False)
    #: HMAC key of the audit chain.
    audit: bytes = field(repr=False)
    #: Where they were read, so that a running process finds a rotated key; None for given keys.
    folder: Path | None = field(default=None, repr=False, compare=False)
    #: Name -> keys that were, or are being, replaced; newest first.
    older: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)

    def named(self, name: str) -> tuple[bytes, ...]:
        """Return every key of this name, newest first."""
        if name == "data":
            return self.data
        newest: bytes = getattr(self, name)
        return (newest, *self.older.get(name, ()))

    def again(self) -> "Keys":
        """Return the keys as they are now where these were read."""
        return self if self.folder is None else Keys.load(self.folder)

    @classmethod
    def make(cls, folder: Path) -> "Keys":
        """Write fresh keys into `folder` (0700, files 0600); raise FileExistsError if any exist."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in _NAMES:
            _write(folder / f"{name}.key", secrets.token_bytes(_SIZE).hex())
        return cls.load(folder)

    @classmethod
    def load(cls, folder: Path, *, environment: Mapping[str, str] | None = None) -> "Keys":
        """Read the keys; TRIAGE_KEY_DATA, _FILE, _INDEX and _AUDIT (hexadecimal) go before files.

        TRIAGE_KEY_COMMAND is a program that prints the key it is given the name of, such as a
        key service's client; it goes before files. Each may be several keys, separated by commas,
        newest first. Raises WrongKey when one is missing, malformed, or readable by
        anybody but its owner.
        """
        environment = os.environ if environment is None else environment
        read = {name: _read(name, folder, environment) for name in _NAMES}
        singles = {name: read[name][0] for name in _NAMES[1:]}
        older = {name: read[name][1:] for name in _NAMES[1:] if read[name][1:]}
        return cls(data=read["data"], folder=folder, older=older, **singles)

    @staticmethod
    def write_data(folder: Path, data: Sequence[bytes]) -> None:
        """Put other master keys, newest first, into their file; see `write`."""
        Keys.write(folder, "data", data)

    @staticmethod
    def write(folder: Path, name: str, keys: Sequence[bytes]) -> None:
        """Put other keys of a name, newest first, into the file; it is the old one or the new one.

        Raises WrongKey when the keys do not come from a file, and so cannot be written here.
        """
        given = [one for one in (f"TRIAGE_KEY_{name.upper()}", _COMMAND) if one in os.environ]
        if given:
            raise WrongKey(f"{given[0]} gives the {name} key; put the new one in front there")
        fresh = folder / f".{name}.key.new"
        fresh.unlink(missing_ok=True)
        _write(fresh, ",".join(key.hex() for key in keys))
        fresh.replace(folder / f"{name}.key")
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read(name: str, folder: Path, environment: Mapping[str, str]) -> tuple[bytes, ...]:
    variable = f"TRIAGE_KEY_{name.upper()}"
    if variable in environment:
        where, text = variable, environment[variable]
    elif _COMMAND in environment:
        where, text = _COMMAND, _told(environment[_COMMAND], name)
    else:
        where = str(folder / f"{name}.key")
        text = _owner_only(Path(where))
    try:
        keys = tuple(bytes.fromhex(part.strip()) for part in text.split(","))
    except ValueError:
        raise WrongKey(f"{where} is not hexadecimal") from None
    if any(len(key) != _SIZE for key in keys):
        raise WrongKey(f"{where} does not hold {_SIZE} bytes")
    return keys


def _told(command: str, name: str) -> str:
    """Ask a key service for one key; what it prints is in nobody's log."""
    try:
        done = subprocess.run(  # noqa: S603  # The administrator's own command.
            [*shlex.split(command), name], capture_output=True, timeout=30, check=True, text=True
        )
    except (OSError, ValueError, subprocess.SubprocessError) as trouble:
        raise WrongKey(f"{_COMMAND} for {name}: {type(trouble).__name__}") from None
    return done.stdout


def _owner_only(path: Path) -> str:
    try:
        if path.stat().st_mode & 0o077:
            raise WrongKey(f"{path} can be read by others; run chmod 600 on it")
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise WrongKey(f"{path} is missing") from None
    except (OSError, UnicodeDecodeError):
        raise WrongKey(f"{path} cannot be read") from None
