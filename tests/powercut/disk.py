"""What a disk would hold after a power cut: what was synced, and by chance some of the rest.

The rules are those POSIX gives, which are harsher than most file systems: a written block that
nobody synced may be there or not, each for itself, whichever was written first; a name that was
made, moved or removed is safe once its folder was synced, until then a beginning of what happened
in the folder is.
"""

import posixpath
import random
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = struct.Struct("<IIIQQ")
#: Written bytes survive in pieces of this many, aligned: what disks write whole.
SECTOR = 512
#: The acknowledgement of a commit, written among the records by the program that got it.
ACK = "!"


@dataclass(frozen=True, slots=True)
class Record:
    """One change, sync or acknowledgement."""

    kind: str
    path: str
    other: str
    offset: int
    data: bytes


def pack(kind: str, path: str) -> bytes:
    """Return a record without data, as record.c writes it."""
    name = path.encode()
    return _HEAD.pack(ord(kind), len(name), 0, 0, 0) + name


def records(log: bytes) -> Iterator[Record]:
    """Read a log."""
    at = 0
    while at < len(log):
        kind, path, other, offset, size = _HEAD.unpack_from(log, at)
        at += _HEAD.size
        names = log[at : at + path + other]
        at += path + other
        length = size if kind == ord("w") else 0
        yield Record(
            chr(kind),
            names[:path].decode(),
            names[path:].decode(),
            offset,
            log[at : at + length],
        )
        at += length


@dataclass(eq=False)
class _File:
    """One file's bytes: those that are safe, and the changes since, oldest first."""

    safe: bytearray
    waiting: list[Record] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.waiting:
            _apply(self.safe, change, 0, len(change.data))
        self.waiting.clear()

    def after_the_cut(self, chance: random.Random, mercy: float) -> bytes:
        held = bytearray(self.safe)
        for change in self.waiting:
            if change.kind != "w":
                if chance.random() < mercy:
                    _apply(held, change, 0, 0)
                continue
            start, end = change.offset, change.offset + len(change.data)
            while start < end:
                stop = min(end, (start // SECTOR + 1) * SECTOR)
                if chance.random() < mercy:
                    _apply(held, change, start - change.offset, stop - change.offset)
                start = stop
        return bytes(held)


def _apply(held: bytearray, change: Record, start: int, stop: int) -> None:
    if change.kind == "t":
        del held[change.offset :]
    if change.kind == "w":
        first, last = change.offset + start, change.offset + stop
        held.extend(bytes(max(0, first - len(held))))
        held[first:last] = change.data[start:stop]
        return
    held.extend(bytes(max(0, change.offset - len(held))))


class Disk:
    """A folder as it was copied before the first record, and everything that happened since."""

    def __init__(self, before: Path) -> None:
        self._before = before
        #: What a program sees: name -> file, None once removed; a name not here is as before.
        self._seen: dict[str, _File | None] = {}
        #: What stands under a name for certain, likewise.
        self._safe: dict[str, _File | None] = {}
        #: Folder -> changes of its names that nobody synced, oldest first.
        self._names: dict[str, list[dict[str, _File | None]]] = {}
        self.acks: list[str] = []

    def feed(self, record: Record) -> None:
        """Let one more record happen."""
        path = record.path
        if record.kind == ACK:
            self.acks.append(path)
        elif record.kind == "s":
            self._sync(path)
        elif record.kind == "u":
            self._name({path: None})
        elif record.kind == "l":
            self._name({record.other: self._file(path)})
        elif record.kind == "r":
            self._name({record.other: self._file(path), path: None})
        elif record.kind == "z":
            self._file(path).waiting.append(Record("t", path, "", 0, b""))
        elif record.kind == "c":
            self._file(path)
        else:
            self._file(path).waiting.append(record)

    def cut(self, target: Path, chance: random.Random) -> None:
        """Make the folder a machine would find that lost its power now."""
        shutil.copytree(self._before, target)
        # Sometimes nothing that was not synced survives, sometimes nearly all of it.
        mercy = chance.choice((0.0, 0.5, 0.95))
        names = dict(self._safe)
        for waiting in self._names.values():
            for change in waiting[: chance.randint(0, len(waiting)) if mercy else 0]:
                names |= change
        for name, file in names.items():
            path = target / name
            if file is None:
                path.unlink(missing_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.after_the_cut(chance, mercy))

    def _file(self, path: str) -> _File:
        known = self._seen.get(path)
        if known is not None:
            return known
        before = self._before / path
        if path not in self._seen and before.exists():
            file = _File(bytearray(before.read_bytes()))
            self._seen[path] = self._safe[path] = file
            return file
        file = _File(bytearray())
        self._name({path: file})
        return file

    def _name(self, change: dict[str, _File | None]) -> None:
        self._seen |= change
        folder = posixpath.dirname(next(iter(change))) or "."
        self._names.setdefault(folder, []).append(change)

    def _sync(self, path: str) -> None:
        for change in self._names.pop(path, []):
            self._safe |= change
        if (file := self._seen.get(path)) is not None:
            file.sync()
