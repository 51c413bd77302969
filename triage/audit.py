"""The audit chain: each event carries the digest of the one before it, and its head is anchored.

Rule of the room: events hold ids and counts, never patient text; the key that seals the chain
lives outside the database, and so do the anchors.

An event has a content: HMAC-SHA256 over its fields, under a key of its own that is derived from
the audit key and its number. Its digest is SHA-256 over the digest before it and that content. So
whoever is given the keys of a few events can check these and the links between them, and neither
read nor forge any other.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from triage.domain import Anchor, AuditEvent
from triage.errors import AnchorRefused

#: What the first event of a chain names as the digest before it.
GENESIS = "0" * 64
#: The action by which the chain itself remembers that a line of the anchor file was written.
ANCHORED = "audit.anchored"
#: The action by which the chain remembers that a backup was put back, and, as its detail
#: `anchor`, the newest line that was kept outside then, or that there was none.
RESTORED, NO_ANCHOR = "store.restored", "none"

_canonical = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def seal(event: AuditEvent, previous: str, *, key: bytes) -> AuditEvent:
    """Return `event` linked to `previous` under the audit key."""
    sealed = content(event, key=event_key(key, event.seq))
    return replace(event, previous=previous, digest=link(previous, sealed))


def event_key(key: bytes, seq: int) -> bytes:
    """Derive the key of one event (32 bytes) from the audit key."""
    return hmac.digest(key, b"event %d" % seq, "sha256")


def content(event: AuditEvent, *, key: bytes) -> str:
    """Return what an event says, sealed by its own key; nobody else can tell what it was."""
    fields = [
        event.seq,
        event.clinic,
        event.at.isoformat(),
        event.actor,
        event.action,
        list(event.cases),
        sorted(event.detail.items()),
    ]
    return hmac.digest(key, _canonical(fields).encode(), "sha256").hex()


def link(previous: str, sealed: str) -> str:
    """Return the digest of an event from the digest before it and its content."""
    return hashlib.sha256(f"{previous}:{sealed}".encode()).hexdigest()


def key_of(event: AuditEvent, keys: bytes | Sequence[bytes]) -> bytes:
    """Return which of the audit keys, newest first, sealed an event; the newest if none did."""
    every = (keys,) if isinstance(keys, bytes) else tuple(keys)
    for key in every:
        sealed = content(event, key=event_key(key, event.seq))
        if len(every) == 1 or link(event.previous, sealed) == event.digest:
            return key
    return every[0]


class Seals:
    """The keys of one chain, one after the other: none comes back once a newer one was used."""

    def __init__(self, keys: bytes | Sequence[bytes]) -> None:
        self._left = [keys] if isinstance(keys, bytes) else [*reversed(keys)]

    @property
    def ended(self) -> bool:
        """Whether the newest key was reached."""
        return len(self._left) == 1

    def digest(self, event: AuditEvent, previous: str) -> str:
        """Return what the event's digest must be under the key of its place in the chain."""
        found = [_digest(event, previous, key) for key in self._left[:1]]
        while found[-1] != event.digest and len(found) < len(self._left):
            found.append(_digest(event, previous, self._left[len(found)]))
        if found[-1] != event.digest:
            return found[0]
        del self._left[: len(found) - 1]
        return found[-1]


def _digest(event: AuditEvent, previous: str, key: bytes) -> str:
    return link(previous, content(event, key=event_key(key, event.seq)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification found; `broken_at` is the first sequence number that does not hold."""

    events: int
    head: str
    broken_at: int | None = None
    #: What does not hold there, in words.
    why: str = ""
    #: The newest event whose digest was found in an anchor; 0 when none was compared.
    anchored: int = 0

    @property
    def holds(self) -> bool:
        """Whether every link holds."""
        return self.broken_at is None


def verify(
    events: Iterable[AuditEvent],
    *,
    key: bytes | Sequence[bytes],
    head: str | None = None,
    anchors: Sequence[Anchor] = (),
    seen: Callable[[AuditEvent], None] = lambda _: None,
) -> Verdict:
    """Check every link, the gapless sequence, the anchors and, when given, the `head`.

    An edited, inserted, deleted, re-ordered or truncated event breaks the chain at its place.
    Truncation at the end, and a whole chain written anew by somebody with the key, are found only
    against anchors kept elsewhere. `seen` is shown every event that holds. Of several keys, newest
    first, each newer one follows the older, and the end must be under the newest.
    """
    seals = Seals(key)
    wanted = {anchor.seq: anchor.digest for anchor in anchors}
    previous, count, anchored = GENESIS, 0, 0
    for event in _readable(events):
        count += 1
        if event is None or (why := _trouble(event, count, previous, seals, wanted)):
            why = "this row cannot be read" if event is None else why
            return Verdict(count - 1, previous, count, why, anchored)
        anchored = count if count in wanted else anchored
        previous = event.digest
        seen(event)
    why = ""
    if count and not seals.ended:
        why = "the chain goes on under a key that was replaced"
    elif any(seq > count for seq in wanted):
        why = "events are cut off: the anchor knows later ones"
    elif head is not None and previous != head:
        why = "the head names another end"
    return Verdict(count, previous, count + 1 if why else None, why, anchored)


def _trouble(
    event: AuditEvent, count: int, previous: str, seals: "Seals", wanted: Mapping[int, str]
) -> str:
    """Return what is wrong with the event that stands at `count`; empty when it holds."""
    if event.seq != count:
        return "this event is missing"
    expected = seals.digest(event, previous)
    if event.previous != previous or event.digest != expected:
        return "this event is not the one that was written here"
    if wanted.get(count, expected) != expected:
        return "up to here the chain is not the one that was anchored"
    return ""


def _readable(events: Iterable[AuditEvent]) -> Iterator[AuditEvent | None]:
    """Yield every event, and None in the place of one whose row makes no sense."""
    following = iter(events)
    while True:
        try:
            yield next(following)
        except StopIteration:
            return
        except (ValueError, TypeError, LookupError, AttributeError):
            yield None
            return


@dataclass(slots=True)
class Claims:
    """What the chain itself says of the lines that were written to the anchor file."""

    #: (number of the claiming event, its clinic, the line it says was written).
    made: list[tuple[int, str, tuple[str, str]]] = field(default_factory=list)

    def see(self, event: AuditEvent) -> None:
        """Take note of an event that says a line was written."""
        if event.action == ANCHORED:
            line = (event.detail.get("seq", ""), event.detail.get("digest", ""))
            self.made.append((event.seq, event.clinic, line))
        elif event.action == RESTORED and event.detail.get("anchor") == NO_ANCHOR:
            # The file went with the machine: its lines are known to be lost from here on.
            self.made.clear()

    def lost(self, anchors: Sequence[Anchor]) -> int | None:
        """Return the first event whose line the file no longer has.

        Clinics of one database may each keep a file. A file answers for the clinics of which it
        has a line; one that has none of anybody's has lost them all.
        """
        lines = {(str(anchor.seq), anchor.digest) for anchor in anchors}
        here = {clinic for _, clinic, line in self.made if line in lines}
        lost = (
            seq
            for seq, clinic, line in self.made
            if line not in lines and (clinic in here or not here)
        )
        return next(lost, None)


@dataclass(frozen=True, slots=True)
class AnchorFile:
    """Heads of the chain, one a line (number, digest, time), on a path away from the database."""

    path: Path

    def read(self) -> tuple[Anchor, ...]:
        """Return every line in order; one that makes no sense counts as lost. None yet: ()."""
        try:
            text = self.path.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return ()
        except OSError as trouble:
            raise AnchorRefused(f"{self.path}: {trouble.strerror}") from None
        return tuple(anchor for line in text.splitlines() if (anchor := _anchor(line)))

    def append(self, anchor: Anchor) -> None:
        """Add one line and wait until the disk has it; raise AnchorRefused."""
        line = _line(anchor)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            with os.fdopen(os.open(self.path, flags, 0o600), "rb+", buffering=0) as file:
                # A crash may have left half a line; the next one starts anew.
                torn = file.seek(0, os.SEEK_END) and _last_byte(file.fileno()) != b"\n"
                file.write((b"\n" if torn else b"") + line.encode("ascii"))
                os.fsync(file.fileno())
        except OSError as trouble:
            raise AnchorRefused(f"{self.path}: {trouble.strerror}") from None

    def cut(self, last: int, now: datetime) -> Path:
        """Go on with the lines up to event `last` only; return where the old file is kept, whole.

        Raises AnchorRefused.
        """
        aside = self.path.with_name(f"{self.path.name}.before-{now:%Y%m%dT%H%M%S%fZ}")
        draft = self.path.with_name(f".{self.path.name}.part")
        kept = "".join(_line(anchor) for anchor in self.read() if anchor.seq <= last)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
                file.write(kept.encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
            self.path.replace(aside)
            draft.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        except OSError as trouble:
            raise AnchorRefused(f"{self.path}: {trouble.strerror}") from None
        return aside


def _line(anchor: Anchor) -> str:
    return f"{anchor.seq} {anchor.digest} {anchor.at.isoformat()}\n"


def _last_byte(descriptor: int) -> bytes:
    return os.pread(descriptor, 1, os.fstat(descriptor).st_size - 1)


def _anchor(line: str) -> Anchor | None:
    try:
        seq, digest, at = line.split()
        bytes.fromhex(digest)
        return Anchor(int(seq), digest, datetime.fromisoformat(at))
    except ValueError:
        return None
