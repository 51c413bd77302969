"""The pages of it: the line on every page, the act, the chain, and the practice's settings."""

import json
import re
from collections.abc import Callable

import pytest

from tests.small_practice import receive
from tests.web.conftest import Visit, app, morning, practice, visit
from tests.web.practice import PEOPLE, Practice
from triage.desk import Desk
from triage.domain import Route, Setting
from triage.engine.watching import NO_DOOR, NO_PLAN
from triage.testing import mail

__all__ = ["app", "morning", "practice", "visit"]
Sign = Callable[[str], Visit]


@pytest.mark.bar(28)
def test_every_page_hears_of_an_urgent_message_until_somebody_acts(
    practice: Practice, visit: Sign
) -> None:
    dana = visit("dana")
    chest = practice.cases["chest"]
    waiting = json.loads(dana.get("/urgent").text)
    assert waiting["waiting"] >= 1
    for path in ("/queue", "/account", f"/case/{chest}"):
        assert 'id="urgent"' in dana.get(path).text, path
    # Whoever does not work the queue is told nothing.
    assert 'id="urgent"' not in visit("devi").get("/account").text
    page = dana.get(f"/case/{chest}").text
    assert "Opening this page is not acting" in page
    assert json.loads(dana.get("/urgent").text)["waiting"] == waiting["waiting"], "opened only"
    assert dana.decide(chest, "acted", how="phoned").status_code == 303
    after = json.loads(dana.get("/urgent").text)
    assert after["waiting"] == waiting["waiting"] - 1
    assert "Called the patient" in dana.get(f"/case/{chest}").text
    assert dana.decide(chest, "acted", how="phoned").status_code == 409


def test_it_is_handed_over_to_somebody_by_name(practice: Practice, visit: Sign) -> None:
    dana, chest = visit("dana"), practice.cases["chest"]
    assert dana.decide(chest, "acted", how="handed_over").status_code == 409, "to nobody"
    assert dana.decide(chest, "acted", how="handed_over", to="u-dana").status_code == 403
    assert dana.decide(chest, "acted", how="handed_over", to="u-devi").status_code == 403
    assert dana.decide(chest, "acted", how="handed_over", to="u-eve").status_code == 404
    assert dana.decide(chest, "acted", how="handed_over", to="u-nia").status_code == 303
    page = dana.get(f"/case/{chest}").text
    assert "Opening this page is not acting" in page
    (event, *_) = practice.store.audit.events(clinic="c1", by="x", action="urgent.handed_over")
    assert (event.actor, event.detail) == ("u-dana", {"to": "u-nia"})
    nia = visit("nia")
    assert "was handed over to you" in nia.get("/for-me").text
    # Nia has it, and whoever reaches the patient first can still say so.
    assert nia.decide(chest, "claim").status_code == 303
    assert "I called the patient" in dana.get(f"/case/{chest}").text
    assert dana.decide(chest, "acted", how="phoned").status_code == 303


def plan(doors: str = "phone") -> dict[str, list[str]]:
    places = [f"{part}.{step}" for part in ("in_hours", "out_of_hours")
              for step in ("again", "deputy", "on_call")]  # fmt: skip
    return {"who": ["", "nia", "sam"] * 2, "door": [f"{place}.{doors}" for place in places]}


def test_a_supervisor_sets_the_practice(practice: Practice, visit: Sign) -> None:
    practice.desk.practice._doors = ("phone",)
    sam = visit("sam")
    page = sam.get("/practice").text
    assert "The plan does not work yet" in page
    assert "As shipped" in page
    send = {"csrf": sam.csrf, "version": "0"}

    def post(part: str, **form: object) -> int:
        return int(sam.client.post(f"/practice/{part}", data={**send, **form}).status_code)

    assert post("escalation", **plan("nowhere")) == 409
    assert post("escalation", **plan()) == 303
    assert post("escalation", **plan()) == 409, "from a page that is out of date"
    assert post("hours", span=["08:00-17:00"] * 5 + ["", ""], holidays="2026-12-25") == 303
    assert post("hours", span=["all day"], holidays="") == 409
    assert post("targets", target=["1"] * len(Route)) == 303
    assert post("targets", target=["0"] * len(Route)) == 409
    page = sam.get("/practice").text
    assert "The plan does not work yet" not in page
    assert "Sam Ortega" in page
    assert "2026-12-25" in page
    found = practice.store.practice.targets(clinic="c1").minutes
    assert set(found.values()) == {60}
    assert practice.store.practice.newest(Setting.HOURS, clinic="c1").by == "u-sam"  # type: ignore[union-attr]  # None fails the test.
    assert visit("dana").get("/practice").status_code == 403


def test_who_may_not_manage_teams_gets_no_link_to_them(visit: Sign) -> None:
    assert 'href="/teams"' in visit("sam").get("/practice").text
    page = visit("ada").get("/practice")
    assert page.status_code == 200
    assert 'href="/teams"' not in page.text


def test_without_a_plan_every_page_says_so(practice: Practice, visit: Sign) -> None:
    practice.store.beats.beat("watch", notes=[NO_PLAN])
    assert "Nobody is named who is told" in visit("dana").get("/queue").text
    practice.store.beats.beat("watch", notes=[NO_DOOR])
    assert "Nobody is told outside these pages" in visit("dana").get("/queue").text
    sam = visit("sam")
    assert "Decided for nights" not in sam.get("/practice").text
    decided = {"in_hours": {}, "out_of_hours": {}, "nobody": "none, because <b>we</b> say so"}
    practice.store.practice.adopt({Setting.ESCALATION: decided}, clinic="c1")
    page = sam.get("/practice").text
    assert "Decided for nights and holidays:</strong> none, because &lt;b&gt;we" in page
    assert "The plan does not work yet" in page


def test_a_chain_is_shown_on_both_cases(practice: Practice, visit: Sign) -> None:
    dana = visit("dana")
    desk: Desk = practice.desk
    chains = {
        case_id: desk.queue.open(PEOPLE["dana"], case_id).file.chain.cases
        for case_id in practice.cases.values()
    }
    linked = {case_id: [one.case_id for one in chain] for case_id, chain in chains.items() if chain}
    for case_id, others in linked.items():
        page = dana.get(f"/case/{case_id}").text
        assert "This patient wrote" in page
        assert page.count("Newest words") == len(others)
        for other in others:
            assert f'href="/case/{other}"' in page
            assert case_id in linked[other], "shown on both"


def test_a_strangers_mail_that_came_twice_is_called_the_same_on_both(
    practice: Practice, visit: Sign
) -> None:
    one, other = receive(practice.store, *[mail("When are you open?", sender="x@a.example")] * 2)
    for case_id, twin in ((one, other), (other, one)):
        page = visit("dana").get(f"/case/{case_id}").text
        assert "The very same message came 2 times" in page
        assert f'href="/case/{twin}"' in page


def test_the_queue_says_when_an_answer_is_due(visit: Sign) -> None:
    page = visit("dana").get("/queue").text
    assert re.search(r"due in \d+ (min|h|d)|overdue since", page)
