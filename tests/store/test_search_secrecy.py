"""Safety-bar 44: what search keeps tells no word, crosses no clinic and goes with its case."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, Select, delete, event, func, literal, select

from tests.store.practice import ana
from tests.store.test_search import file, find, ids
from triage.domain import Clinic, Protected, Wanted
from triage.store import Keys, Life, Store, open_life, open_store, searches, tables
from triage.store.search_index import token
from triage.store.search_words import WORD, terms_of, words_of

pytestmark = pytest.mark.bar(44)
ELSEWHERE = "clinic-b"
KEPT = (tables.search_tokens, tables.search_cases, tables.search_patients)


@pytest.fixture
def life(store: Store, store_url: str, keys: Keys, tmp_path: Path) -> Life:
    return open_life(store_url, keys, store, lists=[tmp_path / "erasures.list"])


@pytest.fixture
def two(store: Store, clinic: str) -> dict[str, str]:
    """The same words in two clinics, each of which has an Ana Marula; clinic -> case."""
    store.people.add_clinic(Clinic(ELSEWHERE, "Elsewhere"))
    made = {}
    for number, name in enumerate((clinic, ELSEWHERE), 1):
        store.people.import_roster([ana(name, number=number)], clinic=name, by="t")
        who = {"sender": Protected(f"ana{number}@patients.example")}
        made[name] = file(store, name, "A rash, again", uid=f"{number}", **who)
    return made


def count(store: Store, table: object) -> int:
    with store.transactions.read() as work:
        return work.number(select(func.count()).select_from(table))  # type: ignore[arg-type]  # Any Table.


def test_two_clinics_never_find_each_other_s(
    store: Store, clinic: str, two: dict[str, str]
) -> None:
    for words in ("rash", "marula", "rash marula", "1971-03-09", ""):
        for name, case_id in two.items():
            assert ids(find(store, name, words)) == [case_id], words
    assert ids(find(store, clinic, "ana2@patients.example")) == []
    assert ids(find(store, ELSEWHERE, "ana1@patients.example")) == []
    with store.transactions.read() as work:
        table = tables.search_tokens
        mine, theirs = (
            {bytes(row.token) for row in work.rows(select(table).where(table.c.clinic == name))}
            for name in two
        )
    assert mine
    assert not mine & theirs, "the same word has another token in another clinic"


def test_a_token_carried_into_another_clinic_finds_nothing_there(
    store: Store, clinic: str, two: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write rows points their own words at a foreign case: the case stays unseen.

    Sabotage: without the clinic in the last query it is shown.
    """
    known, kept = tables.search_cases, tables.search_tokens
    with store.transactions.write() as work:
        row = work.one(select(known).where(known.c.id == two[ELSEWHERE]), "it")
        work.run(delete(kept).where(kept.c.clinic == ELSEWHERE))
        work.run(delete(known).where(known.c.id == row.id))
        work.add(known, id=row.id, clinic=clinic, number=row.number + 5, made_with=row.made_with)
        one = token(work.vault, clinic, (WORD, "rash"))
        work.add(kept, clinic=clinic, token=one, number=row.number + 5)
    assert ids(find(store, clinic, "rash")) == [two[clinic]]
    assert ids(find(store, clinic)) == [two[clinic]]
    real = searches.cases_query

    def forgetful(clinic: str, *given: object) -> Select[tuple[object]]:
        query = real(clinic, *given)  # type: ignore[arg-type]  # Passed on as they came.
        bare = [part for part in query._where_criteria if "cases.clinic" not in str(part)[:12]]
        query._where_criteria = tuple(bare)
        return query

    monkeypatch.setattr(searches, "cases_query", forgetful)
    assert set(ids(find(store, clinic, "rash"))) == set(two.values())


def test_the_audit_names_who_was_shown_and_not_what_was_asked(
    store: Store, clinic: str, two: dict[str, str]
) -> None:
    find(store, clinic, "rash Marula")
    find(store, clinic, "Zwxqcanary")
    events = store.audit.events(clinic=clinic, by="t", action="search.read")
    assert [(one.actor, one.cases, dict(one.detail)) for one in events] == [
        ("user-dora", (), {"count": "0"}),
        ("user-dora", (two[clinic],), {"count": "1"}),
    ]
    assert [one.action for one in store.audit.of_patient("patient-1", clinic=clinic, by="t")].count(
        "search.read"
    ) == 1


@pytest.mark.parametrize("kind", ["case", "patient"])
def test_the_tokens_of_an_erased_case_are_gone(
    store: Store, life: Life, clinic: str, two: dict[str, str], kind: str
) -> None:
    """The canary is a word of the erased case alone; another case's tokens stay."""
    case_id = file(store, clinic, "Zwxqcanary rash", uid="canary")
    other = file(store, ELSEWHERE, "Zwxqcanary", uid="kept", sender=Protected("x@y.example"))
    canary = token(store.transactions.vault, clinic, (WORD, "zwxqcanary"))
    table = tables.search_tokens

    def left() -> int:
        with store.transactions.read() as work:
            mine = select(func.count()).select_from(table).where(table.c.token == canary)
            return work.number(mine)

    assert left() == 1
    life.erase(kind, {"case": case_id, "patient": "patient-1"}[kind], clinic=clinic, by="t")
    assert left() == 0
    with store.transactions.read() as work:
        known = work.rows(select(tables.search_cases.c.id))
        people = work.rows(select(tables.search_patients.c.patient_id))
    assert case_id not in {row.id for row in known}
    assert ids(find(store, clinic, "Zwxqcanary")) == []
    assert ids(find(store, ELSEWHERE, "Zwxqcanary")) == [other]
    if kind == "patient":
        assert ids(find(store, clinic, "marula")) == []
        assert {row.patient_id for row in people} == {"patient-2"}


def test_an_erased_case_is_not_shown_even_where_its_tokens_stayed(
    store: Store, life: Life, clinic: str, two: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: erasing forgets the tokens, as a restore from a bad backup might."""
    monkeypatch.setattr("triage.store.life.forget_case", lambda *_: None)
    life.erase("case", two[clinic], clinic=clinic, by="t")
    with store.transactions.read() as work:
        assert work.first(
            select(tables.search_cases.c.id).where(tables.search_cases.c.id == two[clinic])
        )
    assert ids(find(store, clinic, "rash")) == []
    # Indexing everything anew does not bring it back, either.
    store.search.catch_up(by="t")
    assert ids(find(store, clinic)) == []


def test_no_plain_word_is_in_the_tables_of_search(store: Store, clinic: str) -> None:
    store.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    file(store, clinic, "lisinopril Zwxqcanary", uid="1")
    with store.transactions.read() as work:
        seen = " ".join(repr(tuple(row)).lower() for one in KEPT for row in work.rows(select(one)))
    assert "made_with" in tables.search_cases.c
    assert not [word for word in ("lisino", "canary", "marula", "1971", "ana1") if word in seen]


def test_old_cases_are_caught_up_with(
    store: Store, store_url: str, keys: Keys, clinic: str, two: dict[str, str]
) -> None:
    before = {one.name: count(store, one) for one in KEPT}
    with store.transactions.write() as work:
        for table in KEPT:
            work.run(delete(table))
    empty = find(store, clinic, "rash")
    assert (empty.rows, empty.partly) == ((), True)
    # A message that joins a case from before brings the whole case along.
    first = store.cases.get(two[clinic], clinic=clinic, by="t").messages[0].message_id
    followed = file(store, clinic, "One more thing", uid="9", references=(first,))
    assert followed == two[clinic]
    assert ids(find(store, clinic, "rash thing")) == [followed]
    # The other clinic's case and both patients.
    assert store.search.waiting() == 3
    done: list[int] = []
    again = open_store(store_url, keys)
    assert again.search.catch_up(by="migrate", watch=done.append) == sum(done) > 0
    again.close()
    hits = find(store, clinic, "rash")
    assert (set(ids(hits)) & {two[clinic]}, hits.partly) == ({two[clinic]}, False)
    assert ids(find(store, clinic, "marula thing")) == [followed]
    assert before == {one.name: count(store, one) for one in KEPT} | {
        "search_tokens": before["search_tokens"]
    }
    (entry, *_) = store.audit.events(clinic=clinic, by="t", action="search.indexed")
    assert entry.actor == "migrate"


def test_a_patient_s_new_name_replaces_the_old_one(
    store: Store, clinic: str, two: dict[str, str]
) -> None:
    patient, contacts = ana(clinic)
    married = replace(patient, name=Protected("Ana Quintero"))
    store.people.import_roster([(married, contacts)], clinic=clinic, by="t")
    assert ids(find(store, clinic, "quintero")) == [two[clinic]]
    assert ids(find(store, clinic, "marula")) == []


def test_a_hostile_mail_fills_no_index(store: Store, clinic: str) -> None:
    many = " ".join(f"word{number}" for number in range(5000))
    assert len(words_of(many)) == 2000
    assert max(map(len, words_of("x" * 10_000))) == 40
    assert len(terms_of(many)) <= 12
    assert terms_of("") == terms_of("\0 \ud800 !!") == ()


Asked = tuple[str, tuple[object, ...] | dict[str, object]]


@contextmanager
def listening(engine: Engine) -> Iterator[list[Asked]]:
    asked: list[Asked] = []

    def heard(_c: object, _k: object, statement: str, given: object, *_: object) -> None:
        if statement.startswith("SELECT") and "search_" in statement:
            asked.append((statement, given))  # type: ignore[arg-type]  # Whatever SQLAlchemy hands over.

    event.listen(engine, "before_cursor_execute", heard)
    yield asked
    event.remove(engine, "before_cursor_execute", heard)


def plan(engine: Engine, asked: Asked) -> str:
    """Return how the engine would answer; PostgreSQL is told that the tables are not small."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[0]}", asked[1])
            return "\n".join(row.detail for row in rows)
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        rows = connection.exec_driver_sql(f"EXPLAIN {asked[0]}", asked[1])
        return "\n".join(row[0] for row in rows)


def walks_a_whole_table(query: str, found: str) -> bool:
    lines = [line.strip(" ->") for line in found.splitlines()]
    # The cases of a few patients are found from the patients on, and are few enough to be sorted.
    few = "cases.patient_id IN" in query
    slow = ("SCAN ", "Seq Scan") if few else ("SCAN ", "Seq Scan", "USE TEMP B-TREE")
    whole = [line for line in lines if line.startswith(slow)]
    return any("SCAN (" not in line and "SCAN anon" not in line for line in whole)


def test_every_query_of_a_search_goes_by_an_index(
    store: Store, store_url: str, clinic: str, two: dict[str, str]
) -> None:
    engine = store.transactions._engine
    with listening(engine) as asked:
        for words in ("rash", "rash again", "marula rash", "ana1@patients.example", ""):
            wanted = Wanted(Protected(words), days=9)
            store.search.find(wanted, clinic=clinic, by="t", before=2**60)
    plans = {statement: plan(engine, (statement, given)) for statement, given in asked}
    assert len(plans) >= 6
    slow = {q: p for q, p in plans.items() if walks_a_whole_table(q, p) and "made_with" not in q}
    assert slow == {}
    # The newest come out of the index in their order: nothing is sorted to find them.
    newest = [p for q, p in plans.items() if "ORDER BY search_tokens.number DESC" in q]
    assert newest
    assert not [p for p in newest if "Sort" in p or "TEMP B-TREE" in p]


def test_a_query_without_an_index_is_seen(store: Store, clinic: str, two: dict[str, str]) -> None:
    """Sabotage: a question no index answers."""
    engine, table = store.transactions._engine, tables.search_cases
    query = select(literal(1)).where(table.c.made_with == b"x")
    with listening(engine) as asked, store.transactions.read() as work:
        work.rows(query.select_from(table))
    assert walks_a_whole_table(asked[0][0], plan(engine, asked[0]))
