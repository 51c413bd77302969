"""Break-glass: a written reason, one case, an hour at most, supervisors told at once."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.web.conftest import Visit
from tests.web.practice import PEOPLE, Practice
from triage.desk import Desk
from triage.desk.desk import utcnow
from triage.domain import Protected, Role
from triage.errors import NoReason, NotAllowed, NotYourself
from triage.store import Keys, open_life

Visits = Callable[[str], Visit]
WHY = "Mr Pettigrew called reception and collapsed"
ALARM = "1 case was opened in an emergency"
DEVI, SAM = PEOPLE["devi"], PEOPLE["sam"]


def smash(person: Visit, shut: str, **changed: str) -> int:
    form = {"case_id": shut, "reason": WHY, "minutes": "15"} | changed
    return person.post("/emergency", **form).status_code


@pytest.mark.parametrize("name", ["devi", "ada"])
def test_a_shut_case_opens_for_reading_and_only_that_case(
    name: str, practice: Practice, visit: Visits
) -> None:
    person, case_id = visit(name), practice.cases["unsorted"]
    shut = person.get(f"/case/{case_id}")
    assert shut.status_code == 403
    assert f'href="/emergency?case_id={case_id}"' in shut.text
    assert f'value="{case_id}"' in person.get(f"/emergency?case_id={case_id}").text
    assert smash(person, case_id) == 303
    page = person.get(f"/case/{case_id}")
    assert page.status_code == 200
    assert "As discussed with the lady" in page.text
    assert "Opened in an emergency" in page.text
    # Tobias wrote another one, of which nothing but the time is said.
    assert "This patient wrote" in page.text
    assert "my form is below" not in page.text
    paths = re.findall(rf'href="(/case/{case_id}/(?:attachment|original)/\w+)"', page.text)
    assert len(paths) == 3
    assert {person.get(path).status_code for path in paths} == {200}
    other = practice.cases["refill"]
    foreign = practice.store.cases.get(other, clinic="c1", by="t").messages[0].id
    assert person.get(f"/case/{other}").status_code == 403
    assert person.get(f"/case/{case_id}/original/{foreign}").status_code == 404
    for closed in ("/queue", f"/case/{case_id}/history"):
        assert person.get(closed).status_code == 403
    forms = re.findall(r'<form method="post" action="([^"]+)"', page.text)
    assert set(forms) == {"/log-out"}
    for deed in ("claim", "draft", "close", "reroute", "everything"):
        assert person.post(f"/case/{case_id}/{deed}", seen="x").status_code == 403


@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_it_shuts_again_to_the_second(practice: Practice, minutes: int) -> None:
    now = [utcnow()]
    desk = Desk(practice.store, clock=lambda: now[0])
    case_id = practice.cases["chest"]
    desk.glass.smash(DEVI, case_id, reason=Protected(WHY), minutes=minutes)
    now[0] += timedelta(minutes=minutes, seconds=-1)
    assert desk.queue.open(DEVI, case_id).glass_until == now[0] + timedelta(seconds=1)
    now[0] += timedelta(seconds=1)
    for look in (
        lambda: desk.queue.open(DEVI, case_id),
        lambda: desk.queue.original(DEVI, case_id, "x"),
        lambda: desk.queue.attachment(DEVI, case_id, "x"),
    ):
        with pytest.raises(NotAllowed):
            look()


def test_whoever_loses_the_right_loses_the_case(practice: Practice) -> None:
    case_id = practice.cases["chest"]
    practice.desk.glass.smash(DEVI, case_id, reason=Protected(WHY), minutes=60)
    assert practice.desk.queue.open(DEVI, case_id)
    for lost in ({"active": False}, {"roles": frozenset()}):
        with pytest.raises(NotAllowed):
            practice.desk.queue.open(replace(DEVI, **lost), case_id)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"reason": ""}, 422),
        ({"reason": "urgent"}, 422),
        ({"reason": " " * 40}, 409),
        ({"minutes": "61"}, 409),
        ({"minutes": "0"}, 409),
        ({"case_id": "nothing"}, 404),
    ],
    ids=str,
)
def test_without_a_reason_or_for_longer_nothing_opens(
    wrong: dict[str, str], status: int, practice: Practice, visit: Visits
) -> None:
    devi, case_id = visit("devi"), practice.cases["chest"]
    assert smash(devi, case_id, **wrong) == status
    assert devi.get(f"/case/{case_id}").status_code == 403
    assert practice.store.glass.unreviewed(clinic="c1") == 0


def test_supervisors_are_told_at_once_and_until_one_has_looked_into_it(
    practice: Practice, visit: Visits
) -> None:
    sam, dana, case_id = visit("sam"), visit("dana"), practice.cases["chest"]
    assert ALARM not in sam.get("/queue").text
    smash(visit("devi"), case_id)
    for page in ("/queue", "/queue/version", "/audit", "/emergencies", f"/case/{case_id}"):
        assert ALARM in sam.get(page).text, page
    assert ALARM not in dana.get("/queue").text
    assert dana.get("/emergencies").status_code == 403
    listed = sam.get("/emergencies").text
    assert WHY in listed
    assert "Devi Rao" in listed
    (path,) = re.findall(r'action="(/emergencies/\w+)"', listed)
    assert sam.post(path).status_code == 303
    assert ALARM not in sam.get("/queue").text
    assert "Sam Ortega looked into it" in sam.get("/emergencies").text
    assert sam.post(path).status_code == 409
    history = sam.get(f"/case/{case_id}/history").text
    assert "glass.broken" in history
    assert "glass.reviewed" in history
    assert WHY not in history + sam.get("/audit").text


def test_the_alarm_is_seen_to_be_missed(
    practice: Practice, visit: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: without the banner supervisors would not know."""
    monkeypatch.setattr("triage.desk.health._emergencies", lambda *_: ())
    smash(visit("devi"), practice.cases["chest"])
    assert ALARM not in visit("sam").get("/queue").text


def test_nobody_looks_into_their_own(practice: Practice) -> None:
    both = replace(DEVI, roles=frozenset({Role.DATA_SCIENTIST, Role.SUPERVISOR}))
    made = practice.desk.glass.smash(
        both, practice.cases["chest"], reason=Protected(WHY), minutes=15
    )
    with pytest.raises(NotYourself):
        practice.desk.glass.review(both, made.id)
    practice.desk.glass.review(SAM, made.id)


def test_the_counter_asks_for_a_reason_by_itself(practice: Practice) -> None:
    for reason, minutes in (("", 15), (WHY, 61), (WHY, -1)):
        with pytest.raises(NoReason):
            practice.desk.glass.smash(
                DEVI, practice.cases["chest"], reason=Protected(reason), minutes=minutes
            )
    for name in ("dana", "wim", "nia", "sam"):
        with pytest.raises(NotAllowed):
            practice.desk.glass.smash(
                PEOPLE[name], practice.cases["chest"], reason=Protected(WHY), minutes=15
            )


def test_an_erased_case_leaves_the_page_open_and_its_look_to_be_reviewed(
    practice: Practice, visit: Visits, tmp_path: Path
) -> None:
    devi, sam = visit("devi"), visit("sam")
    smash(devi, practice.cases["chest"])
    smash(devi, practice.cases["refill"], reason="Another reason altogether")
    keys = Keys.load(tmp_path / "practice" / "keys")
    url = f"sqlite:///{tmp_path / 'practice' / 'practice.db'}"
    life = open_life(url, keys, practice.store, lists=[tmp_path / "erasures.list"])
    life.erase("case", practice.cases["chest"], clinic="c1", by="u-sam")
    life.close()
    listed = sam.get("/emergencies")
    assert listed.status_code == 200
    assert "The reason was erased with the case" in listed.text
    assert "Another reason altogether" in listed.text
    assert WHY not in listed.text
    paths = re.findall(r'action="(/emergencies/\w+)"', listed.text)
    assert [sam.post(path).status_code for path in paths] == [303, 303]
