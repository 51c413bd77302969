"""The audit's chains: each event carries the digest of the one before it, and heads are anchored.

Rule of the room: events hold ids and counts, never patient text; the key that seals the chains
lives outside the database, and so do the anchors.

Each kind of process writes chains of its own, so that none waits for another; one line outside
names the heads of all. An event has a content: HMAC-SHA256 over its fields, its chain and its
place there among them, under a key of its own that is derived from the audit key and its `seq`.
Its digest is SHA-256 over the digest before it and that content. So whoever is given the keys of a
few events can check these and the links between them, and neither read nor forge any other.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from triage.domain import Anchor, AuditEvent, Head
from triage.errors import AnchorRefused

#: What the first event of a chain names as the digest before it.
GENESIS = "0" * 64
#: The one chain of databases from before each process had its own; its events do not name it.
FIRST = "first"
#: The action by which the audit itself remembers that a line of the anchor file was written.
ANCHORED = "audit.anchored"
#: The action by which the audit remembers that a backup was put back, and, as its detail
#: `anchor`, the mark of the newest line that was kept outside then, or that there was none.
RESTORED, NO_ANCHOR = "store.restored", "none"

#: JSON in the one form that is sealed.
canonical = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def seal(event: AuditEvent, previous: str, *, key: bytes) -> AuditEvent:
    """Return `event` linked to `previous` under the audit key."""
    sealed = content(event, key=event_key(key, event.seq))
    return replace(event, previous=previous, digest=link(previous, sealed))


def event_key(key: bytes, seq: int) -> bytes:
    """Derive the key of one event (32 bytes) from the audit key."""
    return hmac.digest(key, b"event %d" % seq, "sha256")


def content(event: AuditEvent, *, key: bytes) -> str:
    """Return what an event says, sealed by its own key; nobody else can tell what it was."""
    return hmac.digest(key, said(event).encode(), "sha256").hex()


def said(event: AuditEvent) -> str:
    """Return all that an event says and where it stands, in the one form that is sealed."""
    place = [] if event.chain == FIRST else [event.chain, event.number]
    fields = [
        *place,
        event.seq,
        event.clinic,
        event.at.isoformat(),
        event.actor,
        event.action,
        list(event.cases),
        sorted(event.detail.items()),
    ]
    return canonical(fields)


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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification found; `broken_at` is the first place of `chain` that does not hold."""

    events: int
    heads: tuple[Head, ...] = ()
    broken_at: int | None = None
    #: What does not hold there, in words.
    why: str = ""
    #: The chain that is broken; empty where none can be named.
    chain: str = ""
    #: How many events stand at or before an anchor that was found in their chain.
    anchored: int = 0

    @property
    def holds(self) -> bool:
        """Whether every link holds."""
        return self.broken_at is None

    @property
    def where(self) -> str:
        """The place that does not hold, in words."""
        return f"event {self.broken_at}" + (f" of chain {self.chain}" if self.chain else "")


class Check:
    """Follows every chain at once, event by event in the order of `seq`, and says what breaks."""

    def __init__(self, keys: bytes | Sequence[bytes], anchors: Iterable[Anchor] = ()) -> None:
        #: Oldest first: in one chain none comes back once a newer one was used.
        self._keys = [keys] if isinstance(keys, bytes) else [*reversed(keys)]
        self._under: dict[str, int] = {}
        self._wanted: dict[str, dict[int, set[str]]] = {}
        for head in (head for anchor in anchors for head in anchor.heads):
            self._wanted.setdefault(head.chain, {}).setdefault(head.number, set()).add(head.digest)
        #: Chain -> (number, digest) of its last event that held.
        self.ends: dict[str, tuple[int, str]] = {}
        self._anchored: dict[str, int] = {}
        self._events = 0

    def follow(self, chain: str, number: int, seq: int, words: str, links: tuple[str, str]) -> str:
        """Go on by one event that says `words`; return what is wrong, or nothing when it holds.

        `links` are the digest before it and its own, as they are written there.
        """
        last, before = self.ends.get(chain, (0, GENESIS))
        if number != last + 1:
            return "this event is missing"
        digest = self._digest(chain, seq, words, links)
        if links != (before, digest):
            return "this event is not the one that was written here"
        if (wanted := self._wanted.get(chain)) and number in wanted:
            if wanted[number] != {digest}:
                return "up to here the chain is not the one that was anchored"
            self._anchored[chain] = number
        self.ends[chain] = (number, digest)
        self._events += 1
        return ""

    def _digest(self, chain: str, seq: int, words: str, links: tuple[str, str]) -> str:
        """Return the digest the event must have under the first key that fits, or the last."""
        digest = ""
        for place in range(self._under.get(chain, 0), len(self._keys)):
            key = event_key(self._keys[place], seq)
            digest = link(links[0], hmac.digest(key, words.encode(), "sha256").hex())
            if digest == links[1]:
                self._under[chain] = place
                break
        return digest

    def close(self, heads: Collection[Head], remembered: Mapping[str, int]) -> Verdict:
        """Return the verdict once all was read, by what the ends must at least have been.

        `heads` are those in the database, `remembered` how far the audit itself says each chain
        was when a line was written outside.
        """
        for chain in sorted(self._wanted.keys() | remembered.keys()):
            last, newest = self._end(chain), max(self._wanted.get(chain, (0,)))
            if max(newest, remembered.get(chain, 0)) > last:
                who = "anchor" if newest > last else "audit itself"
                what = "events are cut off" if last else "the whole chain is gone"
                return self.verdict(f"{what}: the {who} knows later ones", chain)
        for chain in self.ends:
            if self._under[chain] + 1 < len(self._keys):
                return self.verdict("the chain goes on under a key that was replaced", chain)
        stand = {head.chain: (head.number, head.digest) for head in heads}
        for chain, end in self.ends.items():
            if stand.get(chain) != end:
                return self.verdict("the head names another end", chain)
        for chain, left in stand.items():
            if chain not in self.ends and left != (0, GENESIS):
                return self.verdict("the whole chain is gone, and its head is left", chain)
        return self.verdict()

    def verdict(self, why: str = "", chain: str = "") -> Verdict:
        """Return what was found; `why` says what is wrong after the last event that held."""
        heads = tuple(Head(name, *end) for name, end in sorted(self.ends.items()))
        place = self._end(chain) + 1 if why else None
        return Verdict(self._events, heads, place, why, chain, sum(self._anchored.values()))

    def _end(self, chain: str) -> int:
        return self.ends.get(chain, (0, GENESIS))[0]


@dataclass(slots=True)
class Claims:
    """What the audit itself says of the lines that were written to the anchor file."""

    #: (chain and number of the claiming event, its clinic, the line it says was written).
    made: list[tuple[Head, str, str]] = field(default_factory=list)
    #: Chain -> the highest number that a line was said to name.
    remembered: dict[str, int] = field(default_factory=dict)

    def see(self, event: AuditEvent) -> None:
        """Take note of an event that says a line was written."""
        if event.action == ANCHORED:
            line, numbers = claimed(event.detail)
            place = Head(event.chain, event.number, event.digest)
            self.made.append((place, event.clinic, line))
            for chain, number in numbers.items():
                self.remembered[chain] = max(number, self.remembered.get(chain, 0))
        elif event.action == RESTORED and event.detail.get("anchor") == NO_ANCHOR:
            # The file went with the machine: its lines are known to be lost from here on.
            self.made.clear()

    def lost(self, anchors: Sequence[Anchor]) -> Head | None:
        """Return the place of the first event whose line the file no longer has.

        Clinics of one database may each keep a file. A file answers for the clinics of which it
        has a line; one that has none of anybody's has lost them all.
        """
        lines = {mark(anchor) for anchor in anchors}
        here = {clinic for _, clinic, line in self.made if line in lines}
        lost = (
            place
            for place, clinic, line in self.made
            if line not in lines and (clinic in here or not here)
        )
        return next(lost, None)


def mark(anchor: Anchor) -> str:
    """Return the digest by which the audit remembers a line."""
    return hashlib.sha256(_heads(anchor).encode()).hexdigest()


def claim(anchor: Anchor) -> dict[str, str]:
    """Return the detail of the event that remembers a line: its mark, and how far chains were."""
    numbers = " ".join(f"{head.chain}={head.number}" for head in anchor.heads)
    return {"line": mark(anchor), "heads": numbers}


def claimed(detail: Mapping[str, str]) -> tuple[str, dict[str, int]]:
    """Return the mark of a remembered line and how far it says each chain was."""
    if "seq" in detail:
        # As it was written while there was one chain only.
        old = Head(FIRST, int(detail["seq"]), detail.get("digest", ""))
        return mark(Anchor((old,), datetime.min)), {FIRST: old.number}
    pairs = (each.partition("=") for each in detail.get("heads", "").split())
    return detail.get("line", ""), {chain: int(number) for chain, _, number in pairs}


@dataclass(frozen=True, slots=True)
class AnchorFile:
    """Heads of all chains, one moment a line, on a path away from the database."""

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

    def cut(self, heads: Collection[Head], now: datetime) -> Path:
        """Go on with lines that `heads` have reached; return where the old file is kept, whole.

        Raises AnchorRefused.
        """
        aside = self.path.with_name(f"{self.path.name}.before-{now:%Y%m%dT%H%M%S%fZ}")
        draft = self.path.with_name(f".{self.path.name}.part")
        kept = "".join(_line(anchor) for anchor in self.read() if not beyond(anchor.heads, heads))
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


def newest_heads(anchors: Iterable[Anchor]) -> tuple[Head, ...]:
    """Return the newest head of each chain that any line names; lines may overtake each other."""
    found: dict[str, Head] = {}
    for head in (head for anchor in anchors for head in anchor.heads):
        if head.number >= found.get(head.chain, head).number:
            found[head.chain] = head
    return tuple(found.values())


def beyond(known: Iterable[Head], heads: Iterable[Head]) -> int:
    """Return how many events `known` names that chains with these `heads` have not reached."""
    reached = {head.chain: head.number for head in heads}
    return sum(max(0, head.number - reached.get(head.chain, 0)) for head in known)


def written_head(head: Head) -> str:
    """Return a head as the anchor file, the command line and paper have it."""
    return f"{head.chain}={head.number}:{head.digest}"


def read_head(text: str) -> Head:
    """Return the head that `written_head` wrote; raise ValueError. Without a chain, the first."""
    chain, _, place = text.rpartition("=")
    number, _, digest = place.partition(":")
    if len(digest) != len(GENESIS) or not number.isdigit():
        raise ValueError("no head")
    bytes.fromhex(digest)
    return Head(chain or FIRST, int(number), digest)


def _line(anchor: Anchor) -> str:
    return f"{_heads(anchor)} {anchor.at.isoformat()}\n"


def _heads(anchor: Anchor) -> str:
    return " ".join(written_head(head) for head in anchor.heads)


def _last_byte(descriptor: int) -> bytes:
    return os.pread(descriptor, 1, os.fstat(descriptor).st_size - 1)


def _anchor(line: str) -> Anchor | None:
    *heads, at = line.split() or [""]
    if len(heads) == 2 and "=" not in line:
        # As it was written while there was one chain only: number, digest, time.
        heads = [":".join(heads)]
    try:
        found = tuple(read_head(each) for each in heads)
        return Anchor(found, datetime.fromisoformat(at)) if found else None
    except ValueError:
        return None
