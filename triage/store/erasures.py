"""The erasure list: what was erased, by id, in files that a lost database does not take along.

Rule of the room: a line holds ids and is signed; a line somebody else wrote erases nothing.
"""

import hmac
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Erasure:
    """One case or patient whose keys are to be destroyed."""

    id: str
    clinic: str
    kind: str
    subject: str
    #: Whose keys: the case or patient itself, and everything of theirs.
    owners: tuple[str, ...]


class ErasureList:
    """Appends to several files, so that one of them survives; reads what any of them holds."""

    def __init__(self, paths: Sequence[Path], key: bytes | Sequence[bytes]) -> None:
        self._paths = tuple(paths)
        #: Newest first: it signs, every one of them is believed.
        self._keys = (key,) if isinstance(key, bytes) else tuple(key)

    def add(self, erasure: Erasure) -> None:
        """Write one line to every file, synced."""
        line = self._line(erasure)
        for path in self._paths:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            with os.fdopen(os.open(path, flags, 0o600), "rb+") as file:
                # A crash or a full disk may have left half a line; the next one starts anew.
                torn = file.seek(0, os.SEEK_END) and _last_byte(file.fileno()) != b"\n"
                file.write((b"\n" if torn else b"") + line)
                file.flush()
                os.fsync(file.fileno())

    def read(self) -> tuple[Erasure, ...]:
        """Return every erasure of any file once, oldest first; foreign and cut lines are none."""
        found: dict[str, Erasure] = {}
        for path in self._paths:
            lines = path.read_bytes().splitlines() if path.exists() else []
            for erasure in filter(None, map(self._read, lines)):
                found.setdefault(erasure.id, erasure)
        return tuple(found.values())

    def _line(self, erasure: Erasure) -> bytes:
        text = json.dumps(asdict(erasure), sort_keys=True).encode()
        return text + b" " + _sign(self._keys[0], text).encode() + b"\n"

    def _read(self, line: bytes) -> Erasure | None:
        text, _, signature = line.rpartition(b" ")
        signed = [_sign(key, text).encode() for key in self._keys]
        if not any(hmac.compare_digest(signature, one) for one in signed):
            return None
        told = json.loads(text)
        return Erasure(**{**told, "owners": tuple(told["owners"])})


def _last_byte(descriptor: int) -> bytes:
    return os.pread(descriptor, 1, os.fstat(descriptor).st_size - 1)


def _sign(key: bytes, text: bytes) -> str:
    return hmac.digest(key, b"triage erasure\0" + text, "sha256").hex()
