"""The audit chain: each event carries the digest of the one before it.

Rule of the room: events hold ids and counts, never patient text; the key that seals the chain
lives outside the database.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from triage.domain import AuditEvent

#: What the first event of a chain names as the digest before it.
GENESIS = "0" * 64


def seal(event: AuditEvent, previous: str, *, key: bytes) -> AuditEvent:
    """Return `event` linked to `previous`: its digest is HMAC-SHA256 over every other field."""
    linked = replace(event, previous=previous, digest="")
    return replace(linked, digest=_digest(linked, key))


def _digest(event: AuditEvent, key: bytes) -> str:
    fields = [
        event.seq,
        event.clinic,
        event.at.isoformat(),
        event.actor,
        event.action,
        list(event.cases),
        sorted(event.detail.items()),
        event.previous,
    ]
    canonical = json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode()
    return hmac.new(key, canonical, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification found; `broken_at` is the first sequence number that does not hold."""

    events: int
    head: str
    broken_at: int | None = None

    @property
    def holds(self) -> bool:
        """Whether every link holds."""
        return self.broken_at is None


def verify(events: Iterable[AuditEvent], *, key: bytes, head: str | None = None) -> Verdict:
    """Check every link, the gapless sequence and, when given, the `head` kept outside.

    An edited, inserted, deleted, re-ordered or truncated event breaks the chain at its place.
    Truncation at the end is found only against a head kept elsewhere.
    """
    previous, count = GENESIS, 0
    for event in events:
        count += 1
        expected = seal(event, previous, key=key).digest
        if event.seq != count or event.previous != previous or event.digest != expected:
            return Verdict(count, previous, broken_at=event.seq)
        previous = event.digest
    if head is not None and not hmac.compare_digest(previous, head):
        return Verdict(count, previous, broken_at=count + 1)
    return Verdict(count, previous)
