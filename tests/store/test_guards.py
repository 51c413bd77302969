"""Safety-bar 18 at the store: direct SQL changes nothing it must not, through any connection.

The oracle runs the same statements against a database without guards; there most succeed, so a
list of attacks that could not hurt anybody would be found out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from tests.store.attacks import ATTACKS, IDLE, POSTGRESQL, SQLITE, Attack
from tests.store.practice import add_staff, arrival, queued
from triage.domain import Clinic, Label, Lane, ReplyState, Role, Route, Urgency, User
from triage.errors import StoreRefused
from triage.store import Keys, Store, migrate, open_store, tables
from triage.store.engine import connect
from triage.store.guards import GUARDS, POSTGRES_ONLY, check_guards, make_guards

pytestmark = pytest.mark.bar(18)
WATCHED = (
    tables.replies,
    tables.approvals,
    tables.audit,
    tables.audit_cases,
    tables.audit_heads,
    tables.raw_messages,
    tables.ledger,
    tables.messages,
    tables.labels,
    tables.proof_keys,
    tables.departures,
)


#: What else there is: tables and triggers, owners and rights, roles and who is in them.
SHAPE_SQLITE = ("SELECT name, sql FROM sqlite_master",)
SHAPE_POSTGRESQL = (
    "SELECT relname, relowner, relacl::text, relrowsecurity FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace",
    "SELECT proname, prosrc, proconfig::text, prosecdef FROM pg_proc"
    " WHERE pronamespace = 'public'::regnamespace",
    "SELECT polname, polrelid FROM pg_policy",
    "SELECT rolname, rolsuper, rolcreaterole FROM pg_roles",
    "SELECT roleid, member FROM pg_auth_members",
)
GUARD = next(guard.name for guard in GUARDS if guard.table == "replies")[:63]


@dataclass(frozen=True)
class Scene:
    url: str
    keys: Keys
    names: dict[str, str]


@pytest.fixture
def scene(store: Store, store_url: str, keys: Keys, clinic: str) -> Scene:
    """One reply queued, one sent, one recalled; one message landed and not yet filed."""
    now = store._transactions.clock()
    waiting, gone, back = (queued(store, clinic, not_before=now) for _ in range(3))
    store.replies.claim(gone.id, clinic=clinic, by="sender")
    store.replies.settle(gone.id, ReplyState.SENT, clinic=clinic, by="sender")
    store.replies.recall(back.id, clinic=clinic, by="user-dora", now=now)
    store.people.add_clinic(Clinic("clinic-b", "Elsewhere"))
    store.people.add_user(User("user-eve", "clinic-b", "eve", "Eve", frozenset({Role.NURSE})), "x")
    (raw,) = store.landing.land([arrival(uid="unread")], clinic=clinic)
    case_id = waiting.outgoing.case_id
    general, routine, none = Route.GENERAL, Urgency.ROUTINE, frozenset[Route]()
    label = Label(
        "label-1", clinic, case_id, "m", general, none, routine, Route.REFILL, none, routine,
        "user-dora", now,
    )  # fmt: skip
    store.cases.reroute(case_id, label, clinic=clinic, by="user-dora", score=1, lane=Lane.SORTED)
    names = {
        "queued": waiting.id,
        "sent": gone.id,
        "recalled": back.id,
        "raw": raw,
        "other": waiting.approval.id,
        "guard": GUARD,
        "blob": "X'00ff'" if store_url.startswith("sqlite") else "'\\x00ff'::bytea",
    }
    return Scene(store_url, keys, names)


def attempt(engine: Engine, attack: Attack, names: dict[str, str]) -> bool:
    """Run an attack and commit what it did; return whether the database took it."""
    with engine.connect() as connection:
        try:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            for statement in attack.statements:
                connection.exec_driver_sql(statement.format(**names))
            connection.commit()
        except DBAPIError:
            connection.rollback()
            return False
    return True


def snapshot(owner: Engine) -> list[list[str]]:
    """Return every watched row, as the owner sees it, and hold the guards to be unchanged."""
    with owner.connect() as connection:
        check_guards(connection)
        sqlite = owner.dialect.name == "sqlite"
        shape = SHAPE_SQLITE if sqlite else SHAPE_POSTGRESQL
        return [
            sorted(repr(tuple(row)) for row in connection.exec_driver_sql(query)) for query in shape
        ] + [
            sorted(repr(tuple(row)) for row in connection.execute(select(table)))
            for table in WATCHED
        ]


@contextmanager
def opened(scene: Scene, *, owner: bool = False, user: str | None = None) -> Iterator[Engine]:
    url = scene.url.replace("triage_owner@", f"{user}@") if user else scene.url
    engine = connect(url, scene.keys, owner=owner)
    yield engine
    engine.dispose()


#: Safety-bar 18 wants this many of each role on each engine.
ENOUGH = 40
ROLES = ("triage_web", "triage_worker", "triage_sender")


def test_no_attack_through_a_process_connection_changes_anything(scene: Scene) -> None:
    """On SQLite every process has the same connection, the web's with its authorizer."""
    sqlite = scene.url.startswith("sqlite")
    special, tried = SQLITE if sqlite else POSTGRESQL, dict.fromkeys([None] if sqlite else ROLES, 0)
    with opened(scene, owner=True) as owner:
        before = snapshot(owner)
        for user in tried:
            with opened(scene, user=user) as engine:
                for attack in ATTACKS + special + ([] if sqlite else IDLE):
                    taken = attempt(engine, attack, scene.names)
                    # What is about more than rows must be refused, not only come to nothing.
                    # PostgreSQL answers a grant of nothing with a warning only.
                    named = attack in special and attack.name != "grant more"
                    assert not (taken and named), f"{user}: {attack.name}"
                    # What was refused was undone as a whole; that is seen at the end.
                    assert not taken or snapshot(owner) == before, f"{user}: {attack.name}"
                    tried[user] += 1
                assert snapshot(owner) == before, user
    assert min(tried.values()) >= 2 * ENOUGH - 10
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= ENOUGH


def test_the_guards_hold_even_against_the_owner_of_the_tables(scene: Scene) -> None:
    """Without roles and without the authorizer, the triggers alone stop every written row."""
    replacing = [a for a in SQLITE if a.name.startswith(("replace a", "replace by", "up"))]
    truncating = [a for a in POSTGRESQL if a.name.startswith(("trunc", "a temp", "up"))]
    sqlite = scene.url.startswith("sqlite")
    with opened(scene, owner=True) as engine:
        before = snapshot(engine)
        for attack in ATTACKS + (replacing if sqlite else truncating):
            attempt(engine, attack, scene.names)
            assert snapshot(engine) == before, attack.name


def test_without_guards_the_same_attacks_succeed(scene: Scene) -> None:
    """The oracle: if these failed for another reason, the tests above would prove nothing.

    Each role is tried, given every right on the tables: foreign keys alone stop a few attacks.
    """
    sqlite = scene.url.startswith("sqlite")
    with opened(scene, owner=True) as owner:
        _take_guards_away(owner)
        for user in [None] if sqlite else ROLES:
            if user is not None:
                with owner.begin() as connection:
                    connection.exec_driver_sql(
                        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}"
                    )
                    for table in ("replies", "approvals", "proof_keys", "cases", "contacts"):
                        connection.exec_driver_sql(
                            f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"
                        )
            with opened(scene, user=user) as engine:
                taken = {a.name for a in ATTACKS if _would_take(engine, a, scene.names)}
            assert len(taken) >= ENOUGH, {attack.name for attack in ATTACKS} - taken


def test_without_the_authorizer_or_as_the_owner_the_others_succeed(scene: Scene) -> None:
    """The oracle of the attacks on tables, triggers and settings; each is undone again."""
    special = SQLITE if scene.url.startswith("sqlite") else POSTGRESQL
    with opened(scene, owner=True) as owner:
        _take_guards_away(owner)
        with owner.begin() as connection:
            if owner.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            make_guards(connection)
        # A new key of the file cannot be undone, so that comes last.
        special = sorted(special, key=lambda attack: attack.name == "another key")
        taken = {attack.name for attack in special if _would_take(owner, attack, scene.names)}
    assert len(taken) >= 12, taken


def _would_take(engine: Engine, attack: Attack, names: dict[str, str]) -> bool:
    """Run an attack and undo it; return whether its last statement did anything."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            done = 0
            for statement in attack.statements:
                done = connection.exec_driver_sql(statement.format(**names)).rowcount
        except DBAPIError:
            done = 0
        connection.rollback()
        if engine.dialect.name == "sqlite":
            # A setting of this connection outlives a rollback.
            connection.invalidate()
    return done != 0


def _take_guards_away(engine: Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        for guard in GUARDS:
            on = "" if engine.dialect.name == "sqlite" else f" ON {guard.table}"
            connection.exec_driver_sql(f"DROP TRIGGER {guard.name[:63]}{on}")
        if engine.dialect.name == "postgresql":
            for guard in POSTGRES_ONLY:
                connection.exec_driver_sql(f"DROP TRIGGER {guard.name} ON {guard.table}")


DAMAGE_SQLITE = {
    "missing": ["DROP TRIGGER {guard}"],
    "changed": [
        "DROP TRIGGER {guard}",
        "CREATE TRIGGER {guard} BEFORE INSERT ON replies WHEN 0 BEGIN SELECT 1; END",
    ],
    "foreign": ["CREATE TRIGGER helpful AFTER INSERT ON audit BEGIN SELECT 1; END"],
}
EMPTY = (
    "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
    " $$BEGIN RETURN NEW; END$$"
)
DAMAGE_POSTGRESQL = {
    "missing": ["DROP TRIGGER {guard} ON replies"],
    "disabled": ["ALTER TABLE replies DISABLE TRIGGER {guard}"],
    "not in replica mode": ["ALTER TABLE replies ENABLE TRIGGER {guard}"],
    "emptied": [EMPTY.replace("{name}", "{guard}")],
    "foreign": [
        EMPTY.replace("{name}", "helpful"),
        "CREATE TRIGGER helpful BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION helpful()",
    ],
    "a rule": ["CREATE RULE helpful AS ON INSERT TO audit DO INSTEAD NOTHING"],
    "another search path": ["ALTER FUNCTION {guard}() SET search_path = pg_temp, public"],
}


@pytest.mark.parametrize("damage", sorted(DAMAGE_SQLITE.keys() | DAMAGE_POSTGRESQL.keys()))
def test_a_store_with_damaged_guards_is_refused_until_it_is_migrated(
    store_url: str, keys: Keys, damage: str
) -> None:
    sqlite, scene = store_url.startswith("sqlite"), Scene(store_url, keys, {"guard": GUARD})
    statements = (DAMAGE_SQLITE if sqlite else DAMAGE_POSTGRESQL).get(damage, [])
    with opened(scene, owner=True) as engine, engine.begin() as connection:
        if sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(text(statement.format(**scene.names)))
    if statements:
        with pytest.raises(StoreRefused, match="trigger"):
            open_store(scene.url, scene.keys)
    if damage != "a rule":
        migrate(scene.url, scene.keys)
        open_store(scene.url, scene.keys).close()


def test_migrating_twice_changes_nothing(store_url: str, keys: Keys) -> None:
    migrate(store_url, keys)
    store = open_store(store_url, keys)
    add_staff(store, "clinic-a")
    store.close()
