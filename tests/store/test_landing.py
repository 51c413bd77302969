"""Safety-bar 2, 3 and 4 at the store: whatever a server lists is landed once, and never skipped."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.one_by_one import land_one_by_one
from tests.store.practice import arrival
from triage.domain import Cursor
from triage.errors import NotFound
from triage.store import Keys, Store, landing, open_store
from triage.store.engine import connect


def contents(store: Store, clinic: str) -> list[bytes]:
    waiting = store.landing.waiting(limit=10_000, clinic=clinic)
    found = [store.landing.raw(raw_id, clinic=clinic, by="test").content for _, raw_id in waiting]
    return sorted(found)


def test_bytes_come_back_exactly_as_the_server_gave_them(store: Store, clinic: str) -> None:
    wild = [b"", b"\x00\xff", bytes(range(256)) * 40, b"From: x\r\n\r\n\xc3\x28"]
    arrivals = [arrival(data, uid=str(uid)) for uid, data in enumerate(wild)]
    ids = store.landing.land(arrivals, clinic=clinic)
    found = [store.landing.raw(raw_id, clinic=clinic, by="test") for raw_id in ids]
    assert [raw.content for raw in found] == wild
    assert [raw.position for raw in found] == [given.position for given in arrivals]


def test_what_lands_together_keeps_its_order(store: Store, clinic: str) -> None:
    landed = store.landing.land(
        [arrival(f"mail {uid}", uid=str(uid)) for uid in range(30)], clinic=clinic
    )

    times = [store.landing.raw(raw, clinic=clinic, by="worker").received_at for raw in landed]
    assert times == sorted(set(times))
    assert [raw for _, raw in store.landing.waiting(limit=40)] == list(landed)


def test_the_same_listing_again_lands_nothing(store: Store, clinic: str) -> None:
    batch = [arrival(f"mail {uid}", uid=str(uid)) for uid in range(20)]
    assert len(store.landing.land(batch, clinic=clinic)) == 20
    assert store.landing.land(batch, clinic=clinic) == ()
    assert len(contents(store, clinic)) == 20


def test_same_bytes_under_another_uid_are_two_messages(store: Store, clinic: str) -> None:
    """A patient may well send the same words twice; neither is dropped."""
    twice = [arrival("please call", uid="1"), arrival("please call", uid="2")]
    assert len(store.landing.land(twice, clinic=clinic)) == 2


def test_other_bytes_under_a_known_uid_are_a_new_message(store: Store, clinic: str) -> None:
    """UIDNEXT went back without a new UIDVALIDITY: the new mail must not be taken for the old."""
    store.landing.land([arrival("old", uid="5")], clinic=clinic)
    assert len(store.landing.land([arrival("new", uid="5")], clinic=clinic)) == 1
    assert contents(store, clinic) == [b"new", b"old"]


def test_a_new_epoch_doubles_nothing_and_loses_nothing(store: Store, clinic: str) -> None:
    old = [arrival(f"mail {uid}", uid=str(uid), epoch="7") for uid in range(100)]
    store.landing.land(old, clinic=clinic)
    again = [arrival(f"mail {uid}", uid=str(uid + 1), epoch="8") for uid in range(100)]
    fresh = [arrival(f"fresh {uid}", uid=str(200 + uid), epoch="8") for uid in range(5)]
    assert len(store.landing.land(again + fresh, clinic=clinic)) == 5
    assert store.landing.ledger_counts("front-desk", clinic=clinic) == {
        landing.LANDED: 105,
        landing.RELISTED: 100,
    }


def test_uids_from_one_again_in_a_new_epoch_hide_no_mail(store: Store, clinic: str) -> None:
    """The mailbox was deleted and made anew: uid 1 is now somebody else's mail."""
    store.landing.land([arrival("old 1", uid="1", epoch="7")], clinic=clinic)
    landed = store.landing.land([arrival("new 1", uid="1", epoch="8")], clinic=clinic)
    assert len(landed) == 1


def test_an_epoch_that_comes_back_doubles_nothing(store: Store, clinic: str) -> None:
    for epoch in ("7", "8", "7", "9"):
        store.landing.land([arrival("one", epoch=epoch)], clinic=clinic)
    assert contents(store, clinic) == [b"one"]


def test_twins_of_an_old_epoch_are_matched_one_to_one(store: Store, clinic: str) -> None:
    twins = [arrival("twin", uid=uid, epoch="7") for uid in "12"]
    store.landing.land(twins, clinic=clinic)
    triplets = [arrival("twin", uid=uid, epoch="8") for uid in "345"]
    assert len(store.landing.land(triplets, clinic=clinic)) == 1
    assert len(contents(store, clinic)) == 3


def test_keying_by_uid_alone_would_lose_mail(
    store: Store, clinic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle of the tests above: the usual shortcut loses the message."""

    def by_uid_only(work, arrived, clinic, *, at):  # type: ignore[no-untyped-def]  # A saboteur.
        if landing._place_known(work, arrived, clinic):
            return None
        return real(work, arrived, clinic, at=at)

    real = landing._land
    land_one_by_one(monkeypatch, by_uid_only)
    store.landing.land([arrival("old", uid="5")], clinic=clinic)
    assert store.landing.land([arrival("new", uid="5")], clinic=clinic) == ()
    assert contents(store, clinic) == [b"old"]


def test_mailboxes_inboxes_and_clinics_are_kept_apart(store: Store, clinic: str) -> None:
    places = [arrival("a"), arrival("a", mailbox="Junk"), arrival("a", inbox="other")]
    assert len(store.landing.land(places, clinic=clinic)) == 3
    assert len(store.landing.land(places, clinic="clinic-b")) == 3
    (raw_id,) = store.landing.land([arrival("b", uid="9")], clinic=clinic)
    with pytest.raises(NotFound):
        store.landing.raw(raw_id, clinic="clinic-b", by="test")


def test_the_cursor_moves_and_is_found_again(store: Store, clinic: str) -> None:
    for uid in ("3", "9"):
        store.landing.move_cursor("front-desk", Cursor("INBOX", "7", uid), clinic=clinic)
    store.landing.move_cursor("front-desk", Cursor("Junk", "1", "2"), clinic=clinic)
    assert store.landing.cursors("front-desk", clinic=clinic) == {
        "INBOX": Cursor("INBOX", "7", "9"),
        "Junk": Cursor("Junk", "1", "2"),
    }
    assert store.landing.cursors("front-desk", clinic="clinic-b") == {}


def test_attempts_are_counted(store: Store, clinic: str) -> None:
    (raw_id,) = store.landing.land([arrival()], clinic=clinic)
    tries = [store.landing.attempt([raw_id], clinic=clinic) for _ in range(3)]
    assert tries == [{raw_id: 1}, {raw_id: 2}, {raw_id: 3}]
    with pytest.raises(NotFound):
        store.landing.attempt([raw_id], clinic="clinic-b")


def test_ten_workers_landing_the_same_mail_land_it_once(
    store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    batch = [arrival(f"mail {uid}", uid=str(uid)) for uid in range(10)]
    other = open_store(store_url, keys)
    stores = [store, other] * 5
    with ThreadPoolExecutor(10) as pool:
        landed = pool.map(lambda one: len(one.landing.land(batch, clinic=clinic)), stores)
        assert sum(landed) == 10
    other.close()
    assert len(contents(store, clinic)) == 10


KILLED = """
import os, pathlib, signal, sys
sys.path.insert(0, {root!r})
from tests.store.practice import arrival
from triage.store import Keys, open_store
from triage.store import landing_rows
store = open_store({url!r}, Keys.load(pathlib.Path({keys!r})))
real = landing_rows.take_out
def dying(work, given, *where):
    # The rows of the batch are written and not yet committed.
    if given.position.uid == {at!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(work, given, *where)
landing_rows.take_out = dying
for start in range(0, 30, 5):
    batch = [arrival("mail %d" % uid, uid=str(uid)) for uid in range(start, start + 5)]
    store.landing.land(batch, clinic={clinic!r})
    print(start + 5, flush=True)
"""


@pytest.mark.parametrize("at", ["0", "7", "14"])
def test_kill_9_while_landing_loses_nothing_that_was_acknowledged(
    store: Store, store_url: str, keys: Keys, clinic: str, at: str, tmp_path: Path
) -> None:
    """Killed in the middle of a batch: what was printed is there, the batch is all or nothing."""
    folder = written(keys, tmp_path)
    root = str(Path(__file__).parents[2])
    script = KILLED.format(root=root, url=store_url, keys=folder, at=at, clinic=clinic)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    acknowledged = max([int(line) for line in done.stdout.split()], default=0)
    assert len(contents(store, clinic)) == acknowledged
    everything = [arrival(f"mail {uid}", uid=str(uid)) for uid in range(30)]
    assert len(store.landing.land(everything, clinic=clinic)) == 30 - acknowledged
    assert len(contents(store, clinic)) == 30


def forget_the_ledger(store_url: str, keys: Keys) -> None:
    engine = connect(store_url, keys, owner=True)
    with engine.connect() as connection:
        for on in ("", " ON ledger"):
            try:
                connection.execute(text(f"DROP TRIGGER guard_ledger_never_deleted_delete{on}"))
            except Exception:
                connection.rollback()
        connection.execute(text("DELETE FROM ledger"))
        connection.commit()
    engine.dispose()


def test_a_row_without_its_ledger_is_found_by_its_place(
    store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    store.landing.land([arrival("one")], clinic=clinic)
    forget_the_ledger(store_url, keys)
    for _ in range(2):
        assert store.landing.land([arrival("one")], clinic=clinic) == ()
    assert store.landing.ledger_counts("front-desk", clinic=clinic) == {landing.LANDED: 1}
    assert contents(store, clinic) == [b"one"]


def test_a_row_without_its_ledger_would_be_landed_twice(
    store: Store, store_url: str, keys: Keys, clinic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle of the kill: had raw and ledger been two transactions, mail would double."""
    store.landing.land([arrival("one")], clinic=clinic)
    forget_the_ledger(store_url, keys)
    monkeypatch.setattr(landing, "_without_ledger", lambda *_: None)
    store.landing.land([arrival("one")], clinic=clinic)
    assert contents(store, clinic) == [b"one", b"one"]


def written(keys: Keys, folder: Path) -> str:
    for name in ("data", "file", "index", "audit"):
        value = getattr(keys, name)
        path = folder / f"{name}.key"
        path.write_text((value[0] if name == "data" else value).hex())
        path.chmod(0o600)
    return str(folder)


def test_what_was_tried_least_waits_in_front(store: Store, clinic: str) -> None:
    batch = [arrival(f"mail {uid}", uid=str(uid)) for uid in range(3)]
    poison, *others = store.landing.land(batch, clinic=clinic)
    for tried in range(landing.FEW_TRIES + 1):
        found = [raw_id for _, raw_id in store.landing.waiting(limit=10, clinic=clinic)]
        assert found == [poison, *others], f"a worker that died {tried} times keeps the order"
        looked = [raw_id for _, raw_id in store.landing.waiting(limit=10, below=9)]
        assert looked == ([*others, poison] if tried else found), "a first look begins with others"
        store.landing.attempt([poison], clinic=clinic)
    found = [raw_id for _, raw_id in store.landing.waiting(limit=10, clinic=clinic)]
    assert (set(found[:2]), found[2]) == (set(others), poison)
