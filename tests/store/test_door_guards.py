"""Safety-bar 18 at the door: rows written by hand sign nobody in, and take no second factor."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tests.store.practice import NOON
from triage.domain import Clinic, Role, User
from triage.store import Keys, Store, totp
from triage.store.engine import connect
from triage.store.guards import drop_guards

pytestmark = pytest.mark.bar(18)
SESSION = (
    "INSERT INTO sessions (id, clinic, user_id, opened_at, seen_at, factor_at, way) VALUES"
    " ('evil', '{clinic}', '{user}', '2026-11-23', '2026-11-23', {factor}, '{way}')"
)
LINK = (
    "INSERT INTO openid_subjects (id, clinic, issuer, subject, linked_at) VALUES"
    " ('{user}', '{clinic}', 'https://idp.example', '{subject}', '2026-11-23')"
)


def session(user: str, clinic: str = "clinic-a", *, factor: str = "NULL", way: str = "x") -> str:
    return SESSION.format(clinic=clinic, user=user, factor=factor, way=way)


#: `dora` has an app and a living session, `lone` is linked and has neither, `gone` is shut out.
ATTACKS = {
    "a session with a factor nobody gave": session("user-new", factor="'2026-11-23'"),
    "a provider's factor without a link": session("user-new", factor="'2026-11-23'", way="openid"),
    "a linked person's factor by password": session(
        "user-lone", factor="'2026-11-23'", way="password"
    ),
    "a session of somebody shut out": session("user-gone"),
    "a session in another clinic": session("user-dora", "clinic-b"),
    "a session handed to somebody else": "UPDATE sessions SET user_id = 'user-lone'",
    "a factor put into a session": "UPDATE sessions SET factor_at = '2030-01-01'",
    "a session that began later": "UPDATE sessions SET opened_at = '2030-01-01'",
    "another secret": "UPDATE second_factors SET secret = {blob}",
    "an app handed on": "UPDATE second_factors SET id = 'user-new'",
    "an app in another clinic": "UPDATE second_factors SET clinic = 'clinic-b'",
    "a code used again": "UPDATE second_factors SET last_step = last_step - 1",
    "the same step again": "UPDATE second_factors SET last_step = last_step",
    "an app taken from whoever is signed in": "DELETE FROM second_factors",
    "an app for somebody shut out": "INSERT INTO second_factors"
    " SELECT 'user-gone', clinic, secret, made_at, last_step FROM second_factors",
    "an app of another clinic": "INSERT INTO second_factors"
    " SELECT 'user-new', 'clinic-b', secret, made_at, last_step FROM second_factors",
    "a link to somebody of another clinic": LINK.format(
        user="user-new", clinic="clinic-b", subject="s"
    ),
    "a second person behind one subject": LINK.format(
        user="user-new", clinic="clinic-a", subject="lone"
    ),
    "a link that changes": "UPDATE openid_subjects SET subject = 'evil'",
    "a link that moves": "UPDATE openid_subjects SET id = 'user-new'",
    "a start that begins anew": "UPDATE openid_starts SET begun_at = '2030-01-01'",
    "a user of another clinic": "UPDATE users SET clinic = 'clinic-b' WHERE id = 'user-new'",
    "a user by another name": "UPDATE users SET username = 'evil' WHERE id = 'user-new'",
}
SQLITE = {
    "an app replaced": "INSERT OR REPLACE INTO second_factors"
    " SELECT id, clinic, {blob}, made_at, 0 FROM second_factors",
    "a link replaced": LINK.replace("INSERT", "INSERT OR REPLACE").format(
        user="user-lone", clinic="clinic-a", subject="evil"
    ),
}


@pytest.fixture
def door(store: Store, store_url: str, keys: Keys, clinic: str) -> Iterator[Engine]:
    """The owner's connection to a clinic with people in every state; only guards are in the way."""
    assert clinic == "clinic-a"
    store.people.add_clinic(Clinic("clinic-b", "Elsewhere"))
    dora = User("user-dora", clinic, "dora", "Dora", frozenset({Role.SECRETARY}))
    store.people.add_user(dora, "x")
    for name in ("new", "lone", "gone"):
        roles = frozenset({Role.NURSE})
        store.people.add_user(User(f"user-{name}", clinic, name, name.title(), roles), "x")
    store.people.set_active("user-gone", False, clinic=clinic, by="t")
    now = store._transactions.clock()
    token = store.people.open_session("user-dora", now=now)
    secret = totp.unspelled(store.factors.offer(token, now=now))
    store.factors.enrol(token, totp.code_at(secret, now), now=now)
    store.accounts.link("user-lone", "https://idp.example", "lone", clinic=clinic, by="t")
    store.accounts.begin("state", now=NOON)
    engine = connect(store_url, keys, owner=True)
    yield engine
    engine.dispose()


def taken(door: Engine, statement: str) -> bool:
    """Whether the database takes a statement; it is undone either way."""
    blob = "X'00ff'" if door.dialect.name == "sqlite" else "'\\x00ff'::bytea"
    with door.connect() as connection:
        if door.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            done = connection.execute(text(statement.replace("{blob}", blob)))
            return done.rowcount != 0
        except DBAPIError as refused:
            if "guard: " not in str(refused.orig):
                raise
            return False
        finally:
            connection.rollback()


def attacks(door: Engine) -> dict[str, str]:
    return ATTACKS | (SQLITE if door.dialect.name == "sqlite" else {})


def test_no_row_written_by_hand_opens_the_door(door: Engine) -> None:
    assert [name for name, said in attacks(door).items() if taken(door, said)] == []


def test_without_guards_the_same_rows_are_taken(door: Engine) -> None:
    """Sabotage: only what a foreign key or unique index also refuses is still refused."""
    with door.connect() as connection:
        drop_guards(connection)
        connection.commit()
    still = []
    for name, said in attacks(door).items():
        try:
            if not taken(door, said):
                still.append(name)
        except DBAPIError:
            still.append(name)
    assert set(still) <= {"a second person behind one subject", "an app handed on"}
