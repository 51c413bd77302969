"""What every page and every round of the worker asks is found by an index, however much lies there.

Without word of how the rows are spread SQLite takes the clinic for a rare thing to ask for, and
would look through all that ever landed. The oracle is the clinic asked for plainly.
"""

from datetime import UTC, datetime

import pytest
from sqlalchemy import event

from tests.small_practice import mail_from, receive
from triage.store import Store

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
