"""Proofs of approvals as a person's browser makes them, for tests that have no browser."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from triage.domain import approver_key
from triage.store import Store, tables
from triage.store.proof import BrowserKey
from triage.store.sessions import open_in
from triage.store.transaction import Work

#: After every moment a test's clock shows.
FAR = datetime(2200, 1, 1, tzinfo=UTC)
#: Names no key and signs nothing; well-formed for all that.
FORGED = f"{'0' * 64}:{'0' * 128}"


def browser_key(master: bytes, user_id: str) -> BrowserKey:
    """Return a key that the person's own key certifies."""
    return BrowserKey(approver_key(master, user_id), FAR)


def enrol(store: Store, key: BrowserKey, *, clinic: str, user_id: str) -> str:
    """Enrol a key in a session of its own in which the second factor was given; return its id."""
    with store.transactions.write() as work:
        have_app(work, clinic, user_id)
        # Opened so late, it outlives every clock; nobody deletes it for its age.
        token = open_in(work, clinic, user_id, now=FAR, factor_at=FAR)
    known = {"public": key.public, "until": key.until, "certificate": key.certificate}
    return store.proof_keys.enrol(token, now=FAR - timedelta(minutes=1), **known)


def have_app(work: Work, clinic: str, user_id: str) -> None:
    """Give somebody an authenticator app who has none: without one no second factor is given."""
    table = tables.second_factors
    if work.first(select(table.c.id).where(table.c.id == user_id)) is None:
        sealed = work.seal(table, user_id, secret="JBSWY3DPEHPK3PXP")
        work.add(table, id=user_id, clinic=clinic, made_at=FAR, last_step=0, **sealed)


def proof_of(
    store: Store, master: bytes, user_id: str, reply_id: str, digest: str, *, clinic: str = "c1"
) -> str:
    """Sign one reply's words with a fresh key of this person."""
    key = browser_key(master, user_id)
    enrol(store, key, clinic=clinic, user_id=user_id)
    return key.prove(reply_id, digest)


def unproven(store: Store, user_id: str, *, clinic: str = "c1") -> str:
    """Return a proof whose key is enrolled and alive, and which proves nothing."""
    key = browser_key(b"not the master of anybody here..", user_id)
    return f"{enrol(store, key, clinic=clinic, user_id=user_id)}:{'0' * 128}"
