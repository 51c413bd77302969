"""Safety-bar 43 at the store: every read and write leaves its row, no tampering stays hidden."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from tests.store.practice import NOON, Clock, add_staff, ana, queued, reading
from triage.domain import Protected
from triage.errors import NotFound
from triage.store import Keys, Store, open_store
from triage.store.engine import connect

pytestmark = pytest.mark.bar(43)
Tamper = Callable[[Connection, int], object]


def sql(statement: str) -> Tamper:
    return lambda connection, seq: connection.execute(text(statement), {"seq": seq}).rowcount


def swap(connection: Connection, seq: int) -> None:
    for old, new in ((seq, -1), (seq + 1, seq), (-1, seq + 1)):
        connection.execute(
            text("UPDATE audit SET seq = :new WHERE seq = :old"), {"old": old, "new": new}
        )


def renumber(connection: Connection, seq: int) -> None:
    connection.execute(text("DELETE FROM audit WHERE seq = :seq"), {"seq": seq})
    rest = connection.execute(
        text("SELECT seq FROM audit WHERE seq > :seq ORDER BY seq"), {"seq": seq}
    )
    for row in rest.all():
        connection.execute(
            text("UPDATE audit SET seq = :seq - 1 WHERE seq = :seq"), {"seq": row.seq}
        )


TAMPERS: dict[str, Tamper] = {
    "who": sql("UPDATE audit SET actor = 'eve' WHERE seq = :seq"),
    "what": sql("UPDATE audit SET action = 'case.nothing' WHERE seq = :seq"),
    "when": sql("UPDATE audit SET at = '2001-01-01 00:00:00.000000' WHERE seq = :seq"),
    "which cases": sql("""UPDATE audit SET cases = '["x"]' WHERE seq = :seq"""),
    "details": sql("""UPDATE audit SET detail = '{"a": "b"}' WHERE seq = :seq"""),
    "clinic": sql("UPDATE audit SET clinic = 'clinic-b' WHERE seq = :seq"),
    "previous": sql("UPDATE audit SET previous = digest WHERE seq = :seq"),
    "digest": sql("UPDATE audit SET digest = previous WHERE seq = :seq"),
    "deleted": sql("DELETE FROM audit WHERE seq = :seq"),
    "deleted and renumbered": renumber,
    "cut off": sql("DELETE FROM audit WHERE seq >= :seq"),
    "re-ordered": swap,
    "inserted": sql(
        "INSERT INTO audit (seq, clinic, at, actor, action, cases, detail, previous, digest,"
        " chain, number) SELECT (SELECT max(seq) + 1 FROM audit), clinic, at, actor, action, cases,"
        " detail, previous, digest, chain, (SELECT max(number) + 1 FROM audit) FROM audit"
        " WHERE seq = :seq"
    ),
    "head turned back": sql(
        "UPDATE audit_heads SET number = number - 1, digest = (SELECT previous FROM audit"
        " WHERE number = audit_heads.number AND chain = audit_heads.chain) WHERE number > 0"
    ),
    "hidden from a case": sql(
        "DELETE FROM audit_cases WHERE seq = (SELECT max(seq) FROM audit_cases)"
    ),
    "blamed on a case": sql("INSERT INTO audit_cases (seq, case_id) VALUES (:seq, 'innocent')"),
}


@pytest.fixture
def trail(store: Store, clinic: str) -> Store:
    reply = queued(store, clinic)
    case_id = reply.outgoing.case_id
    for _ in range(5):
        store.cases.get(case_id, clinic=clinic, by="user-dora")
    store.audit.record("export", clinic=clinic, by="user-dora", cases=(case_id,))
    return store


def without_guards(url: str, keys: Keys, tamper: Tamper, seq: int) -> None:
    """Tamper as somebody who took the triggers away."""
    engine = connect(url, keys, owner=True)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            names = connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'"
            )
            for (name,) in names.all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            for table in ("audit", "audit_cases", "audit_heads"):
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            connection.exec_driver_sql(
                "ALTER TABLE audit_cases DROP CONSTRAINT IF EXISTS fk_audit_cases_seq"
            )
        tamper(connection, seq)
        connection.commit()
    engine.dispose()


@pytest.mark.parametrize("name", sorted(TAMPERS))
def test_tampering_is_found(trail: Store, store_url: str, keys: Keys, name: str) -> None:
    assert trail.audit.verify().holds
    seq = random.Random(name).randrange(3, trail.audit.verify().events - 3)
    without_guards(store_url, keys, TAMPERS[name], seq)
    verdict = trail.audit.verify()
    assert not verdict.holds, f"{name} at {seq}"


@pytest.mark.usefixtures("owner_alone")
def test_a_tail_cut_off_with_its_head_is_found_against_a_head_kept_outside(
    trail: Store, store_url: str, keys: Keys
) -> None:
    kept = trail.audit.heads()
    earlier = trail.audit.verify().events - 3

    def cut(connection: Connection, seq: int) -> None:
        for statement in (
            "DELETE FROM audit_cases WHERE seq > :seq",
            "DELETE FROM audit WHERE seq > :seq",
            "UPDATE audit_heads SET number = :seq,"
            " digest = (SELECT digest FROM audit WHERE seq = :seq) WHERE number > 0",
        ):
            connection.execute(text(statement), {"seq": seq})

    without_guards(store_url, keys, cut, earlier)
    assert trail.audit.verify().holds, "inside nothing shows: that is what the outer head is for"
    assert not trail.audit.verify(heads=kept).holds


def test_an_older_head_still_holds_when_the_chain_has_grown(trail: Store, clinic: str) -> None:
    kept = trail.audit.heads()
    trail.audit.record("export", clinic=clinic, by="user-dora")
    assert trail.audit.verify(heads=kept).holds
    other = [replace(head, digest="0" * 64) for head in kept]
    assert not trail.audit.verify(heads=other).holds


def test_every_read_and_write_of_a_case_is_in_its_history(store: Store, clinic: str) -> None:
    reply = queued(store, clinic)
    case_id, by = reply.outgoing.case_id, "user-dora"
    file = store.cases.get(case_id, clinic=clinic, by=by)
    store.cases.queue(clinic=clinic, by=by)
    store.cases.claim(case_id, clinic=clinic, by=by, now=NOON)
    store.cases.original(file.messages[0].id, clinic=clinic, by=by)
    attachment = file.messages[0].attachments[0].id
    store.cases.attachment(case_id, attachment, clinic=clinic, by=by)
    store.replies.claim(reply.id, clinic=clinic, by="sender")
    history = store.cases.history(case_id, clinic=clinic, by="user-sam")
    assert [event.action for event in history] == [
        "case.filed",
        "case.read",
        "draft.saved",
        "reply.approved",
        "case.read",
        "queue.read",
        "case.claimed",
        "original.read",
        "attachment.read",
        "reply.claimed",
    ]
    again = store.cases.history(case_id, clinic=clinic, by="user-sam")
    assert again[-1].action == "history.read"


def test_events_are_filtered_and_scoped(store_url: str, keys: Keys) -> None:
    clock = Clock()
    store = open_store(store_url, keys, clock=clock)
    for at, (clinic, who) in enumerate([("a", "dora"), ("a", "sam"), ("b", "eve")]):
        clock.forward(timedelta(minutes=1))
        store.audit.record(f"thing.{at}", clinic=clinic, by=who, cases=(f"case-{at}",))
    ask = {"clinic": "a", "by": "sam"}
    assert [e.action for e in store.audit.events(**ask)] == ["thing.1", "thing.0"]
    assert [e.action for e in store.audit.events(**ask, actor="dora")] == ["thing.0"]
    assert [e.action for e in store.audit.events(**ask, case_id="case-1")] == ["thing.1"]
    assert store.audit.events(**ask, case_id="case-2") == []
    since = NOON + timedelta(minutes=2)
    found = store.audit.events(**ask, since=since, action="thing.1")
    assert len(found) == 1
    assert [e.action for e in store.audit.events(**ask, limit=1, offset=6)] == ["thing.0"]
    store.close()


def test_a_write_that_fails_leaves_neither_a_row_nor_an_event(store: Store, clinic: str) -> None:
    before = store.audit.heads()
    given = reading(store, clinic)
    landed = store.audit.heads()
    with pytest.raises(NotFound):
        store.cases.link("none", clinic=clinic, by="x", patient_id="p", contact_id="c")
    with pytest.raises(NotFound):
        store.cases.file(given, clinic="clinic-b", by="x")
    assert store.audit.heads() == landed != before


def test_the_audit_holds_no_patient_text(store: Store, clinic: str) -> None:
    add_staff(store, clinic)
    store.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    case_id = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    store.people.find_patients(Protected("Marula"), clinic=clinic, by="t")
    store.cases.get(case_id, clinic=clinic, by="t")
    said = repr(store.audit.events(clinic=clinic, by="t", limit=1000)).lower()
    for word in ("marula", "lisinopril", "patients.example", "canary", "mrn-"):
        assert word not in said
