"""A clinic always keeps an administrator, whatever two of them do at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import pytest

from triage.domain import Role, User
from triage.errors import LastAdministrator, NameTaken, NotFound
from triage.store import Keys, Store, open_store
from triage.store.transaction import Work

ADMIN, NURSE = frozenset({Role.ADMINISTRATOR}), frozenset({Role.NURSE})


def add(store: Store, clinic: str, name: str, roles: frozenset[Role]) -> User:
    user = User(f"user-{name}", clinic, name, name.title(), roles)
    store.people.add_user(user, "x", by="user-root")
    return user


def test_roles_are_changed_and_the_change_is_on_record(store: Store, clinic: str) -> None:
    add(store, clinic, "ann", ADMIN)
    ben = add(store, clinic, "ben", NURSE)
    token = store.people.open_session(ben.id, now=store._transactions.clock())
    store.people.set_roles(ben.id, ADMIN | NURSE, clinic=clinic, by="user-ann")
    assert store.people.user(ben.id).roles == ADMIN | NURSE
    with pytest.raises(Exception, match="sign in again"):
        store.people.session(token, now=store._transactions.clock())
    (event,) = store.audit.events(clinic=clinic, by="x", action="user.roles")
    assert event.actor == "user-ann"
    assert event.detail == {"user": ben.id, "roles": "administrator nurse", "earlier": "nurse"}
    added = store.audit.events(clinic=clinic, by="x", action="user.added")
    assert {(one.actor, one.detail["roles"]) for one in added} == {
        ("user-root", "administrator"),
        ("user-root", "nurse"),
    }
    with pytest.raises(NotFound):
        store.people.set_roles(ben.id, ADMIN, clinic="clinic-b", by="eve")


Step = Callable[[Store, str, str], None]
LEAVING: dict[str, Step] = {
    "role": lambda store, clinic, who: store.people.set_roles(who, NURSE, clinic=clinic, by="x"),
    "shut out": lambda store, clinic, who: store.people.set_active(
        who, False, clinic=clinic, by="x"
    ),
}


@pytest.mark.parametrize("way", LEAVING)
def test_the_last_administrator_stays(store: Store, clinic: str, way: str) -> None:
    ann, ben = (add(store, clinic, name, ADMIN) for name in ("ann", "ben"))
    LEAVING[way](store, clinic, ann.id)
    with pytest.raises(LastAdministrator):
        LEAVING[way](store, clinic, ben.id)
    assert store.people.user(ben.id) == ben
    assert not store.audit.events(clinic=clinic, by="x", actor="x", action="user.x")


def race(store: Store, others: Store, clinic: str) -> int:
    """Let two administrators take each other's role at once; return how many are left."""
    people = [add(store, clinic, f"admin{at}", ADMIN) for at in range(2)]
    ready = Barrier(2)

    def take(shelf: Store, who: str) -> None:
        ready.wait()
        with suppress(LastAdministrator):
            shelf.people.set_roles(who, NURSE, clinic=clinic, by="x")

    with ThreadPoolExecutor(2) as pool:
        for done in [
            pool.submit(take, shelf, user.id)
            for shelf, user in zip((store, others), people, strict=True)
        ]:
            done.result()
    return sum(Role.ADMINISTRATOR in user.roles for user in store.people.users(clinic=clinic))


def test_two_administrators_cannot_leave_the_clinic_with_none(
    store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    others = open_store(store_url, keys)
    assert race(store, others, clinic) == 1
    others.close()


def test_without_the_lock_they_could(
    store: Store, store_url: str, keys: Keys, clinic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: PostgreSQL lets both through; SQLite has one writer and never would."""
    others, both = open_store(store_url, keys), Barrier(2)
    counted = Work.rows

    def together(work: Work, query: object) -> list:
        found = counted(work, query)
        if store_url.startswith("postgres") and "users.clinic" in str(query):
            both.wait(timeout=10)
        return found

    monkeypatch.setattr(Work, "lock", lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(Work, "rows", together)
        people = [add(store, clinic, f"admin{at}", ADMIN) for at in range(2)]
        with ThreadPoolExecutor(2) as pool:
            for shelf, user in zip((store, others), people, strict=True):
                pool.submit(shelf.people.set_roles, user.id, NURSE, clinic=clinic, by="x")
    left = sum(Role.ADMINISTRATOR in user.roles for user in store.people.users(clinic=clinic))
    others.close()
    assert left == (0 if store_url.startswith("postgres") else 1)


def test_a_user_name_is_one_person_s(store: Store, clinic: str) -> None:
    add(store, clinic, "ann", ADMIN)
    with pytest.raises(NameTaken):
        store.people.add_user(User("user-2", clinic, "ann", "Another", NURSE), "x")
