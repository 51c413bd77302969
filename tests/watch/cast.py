"""A watch with a clock one can turn, doors that remember, and a store to look at."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from triage.domain import Clinic, Notice
from triage.engine import Limits, Watch, Watched
from triage.errors import AlertFailed
from triage.store import Keys, Store, open_store

CLINIC = "c1"
PARTS = ("worker", "sender", "web")
ROUND = 10.0


class Clock:
    """A clock that stands until it is turned."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Door:
    """An alert door that remembers what it was told."""

    def __init__(self, name: str = "on-call") -> None:
        self.name = name
        self.told: list[Notice] = []
        self.broken = False

    def tell(self, notice: Notice) -> None:
        if self.broken:
            raise AlertFailed(self.name)
        self.told.append(notice)

    @property
    def words(self) -> list[str]:
        return [alarm.note for notice in self.told for alarm, new in notice.alarms if new]


def opened(url: str, keys: Keys, clock: Callable[[], datetime]) -> Store:
    """Return a store that lives by this clock, with one clinic."""
    store = open_store(url, keys, clock=clock)
    if CLINIC not in {one.id for one in store.people.clinics()}:
        store.people.add_clinic(Clinic(CLINIC, "Harbour"))
    return store


class Scene:
    """A watched clinic: everything lives unless it is said to be dead."""

    def __init__(self, store: Store, clock: Clock, **more: object) -> None:
        self.store, self.clock, self.door = store, clock, Door()
        self.dead: set[str] = set()
        self.notes: dict[str, list[str]] = {}
        doors: Sequence[Door] = more.pop("doors", [self.door])  # type: ignore[assignment]  # Whoever gives doors gives doors.
        self.watch = Watch(
            lambda: store,
            Watched(CLINIC, ["front-desk"]),
            doors,
            limits=Limits(patience=20.0),
            clock=clock,
            steady=lambda: clock.now.timestamp(),
            **more,  # type: ignore[arg-type]  # The other options of Watch.
        )

    def pass_time(self, seconds: float) -> None:
        """Let the clinic live for so long, with a round of the watch every ten seconds."""
        for turn in range(int(seconds / ROUND)):
            self.clock.turn(ROUND)
            for name in (*PARTS, "inbox:front-desk"):
                # Every half minute is often enough, and quicker.
                if name not in self.dead and turn % 3 == 0:
                    self.store.beats.beat(name, notes=self.notes.get(name, ()))
            self.watch.once()
