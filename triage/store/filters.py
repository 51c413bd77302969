"""The conditions that filters of the queue stand for; what is counted is what is shown.

Rule of the room: a filter shows less of the queue and changes nothing.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Text, and_, cast, or_

from triage.domain import Filters, Route
from triage.store import tables
from triage.store.claims import CLAIM_HOLDS


def filtered(filters: Filters, now: datetime) -> list[ColumnElement[bool]]:
    """Return what a case must be to pass."""
    cases, found = tables.cases, list[ColumnElement[bool]]()
    if filters.route is not None:
        found.append(asks_for(filters.route))
    if filters.urgency is not None:
        found.append(cases.c.urgency == int(filters.urgency))
    if filters.channel is not None:
        found.append(cases.c.channel == filters.channel.value)
    if filters.days is not None:
        found.append(cases.c.last_message_at >= now - timedelta(days=filters.days))
    if filters.held_by is not None:
        found.append(held_by(filters.held_by, now))
    return found


def asks_for(route: Route) -> ColumnElement[bool]:
    """Whether a case asks for this first, or also."""
    cases = tables.cases
    also = cast(cases.c.also, Text).like(f'%"{route.value}"%')
    return or_(cases.c.route == route.value, also)


def held_by(user_id: str, now: datetime) -> ColumnElement[bool]:
    """Whether this person has a case just now; nobody, for no id."""
    cases = tables.cases
    held = and_(cases.c.claimed_at > now - CLAIM_HOLDS, cases.c.claimed_at < now + CLAIM_HOLDS)
    if user_id:
        return and_(cases.c.claimed_by == user_id, held)
    return or_(cases.c.claimed_at.is_(None), ~held)
