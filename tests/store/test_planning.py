"""What every page and every round of the worker asks is found by an index, however much lies there.

Without word of how the rows are spread SQLite takes the clinic for a rare thing to ask for, and
would look through all that ever landed. The oracle is the clinic asked for plainly. PostgreSQL
plans a statement that comes again and again for values it does not know.
"""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event

from tests.small_practice import CLINIC, SECRETARY, mail_from, receive
from triage.domain import Protected, Wanted
from triage.store import Store, searches

ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
#: The index of what waits, and that of all that ever landed.
WAITING, EVERYTHING = "ix_raw_messages_waiting", "ix_raw_messages_place"


def led_by(store: Store) -> set[str]:
    """Return by which index each question about what waits is answered."""
    asked: list[tuple[str, object]] = []

    def hear(_: object, __: object, statement: str, given: object, *___: object) -> None:
        if "filed_at IS NULL" in statement and statement.startswith("SELECT"):
            asked.append((statement, given))

    engine = store.transactions._engine
    event.listen(engine, "before_cursor_execute", hear)
    store.landing.late(before=datetime.now(UTC), clinic="c1")
    store.landing.waiting(limit=9, clinic="c1")
    store.counts.figures(clinic="c1")
    event.remove(engine, "before_cursor_execute", hear)
    assert len(asked) == 3
    with engine.connect() as connection:
        plans = [
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).all()
            for statement, given in asked
        ]
    return {name for name in (WAITING, EVERYTHING) for plan in plans if name in str(plan)}


@ON_SQLITE
@pytest.mark.parametrize("plainly", [False, True])
def test_what_waits_is_counted_without_a_look_at_all_that_landed(
    practice: Store, plainly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(practice, mail_from(1, "refill"))
    if plainly:
        for room in ("landing", "waiting"):
            monkeypatch.setattr(f"triage.store.{room}.unindexed", lambda column: column)
    assert (EVERYTHING in led_by(practice)) == plainly


@pytest.mark.parametrize("given", [False, True])
def test_the_numbers_of_cases_are_known_to_the_planner(
    practice: Store, given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given:
        monkeypatch.setattr(searches, "among", lambda column, few: column.in_(sorted(few)))
    for number in range(1, 4):
        receive(practice, mail_from(number, "one more refill"))
    sent: list[int] = []

    def hear(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        if "search_" in statement and statement.startswith("SELECT"):
            sent.append(sum(isinstance(one, int) and one > 1_000 for one in _values(values)))

    engine = practice.transactions._engine
    event.listen(engine, "before_cursor_execute", hear)
    wanted = Wanted(Protected("more refill"))
    found = practice.search.find(wanted, clinic=CLINIC.id, by=SECRETARY.id)
    event.remove(engine, "before_cursor_execute", hear)
    assert len(found.rows) == 3
    assert max(sent) == (3 if given else 0)


def _values(values: Any) -> list[object]:
    return list(values.values()) if isinstance(values, dict) else list(values)
