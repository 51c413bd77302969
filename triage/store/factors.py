"""The second factor: an authenticator app whose secret is sealed and whose codes work once.

Rule of the room: a secret is shown only inside the session it was made in and only until it is
confirmed, so that whoever saw another one holds nothing; each step gives the session a new token.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select, update

from triage.errors import NotAllowed, NotFound, NotSignedIn
from triage.store import tables, totp
from triage.store.sessions import end_sessions, living, open_in
from triage.store.transaction import Transactions, Work


class SecondFactors:
    """Who has an authenticator app, and which of its codes were used."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def offer(self, token: str, *, now: datetime) -> str:
        """Return the secret to put into an app, the same for as long as the session lasts.

        Raises NotSignedIn, or NotAllowed when the person has an app already.
        """
        sessions = tables.sessions
        with self._transactions.write() as work:
            row = living(work, token, now=now)
            if _kept(work, row.user_id) is not None:
                raise NotAllowed("an authenticator app is enrolled already")
            if row.offered is None:
                secret = totp.new_secret()
                sealed = work.seal(sessions, row.id, offered=secret)
                mine = sessions.c.id == row.id
                work.run(update(sessions).where(mine).values(**sealed))
                work.note("factor.offered", clinic=row.clinic, by=row.user_id)
            else:
                secret = work.vault.open(row.offered, row.id)
        return totp.spelled(secret)

    def enrol(self, token: str, code: str, *, now: datetime) -> str:
        """Keep the offered secret once the app shows its code; return the session's new token.

        Raises NotSignedIn for a wrong code or a session without an offer, and NotAllowed when
        the person has an app already.
        """
        fresh = None
        with self._transactions.write() as work:
            row = living(work, token, now=now)
            work.lock(f"factor {row.user_id}")
            if row.offered is None:
                raise NotSignedIn
            if _kept(work, row.user_id) is not None:
                raise NotAllowed("an authenticator app is enrolled already")
            secret = work.vault.open(row.offered, row.id)
            step = totp.matching_step(secret, code, now=now, after=-1)
            if step is None:
                work.note("factor.refused", clinic=row.clinic, by=row.user_id)
            else:
                table = tables.second_factors
                sealed = work.seal(table, row.user_id, secret=secret)
                work.add(
                    table, id=row.user_id, clinic=row.clinic, made_at=now, last_step=step, **sealed
                )
                work.note("factor.enrolled", clinic=row.clinic, by=row.user_id)
                fresh = _rise(work, row, now)
        return _or_refuse(fresh)

    def give(self, token: str, code: str, *, now: datetime) -> str:
        """Take one code, never the same one twice; return the session's new token.

        Raises NotSignedIn for a wrong, an old or a used code.
        """
        fresh, table = None, tables.second_factors
        with self._transactions.write() as work:
            row = living(work, token, now=now)
            kept = _kept(work, row.user_id)
            step = None
            if kept is not None:
                secret = work.vault.open(kept.secret, kept.id)
                step = totp.matching_step(secret, code, now=now, after=kept.last_step)
            newer = table.c.last_step < step if step is not None else table.c.id.is_(None)
            mine = (table.c.id == row.user_id, newer)
            # The row itself refuses a code that another request used a moment ago.
            if step is not None and work.run(update(table).where(*mine).values(last_step=step)):
                fresh = _rise(work, row, now)
            else:
                work.note("factor.refused", clinic=row.clinic, by=row.user_id)
        return _or_refuse(fresh)

    def enrolled(self, user_id: str) -> bool:
        """Whether a person has an authenticator app."""
        with self._transactions.read() as work:
            return _kept(work, user_id) is not None

    def all_enrolled(self, *, clinic: str) -> frozenset[str]:
        """Return the ids of everybody of a clinic who has an authenticator app."""
        table = tables.second_factors
        with self._transactions.read() as work:
            rows = work.rows(select(table.c.id).where(table.c.clinic == clinic))
        return frozenset(str(row.id) for row in rows)

    def forget(self, user_id: str, *, clinic: str, by: str) -> None:
        """Take a lost app from a person and end their sessions; raise NotFound without one."""
        table = tables.second_factors
        mine = (table.c.clinic == clinic, table.c.id == user_id)
        with self._transactions.write() as work:
            # Sessions first: a guard keeps the app of whoever is signed in.
            end_sessions(work, user_id, clinic=clinic)
            if work.run(delete(table).where(*mine)) != 1:
                raise NotFound(f"authenticator of {user_id}")
            work.note("factor.forgotten", clinic=clinic, by=by, detail={"user": user_id})


def _kept(work: Work, user_id: str) -> Row[Any] | None:
    table = tables.second_factors
    return work.first(select(table).where(table.c.id == user_id))


def _rise(work: Work, row: Row[Any], now: datetime) -> str:
    """Replace a session by one in which the second factor was given; return its token."""
    sessions = tables.sessions
    work.run(delete(sessions).where(sessions.c.id == row.id))
    return open_in(work, row.clinic, row.user_id, now=now, factor_at=now, way=row.way)


def _or_refuse(token: str | None) -> str:
    # The refusal is raised after the transaction, so that its audit row stays.
    if token is None:
        raise NotSignedIn
    return token
