"""Failed log-ins, and how long somebody has to wait after them.

Rule of the room: a try is counted before it is looked at, so that many at once are not free;
counts run out with time, so that nobody is shut out for ever; no name that was typed is kept.

A browser a person signed in with before has a count of its own. Strangers who fail under
that person's name, from wherever they come, never make it wait.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, select, update

from triage.domain import User
from triage.errors import TooManyTries
from triage.store import tables
from triage.store.transaction import Transactions, Work

_DAY = timedelta(days=1)
#: A browser nobody signed in with for so long is a stranger again.
KNOWN_FOR = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Patience:
    """After `free` failures the wait doubles from two seconds to `longest`."""

    free: int
    longest: timedelta
    #: One failure is forgiven each time this long has passed.
    forgiven_every: timedelta

    def wait(self, failures: int) -> timedelta:
        """Return the wait after so many failures."""
        if failures <= self.free:
            return timedelta()
        return min(self.longest, timedelta(seconds=2 ** min(failures - self.free, 30)))

    def left(self, failures: int, passed: timedelta) -> int:
        """Return how many failures still count."""
        return max(0, failures - max(0, int(passed / self.forgiven_every)))

    @property
    def most(self) -> int:
        """More failures than these change nothing any more."""
        return self.free + 12


#: What is counted, by kind. One address alone fails at most four times an hour under one name
#: once it waits the longest, far fewer than `account` forgives: only many addresses together
#: make strangers wait for an account, and then five minutes at most.
PATIENCE: Mapping[str, Patience] = {
    "place": Patience(4, timedelta(minutes=15), timedelta(minutes=30)),
    "account": Patience(20, timedelta(minutes=5), timedelta(minutes=6)),
    "address": Patience(20, timedelta(minutes=15), timedelta(minutes=3)),
    "browser": Patience(4, timedelta(minutes=15), timedelta(minutes=30)),
    "code": Patience(4, timedelta(minutes=15), timedelta(minutes=30)),
    # Whoever sits at a session left open guesses the old password no faster than at the log-in.
    "own": Patience(4, timedelta(minutes=15), timedelta(minutes=30)),
    # A log-in through the provider that was begun and not ended.
    "openid": Patience(40, timedelta(minutes=5), timedelta(minutes=1)),
}


class Tries:
    """Who has to wait before the next try, and which browsers are known."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def begin(self, knocks: Mapping[str, str], *, now: datetime) -> None:
        """Count one try under each kind and name; raise TooManyTries while one has to wait.

        A refused try is not counted, so asking again and again makes no wait longer.
        """
        with self._transactions.write() as work:
            work.lock("log-in tries")
            ids = {kind: _id(work, kind, name) for kind, name in knocks.items()}
            failures, until = _read(work, ids, now)
            if until <= now:
                for kind, row_id in ids.items():
                    _count(work, kind, row_id, failures[kind] + 1, now)
                table = tables.log_in_tries
                work.run(delete(table).where(table.c.last_at < now - _DAY))
        if until > now:
            raise TooManyTries(1 + int((until - now).total_seconds()))

    def succeeded(self, knocks: Mapping[str, str]) -> None:
        """Take a try back that was right; a count of this very person is wiped."""
        table = tables.log_in_tries
        with self._transactions.write() as work:
            for kind, name in knocks.items():
                mine = table.c.id == _id(work, kind, name)
                if kind in ("account", "address", "openid"):
                    less = update(table).where(mine, table.c.failures > 0)
                    work.run(less.values(failures=table.c.failures - 1, until=table.c.last_at))
                else:
                    work.run(delete(table).where(mine))

    def refused(self, username: str) -> None:
        """Note a failed log-in; of a name nobody has, only that there was one."""
        users = tables.users
        query = select(users.c.id, users.c.clinic).where(users.c.username == username)
        with self._transactions.write() as work:
            row = work.first(query)
            clinic, detail = ("", {}) if row is None else (row.clinic, {"user": row.id})
            work.note("session.refused", clinic=clinic, by="stranger", detail=detail)

    def knows(self, browser: str, username: str, *, now: datetime) -> bool:
        """Whether this person signed in with this browser before."""
        table = tables.known_browsers
        with self._transactions.read() as work:
            mine = table.c.id == _id(work, "known", f"{browser}\n{username}")
            return work.first(select(table.c.id).where(mine, _recent(now))) is not None

    def remember(self, browser: str, user: User, *, now: datetime) -> str:
        """Know this browser from now on; return its token, a new one unless it is ours."""
        table = tables.known_browsers
        with self._transactions.write() as work:
            ours = table.c.browser == _id(work, "browser", browser)
            if not browser or work.first(select(table.c.id).where(ours, _recent(now))) is None:
                # A token from elsewhere could have been planted by somebody who keeps a copy.
                browser = secrets.token_urlsafe(32)
            row_id = _id(work, "known", f"{browser}\n{user.username}")
            if not work.run(update(table).where(table.c.id == row_id).values(seen_at=now)):
                work.add(
                    table,
                    id=row_id,
                    clinic=user.clinic,
                    browser=_id(work, "browser", browser),
                    user_id=user.id,
                    seen_at=now,
                )
            work.run(delete(table).where(table.c.seen_at < now - KNOWN_FOR))
        return browser


def _recent(now: datetime) -> ColumnElement[bool]:
    return tables.known_browsers.c.seen_at > now - KNOWN_FOR


def _id(work: Work, kind: str, name: str) -> str:
    return work.vault.blind(f"log-in {kind}", "", name).hex()


def _read(work: Work, ids: Mapping[str, str], now: datetime) -> tuple[dict[str, int], datetime]:
    """Return what still counts of each kind and when the longest wait ends."""
    table = tables.log_in_tries
    rows = {row.id: row for row in work.rows(select(table).where(table.c.id.in_(ids.values())))}
    counts, until = dict.fromkeys(ids, 0), now
    for kind, row_id in ids.items():
        if row_id in rows:
            row = rows[row_id]
            patience = PATIENCE[kind]
            counts[kind] = patience.left(row.failures, now - row.last_at)
            # Set back, the clock makes nobody wait longer than the longest wait there is.
            until = max(until, min(row.until, now + patience.longest))
    return counts, until


def _count(work: Work, kind: str, row_id: str, failures: int, now: datetime) -> None:
    patience, table = PATIENCE[kind], tables.log_in_tries
    failures = min(failures, patience.most)
    values = {"failures": failures, "last_at": now, "until": now + patience.wait(failures)}
    if not work.run(update(table).where(table.c.id == row_id).values(**values)):
        work.run(insert(table).values(id=row_id, **values))
