"""Templates in the store: kept, released by a second person, rolled back, and who may at all."""

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError

from tests.store.practice import NOON, add_staff, reading
from triage.domain import Clinic, OwnTemplate, Protected, Route, new_id
from triage.errors import ChangedUnderneath, NotFound, NotYourself, StoreRefused
from triage.store import Keys, Store, open_store, tables
from triage.store.engine import connect
from triage.store.guards import drop_guards
from triage.store.templates import OwnTemplates

HERE = (Route.REFILL, "en")
WHO = ("sam", "nia")


def write(store: Store, clinic: str, words: str, *, seen: int = 0, by: str = "user-sam"):
    typed = Protected("Refill"), Protected(words)
    return store.templates.write(HERE, *typed, seen=seen, clinic=clinic, by=by)


@pytest.fixture
def staffed(store: Store, clinic: str) -> Store:
    for name in WHO:
        add_staff(store, clinic, name)
    return store


def serving(store: Store, clinic: str) -> int | None:
    found = store.templates.serving(clinic=clinic).get(HERE)
    return found.number if found else None


def test_a_template_serves_once_a_second_person_releases_it_and_goes_back(
    staffed: Store, clinic: str
) -> None:
    shelf, sam, nia = staffed.templates, "user-sam", "user-nia"
    first = write(staffed, clinic, "One of canary words.")
    assert serving(staffed, clinic) is None
    with pytest.raises(NotYourself):
        shelf.release(first.id, seen=0, clinic=clinic, by=sam)
    shelf.release(first.id, seen=0, clinic=clinic, by=nia)
    assert serving(staffed, clinic) == 1
    second = write(staffed, clinic, "Two.", seen=1)
    assert serving(staffed, clinic) == 1
    with pytest.raises(ChangedUnderneath):
        shelf.release(second.id, seen=0, clinic=clinic, by=nia)
    with pytest.raises(ChangedUnderneath):
        write(staffed, clinic, "Unseen.", seen=1)
    assert write(staffed, clinic, "Two.", seen=2) == second, "the same words add nothing"
    shelf.release(second.id, seen=1, clinic=clinic, by=nia)
    shelf.release(first.id, seen=2, clinic=clinic, by=nia)
    assert serving(staffed, clinic) == 1
    shelf.retire(HERE, seen=3, clinic=clinic, by=sam)
    assert serving(staffed, clinic) is None
    with pytest.raises(NotFound):
        shelf.retire(HERE, seen=4, clinic=clinic, by=sam)
    versions, changes = shelf.all(clinic=clinic, by=sam)
    assert [one.number for one in versions] == [2, 1]
    assert [(one.version, one.by) for one in changes] == [
        (None, sam), (1, nia), (2, nia), (1, nia)
    ]  # fmt: skip
    said = staffed.audit.events(clinic=clinic, by="t", limit=50)
    done = [one.action for one in said if one.action.startswith("template.")]
    assert sorted(set(done)) == ["template.released", "template.retired", "template.written"]
    assert "canary" not in repr(said)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_another_clinic_neither_sees_nor_releases_it(staffed: Store, clinic: str) -> None:
    staffed.people.add_clinic(Clinic("clinic-b", "Elsewhere"))
    add_staff(staffed, "clinic-b", "eve")
    made = write(staffed, clinic, "One.")
    with pytest.raises(NotFound):
        staffed.templates.release(made.id, seen=0, clinic="clinic-b", by="user-eve")
    assert staffed.templates.all(clinic="clinic-b", by="user-eve") == ([], [])
    # Nor is somebody of theirs the second pair of eyes here.
    with pytest.raises(StoreRefused, match="guard"):
        staffed.templates.release(made.id, seen=0, clinic=clinic, by="user-eve")


def in_service(template: OwnTemplate, **changed: object) -> dict[str, object]:
    row: dict[str, object] = {"id": new_id(), "clinic": template.clinic, "route": "refill"}
    row |= {"language": "en", "number": 1, "template_id": template.id}
    return {**row, "by_user": "user-nia", "at": NOON, **changed}


def test_the_database_holds_four_eyes_against_direct_sql(
    staffed: Store, clinic: str, store_url: str, keys: Keys
) -> None:
    made, table = write(staffed, clinic, "One."), tables.templates_in_service
    bad = {
        "its author": {"by_user": "user-sam"},
        "nobody": {"by_user": "user-none"},
        "another topic": {"route": "results"},
        "another language": {"language": "es"},
    }
    engine = connect(store_url, keys, owner=True)
    for changed in bad.values():
        with engine.connect() as connection, pytest.raises(DBAPIError, match="guard"):
            connection.execute(insert(table).values(**in_service(made, **changed)))
    for statement in (
        update(tables.own_templates).values(author="user-nia"),
        text("DELETE FROM own_templates"),
    ):
        with engine.connect() as connection, pytest.raises(DBAPIError, match="guard"):
            connection.execute(statement)
    # The oracle: the same row by somebody else is taken, and without guards the author's is.
    with engine.connect() as connection:
        connection.execute(insert(table).values(**in_service(made)))
        connection.rollback()
        drop_guards(connection)
        own = in_service(made, number=2, **bad["its author"])
        connection.execute(insert(table).values(**own))
        assert "user-sam" in connection.execute(select(table.c.by_user)).scalars().all()
        connection.rollback()
    engine.dispose()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_the_guard_stands_where_the_shelf_forgets(
    staffed: Store, clinic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: the store does not ask who wrote it, and the database still does."""
    made = write(staffed, clinic, "One.")
    real = OwnTemplates._serve

    def release(self: OwnTemplates, template_id: str, *, seen: int, clinic: str, by: str) -> None:
        with self._transactions.write() as work:
            real(self, work, HERE, template_id, 1, seen=seen, clinic=clinic, by=by)

    monkeypatch.setattr(OwnTemplates, "release", release)
    with pytest.raises(StoreRefused, match="guard"):
        staffed.templates.release(made.id, seen=0, clinic=clinic, by="user-sam")
    staffed.templates.release(made.id, seen=0, clinic=clinic, by="user-nia")
    assert serving(staffed, clinic) == 1


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_the_worker_reads_what_serves_and_writes_nothing(
    staffed: Store, clinic: str, store_url: str, keys: Keys
) -> None:
    made = write(staffed, clinic, "One.")
    staffed.templates.release(made.id, seen=0, clinic=clinic, by="user-nia")
    url = store_url.replace("triage_owner@", "triage_worker@")
    worker = open_store(url, keys, part="worker")
    try:
        assert worker.templates.serving(clinic=clinic)[HERE].text == Protected("One.")
        with pytest.raises(StoreRefused):
            worker.templates.retire(HERE, seen=1, clinic=clinic, by="user-nia")
    finally:
        worker.close()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_past_messages_are_this_topic_s_and_leave_their_cases_in_the_audit(
    staffed: Store, clinic: str
) -> None:
    filed = [
        staffed.cases.file(reading(staffed, clinic, uid=str(n), route=route), clinic=clinic, by="w")
        for n, route in enumerate([Route.REFILL, Route.RESULTS, Route.REFILL])
    ]
    find = staffed.templates.past
    found = find(Route.REFILL, lambda _: True, clinic=clinic, by="user-sam", limit=10)
    assert {case_id for case_id, _ in found} == {filed[0], filed[2]}
    assert all("lisinopril" not in redacted.subject for _, redacted in found)
    assert len(find(Route.REFILL, lambda _: True, clinic=clinic, by="user-sam", limit=1)) == 1
    assert find(Route.REFILL, lambda _: True, clinic="clinic-b", by="user-sam") == []
    (event, *_) = staffed.audit.events(clinic=clinic, by="t", action="template.tried")
    assert set(event.cases) <= {filed[0], filed[2]}
