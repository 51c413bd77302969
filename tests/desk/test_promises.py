"""Promises at the desk: the price before, the audit after, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.practice import add_staff
from triage.classifiers.promises import POINTS, Point, write_points
from triage.classifiers.verdict import Policy
from triage.desk import Desk
from triage.domain import Role, Share, User
from triage.encoder.registry import Registry
from triage.errors import CannotPromise, ChangedUnderneath, MissingModel, NotAllowed
from triage.store import Store

#: 99 urgent messages of 0.50 ... 0.99, and 200 calm ones: half of them sure, a tenth of the others
#: taken for urgent, every twentieth of the others wrong.
URGENT = [Point(True, False, 0.5 + at / 200, 0.3, False) for at in range(99)]
CALM = [Point(False, False, 0.01, 0.95, True) for _ in range(100)]
DOUBTFUL = [
    Point(False, False, 0.6 if at % 10 == 0 else 0.1, 0.6, at % 20 != 1, everyday=at < 50)
    for at in range(100)
]


@pytest.fixture
def sam(store: Store, clinic: str) -> User:
    return replace(add_staff(store, clinic, "sam"), roles=frozenset({Role.SUPERVISOR}))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    shipped = tmp_path / "shipped"
    config = {"task": "router", "trainer": "devi", "gate": {"passed": True}}
    config["policy"] = Policy(urgent_at=0.7).as_dict()
    for name, points in {"tested": URGENT + CALM + DOUBTFUL, "few": URGENT[:5] + CALM}.items():
        (shipped / name).mkdir(parents=True)
        (shipped / name / "config.json").write_text(json.dumps(config))
        (shipped / name / POINTS).write_text(json.dumps(write_points(points)))
    (shipped / "serving.json").write_text('{"router": "tested"}')
    return Registry(tmp_path, shipped=shipped)


@pytest.fixture
def desk(store: Store, registry: Registry) -> Desk:
    return Desk(store, registry=registry)


def test_before_anybody_chose_the_models_own_thresholds_are_priced(desk: Desk, sam: User) -> None:
    view = desk.models.promises(sam)
    assert (view.model, view.tested, view.urgent) == ("tested", 299, 99)
    assert (view.promised, view.kept, view.asked) == (None, None, None)
    assert view.now is not None
    # 40 of the 99 lie below 0.7.
    assert view.now.misses == Share(40, 99)


def test_the_price_is_shown_and_nothing_stored(
    desk: Desk, sam: User, registry: Registry, store: Store, clinic: str
) -> None:
    asked = desk.models.try_promise(sam, 0.01, 0.05).asked
    assert asked is not None
    assert asked.price is not None
    assert asked.price.misses == Share(0, 99)
    # 1 - 0.05 ** (1 / 99): the exact bound, one-sided.
    assert asked.price.missed_below == pytest.approx(0.0298, abs=1e-4)
    # 10 of 200 calm ones are taken for urgent.
    alerts = [each.per_100_messages for each in asked.price.alerts]
    assert alerts == pytest.approx([5.285, 5.95, 8.325], abs=0.0051)
    assert [each.urgent for each in asked.price.alerts] == [0.003, 0.01, 0.035]
    assert registry.promise() is None
    assert not store.audit.events(clinic=clinic, by=sam.id, action="model.promise")


def test_saying_yes_is_kept_and_audited_with_both_numbers(
    desk: Desk, sam: User, registry: Registry, store: Store, clinic: str
) -> None:
    desk.models.set_promise(sam, 0.02, 0.10)
    desk.models.set_promise(sam, 0.01, 0.05, model="tested")
    assert registry.promise() == (0.01, 0.05)
    view = desk.models.promises(sam)
    assert (view.promised, view.kept) == ((0.01, 0.05), (0.01, 0.05))
    last, first = store.audit.events(clinic=clinic, by=sam.id, action="model.promise")
    assert first.detail["before"] == ""
    assert last.detail == {
        "missed": "0.01",
        "wrong": "0.05",
        "before": "0.02 0.1",
        "model": "tested",
    }


def test_what_cannot_be_kept_is_refused_with_the_strictest(
    desk: Desk, sam: User, registry: Registry
) -> None:
    asked = desk.models.try_promise(sam, 1 / 200, 0.05).asked
    assert asked is not None
    assert asked.price is None
    assert (
        asked.obstacle == "At most 1 in 200 missed needs 199 tested urgent messages; there are 99."
    )
    with pytest.raises(CannotPromise, match=r"at most 1 in 100 missed and 5\.0 % wrong"):
        desk.models.set_promise(sam, 1 / 200, 0.05)
    with pytest.raises(CannotPromise, match="no less than"):
        desk.models.set_promise(sam, 0.01, 0.001)
    for odd in ((0.0, 0.1), (0.1, 1.0), (float("nan"), 0.1)):
        with pytest.raises(CannotPromise):
            desk.models.set_promise(sam, *odd)
        with pytest.raises(CannotPromise):
            desk.models.try_promise(sam, *odd)
    assert registry.promise() is None


@pytest.mark.parametrize("wish", [(1 / 500, 0.001), (1 / 50, 0.001), (1 / 500, 0.10)])
def test_the_nearest_that_is_offered_can_be_promised(
    desk: Desk, sam: User, wish: tuple[float, float]
) -> None:
    view = desk.models.try_promise(sam, *wish)
    assert view.nearest is not None
    desk.models.set_promise(sam, *view.nearest)
    assert desk.models.promises(sam).kept == view.nearest


def test_other_choices_stand_beside_it_with_their_price_or_the_reason(
    desk: Desk, sam: User
) -> None:
    view = desk.models.try_promise(sam, 0.01, 0.05)
    assert [bool(each.price) for each in view.by_missed] == [False, True, True, True]
    assert "199 tested urgent messages" in view.by_missed[0].obstacle
    alerts = [each.price.alerts[0].per_100_messages for each in view.by_missed if each.price]
    assert alerts == sorted(alerts, reverse=True)
    left = [each.price.left.hits for each in view.by_wrong if each.price]
    assert left == sorted(left, reverse=True)
    assert left[0] > left[-1]


def test_a_model_tested_on_fewer_keeps_the_strictest_it_can(desk: Desk, sam: User) -> None:
    desk.models.set_promise(sam, 0.01, 0.05)
    desk.models.promote(sam, "few")
    view = desk.models.promises(sam)
    assert view.promised == (0.01, 0.05)
    assert view.kept == (1 / 6, 0.05)
    assert view.strictest is not None
    assert view.strictest[0] == 1 / 6
    with pytest.raises(ChangedUnderneath):
        desk.models.set_promise(sam, 0.2, 0.05, model="tested")


def test_only_a_supervisor_promises_and_only_who_sees_models_sees_the_price(
    desk: Desk, sam: User, registry: Registry
) -> None:
    for role in Role:
        person = replace(sam, roles=frozenset({role}))
        if role is not Role.SUPERVISOR:
            with pytest.raises(NotAllowed):
                desk.models.set_promise(person, 0.01, 0.05)
        if role not in {Role.SUPERVISOR, Role.DATA_SCIENTIST, Role.ADMINISTRATOR}:
            with pytest.raises(NotAllowed):
                desk.models.promises(person)
            with pytest.raises(NotAllowed):
                desk.models.try_promise(person, 0.01, 0.05)
    assert registry.promise() is None


def test_without_a_registry_there_is_no_model(store: Store, sam: User) -> None:
    with pytest.raises(MissingModel):
        Desk(store).models.promises(sam)
