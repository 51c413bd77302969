"""Looks, from a process of its own, whether everything else still lives.

Rule of the room: it mends and restarts nothing; it says what is wrong. Whatever it asks may hang,
so it waits for nothing longer than it has said it would, and its own sign of life outside is only
given when the round was whole and staff could be told.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Protocol

from triage.connectors import AlertDoor
from triage.domain import (
    OLDEST,
    START_BEAT,
    Alarm,
    Beat,
    Canary,
    Fault,
    Notice,
    OpeningHours,
    Waiting,
)
from triage.engine.alarms import AlarmBook
from triage.engine.counting import Counting
from triage.engine.escalating import Escalator, Found, Told
from triage.engine.silence import Silences
from triage.engine.telling import DOOR, Bounded, Telling
from triage.errors import blame
from triage.store import Store

log = logging.getLogger(__name__)

#: How the processes are called in the heart-beats; `watch` is this one.
PROCESSES = ("worker", "sender", "web")
#: Heart-beats of an inbox are called so.
INBOX = "inbox:"
#: Notes of the worker and the sender that mean that a part is failing.
FAILING = frozenset(
    {"no_classifier", "no_redactor", "no_rules", "no_drafter", "outbox_failing", "anchor_failing"}
    | {"clock_leapt", "paper_late", "no_parser"}
)
#: Nobody is named for urgent messages that nobody acts on.
NO_PLAN = "no_plan"
#: There is no alert door at all.
NO_DOOR = "no_door"
REFUSED, FULL, UNKEPT = "inbox_refused", "inbox_full", "store_refused"
#: Starts so soon after our own belong to the same start of everything.
TOGETHER = timedelta(minutes=2)
#: A landed message in no queue after this long.
LATE = timedelta(minutes=2)
#: How often the address of a watcher elsewhere is asked.
SIGN = timedelta(seconds=60)
#: A test mail that has not come back after this long is missed.
CANARY_PATIENCE = timedelta(minutes=4)


class CanaryWay(Protocol):
    """What hands a test mail over."""

    @property
    def inbox(self) -> str:
        """The inbox it must arrive in."""
        ...

    def send(self, mark: str) -> None:
        """Send it, or raise AlertFailed."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How long what may be silent."""

    process: timedelta = timedelta(seconds=60)
    #: With one round added an inbox without a completed check for three minutes has alarmed.
    inbox: timedelta = timedelta(seconds=150)
    canary: timedelta = timedelta(minutes=5)
    #: How long one question to the store or to a door may take, in seconds.
    patience: float = 20.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look at the store found."""

    beats: Mapping[str, Beat]
    late: int
    oldest: Mapping[Waiting, datetime]
    canaries: Sequence[Canary]
    hours: OpeningHours
    #: Inboxes whose server lists messages and does not hand them over.
    owing: frozenset[str]


@dataclass(slots=True)
class Watched:
    """What belongs to this clinic and must live."""

    clinic: str
    inboxes: Sequence[str] = ()
    processes: Sequence[str] = PROCESSES
    #: Those of triage.toml; they count until a supervisor sets hours under Practice.
    hours: OpeningHours = field(default_factory=OpeningHours)


class Watch:
    """The watch of one clinic; `once` is one round."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        watched: Watched,
        doors: Sequence[AlertDoor],
        *,
        limits: Limits | None = None,
        canary: CanaryWay | None = None,
        alive_file: Path | None = None,
        life_file: Path | None = None,
        life_sign: Callable[[], None] | None = None,
        book: AlarmBook | None = None,
        urgent: Escalator | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_store = open_store
        self._store: Store | None = None
        self._watched = watched
        self._telling = Telling(doors)
        self._limits = limits or Limits()
        self._canary = canary
        self._alive_file, self._life_file, self._life_sign = alive_file, life_file, life_sign
        #: Intervals and silences are counted by this one, which nobody can set.
        self._steady = steady
        self._sign_due = steady()
        self._book = book or AlarmBook(watched.clinic)
        self._clock = clock
        self._began = clock()
        self._silences = Silences(now=self._began, steady=steady())
        self._look = Bounded[Sight](self._limits.patience)
        self._life = Bounded[bool](self._limits.patience)
        self._sending = Bounded[bool](DOOR)
        self._urgent = urgent
        self._waits = Bounded[Found](self._limits.patience)
        self._taken = Bounded[int](self._limits.patience)
        self._starts: dict[str, datetime] | None = None
        #: Steps that only a door which takes long may still have told.
        self._unheard: list[Told] = []
        self._canary_due, self._canary_failed = steady(), False
        self._counting = Counting(watched.clinic, steady=steady)

    def run(self, stop: Event, every: float = 10.0) -> None:
        """Look again and again until `stop` is set."""
        while not stop.is_set():
            began = time.monotonic()
            try:
                self.once()
            except Exception as trouble:
                # Nothing here may end the watch; the sign of life stays away instead.
                log.critical("a round of the watch failed: %(error)s", blame(trouble))
            stop.wait(max(0.5, every - (time.monotonic() - began)))

    def once(self) -> tuple[Alarm, ...]:
        """Look at everything and tell staff what is new; return what was found."""
        now = self._clock()
        sight = self._look.ask(self._sight)
        self._credit()
        if sight is not None and self._store is not None:
            self._escalate()
            self._counting.look(self._store)
        found = {Alarm(Fault.DATABASE)} if sight is None else set(self._judge(sight, now))
        found |= {Alarm(Fault.ALERT_FAILING, name) for name in self._telling.failing}
        found |= set(self._counting.alarms)
        if self._silences.leapt(now, steady=self._steady()):
            # Set back, the clock must not hide what began before it was.
            self._began = min(self._began, now)
            found.add(Alarm(Fault.CLOCK))
        notice = self._book.notice(found, now)
        if notice is not None and self._tell(notice):
            self._book.told(notice)
        if sight is not None:
            self._send_canary()
        self._live(now)
        return tuple(sorted(found))

    # --- looking ------------------------------------------------------------------------------

    def _sight(self) -> Sight:
        """Read and write the store; both must work for it to count as alive."""
        if self._store is None:
            self._store = self._open_store()
        store, clinic, now = self._store, self._watched.clinic, self._clock()
        notes = [alarm.note for alarm in self._book.open]
        if not self._telling:
            notes.append(NO_DOOR)
        elif self._urgent is not None and not self._urgent.planned(store, self._telling.names):
            notes.append(NO_PLAN)
        store.beats.beat("watch", notes=notes)
        canaries: Sequence[Canary] = ()
        if self._canary is not None:
            since = max(self._began, now - 3 * self._limits.canary - CANARY_PATIENCE)
            canaries = store.canaries.newest(self._canary.inbox, clinic=clinic, since=since)
            # One from the future was sent before the clock was set back.
            canaries = [one for one in canaries if one.sent_at <= now + CANARY_PATIENCE]
        return Sight(
            {beat.process: beat for beat in store.beats.all()},
            store.landing.late(before=now - LATE, clinic=clinic),
            store.counts.oldest(clinic=clinic),
            canaries,
            self._hours(store),
            store.mailboxes.owing(before=now - LATE, clinic=clinic),
        )

    def _hours(self, store: Store) -> OpeningHours:
        """Return the hours of the page Practice; where none can be read, those of the file."""
        try:
            set_there = store.practice.hours(clinic=self._watched.clinic)
        except ValueError as trouble:
            log.error("the setting %(part)s is wrong: %(error)s", blame(trouble, part="hours"))
            return self._watched.hours
        return set_there if set_there.days else self._watched.hours

    def _judge(self, sight: Sight, now: datetime) -> Iterator[Alarm]:
        self._silences.hear(sight.beats, steady=self._steady())
        yield from self._processes(sight.beats)
        yield from self._inboxes(sight.beats)
        notes = {note for name in PROCESSES for note in _notes(sight.beats, name)}
        yield from (Alarm(Fault.PART_FAILING, note) for note in notes & FAILING)
        if sight.late:
            yield Alarm(Fault.NOT_QUEUED)
        for kind, since in sight.oldest.items():
            if sight.hours.between(since, now) > OLDEST:
                yield Alarm(Fault.TOO_OLD, kind.value)
        yield from (Alarm(Fault.INBOX_OWES, name) for name in sight.owing)
        yield from self._canaries(sight.canaries, now)

    def _processes(self, beats: Mapping[str, Beat]) -> Iterator[Alarm]:
        for name in self._watched.processes:
            if self._silent(name, self._limits.process):
                yield Alarm(Fault.PROCESS_SILENT, name)
        starts = {
            name.removeprefix(START_BEAT): beat.at
            for name, beat in beats.items()
            if name.startswith(START_BEAT)
        }
        known = self._starts if self._starts is not None else starts
        for name, at in starts.items():
            if known.get(name) != at and at - self._began > TOGETHER:
                yield Alarm(Fault.PROCESS_RESTARTED, name)
        self._starts = starts

    def _inboxes(self, beats: Mapping[str, Beat]) -> Iterator[Alarm]:
        for name in self._watched.inboxes:
            beat = beats.get(f"{INBOX}{name}")
            notes = beat.notes if beat is not None else ()
            if FULL in notes:
                yield Alarm(Fault.INBOX_FULL, name)
            if UNKEPT in notes:
                yield Alarm(Fault.DATABASE)
            if self._silent(f"{INBOX}{name}", self._limits.inbox):
                refused = REFUSED in notes
                yield Alarm(Fault.INBOX_REFUSED if refused else Fault.INBOX_SILENT, name)

    def _silent(self, name: str, limit: timedelta) -> bool:
        return self._silences.of(name, steady=self._steady()) > limit

    # --- the test mail ------------------------------------------------------------------------

    def _canaries(self, canaries: Sequence[Canary], now: datetime) -> Iterator[Alarm]:
        if self._canary is None:
            return
        if self._canary_failed:
            yield Alarm(Fault.CANARY_NOT_SENT, self._canary.inbox)
        due = [one for one in canaries if now - one.sent_at > CANARY_PATIENCE]
        if len(due) >= 2 and not any(one.seen_at for one in canaries[: len(canaries) - len(due)]):
            missed = all(one.seen_at is None for one in due[:2])
            if missed:
                yield Alarm(Fault.CANARY_MISSED, self._canary.inbox)

    def _send_canary(self) -> None:
        steady = self._steady()
        if self._canary is None or self._store is None or steady < self._canary_due:
            return
        way, store = self._canary, self._store

        def send() -> bool:
            _, mark = store.canaries.issue(way.inbox, clinic=self._watched.clinic)
            way.send(mark)
            return True

        sent = self._sending.ask(send) is True
        self._canary_failed = not sent
        # What could not be handed over is tried again soon: a full mailbox is told within minutes.
        pause = self._limits.canary if sent else timedelta(seconds=60)
        self._canary_due = steady + pause.total_seconds()

    # --- telling ------------------------------------------------------------------------------

    def _escalate(self) -> None:
        """Tell people of urgent messages nobody has acted on; before anything of machines."""
        urgent, store = self._urgent, self._store
        if urgent is None or store is None:
            return
        found = self._waits.ask(lambda: urgent.look(store))
        if found is None or not found.overdue:
            return
        told = urgent.tell(found, self._telling.through)
        # Whom no door would take is told again in the next round.
        self._remember([one for one in told if one.doors or not self._telling])
        unheard = [*self._unheard, *(one for one in told if not one.doors)]
        self._unheard = [one for one in unheard if self._telling.awaits(one.notice)]

    def _credit(self) -> None:
        """Count as told what a door that takes long has told after all; before telling it again."""
        for notice, door in self._telling.late():
            steps = [one for one in self._unheard if one.notice is notice]
            self._unheard = [one for one in self._unheard if one.notice is not notice]
            if steps:
                self._remember([replace(one, doors=[door]) for one in steps])
            else:
                self._book.told(notice)

    def _remember(self, told: Sequence[Told]) -> None:
        urgent, store = self._urgent, self._store
        if told and urgent is not None and store is not None:
            self._taken.ask(lambda: urgent.remember(store, told, by="watch"))

    def _tell(self, notice: Notice) -> bool:
        """Tell staff through every door; return whether at least one took it."""
        for alarm, new in notice.alarms:
            if new:
                facts = {"fault": alarm.fault.value, "part": alarm.part}
                log.error("the watch found %(fault)s %(part)s", facts)
        # Where nobody can be told by a door, the page and the log are all there is.
        return bool(self._telling.through(notice)) or not self._telling

    def _live(self, now: datetime) -> None:
        """Give the signs of life: one for `triage run`, and one for a watcher elsewhere.

        The second stays away while staff cannot be told, so that the other one tells them.
        """
        life_file = None if self._telling.failing else self._life_file
        for path in filter(None, (self._alive_file, life_file)):
            try:
                write_sign(path, now)
            except OSError as trouble:
                log.error("the sign of life cannot be written: %(error)s", blame(trouble))
        sign = self._life_sign
        if sign is not None and not self._telling.failing and self._steady() >= self._sign_due:
            self._sign_due = self._steady() + SIGN.total_seconds()
            self._life.ask(lambda: sign() is None)


def write_sign(path: Path, now: datetime) -> None:
    """Write the moment into the file, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(f"{now.isoformat()}\n", encoding="ascii")
    os.replace(fresh, path)


def read_sign(path: Path) -> datetime | None:
    """Return the moment in the file; None where there is none."""
    try:
        return datetime.fromisoformat(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None


def _notes(beats: Mapping[str, Beat], name: str) -> tuple[str, ...]:
    return beats[name].notes if name in beats else ()
