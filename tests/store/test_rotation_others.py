"""Safety-bar 44: index, audit and file keys are replaced, through kills, and the old end unused."""

import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.sizes import many
from tests.store.practice import ana, arrival, queued
from tests.store.test_landing import written
from triage.audit import Check, Verdict, event_key, said
from triage.domain import AuditEvent, Channel, Protected, Wanted
from triage.errors import StoreLocked, StoreRefused, WrongKey
from triage.store import Keys, Store, open_life, open_store, records, tables
from triage.store.backup import make_backup, restore_backup
from triage.store.chain import verify_chains
from triage.store.engine import connect
from triage.store.erasures import ErasureList
from triage.store.reindex import FORGOTTEN, INDEXED
from triage.store.rotation import rotate
from triage.store.rotation_others import rotate_audit, rotate_file, rotate_index

pytestmark = pytest.mark.bar(44)

#: Rotation is killed before its n-th statement that writes; the long form is the bar's fifty.
KILLS = many(3, long=50)
KILLED = """
import os, pathlib, signal
from sqlalchemy import event
from sqlalchemy.engine import Engine
from triage.store import keys, reindex, rotation_others
calls = 0
def count(*_):
    global calls
    calls += 1
    if calls == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
def watched(connection, cursor, statement, *_):
    if statement.split()[0] in ("INSERT", "UPDATE", "DELETE", "DROP", "CREATE"):
        count()
event.listen(Engine, "before_cursor_execute", watched)
event.listen(Engine, "commit", count)
real = keys.Keys.write
def write(*given):
    count()
    real(*given)
    count()
keys.Keys.write = staticmethod(write)
reindex._BATCH = 2
rotation_others.rotate_{name}({url!r}, pathlib.Path({keys!r}))
print(calls)
"""


@pytest.fixture
def folder(keys: Keys, tmp_path: Path) -> Path:
    return Path(written(keys, tmp_path))


def killed(name: str, url: str, folder: Path, at: int) -> int:
    """Run a rotation that dies at a step; return how many there were when it did not."""
    script = KILLED.format(name=name, url=url, keys=str(folder), at=at)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return int(done.stdout) if done.returncode == 0 else 0


def fill(store: Store, clinic: str) -> str:
    case_id = queued(store, clinic).outgoing.case_id
    store.people.import_roster([ana(clinic, number=n) for n in (2, 3)], clinic=clinic, by="t")
    return case_id


def found(url: str, folder: Path, clinic: str, case_id: str) -> None:
    """Fail unless everything opens and everything is found by its index."""
    opened = open_store(url, Keys.load(folder))
    file = opened.cases.get(case_id, clinic=clinic, by="t")
    assert file.contact is not None
    (contact,) = opened.people.contacts_at(
        Channel.EMAIL, Protected("ANA1@patients.example"), clinic=clinic, by="t"
    )
    assert contact.id == file.contact.id
    raw = opened.landing.raw(file.messages[0].raw_id, clinic=clinic, by="t")
    same = arrival(raw.content, uid=raw.position.uid)
    assert opened.landing.land([same], clinic=clinic) == ()
    assert opened.people.import_roster([ana(clinic, number=2)], clinic=clinic, by="t") >= 0
    assert opened.audit.verify().holds
    opened.close()


def under(url: str, keys: Keys, index: bytes) -> dict[str, tuple[int, int]]:
    """Return for each index (rows, rows that are what this key makes of them)."""
    opened, counts = open_store(url, keys), {}
    with opened.transactions.read() as work:
        work.vault = work.vault.made_with(index)
        for one in INDEXED:
            rows = work.rows(select(one.table).where(one.column.is_not(None)))
            same = [one.make(work, row) == bytes(getattr(row, one.column.name)) for row in rows]
            counts[one.name] = (len(rows), sum(same))
    opened.close()
    return counts


@pytest.mark.parametrize("name", ["index", "audit"])
def test_a_rotation_is_killed_again_and_again_and_ends_with_nothing_lost(
    store: Store, store_url: str, keys: Keys, clinic: str, folder: Path, name: str
) -> None:
    case_id = fill(store, clinic)
    before = under(store_url, keys, keys.index)
    assert all(rows == same for rows, same in before.values())
    steps = random.Random(44).sample(range(1, 60), KILLS)  # The kills repeat.
    for at in steps:
        done = killed(name, store_url, folder, at)
        found(store_url, folder, clinic, case_id)
        # Who runs on with the keys of before reads them anew.
        if done:
            break
    {"index": rotate_index, "audit": rotate_audit}[name](store_url, folder)
    found(store_url, folder, clinic, case_id)
    after = Keys.load(folder)
    if name == "audit":
        assert after.named("audit")[-1] == keys.audit != after.audit
        return
    assert after.named("index") == (after.index,) != keys.named("index")
    opened = open_store(store_url, after)
    hits = opened.search.find(Wanted(Protected("refill")), clinic=clinic, by="t")
    assert case_id in {row.case.id for row in hits.rows}
    assert not hits.partly
    opened.close()
    for rows, same in under(store_url, after, keys.index).values():
        assert (same, rows > 0) == (0, rows > 0)
    assert all(rows == same for rows, same in under(store_url, after, after.index).values())
    with pytest.raises(WrongKey):
        open_store(store_url, keys)


def test_a_swap_that_left_one_row_behind_is_undone(
    store: Store, store_url: str, keys: Keys, clinic: str, folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The sabotage: rows that came meanwhile are not looked at again."""
    case_id = fill(store, clinic)
    monkeypatch.setattr("triage.store.reindex._fill", lambda *_: None)
    with pytest.raises(StoreRefused, match="rotate again"):
        rotate_index(store_url, folder)
    monkeypatch.undo()
    found(store_url, folder, clinic, case_id)
    assert all(rows == same for rows, same in under(store_url, keys, keys.index).values())


@pytest.mark.parametrize("name", ["index", "audit"])
def test_who_runs_on_uses_the_new_key_at_once(
    store: Store, store_url: str, clinic: str, folder: Path, name: str
) -> None:
    running = open_store(store_url, Keys.load(folder))
    running.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    {"index": rotate_index, "audit": rotate_audit}[name](store_url, folder)
    assert len(running.people.contacts_at(
        Channel.EMAIL, Protected("ana1@patients.example"), clinic=clinic, by="t"
    )) == 1  # fmt: skip
    running.people.import_roster([ana(clinic, number=2)], clinic=clinic, by="t")
    assert running.audit.verify().holds
    running.close()
    after = Keys.load(folder)
    assert all(rows == same for rows, same in under(store_url, after, after.index).values())


def test_who_was_erased_stays_away_after_the_index_was_rotated(
    store: Store, store_url: str, clinic: str, keys: Keys, folder: Path, tmp_path: Path
) -> None:
    case_id = fill(store, clinic)
    (message,) = store.cases.get(case_id, clinic=clinic, by="t").messages
    raw = store.landing.raw(message.raw_id, clinic=clinic, by="t")
    life = open_life(store_url, keys, store, lists=[tmp_path / "l"])
    life.erase("patient", "patient-1", clinic=clinic, by="t")
    life.close()
    _made, kept = rotate_index(store_url, folder)
    assert kept
    after = open_store(store_url, Keys.load(folder))
    assert after.landing.land([arrival(raw.content, uid="99", epoch="8")], clinic=clinic) == ()
    again = ana(clinic)
    person = type(again[0])("other", clinic, again[0].name, again[0].birth_date, again[0].mrn)
    assert after.people.import_roster([(person, [])], clinic=clinic, by="t") == 0
    after.close()
    # The oracle: with the new key alone they would come back.
    fresh = Keys.load(folder)
    alone = Keys(data=fresh.data, file=fresh.file, index=fresh.index, audit=fresh.audit)
    forgetful = open_store(store_url, alone)
    assert forgetful.people.import_roster([(person, [])], clinic=clinic, by="t") == 1
    forgetful.close()


def followed(events: Sequence[AuditEvent], key: bytes | Sequence[bytes]) -> Verdict:
    """Check events as if they were all there is."""
    check = Check(key)
    for each in events:
        links = (each.previous, each.digest)
        assert not check.follow(each.chain, each.number, each.seq, said(each), links)
    return check.close(check.verdict().heads, {})


def test_old_events_verify_and_none_can_be_added_under_the_old_key(
    store: Store, store_url: str, clinic: str, keys: Keys, folder: Path, tmp_path: Path
) -> None:
    case_id = fill(store, clinic)
    signed = ErasureList([tmp_path / "l"], keys.audit)
    assert rotate_audit(store_url, folder) == len(store.audit.heads())
    after = Keys.load(folder)
    opened = open_store(store_url, after)
    opened.cases.get(case_id, clinic=clinic, by="t")
    pack = opened.audit.evidence(case_id, clinic=clinic, by="t")
    with opened.transactions.read() as work:
        events = [records.event(row) for row in work.rows(select(tables.audit))]
        assert verify_chains(work, after.named("audit")).holds
        # Not with either key alone, and not when the chain is said to end with the old one.
        assert not verify_chains(work, after.audit).holds
        turn = next(event for event in events if event.action == "keys.rotated")
        broken = verify_chains(work, keys.audit)
        assert (broken.chain, broken.broken_at) == (turn.chain, turn.number)
        assert not verify_chains(work, after.named("audit")[::-1]).holds
    opened.close()
    for event in pack.events:
        key = keys.audit if event.seq < turn.seq else after.audit
        assert pack.keys[event.seq] == event_key(key, event.seq).hex()
    # Whoever stole the old key cuts the new part off and goes on with the old: that is seen.
    old = [event for event in events if event.seq < turn.seq]
    assert followed(old, keys.audit).holds
    assert "replaced" in followed(old, after.named("audit")).why
    assert ErasureList([tmp_path / "l"], after.named("audit")).read() == signed.read()


def test_a_backup_of_before_every_rotation_still_opens(
    store: Store, store_url: str, clinic: str, folder: Path, tmp_path: Path
) -> None:
    if not store_url.startswith("sqlite"):
        return
    case_id, backups = fill(store, clinic), tmp_path / "b"
    old = store.transactions.clock() - timedelta(days=9)
    make_backup(store_url, Keys.load(folder), backups, clock=lambda: old)
    store.close()
    rotate(store_url, folder)
    rotate_index(store_url, folder)
    rotate_audit(store_url, folder)
    rotate_file(store_url, folder, backups)
    keys = Keys.load(folder)
    make_backup(store_url, keys, backups)
    url = f"sqlite:///{tmp_path / 'again' / 'triage.db'}"
    assert restore_backup(url, keys, backups, made=f"{old:%Y%m%d}").made_at == old
    found(url, folder, clinic, case_id)


def test_the_file_key_is_replaced_in_every_file_and_backup(
    store: Store, store_url: str, clinic: str, keys: Keys, folder: Path, tmp_path: Path
) -> None:
    case_id, backups = fill(store, clinic), tmp_path / "b"
    make_backup(store_url, keys, backups)
    store.beats.beat("worker", notes=())
    with pytest.raises(StoreLocked, match="worker"):
        rotate_file(store_url, folder, backups)
    engine = connect(store_url, keys, owner=True)
    with engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM beats")
        connection.commit()
    engine.dispose()
    store.close()
    count = rotate_file(store_url, folder, backups)
    after = Keys.load(folder)
    assert (count, after.named("file")) == (
        (4 if store_url.startswith("sqlite") else 2), (after.file,),
    )  # fmt: skip
    assert after.file != keys.file
    found(store_url, folder, clinic, case_id)
    with pytest.raises(StoreRefused, match="this key"):
        restore_backup("sqlite:///" + str(tmp_path / "x" / "x.db"), keys, backups)
    if store_url.startswith("sqlite"):
        with pytest.raises(WrongKey):
            open_store(store_url, keys)


FILE_KILLED = """
import os, pathlib, signal
from triage.store import rotation_others
real, calls = rotation_others.open_file, 0
class Dying:
    def __init__(self, one): self.one = one
    def close(self): self.one.close()
    def execute(self, words):
        global calls
        if "rekey" in words:
            calls += 1
            if calls == {at}:
                # In the middle of it, or at its end: the journal has the old pages.
                self.one.set_progress_handler(lambda: os.kill(os.getpid(), 9), {ticks})
        return self.one.execute(words)
rotation_others.open_file = lambda *a, **k: Dying(real(*a, **k))
rotation_others.rotate_file({url!r}, pathlib.Path({keys!r}))
"""


def test_a_kill_while_files_are_encrypted_anew_loses_nothing(
    store: Store, store_url: str, clinic: str, folder: Path
) -> None:
    if not store_url.startswith("sqlite"):
        return
    case_id = fill(store, clinic)
    store.close()
    for at in (1, 2) if KILLS < 10 else (1, 2) * 10:
        for ticks in (1, 60):
            script = FILE_KILLED.format(url=store_url, keys=str(folder), at=at, ticks=ticks)
            subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
            found(store_url, folder, clinic, case_id)
    rotate_file(store_url, folder)
    found(store_url, folder, clinic, case_id)
    assert len(Keys.load(folder).named("file")) == 1


def test_forgotten_tables_hold_nothing_of_a_patient() -> None:
    for table in FORGOTTEN:
        assert not {"case_id", "patient_id", "message_id"} & set(table.columns.keys())
