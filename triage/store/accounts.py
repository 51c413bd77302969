"""What people know and are known by: a password of their own, a subject at an identity provider.

Rule of the room: a subject is linked by an administrator and by nobody else; a person is never
made, and never found by an e-mail address.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update

from triage.domain import User, Vouched
from triage.errors import (
    ChangedUnderneath,
    NameTaken,
    NotAllowed,
    NotFound,
    NotSignedIn,
    ProviderRefused,
)
from triage.store import records, tables
from triage.store.passwords import hash_password, password_fits, refuse_weak
from triage.store.sessions import OPENID, PASSWORD, end_sessions, living, open_in
from triage.store.transaction import Transactions, Work

#: A log-in through a provider that takes longer starts again.
START_LASTS = timedelta(minutes=10)


class Accounts:
    """Passwords people choose, and who is whom at an identity provider."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def choose_password(self, token: str, new: str, *, old: str | None, now: datetime) -> str:
        """Take a person's own password; return the session's new token, every other one ends.

        Without `old` only while the present one was made by somebody else and opened this very
        session. Raises NotSignedIn for a wrong `old`, WeakPassword, NotAllowed, ChangedUnderneath
        when somebody else was quicker.
        """
        with self._transactions.read() as work:
            row = living(work, token, now=now)
            user = work.one(select(tables.users).where(tables.users.c.id == row.user_id), "user")
            clinics = tables.clinics
            clinic = work.one(select(clinics).where(clinics.c.id == row.clinic), "clinic")
        if old is None and not (user.password_given and row.way == PASSWORD):
            raise NotAllowed("a password of one's own is changed on one's own page")
        # The slow hashes are made outside: a database file has one writer at a time.
        if old is not None and not password_fits(user.password, old):
            self._note("password.refused", user)
            raise NotSignedIn
        about = (user.username, user.display_name, clinic.name)
        refuse_weak(new, about=about, same=password_fits(user.password, new))
        hashed, users = hash_password(new), tables.users
        with self._transactions.write() as work:
            row = living(work, token, now=now)
            mine = (users.c.id == row.user_id, users.c.password == user.password)
            if not work.run(
                update(users).where(*mine).values(password=hashed, password_given=False)
            ):
                raise ChangedUnderneath(f"password of {row.user_id}")
            end_sessions(work, row.user_id, clinic=row.clinic)
            work.note("password.chosen", clinic=row.clinic, by=row.user_id)
            way, given = row.way, row.factor_at
            return open_in(work, row.clinic, row.user_id, now=now, factor_at=given, way=way)

    def confirm_password(self, token: str, password: str, *, now: datetime) -> None:
        """Return if this is the present password of a session's person; raise NotSignedIn."""
        with self._transactions.read() as work:
            row = living(work, token, now=now)
            user = work.one(select(tables.users).where(tables.users.c.id == row.user_id), "user")
        if not password_fits(user.password, password):
            self._note("password.refused", user)
            raise NotSignedIn

    def choose_language(self, user_id: str, language: str, *, clinic: str) -> None:
        """Keep in which language a person reads the pages; raise NotFound."""
        table = tables.users
        mine = (table.c.clinic == clinic, table.c.id == user_id)
        with self._transactions.write() as work:
            if not work.run(update(table).where(*mine).values(language=language)):
                raise NotFound(f"user {user_id}")
            detail = {"language": language}
            work.note("language.chosen", clinic=clinic, by=user_id, detail=detail)

    def subjects(self, *, clinic: str, issuer: str) -> Mapping[str, str]:
        """Return user id -> subject of everybody of a clinic who is linked at this provider."""
        table = tables.openid_subjects
        mine = (table.c.clinic == clinic, table.c.issuer == issuer)
        with self._transactions.read() as work:
            rows = work.rows(select(table).where(*mine))
        return {str(row.id): str(row.subject) for row in rows}

    def link(self, user_id: str, issuer: str, subject: str, *, clinic: str, by: str) -> None:
        """Say whom a provider means by a subject, instead of anything said before.

        Ends the person's sessions. Raises NotFound, or NameTaken for a subject that is another's.
        """
        table, users = tables.openid_subjects, tables.users
        with self._transactions.write() as work:
            work.lock(f"staff {clinic}")
            work.one(
                select(users.c.id).where(users.c.clinic == clinic, users.c.id == user_id), "user"
            )
            same = (table.c.clinic == clinic, table.c.issuer == issuer, table.c.subject == subject)
            if work.first(select(table.c.id).where(*same, table.c.id != user_id)) is not None:
                raise NameTaken("This account is linked to somebody else.")
            end_sessions(work, user_id, clinic=clinic)
            work.run(delete(table).where(table.c.id == user_id, table.c.clinic == clinic))
            work.add(
                table, id=user_id, clinic=clinic, issuer=issuer, subject=subject, linked_at=work.now
            )
            detail = {"user": user_id, "issuer": issuer, "subject": subject}
            work.note("openid.linked", clinic=clinic, by=by, detail=detail)

    def unlink(self, user_id: str, *, clinic: str, by: str) -> None:
        """Let a provider no longer speak for a person, whose sessions end; raise NotFound."""
        table = tables.openid_subjects
        with self._transactions.write() as work:
            end_sessions(work, user_id, clinic=clinic)
            mine = (table.c.id == user_id, table.c.clinic == clinic)
            if work.run(delete(table).where(*mine)) != 1:
                raise NotFound(f"linked account of {user_id}")
            work.note("openid.unlinked", clinic=clinic, by=by, detail={"user": user_id})

    def begin(self, state: str, *, now: datetime) -> None:
        """Remember that a log-in through the provider has begun."""
        table = tables.openid_starts
        with self._transactions.write() as work:
            work.run(delete(table).where(table.c.begun_at <= now - START_LASTS))
            work.run(insert(table).values(id=_digest(state), begun_at=now))

    def come_back(self, state: str, *, now: datetime) -> datetime:
        """Return when this log-in began, once; raise ProviderRefused for a used or old one."""
        table = tables.openid_starts
        with self._transactions.write() as work:
            mine = (table.c.id == _digest(state), table.c.begun_at > now - START_LASTS)
            row = work.first(select(table).where(*mine).with_for_update())
            # The row itself lets one of two requests pass.
            if row is not None and work.run(delete(table).where(*mine)) == 1:
                moment: datetime = row.begun_at
                return moment
        raise ProviderRefused("stale")

    def enter(self, vouched: Vouched, *, clinic: str, now: datetime) -> str:
        """Open a session for an active person of this clinic who is linked to the subject.

        Raises ProviderRefused, `stranger` or `shut_out`, after noting it in the audit.
        """
        table, users = tables.openid_subjects, tables.users
        query = (
            select(users)
            .join(table, table.c.id == users.c.id)
            .where(
                table.c.clinic == clinic,
                users.c.clinic == clinic,
                table.c.issuer == vouched.issuer,
                table.c.subject == vouched.subject,
            )
        )
        with self._transactions.write() as work:
            row = work.first(query)
            if row is not None and row.active:
                factor_at = now if vouched.factor else None
                return open_in(work, clinic, row.id, now=now, factor_at=factor_at, way=OPENID)
            why = "stranger" if row is None else "shut_out"
            _note_refused(work, why, clinic, None if row is None else records.user(row))
        raise ProviderRefused(why, vouched.subject)

    def refused(self, why: str, *, clinic: str) -> None:
        """Note a log-in through the provider that came to nothing."""
        with self._transactions.write() as work:
            _note_refused(work, why, clinic, None)

    def _note(self, action: str, user: Any) -> None:
        with self._transactions.write() as work:
            work.note(action, clinic=user.clinic, by=user.id)


def _note_refused(work: Work, why: str, clinic: str, user: User | None) -> None:
    detail = {"with": OPENID, "why": why} | ({} if user is None else {"user": user.id})
    work.note("session.refused", clinic=clinic, by="stranger", detail=detail)


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()
