"""The demo's practice has people to call, and whom it calls stays on this machine."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from triage.cli.demo.command import tell_arrived
from triage.cli.demo.plan import DOORS
from triage.cli.demo.practice import PEOPLE, set_up
from triage.cli.demo.servers import Sink
from triage.cli.starting import refuse_unsafe
from triage.desk.health import NOTES
from triage.domain import Alarm, Clinic, Fault, Notice, User
from triage.wiring import House


@pytest.fixture
def sinks() -> Iterator[tuple[Sink, Sink]]:
    both = Sink(), Sink()
    yield both
    for sink in both:
        sink.close()


def house_of(home: Path, sinks: tuple[Sink, Sink]) -> House:
    other: Any = SimpleNamespace(port=1, url="http://127.0.0.1:1/fhir")
    return set_up(home, (other, sinks[0], other, sinks[1]), 30.0, 0)


def test_the_demo_names_who_is_called_and_without_that_says_so(
    tmp_path: Path, sinks: tuple[Sink, Sink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look is the sabotage: a demo that moves in without its plan."""
    monkeypatch.setattr("triage.wiring.clinical_digests", dict)
    monkeypatch.setattr("triage.store.people.hash_password", lambda password: password)
    house = house_of(tmp_path / "demo", sinks)
    store, clinic = house.store(), house.settings.clinic
    store.people.add_clinic(Clinic(clinic.id, clinic.name, clinic.timezone))
    users = [User(f"demo-{name}", clinic.id, name, shown, roles) for name, shown, roles in PEOPLE]
    for user in users:
        store.people.add_user(user, "")
    desk, watch = house.desk(store), house.watch()
    watch.once()
    assert NOTES["no_plan"] in {banner.text for banner in desk.banners(users[0])}
    store.practice.adopt(house.settings.practice, clinic=clinic.id)
    watch.once()
    assert NOTES["no_plan"] not in {banner.text for banner in desk.banners(users[0])}
    plan = store.practice.plan(clinic=clinic.id)
    parts = (plan.in_hours, plan.out_of_hours)
    assert {door for part in parts for one in part.values() for door in one.doors} == set(DOORS)
    store.close()
    refuse_unsafe(house.home, "watch")


def test_its_alerts_for_staff_stay_in_the_machine_and_are_shown(
    tmp_path: Path,
    sinks: tuple[Sink, Sink],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("triage.cli.demo.practice.migrate", lambda url, keys: None)
    house = house_of(tmp_path / "demo", sinks)
    assert {door.model_dump()["host"] for door in house.settings.alert} == {"127.0.0.1"}
    for door in house.alerts():
        alarm = Alarm(Fault.URGENT_AGAIN, "1")
        door.tell(Notice(house.settings.clinic.id, datetime.now(UTC), ((alarm, True),)))
    replies, staff = sinks
    assert (len(replies.mails), len(staff.mails)) == (0, len(DOORS))
    assert tell_arrived(sinks, (0, 1)) == (0, len(DOORS))
    shown = capsys.readouterr().out
    assert shown.count("staff told: ") == 2
    assert "on-call-phone@willowcreek.example" in shown
