"""Remembers which messages a server would not give, and when each is worth another try.

Rule of the room: a stubborn message is asked for ever more rarely and never given up.
"""

from collections.abc import Callable, Collection, Iterable

from triage.connectors.imap_line import View

#: A message the server will not give is asked for again after this long at the latest.
_LONGEST_PAUSE = 3600.0


class Patience:
    """What one account would not give, as this process saw it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        #: (mailbox, epoch, uid) -> tries, when to try again.
        self._refused: dict[tuple[str, str, int], tuple[int, float]] = {}

    def due(self, view: View, uids: Collection[int]) -> list[int]:
        """Return those of `uids` that are worth another try; a stubborn one waits ever longer."""
        now, place = self._clock(), (view.mailbox, view.epoch)
        return sorted(u for u in uids if self._refused.get((*place, u), (0, 0.0))[1] <= now)

    def note(self, view: View, asked: Iterable[int], missing: Collection[int]) -> None:
        """Remember which of the `asked` are `missing`, and forget the others."""
        for uid in asked:
            key = (view.mailbox, view.epoch, uid)
            tries, _ = self._refused.pop(key, (0, 0.0))
            if uid in missing:
                pause = min(2.0**tries * 15, _LONGEST_PAUSE) if tries > 1 else 0.0
                self._refused[key] = tries + 1, self._clock() + pause
