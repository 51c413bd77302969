"""The worker makes backups and keeps the term by itself, one at a time, and says what is wrong."""

import errno
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from tests.small_practice import CLINIC
from tests.store.practice import Clock, reading
from triage.desk.health import NOTES
from triage.domain import CaseState, Protected, new_id
from triage.engine import Backups, Chore, Retention
from triage.engine.chores import start_chores
from triage.errors import Erased, StoreLocked, StoreRefused
from triage.store import Keys, Store, open_life
from triage.store.backup import make_backup
from triage.store.backup_folder import DATA, KEYS, BackupFolder
from triage.upkeep import chores
from triage.wiring import House

HOUR = timedelta(hours=1)


class Folder:
    """A folder double: what was made in it, and what goes wrong with the next one."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.made, self.trouble = clock, list[object](), None

    def make(self) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.made.append(self.clock())

    def newest(self) -> object:
        return self.made[-1] if self.made else None

    def backups(self) -> Backups:
        return Backups(self.make, self.newest, every=HOUR, clock=self.clock)


@pytest.mark.bar(15)
def test_one_backup_an_hour_whoever_makes_it() -> None:
    clock = Clock()
    folder = Folder(clock)
    workers = [folder.backups() for _ in range(3)]
    for _ in range(24 * 6):
        for worker in workers:
            worker.once()
            assert worker.notes() == frozenset()
        clock.forward(timedelta(minutes=10))
    assert len(folder.made) == 24


@pytest.mark.bar(15)
@pytest.mark.parametrize(
    ("trouble", "note"),
    [
        (OSError(errno.ENOSPC, "no space"), "backup_disk_full"),
        (StoreRefused("x"), "backup_failing"),
        (StoreLocked("x"), ""),
    ],
)
def test_a_backup_that_fails_is_tried_again_and_said_and_late_after_two_intervals(
    trouble: Exception, note: str
) -> None:
    clock = Clock()
    folder = Folder(clock)
    backups = folder.backups()
    assert backups.once()
    folder.trouble = trouble
    clock.forward(HOUR)
    assert not backups.once()
    assert backups.notes() == {note} - {""}
    for _ in range(3):
        clock.forward(HOUR / 2)
        assert not backups.once()
    assert backups.notes() == {note, "backup_late"} - {""}
    folder.trouble = None
    clock.forward(HOUR / 4)
    assert backups.once()
    assert backups.notes() == frozenset()


def test_a_worker_that_never_had_a_backup_says_so_even_while_one_hangs() -> None:
    clock = Clock()
    backups = Folder(clock).backups()
    clock.forward(2 * HOUR)
    assert backups.notes() == frozenset()
    clock.forward(timedelta(seconds=1))
    assert backups.notes() == {"backup_late"}


def test_every_note_of_a_chore_has_words_for_people() -> None:
    said = {"backup_late", "backup_failing", "backup_disk_full", "retention_failing"}
    assert said <= NOTES.keys()


def test_a_chore_that_breaks_stops_no_other() -> None:
    stop, done = Event(), Event()

    class Broken:
        def once(self) -> bool:
            raise ZeroDivisionError

        def notes(self) -> tuple[str, ...]:
            return ()

    class Good(Broken):
        def once(self) -> bool:
            done.set()
            return True

    chores: list[Chore] = [Broken(), Good()]
    threads = start_chores(chores, stop)
    assert done.wait(30)
    stop.set()
    assert all(thread.daemon for thread in threads)


@pytest.mark.bar(15)
def test_two_processes_never_write_one_folder_at_a_time(
    store: Store, store_url: str, keys: Keys, tmp_path: Path
) -> None:
    folder = BackupFolder(tmp_path / "b")
    folder.make()
    with folder.alone(), pytest.raises(StoreLocked):
        make_backup(store_url, keys, folder.path)
    assert folder.newest() is None
    make_backup(store_url, keys, folder.path)
    assert folder.newest() is not None


def test_a_full_disk_is_not_kept_full_by_half_a_backup(
    store: Store, store_url: str, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    folder = BackupFolder(tmp_path / "b")
    folder.make()
    with monkeypatch.context() as patch:
        patch.setattr("triage.store.sealed_file.os.fsync", full)
        patch.setattr("triage.store.backup._keep_list", lambda *_: None)
        with pytest.raises(OSError, match="no space"):
            make_backup(store_url, keys, folder.path)
    assert list((folder.path / DATA).iterdir()) == list((folder.path / KEYS).iterdir()) == []


@pytest.fixture
def closed(store: Store, clinic: str) -> tuple[str, str, str]:
    """Return three cases: closed long ago, closed and on hold, and open."""
    cases = [
        store.cases.file(reading(store, clinic, uid=uid), clinic=clinic, by="w") for uid in "123"
    ]
    for case_id in cases[:2]:
        for request in store.cases.get(case_id, clinic=clinic, by="t").case.requests:
            store.cases.tick(case_id, request.id, clinic=clinic, by="t")
        store.cases.close(case_id, "done", Protected(""), clinic=clinic, by="t")
    return cases[0], cases[1], cases[2]


@pytest.mark.bar(44)
def test_retention_erases_what_is_due_once_a_day_and_nothing_on_hold(
    store: Store, store_url: str, keys: Keys, clinic: str, tmp_path: Path,
    closed: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    due, held, opened = closed
    monkeypatch.setattr("triage.store.life.LIVED", 0)
    lists = [tmp_path / "home.list", tmp_path / "away.list"]
    life = open_life(store_url, keys, store, lists=lists)
    life.hold("case", held, Protected("a claim"), clinic=clinic, by="t")
    life.close()
    clock = Clock(store.transactions.clock() + timedelta(days=99))
    given = partial(open_life, store_url, keys, store, lists=lists)
    retention = Retention(given, timedelta(days=100), clinic=clinic, clock=clock)
    assert retention.once()
    # The term is not over: nothing went.
    assert store.cases.get(due, clinic=clinic, by="t").messages
    assert not retention.once()
    clock.forward(timedelta(days=2))
    assert retention.once()
    with pytest.raises(Erased):
        store.cases.get(due, clinic=clinic, by="t")
    assert store.cases.get(held, clinic=clinic, by="t").case.state is CaseState.CLOSED
    assert store.cases.get(opened, clinic=clinic, by="t").case.state is CaseState.OPEN
    assert lists[0].read_bytes() == lists[1].read_bytes()
    (event,) = store.audit.events(clinic=clinic, by="t", action="case.erased")
    assert (event.actor, event.cases) == ("retention", (due,))
    assert retention.notes() == frozenset()


@pytest.mark.bar(44)
def test_one_case_that_cannot_be_erased_stops_no_other_and_is_said(
    store: Store, store_url: str, keys: Keys, clinic: str, tmp_path: Path,
    closed: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from triage.store.life import Life

    first, second, _ = closed
    monkeypatch.setattr("triage.store.life.LIVED", 0)
    erase = Life.erase

    def refusing(self: Life, kind: str, subject: str, **named: str) -> None:
        if subject == first:
            raise StoreRefused("old values")
        erase(self, kind, subject, **named)

    monkeypatch.setattr(Life, "erase", refusing)
    clock = Clock(store.transactions.clock() + timedelta(days=101))
    given = partial(open_life, store_url, keys, store, lists=[tmp_path / "l"])
    retention = Retention(given, timedelta(days=100), clinic=clinic, clock=clock)
    retention.once()
    assert retention.notes() == {"retention_failing"}
    assert store.cases.get(first, clinic=clinic, by="t").messages
    with pytest.raises(Erased):
        store.cases.get(second, clinic=clinic, by="t")
    monkeypatch.setattr(Life, "erase", erase)
    clock.forward(HOUR)
    assert retention.once()
    assert retention.notes() == frozenset()


def test_the_settings_choose_what_the_worker_does(tmp_path: Path) -> None:
    head = f'[clinic]\nid = "{CLINIC.id}"\nname = "x"\n'

    def chosen(more: str) -> tuple[list[str], list[Path]]:
        (tmp_path / "triage.toml").write_text(head + more)
        house = House.at(tmp_path)
        # Nothing is asked of the store yet.
        found = chores(
            tmp_path, house.settings, Keys.make(tmp_path / new_id()), url=house.url,
            lists=house.erasure_lists, open_life=lambda: 1 / 0, open_store=house.store,
        )  # fmt: skip
        return [type(chore).__name__ for chore in found], house.erasure_lists

    home = tmp_path / "erasures.list"
    assert chosen("") == (["PaperFile", "Backups"], [home, tmp_path / "backups" / "erasures.list"])
    assert chosen('[backup]\nfolder = ""\n') == (["PaperFile"], [home])
    both = '[backup]\nfolder = "/b"\n[retention]\ndays = 3650\nsecond_list = "/c/list"\n'
    assert chosen(both) == (["PaperFile", "Backups", "Retention"], [home, Path("/c/list")])
