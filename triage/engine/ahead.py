"""A first look at a long backlog: who wrote of danger is filed before everybody else.

Rule of the room: the look files nothing and decides nothing but the order; a message it cannot
look at, and one that ended the process while it was looked at, is read in its turn like any other.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from triage.domain import Flag, Message, RawMessage, Urgency
from triage.errors import StoreLocked, blame
from triage.pipeline import Rooms, Rules
from triage.store import Store

log = logging.getLogger(__name__)

#: Messages of a backlog that are known by name at a time.
MOST = 50_000
#: A message is looked at ahead this often at most: what kills the process counts, too.
LOOKS = 2
#: Messages looked at between two questions which are left; to ask costs a walk over all of them.
TAKEN = 1024
#: Bytes of messages with a red flag that are kept until they are filed.
KEPT = 20_000_000
#: After so many seconds in one part a sign of life is due.
SILENT = 10.0


class Ahead:
    """Runs parsing and the red-flag rules, which are quick, over what waits for the models."""

    def __init__(
        self,
        store: Store,
        *,
        by: str,
        clinic: str | None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._ticks = ticks
        self._by = by
        self._clinic = clinic
        #: What was looked at already and still waits.
        self._seen: set[str] = set()
        #: Of the part that is being filed.
        self._known: Known | None = None
        #: With a weak sign only; they wait until all others were looked at.
        self._weak: list[tuple[str, str]] = []

    def flagged(
        self, rooms: Rooms, *, at_once: int, at_most: int, beat: Callable[[], None] = lambda: None
    ) -> Iterator[list[tuple[str, str]]]:
        """Yield (clinic, raw id) of those with a red flag, the most urgent of each part first.

        Weak signs, which a classifier may yet rule out, come after everything was looked at. A
        part is `at_most` messages, of which `at_once` are held in memory together. `beat` is
        called while a part takes long: many mails that are hard to read are no dead worker.
        """
        fresh: list[tuple[str, str]] = []
        while rooms.rules is not None:
            fresh = fresh or self._unseen()[:TAKEN]
            if fresh:
                part, fresh = fresh[:at_most], fresh[at_most:]
                self._known = Known(rooms)
                found = list(self._looked_at(part, rooms, rooms.rules, at_once, beat))
                self._weak += [row for urgency, row in found if urgency is Urgency.ROUTINE]
                strong = [one for one in found if one[0] is not Urgency.ROUTINE]
                yield [row for _, row in sorted(strong, key=lambda one: -one[0])]
            elif self._weak:
                part, self._weak = self._weak[:at_most], self._weak[at_most:]
                yield part
            else:
                return

    def _looked_at(
        self,
        rows: Sequence[tuple[str, str]],
        rooms: Rooms,
        rules: Rules,
        at_once: int,
        beat: Callable[[], None],
    ) -> Iterator[tuple[Urgency, tuple[str, str]]]:
        since = self._ticks()
        for clinic in sorted({clinic for clinic, _ in rows}):
            mine = [raw_id for whose, raw_id in rows if whose == clinic]
            for start in range(0, len(mine), at_once):
                some = mine[start : start + at_once]
                for raw in self._glance(some, clinic):
                    urgency = self._danger(raw, rooms, rules)
                    if urgency is not None:
                        yield urgency, (clinic, raw.id)
                    if self._ticks() - since > SILENT:
                        beat()
                        since = self._ticks()
                self._seen.update(some)

    def _glance(self, raw_ids: Sequence[str], clinic: str) -> list[RawMessage]:
        """Return the messages that can be opened; one that cannot takes no other along."""
        try:
            return self._store.landing.glance(raw_ids, clinic=clinic, by=self._by)
        except StoreLocked:
            raise
        except Exception as trouble:
            if len(raw_ids) > 1:
                return [raw for one in raw_ids for raw in self._glance([one], clinic)]
            log.error("a first look failed: %(error)s", blame(trouble, raw=raw_ids[0]))
            return []

    def _unseen(self) -> list[tuple[str, str]]:
        waiting = self._store.landing.waiting(limit=MOST, clinic=self._clinic, below=LOOKS)
        self._seen &= {raw_id for _, raw_id in waiting}
        return [row for row in waiting if row[1] not in self._seen]

    def _danger(self, raw: RawMessage, rooms: Rooms, rules: Rules) -> Urgency | None:
        """Return the highest urgency of the rules that fire; ROUTINE for weak ones, else None."""
        try:
            message = rooms.parse(raw)
        except Exception as trouble:
            log.error("a first look failed: %(error)s", blame(trouble, raw=raw.id))
            return None
        try:
            found = rules.flags(message)
        except Exception as trouble:
            # Where the rules cannot answer nothing counts as harmless.
            log.error("red-flag rules failed: %(error)s", blame(trouble, raw=raw.id))
            return Urgency.EMERGENCY
        if found and self._known is not None:
            self._known.keep(raw, message, found)
        return max((Urgency.ROUTINE if flag.weak else flag.urgency for flag in found), default=None)

    def known(self, rooms: Rooms) -> Rooms:
        """Return the same rooms, which need not read again what the last part of a look read."""
        known = self._known
        return known.within() if known is not None and known.rooms is rooms else rooms


class Known:
    """What one part of a first look read and found, in memory until the next; not too much of it.

    The bytes of a landed message never change, so to read them again would show the same.
    """

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self._read: dict[str, Message] = {}
        self._found: dict[str, tuple[Flag, ...]] = {}
        self._left = KEPT

    def keep(self, raw: RawMessage, message: Message, found: tuple[Flag, ...]) -> None:
        """Remember a message and its flags, unless that is too much."""
        if len(raw.content) <= self._left:
            self._left -= len(raw.content)
            self._read[raw.id], self._found[raw.id] = message, found

    def within(self) -> Rooms:
        """Return the rooms, which know what was kept."""
        return replace(self.rooms, parse=self._parse, rules=self)

    def _parse(self, raw: RawMessage) -> Message:
        return self._read.get(raw.id) or self.rooms.parse(raw)

    def flags(self, message: Message) -> tuple[Flag, ...]:
        """Return every rule that fires."""
        if message is self._read.get(message.raw_id):
            return self._found[message.raw_id]
        assert self.rooms.rules is not None, "without rules nothing is looked at ahead"
        return self.rooms.rules.flags(message)
