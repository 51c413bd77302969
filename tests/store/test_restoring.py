"""A restore that is cut off: nobody opens what it left, and the next one begins anew over it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.postgres import OWNER
from tests.store import test_backup
from tests.store.practice import add_staff, ana, draft, queued, reading
from tests.store.test_backup import digests
from triage.domain import NOTHING, Protected, ReplyState
from triage.errors import Erased, HalfRestored, StoreRefused
from triage.store import Keys, Store, migrate, open_life, open_store, tables
from triage.store.backup import make_backup, restore_backup
from triage.store.backup_folder import BackupFolder

pytestmark = pytest.mark.bar(15)

fresh_url = test_backup.fresh_url
ROLES = ("triage_web", "triage_worker", "triage_sender", "triage_watch")


class Cut(Exception):
    """The power goes."""


def cut(*_: object, **__: object) -> Any:
    raise Cut


def cut_in(kind: str, real: Callable[..., None]) -> Callable[..., None]:
    """Return the step that puts rows back, cut off where those of a kind are to come."""

    def refill(connection: Any, keys: Keys, path: Path, what: str) -> None:
        if what == kind:
            raise Cut
        real(connection, keys, path, what)

    return refill


#: What is cut off -> where the restore has come to by then.
STEPS = {
    "_refill keys": "an empty database",
    "_refill data": "the keys alone",
    "_note": "the rows, in a transaction that did not end",
    "_index": "the rows",
    "_erase_again": "the indexes",
    "_verdict": "all that was erased again",
    "end_restore": "everything but the mark",
}
#: What PostgreSQL itself may answer differently: the steps are the same code.
FEW = ("_index",)


@contextmanager
def dying(at: str) -> Iterator[None]:
    from triage.store import backup

    name, _, kind = at.partition(" ")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backup, name, cut_in(kind, backup._refill) if kind else cut)
        with pytest.raises(Cut):
            yield


def test_what_a_restore_left_that_was_cut_off_is_opened_by_nobody_until_one_ends(
    store: Store, store_url: str, fresh_url: str, keys: Keys, clinic: str, tmp_path: Path
) -> None:
    folder, listed = tmp_path / "b", [tmp_path / "list"]
    left, gone = queued(store, clinic), queued(store, clinic).outgoing.case_id
    before = digests(store_url, keys)
    make_backup(store_url, keys, folder)
    newest = BackupFolder(folder).newest()
    assert store.replies.claim(left.id, clinic=clinic, by="sender")
    store.replies.settle(left.id, ReplyState.SENT, clinic=clinic, by="sender")
    life = open_life(store_url, keys, store, lists=listed)
    life.erase("case", gone, clinic=clinic, by="user-dora")
    life.close()
    sqlite = store_url.startswith("sqlite")
    for at in STEPS if sqlite else FEW:
        with dying(at):
            restore_backup(fresh_url, keys, folder, lists=listed)
        for role in (OWNER, *(() if sqlite else ROLES)):
            with pytest.raises(HalfRestored, match="run the restore again"):
                open_store(fresh_url.replace(f"{OWNER}@", f"{role}@"), keys)
    with pytest.raises(HalfRestored):
        migrate(fresh_url, keys)
    # It would be the newest backup, and the next restore would bring back what was half-done.
    with pytest.raises(HalfRestored):
        make_backup(fresh_url, keys, folder)
    assert BackupFolder(folder).newest() == newest

    found = restore_backup(fresh_url, keys, folder, lists=listed)
    assert (found.verdict.holds, found.uncertain, found.erased) == (True, 2, 1)
    assert {n for n, each in digests(fresh_url, keys).items() if each != before[n]} <= {"messages"}
    restored = open_store(fresh_url, keys)
    much_later = restored.transactions.clock() + timedelta(days=900)
    assert restored.replies.due(much_later, limit=9) == []
    with pytest.raises(Erased):
        restored.cases.get(gone, clinic=clinic, by="t")
    (event,) = restored.audit.events(clinic=clinic, by="t", action="store.restored")
    assert event.detail["uncertain"] == "2"
    with restored.transactions.read() as work:
        assert work.number(select(func.count()).select_from(tables.sessions)) == 0
    restored.close()
    # It is whole now: a restore over it would take away what came since.
    with pytest.raises(StoreRefused, match=r"fresh|move it"):
        restore_backup(fresh_url, keys, folder, lists=listed)


def test_without_the_mark_the_erased_are_back_and_even_then_nothing_leaves_again(
    store: Store, store_url: str, fresh_url: str, keys: Keys, clinic: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The oracle of the mark; and the doubt comes with the rows, so it needs none."""
    if not store_url.startswith("sqlite"):
        return
    left, gone = queued(store, clinic), queued(store, clinic).outgoing.case_id
    make_backup(store_url, keys, tmp_path / "b")
    life = open_life(store_url, keys, store, lists=[tmp_path / "list"])
    life.erase("case", gone, clinic=clinic, by="user-dora")
    life.close()
    monkeypatch.setattr("triage.store.schema.refuse_half_restored", lambda _: None)
    with dying("_index"):
        restore_backup(fresh_url, keys, tmp_path / "b", lists=[tmp_path / "list"])
    opened = open_store(fresh_url, keys)
    assert opened.cases.get(gone, clinic=clinic, by="t").messages
    assert opened.replies.claim(left.id, clinic=clinic, by="sender") is None
    assert opened.replies.due(opened.transactions.clock() + timedelta(days=900), limit=9) == []
    opened.close()


def test_of_two_restores_that_meet_only_the_later_ends(
    store: Store, store_url: str, fresh_url: str, keys: Keys, clinic: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Somebody begins a second one while the first is still at the erasures."""
    if not store_url.startswith("sqlite"):
        return
    folder, reply = tmp_path / "b", queued(store, clinic)
    make_backup(store_url, keys, folder)
    from triage.store import backup

    real = backup._erase_again

    def slow(*given: Any) -> int:
        monkeypatch.setattr(backup, "_erase_again", real)
        with dying("_verdict"):
            restore_backup(fresh_url, keys, folder)
        return real(*given)

    monkeypatch.setattr(backup, "_erase_again", slow)
    with pytest.raises(StoreRefused, match="another restore"):
        restore_backup(fresh_url, keys, folder)
    with pytest.raises(HalfRestored):
        open_store(fresh_url, keys)
    assert restore_backup(fresh_url, keys, folder).uncertain == 1
    restored = open_store(fresh_url, keys)
    state = restored.replies.get(reply.id, clinic=clinic, by="t").state
    assert state is ReplyState.UNCERTAIN
    restored.close()


def test_keys_beside_a_lost_database_are_no_half_done_restore(
    store: Store, store_url: str, keys: Keys, clinic: str, tmp_path: Path
) -> None:
    """Nothing but they opens older rows: they are put back over by nobody."""
    if not store_url.startswith("sqlite"):
        return
    queued(store, clinic)
    make_backup(store_url, keys, tmp_path / "b")
    store.close()
    path = Path(store_url.removeprefix("sqlite:///"))
    for lost in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        lost.unlink(missing_ok=True)
    for empty in (False, True):
        if empty:
            path.touch()
        with pytest.raises(StoreRefused, match="move it and its keys"):
            restore_backup(store_url, keys, tmp_path / "b")


@pytest.mark.bar(44)
@pytest.mark.parametrize("closed", [False, True])
def test_a_case_that_was_linked_to_somebody_else_since_asks_anew_whose_it_is(
    store: Store, store_url: str, fresh_url: str, keys: Keys, clinic: str, tmp_path: Path,
    *, closed: bool,
) -> None:  # fmt: skip
    """The backup says Ana; she was erased when it was no case of hers any more."""
    if closed and not store_url.startswith("sqlite"):
        return
    add_staff(store, clinic)
    store.people.import_roster([ana(clinic), ana(clinic, number=2)], clinic=clinic, by="t")
    hers, other = (
        store.cases.file(reading(store, clinic, uid=uid), clinic=clinic, by="worker")
        for uid in ("1", "2")
    )
    draft(store, clinic, other)
    if closed:
        store.cases.close(other, "answered", NOTHING, clinic=clinic, by="user-dora", all_done=True)
    make_backup(store_url, keys, tmp_path / "b")
    if closed:
        store.cases.open_again(other, Protected("she rang"), clinic=clinic, by="user-dora")
    to = {"patient_id": "patient-2", "contact_id": "contact-2"}
    store.cases.link(other, clinic=clinic, by="user-dora", **to)
    life = open_life(store_url, keys, store, lists=[tmp_path / "list"])
    life.erase("patient", "patient-1", clinic=clinic, by="user-dora")
    life.close()
    assert restore_backup(fresh_url, keys, tmp_path / "b", lists=[tmp_path / "list"]).erased == 1
    restored = open_store(fresh_url, keys)
    if closed:
        restored.cases.open_again(other, Protected("she rang"), clinic=clinic, by="user-dora")
    (row,) = restored.cases.queue(clinic=clinic, by="t")
    assert (row.case.id, row.patient.reveal()) == (other, "")
    file = restored.cases.get(other, clinic=clinic, by="t")
    assert (file.patient, file.contact, file.contacts, file.draft) == (None, None, (), None)
    with pytest.raises(Erased):
        restored.cases.get(hers, clinic=clinic, by="t")
    history = restored.cases.history(other, clinic=clinic, by="t")
    assert "case.unlinked" in [event.action for event in history]
    # A person says anew whose it is.
    restored.cases.link(other, clinic=clinic, by="user-dora", **to)
    assert restored.audit.verify().holds
    restored.close()
