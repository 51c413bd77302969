"""Sessions: a token the browser holds, of which the database knows only the SHA-256.

Rule of the room: idle for 15 minutes, older than 12 hours, or of a person shut out: signed out.
What a page asks by itself is not a sign of life.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, select, update

from triage.domain import Standing
from triage.errors import NotSignedIn
from triage.store import records, tables
from triage.store.transaction import Transactions, Work

IDLE = timedelta(minutes=15)
ABSOLUTE = timedelta(hours=12)
#: A session from further ahead was opened before the clock was set back; nobody knows its age.
SKEW = timedelta(minutes=2)
#: How a session began.
PASSWORD, OPENID = "password", "openid"


class Sessions:
    """Who is signed in."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def open_session(self, user_id: str, *, now: datetime) -> str:
        """Return a fresh token for an active user; raise NotSignedIn for anybody else.

        The second factor is not given yet; `SecondFactors` changes the token when it is.
        """
        users = tables.users
        query = select(users).where(users.c.id == user_id, users.c.active.is_(True))
        with self._transactions.write() as work:
            row = work.first(query)
            if row is None:
                raise NotSignedIn
            old = tables.sessions.c.opened_at < now - ABSOLUTE
            work.run(delete(tables.sessions).where(old))
            return open_in(work, row.clinic, user_id, now=now)

    def session(self, token: str, *, now: datetime, watching: bool = False) -> Standing:
        """Return how a living session stands and keep it alive; raise NotSignedIn.

        `watching` says that a page asked by itself, which leaves the session as idle as it was.
        """
        with self._transactions.read() if watching else self._transactions.write() as work:
            row = living(work, token, now=now)
            if not watching:
                sessions = tables.sessions
                work.run(update(sessions).where(sessions.c.id == row.id).values(seen_at=now))
            user = work.one(select(tables.users).where(tables.users.c.id == row.user_id), "user")
            return Standing(
                records.user(user),
                row.opened_at,
                row.enrolled is not None,
                row.factor_at,
                row.way,
                user.password_given,
            )

    def close_session(self, token: str) -> None:
        """End a session; ending it twice is no error."""
        sessions = tables.sessions
        mine = sessions.c.id == token_digest(token)
        with self._transactions.write() as work:
            row = work.first(select(sessions).where(mine))
            if row is not None:
                work.run(delete(sessions).where(mine))
                work.note("session.closed", clinic=row.clinic, by=row.user_id)


def living(work: Work, token: str, *, now: datetime) -> Row[Any]:
    """Return the session of a token with its person's name and app; raise NotSignedIn."""
    sessions, users, factors = tables.sessions, tables.users, tables.second_factors
    query = (
        select(sessions, users.c.username, factors.c.id.label("enrolled"))
        .join(users, sessions.c.user_id == users.c.id)
        .outerjoin(factors, factors.c.id == users.c.id)
        .where(sessions.c.id == token_digest(token), *alive(now))
    )
    row = work.first(query)
    if row is None:
        raise NotSignedIn
    return row


def alive(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions under which a session, joined with its person, is a living one."""
    sessions, users = tables.sessions, tables.users
    return (
        sessions.c.seen_at > now - IDLE,
        sessions.c.seen_at < now + SKEW,
        sessions.c.opened_at > now - ABSOLUTE,
        sessions.c.opened_at < now + SKEW,
        users.c.active.is_(True),
    )


def end_sessions(work: Work, user_id: str, *, clinic: str) -> None:
    """End every session of a person of this clinic inside an open transaction."""
    sessions = tables.sessions
    mine = (sessions.c.user_id == user_id, sessions.c.clinic == clinic)
    work.run(delete(sessions).where(*mine))


def open_in(
    work: Work,
    clinic: str,
    user_id: str,
    *,
    now: datetime,
    factor_at: datetime | None = None,
    way: str = PASSWORD,
) -> str:
    """Add a session inside an open transaction; return its token."""
    token = secrets.token_urlsafe(32)
    work.add(
        tables.sessions,
        id=token_digest(token),
        clinic=clinic,
        user_id=user_id,
        opened_at=now,
        seen_at=now,
        factor_at=factor_at,
        way=way,
    )
    detail = {"with": way, "factor": "given" if factor_at is not None else "not given"}
    work.note("session.opened", clinic=clinic, by=user_id, detail=detail)
    return token


def token_digest(token: str) -> str:
    """Return what the database knows of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
