"""What lies on the disk says nothing about anybody, and sealed bytes open in their place only."""

import base64
import os
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import StatementError

from tests.store.practice import NOON, ana, queued
from triage.domain import Protected, ReplyState
from triage.errors import StoreRefused, WrongKey
from triage.store import Keys, Store, open_store, tables
from triage.store.columns import Sealed
from triage.store.engine import connect
from triage.store.vault import Vault, dump

CANARIES = (
    "Ana Marula",
    "ana1@patients.example",
    "lisinopril",
    "Canary Lane",
    "MRN-00001",
    "1971-03-09",
    "ana-form.pdf",
    "PDF canary",
    "raw words",
    "It is ready",
    "250 Ok canary",
    "crushing",
)


def full(store: Store, clinic: str) -> None:
    reply = queued(store, clinic)
    store.replies.claim(reply.id, clinic=clinic, by="sender")
    store.replies.settle(
        reply.id, ReplyState.SENT, clinic=clinic, by="sender", receipt="250 Ok canary"
    )


def test_no_canary_is_found_in_any_file_of_the_database(
    store: Store, store_url: str, clinic: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    full(store, clinic)
    if store_url.startswith("sqlite"):
        folder = tmp_path
        assert (tmp_path / "triage.db-wal").exists()
    else:
        server = request.getfixturevalue("postgres")
        server.ask("postgres", "CHECKPOINT")
        folder = server.folder / "data"
    files = [path for path in folder.rglob("*") if path.is_file()]
    everything = b"".join(path.read_bytes() for path in files)
    for canary in CANARIES:
        plain = canary.encode()
        for form in (plain, plain.hex().encode(), base64.b64encode(plain)[:-4]):
            assert form not in everything, canary


def test_rows_say_nothing_even_with_the_file_key(
    store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    """Inside the database, too: only the data key opens a sealed column."""
    full(store, clinic)
    engine = connect(store_url, keys, owner=True)
    with engine.connect() as connection:
        said = b""
        for table in tables.metadata.sorted_tables:
            names = ", ".join(column.name for column in table.columns)
            for row in connection.exec_driver_sql(f"SELECT {names} FROM {table.name}"):
                for value in row:
                    said += value if isinstance(value, bytes) else repr(value).encode()
    engine.dispose()
    for canary in CANARIES:
        assert canary.encode() not in said, canary
    assert b"user-dora" in said, "the oracle: what is not sealed is found"


def test_a_sealed_column_refuses_plain_text(store: Store, clinic: str) -> None:
    table = tables.patients
    vault = store._transactions.vault
    other = vault.seal("contacts", "name", "p", "Ana")
    for value in ("Ana", b"Ana", other):
        with store._transactions.write() as work, pytest.raises((TypeError, StatementError)):
            work.run(
                insert(table), [{"id": "p", "clinic": clinic, "language": "en", "name": value}]
            )


def test_every_column_with_patient_text_is_sealed() -> None:
    """A list by name, so that a new plain text column is a decision somebody makes here."""
    plain = {
        "raw_messages": {"inbox", "mailbox", "epoch", "uid"},
        "ledger": {"inbox", "mailbox", "epoch", "uid"},
        "cursors": {"inbox", "mailbox", "epoch", "uid"},
        "mailboxes": {"inbox", "mailbox", "epoch"},
        # Where a message stands that a server owes us, and who of us chose to ignore it.
        "uncollected": {"inbox", "mailbox", "epoch", "uid", "by"},
        # Whose test mail it was.
        "canaries": {"inbox"},
        # The address of an identity provider.
        "openid_subjects": {"issuer"},
        "messages": {"redactor"},
        "attachments": {"media_type"},
        "classifications": {"model"},
        "flags": {"rule"},
        "suggestions": {"template"},
        "cases": {"claimed_by", "outcome"},
        "requests": {"done_by"},
        "drafts": {"contact_id", "author"},
        "approvals": {"proof"},
        "labels": {"model", "by"},
        "sample_items": {"judged_by"},
        "contacts": {"verified_by", "consent_by", "retired_by"},
        "clinics": {"name"},
        "teams": {"name"},
        "users": {"display_name", "password"},
        "signatures": {"what", "user_id"},
        "break_glass": {"reviewed_by"},
        "audit": {"actor"},
        "erasures": {"by"},
        "practice_settings": {"by"},
        "holds": {"by", "lifted_by"},
        "forms": {"added_by", "retired_by"},
    }
    found = {
        table.name: {c.name for c in table.columns if type(c.type).__name__ == "Text"}
        for table in tables.metadata.sorted_tables
    }
    assert {name: columns for name, columns in found.items() if columns} == plain
    sealed = [
        c for t in tables.metadata.sorted_tables for c in t.columns if isinstance(c.type, Sealed)
    ]
    assert len(sealed) >= 40
    assert all((c.type.table, c.type.column) == (c.table.name, c.name) for c in sealed)


@pytest.mark.parametrize("move", ["row", "column", "flip", "cut", "version"])
def test_sealed_bytes_open_nowhere_else_and_not_when_changed(
    store: Store, clinic: str, move: str
) -> None:
    roster = [ana(clinic, number=1), ana(clinic, number=2)]
    store.people.import_roster(roster, clinic=clinic, by="t")
    table, vault = tables.patients, store._transactions.vault
    with store._transactions.write() as work:
        rows = {row.id: row for row in work.rows(select(table))}
        good = rows["patient-1"].name.stored
        bad = {
            "row": rows["patient-2"].name.stored,
            "column": rows["patient-1"].mrn.stored,
            "flip": good[:-1] + bytes([good[-1] ^ 1]),
            "cut": good[:20],
            "version": b"\x03" + good[1:],
        }[move]
        forged = type(rows["patient-1"].name)("patients", "name", bad)
        work.run(update(table).where(table.c.id == "patient-1").values(name=forged))
    with pytest.raises((StoreRefused, WrongKey)):
        store.people.patient("patient-1", clinic=clinic, by="t")
    assert vault.text(forged if move == "none" else rows["patient-2"].name, "patient-2")


def test_a_reply_whose_words_were_swapped_is_not_sent_but_shown(
    store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    """Safety-bar 19 against somebody who took the guards away: the sender still refuses."""
    one, two = queued(store, clinic), queued(store, clinic)
    engine = connect(store_url, keys, owner=True)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER guard_replies_approved_words_stay_update")
        else:
            connection.exec_driver_sql("ALTER TABLE replies DISABLE TRIGGER USER")
        swap = (
            "UPDATE replies SET body = (SELECT body FROM replies WHERE id = :two) WHERE id = :one"
        )
        connection.execute(text(swap), {"one": one.id, "two": two.id})
        vault = Vault(keys)
        forged = vault.seal("replies", "body", two.id, "Pay the thief instead.")
        change = update(tables.replies).where(tables.replies.c.id == two.id)
        connection.execute(change.values(body=forged))
        connection.commit()
    engine.dispose()
    for reply in (one, two):
        assert store.replies.claim(reply.id, clinic=clinic, by="sender") is None
    later = NOON + timedelta(days=900)
    assert store.replies.due(later, limit=9) == []
    assert store.replies.stuck(before=later) == []
    states = store.replies.get(two.id, clinic=clinic, by="user-dora")
    assert (states.state, states.why) == (ReplyState.FAILED, Protected("changed_in_store"))


def test_a_database_with_other_keys_is_refused(store: Store, store_url: str, keys: Keys) -> None:
    store.close()
    for name in ("data", "file", "index", "audit"):
        wrong = {"data": (os.urandom(32),)} if name == "data" else {name: os.urandom(32)}
        parts = {part: getattr(keys, part) for part in ("data", "file", "index", "audit")} | wrong
        if name == "file" and not store_url.startswith("sqlite"):
            continue
        with pytest.raises(WrongKey):
            open_store(store_url, Keys(**parts))


def test_an_older_master_key_still_opens_and_the_one_in_use_wraps(
    store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    store.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    fresh = os.urandom(32)
    rotated = Keys(data=(fresh, *keys.data), file=keys.file, index=keys.index, audit=keys.audit)
    again = open_store(store_url, rotated)
    assert again.people.patient("patient-1", clinic=clinic, by="t").name == Protected(
        "Ana Marula 1"
    )
    again.people.import_roster([ana(clinic, number=2)], clinic=clinic, by="t")
    again.close()
    # Until the keys are rotated, whoever has only the old master reads everything.
    assert store.people.patient("patient-2", clinic=clinic, by="t")


def test_any_text_survives_sealing(keys: Keys) -> None:
    vault = Vault(keys)
    for words in ("", "ä\u0000\ud800", "x" * 100_000):
        sealed = vault.seal("t", "c", "r", words)
        assert vault.text(sealed, "r") == Protected(words)
        assert vault.seal("t", "c", "r", words) != sealed
    listed = vault.seal("t", "c", "r", dump(["a", "\ud800"]))
    assert vault.words(listed, "r") == ("a", "\ud800")


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    made = Keys.make(tmp_path / "keys")
    assert Keys.load(tmp_path / "keys") == made
    assert repr(made) == "Keys()"
    for path in (tmp_path / "keys").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        Keys.make(tmp_path / "keys")
    other = {"TRIAGE_KEY_FILE": "ab" * 32, "TRIAGE_KEY_DATA": f"{'cd' * 32},{'ef' * 32}"}
    loaded = Keys.load(tmp_path / "keys", environment=other)
    assert (loaded.file, len(loaded.data)) == (b"\xab" * 32, 2)
    for bad in ({"TRIAGE_KEY_FILE": "zz"}, {"TRIAGE_KEY_FILE": "ab"}):
        with pytest.raises(WrongKey):
            Keys.load(tmp_path / "keys", environment=bad)
    (tmp_path / "keys" / "file.key").chmod(0o644)
    with pytest.raises(WrongKey, match="chmod"):
        Keys.load(tmp_path / "keys", environment={})
    with pytest.raises(WrongKey, match="missing"):
        Keys.load(tmp_path / "nowhere", environment={})
