"""Where an open case stands in the queue: urgent, then what nobody could read or sort, then by when
it is due, and last what was put off.

Rule of the room: a column says it, so that a page of the queue is one walk of one index; it is
written whenever a case is filed, sorted or linked, and anew when hours or targets change.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, case, select, update

from triage.domain import (
    TIERS,
    CaseState,
    Lane,
    OpeningHours,
    Place,
    Route,
    Step,
    Targets,
    Urgency,
)
from triage.store import tables
from triage.store.practice_settings import hours_of, targets_of
from triage.store.transaction import Transactions, Work

#: The queue's order, which is that of its index.
QUEUE = (
    tables.cases.c.urgency.desc(),
    tables.cases.c.tier.desc(),
    tables.cases.c.due_at,
    tables.cases.c.opened_at,
    tables.cases.c.id,
)
#: Below everything else that is routine: somebody put it off, or it waits for an answer.
ASLEEP = -1
#: What says that somebody acted on an urgent case.
_ACTED = ("acted_at", "acted_by", "acted_how", "acted_to")
#: Cases of one transaction when all are placed anew.
BATCH = 2000


class Due:
    """When every case is due."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def again(self, *, clinic: str, by: str) -> int:
        """Place every open case anew, after hours or targets changed; return how many."""
        last, count = "", 0
        while rows := self._batch(clinic, last, by):
            last, count = rows[-1].id, count + len(rows)
        return count

    def _batch(self, clinic: str, last: str, by: str) -> list[Row[Any]]:
        cases = tables.cases
        query = (
            select(cases)
            .where(
                cases.c.clinic == clinic, cases.c.state == CaseState.OPEN.value, cases.c.id > last
            )
            .order_by(cases.c.id)
            .limit(BATCH)
            .with_for_update()
        )
        with self._transactions.write() as work:
            rows = work.rows(query)
            if rows:
                hours, targets = hours_of(work, clinic), targets_of(work, clinic)
                places = [
                    {"row": row.id, **_values(_place(row), hours, targets), **_still_asleep(row)}
                    for row in rows
                ]
                names = ("due_at", "tier", "haste")
                moved: dict[str, Any] = {name: bindparam(name) for name in names}
                work.run(update(cases).where(cases.c.id == bindparam("row")).values(moved), places)
                work.moved(clinic)
                detail = {"cases": str(len(rows))}
                work.note("cases.placed", clinic=clinic, by=by, detail=detail)
        return rows


def placed(work: Work, clinic: str, place: Place) -> dict[str, Any]:
    """Return the columns by which a case stands where it does."""
    return _values(place, hours_of(work, clinic), targets_of(work, clinic))


def placed_again(work: Work, case: Row[Any], **changed: Any) -> dict[str, Any]:
    """Return those columns for a case of which these columns change."""
    return placed(work, case.clinic, _place(case, changed))


def lies_down() -> dict[str, Any]:
    """Return the columns by which a case sleeps, and stands below all that is awake."""
    return {"lane": Lane.SNOOZED.value, "tier": ASLEEP}


def stands_up() -> dict[str, Any]:
    """Return the columns by which a case is awake, where it stood before."""
    cases = tables.cases
    tiers = {lane.value: number for lane, number in TIERS.items()}
    return {"lane": cases.c.home_lane, "tier": case(tiers, value=cases.c.home_lane, else_=0)}


def sooner(case: Row[Any], places: Mapping[str, Any]) -> dict[str, Any]:
    """Return new places of a case that a message joined: none moves it down."""
    known: datetime | None = case.due_at
    due = places["due_at"] if known is None else min(known, places["due_at"])
    return {**places, "due_at": due, "tier": max(case.tier, places["tier"])}


def must_act(work: Work, case: Row[Any] | None, urgency: int, since: datetime) -> dict[str, Any]:
    """Return the columns by which somebody has to act from `since` on.

    Nothing changes for what is not urgent, nor while somebody is still to be told: time goes on.
    Where everybody was told and nobody acted they are told anew, or nobody would hear of this.
    """
    if not urgency:
        return {}
    waits = case is not None and case.urgency and case.acted_at is None and case.urgent_since
    if case is not None and waits and not _all_told(work, case.id):
        return {}
    nobody = dict.fromkeys(_ACTED)
    return {"urgent_since": since, **nobody}


def _all_told(work: Work, case_id: str) -> bool:
    """Whether every step was taken for a case that still waits for somebody to act."""
    table = tables.escalations
    living = (table.c.case_id == case_id, table.c.ended_at.is_(None))
    row = work.first(select(table.c.step).where(*living))
    return row is not None and row.step >= len(Step)


def must_act_if_it_rises(
    work: Work, case: Row[Any], urgency: int, since: datetime
) -> dict[str, Any]:
    """Return those columns where a person sorts a case anew: nothing takes an act back but worse.

    Sorting a case that stays as urgent as it was, or gets calmer, changes none of them.
    """
    return must_act(work, case, urgency, since) if urgency > case.urgency else {}


def act_again(work: Work, case_id: str, *, closed: bool = False) -> None:
    """Let somebody act anew on an urgent case that was acted on: the patient may have no answer.

    `closed` leaves an open case as it is: whoever is at it knows.
    """
    cases = tables.cases
    acted_on = [cases.c.id == case_id, cases.c.urgency > 0, cases.c.acted_at.is_not(None)]
    if closed:
        acted_on.append(cases.c.state == CaseState.CLOSED.value)
    nobody: dict[str, Any] = dict.fromkeys(_ACTED)
    work.run(update(cases).where(*acted_on).values(urgent_since=work.now, **nobody))


def _place(row: Row[Any], changed: Mapping[str, Any] | None = None) -> Place:
    values = {**row._mapping, **(changed or {})}
    return Place(
        Route(values["route"]),
        Lane(values["home_lane"]),
        Urgency(values["urgency"]),
        values["opened_at"],
        values["haste"],
        values["urgent_since"],
    )


def _still_asleep(row: Row[Any]) -> dict[str, Any]:
    return {"tier": ASLEEP} if row.lane == Lane.SNOOZED.value else {}


def _values(place: Place, hours: OpeningHours, targets: Targets) -> dict[str, Any]:
    return {
        "due_at": place.due_at(hours, targets),
        "tier": place.tier,
        "haste": place.haste,
    }
