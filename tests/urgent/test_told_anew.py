"""Another urgent message, and people who have left: whom the closed loop tells then."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.store.practice import add_staff, ana
from tests.urgent.cast import CLINIC, PLAN, Scene
from triage.domain import Called, EscalationPlan, Protected, Setting, Step, Urgency
from triage.store import Keys, due

pytestmark = pytest.mark.bar(29)
HALF_HOUR = timedelta(minutes=31)


@pytest.fixture
def scene(store_url: str, keys: Keys) -> Iterator[Scene]:
    made = Scene(store_url, keys)
    yield made
    made.store.close()


def from_ana(scene: Scene, urgency: Urgency, uid: str, *, of: str = "") -> str:
    """File a message of Ana's one conversation."""
    more = {"sender": ana(CLINIC)[1][0].address, "message_id": Protected(f"<{uid}@mail.example>")}
    before = (Protected(f"<{of}@mail.example>"),) if of else ()
    return scene.arrive(urgency=urgency, **more, references=before)


def test_a_worse_message_joins_what_nobody_acted_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.store.people.import_roster([ana(CLINIC)], clinic=CLINIC, by="test")
    case_id = from_ana(scene, Urgency.TODAY, "1")
    scene.pass_time(timedelta(minutes=10))
    news = scene.store.escalations.now(clinic=CLINIC)
    assert from_ana(scene, Urgency.EMERGENCY, "2", of="1") == case_id
    assert scene.store.escalations.now(clinic=CLINIC) != news, "an open page hears of it"
    scene.pass_time(HALF_HOUR)
    assert scene.steps() == dict.fromkeys(Step, 1), "no step comes later because of it"
    scene.pass_time(timedelta(hours=5))
    from_ana(scene, Urgency.EMERGENCY, "3", of="1")
    scene.pass_time(HALF_HOUR)
    assert scene.steps() == dict.fromkeys(Step, 2), "everybody was told: they are told anew"
    # The oracle: time goes on, whoever was told before.
    monkeypatch.setattr(due, "_all_told", lambda *_: False)
    from_ana(scene, Urgency.EMERGENCY, "4", of="1")
    scene.pass_time(HALF_HOUR)
    assert scene.steps() == dict.fromkeys(Step, 2)


def test_nobody_stands_behind_the_doors_of_who_has_left(scene: Scene) -> None:
    nia = add_staff(scene.store, CLINIC, "nia")
    plan = {step: Called("nia", PLAN.in_hours[step].doors) for step in Step}
    scene.say(Setting.ESCALATION, EscalationPlan(plan, PLAN.out_of_hours).plain)
    scene.store.people.set_active(nia.id, False, clinic=CLINIC, by="user-dora")
    scene.arrive()
    scene.pass_time(HALF_HOUR)
    for door in scene.doors.values():
        steps = door.steps()
        assert (steps[Step.DEPUTY], steps[Step.ON_CALL]) == (1, 1), "every door is told instead"
