"""A first look at a long backlog: who wrote of danger is filed before everybody else.

Rule of the room: the look files nothing and decides nothing but the order; a message it cannot
look at, and one that ended the process while it was looked at, is read in its turn like any other.
"""

import logging
from collections.abc import Iterator, Sequence

from triage.domain import RawMessage, Urgency
from triage.errors import StoreLocked, blame
from triage.pipeline import Rooms, Rules
from triage.store import Store

log = logging.getLogger(__name__)

#: Messages of a backlog that are known by name at a time.
MOST = 50_000
#: A message is looked at ahead this often at most: what kills the process counts, too.
LOOKS = 2


class Ahead:
    """Runs parsing and the red-flag rules, which are quick, over what waits for the models."""

    def __init__(self, store: Store, *, by: str, clinic: str | None) -> None:
        self._store = store
        self._by = by
        self._clinic = clinic
        #: What was looked at already and still waits.
        self._seen: set[str] = set()

    def flagged(
        self, rooms: Rooms, *, at_once: int, at_most: int
    ) -> Iterator[list[tuple[str, str]]]:
        """Yield (clinic, raw id) of those with a red flag, the most urgent of each part first.

        A part is `at_most` messages, of which `at_once` are held in memory together.
        """
        while rooms.rules is not None and (fresh := self._unseen()):
            found: list[tuple[Urgency, str, str]] = []
            for clinic in sorted({clinic for clinic, _ in fresh}):
                mine = [raw_id for whose, raw_id in fresh if whose == clinic][:at_most]
                for start in range(0, len(mine), at_once):
                    some = mine[start : start + at_once]
                    found += [
                        (urgency, clinic, raw.id)
                        for raw in self._glance(some, clinic)
                        if (urgency := _danger(raw, rooms, rooms.rules)) is not None
                    ]
                    self._seen.update(some)
            found.sort(key=lambda one: -one[0])
            yield [(clinic, raw_id) for _, clinic, raw_id in found]

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

    def _unseen(self) -> Sequence[tuple[str, str]]:
        waiting = self._store.landing.waiting(limit=MOST, clinic=self._clinic, below=LOOKS)
        self._seen &= {raw_id for _, raw_id in waiting}
        return [row for row in waiting if row[1] not in self._seen]


def _danger(raw: RawMessage, rooms: Rooms, rules: Rules) -> Urgency | None:
    """Return the highest urgency of the rules that fire; None where none does."""
    try:
        message = rooms.parse(raw)
    except Exception as trouble:
        log.error("a first look failed: %(error)s", blame(trouble, raw=raw.id))
        return None
    try:
        return max((flag.urgency for flag in rules.flags(message)), default=None)
    except Exception as trouble:
        # Where the rules cannot answer nothing counts as harmless.
        log.error("red-flag rules failed: %(error)s", blame(trouble, raw=raw.id))
        return Urgency.EMERGENCY
