"""Sessions: a token the browser holds, of which the database knows only the SHA-256.

Rule of the room: idle for 15 minutes, older than 12 hours, or of a person shut out: signed out.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from triage.domain import User
from triage.errors import NotSignedIn
from triage.store import records, tables
from triage.store.transaction import Transactions, Work

IDLE = timedelta(minutes=15)
ABSOLUTE = timedelta(hours=12)


class Sessions:
    """Who is signed in."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def open_session(self, user_id: str, *, now: datetime) -> str:
        """Return a fresh token for an active user; raise NotSignedIn for anybody else."""
        token, users = secrets.token_urlsafe(32), tables.users
        query = select(users).where(users.c.id == user_id, users.c.active.is_(True))
        with self._transactions.write() as work:
            row = work.first(query)
            if row is None:
                raise NotSignedIn
            old = tables.sessions.c.opened_at < now - ABSOLUTE
            work.run(delete(tables.sessions).where(old))
            work.add(
                tables.sessions,
                id=_digest(token),
                clinic=row.clinic,
                user_id=user_id,
                opened_at=now,
                seen_at=now,
            )
            work.note("session.opened", clinic=row.clinic, by=user_id)
        return token

    def session(self, token: str, *, now: datetime) -> User:
        """Return the person of a living session and keep it alive; raise NotSignedIn."""
        sessions, users = tables.sessions, tables.users
        mine = sessions.c.id == _digest(token)
        alive = (
            mine,
            sessions.c.seen_at > now - IDLE,
            sessions.c.opened_at > now - ABSOLUTE,
        )
        query = (
            select(users)
            .join(sessions, sessions.c.user_id == users.c.id)
            .where(*alive, users.c.active.is_(True))
        )
        with self._transactions.write() as work:
            row = work.first(query)
            if row is None:
                raise NotSignedIn
            work.run(update(sessions).where(mine).values(seen_at=now))
            return records.user(row)

    def close_session(self, token: str) -> None:
        """End a session; ending it twice is no error."""
        sessions = tables.sessions
        mine = sessions.c.id == _digest(token)
        with self._transactions.write() as work:
            row = work.first(select(sessions).where(mine))
            if row is not None:
                work.run(delete(sessions).where(mine))
                work.note("session.closed", clinic=row.clinic, by=row.user_id)

    @staticmethod
    def _end_sessions(work: Work, user_id: str) -> None:
        sessions = tables.sessions
        work.run(delete(sessions).where(sessions.c.user_id == user_id))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
