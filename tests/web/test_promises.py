"""The page of promises: the price is seen first, what cannot be kept is said so, and who may."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.web.conftest import Visit
from tests.web.practice import PEOPLE, Practice
from triage.classifiers.promises import POINTS

Visits = Callable[[str], Visit]
PAGE = "/models/promises"


def words(page: str) -> str:
    """Return what a person reads of a page, in one line."""
    main = page.partition("<main")[2]
    return " ".join(re.sub(r"<[^>]+>", "", main).split())


def test_a_supervisor_sees_the_price_and_then_says_yes(practice: Practice, visit: Visits) -> None:
    sam = visit("sam")
    assert 'href="/models/promises"' in sam.get("/models").text
    page = sam.get(PAGE).text
    assert "Nobody has chosen yet" in words(page)
    assert "Promise this" not in page
    page = sam.get(f"{PAGE}?one_in=100&wrong=5").text
    assert "Of 120 urgent messages we tested, 0 were missed" in words(page)
    assert "with 95 % certainty fewer than 1 in 40" in words(page)
    assert "Nothing has changed yet" in words(page)
    assert practice.desk.models.promises(PEOPLE["sam"]).promised is None
    form = dict(re.findall(r'type="hidden" name="(one_in|wrong|model)" value="([^"]+)"', page))
    assert form == {"one_in": "100", "wrong": "5", "model": "router-1"}
    assert sam.post(PAGE, **form).headers["location"] == PAGE
    assert "At most 1 in 100 urgent messages missed" in words(sam.get(PAGE).text)
    assert practice.desk.models.promises(PEOPLE["sam"]).promised == (0.01, 0.05)
    assert "model.promise" in sam.get("/audit?action=model.promise").text


def test_what_the_messages_cannot_keep_is_said_with_the_strictest(visit: Visits) -> None:
    sam = visit("sam")
    page = sam.get(f"{PAGE}?one_in=500&wrong=5").text
    said = words(page)
    assert "This cannot be promised. At most 1 in 500 missed needs 499 tested urgent" in said
    assert "The strictest near it that can be kept: At most 1 in 121 urgent" in said
    assert "Promise this" not in page
    (offered,) = re.findall(r'class="button" href="([^"]+)"', page)
    followed = sam.get(offered.replace("&amp;", "&").partition("#")[0]).text
    assert "Promise this" in followed
    refused = sam.post(PAGE, one_in="500", wrong="5", model="router-1")
    assert refused.status_code == 409
    assert "at most 1 in 121 missed and 5.0 % wrong" in refused.text


def test_a_model_without_its_tested_messages_promises_nothing(
    practice: Practice, visit: Visits
) -> None:
    sam = visit("sam")
    sam.post(PAGE, one_in="100", wrong="5", model="router-1")
    sam.post("/models/promote", name="router-2")
    said = words(sam.get(PAGE).text)
    assert "cannot keep this or any promise: it came without the messages" in said
    assert "Show the price" not in said
    assert sam.post(PAGE, one_in="100", wrong="5", model="router-2").status_code == 409
    # The promise waits for a model that can keep it.
    assert practice.desk.models.promises(PEOPLE["sam"]).promised == (0.01, 0.05)


def test_a_price_shown_for_another_model_is_not_agreed_to(visit: Visits) -> None:
    sam = visit("sam")
    changed = sam.post(PAGE, one_in="100", wrong="5", model="router-0")
    assert changed.status_code == 409
    assert "Another model serves now" in changed.text


@pytest.mark.parametrize(
    "form",
    [{"one_in": "1"}, {"one_in": "many"}, {"wrong": "0"}, {"wrong": "nan"}, {"wrong": "99"}],
)
def test_what_is_no_share_is_a_form_not_complete(visit: Visits, form: dict[str, str]) -> None:
    sam = visit("sam")
    asked = {"one_in": "100", "wrong": "5", **form}
    assert sam.post(PAGE, model="router-1", **asked).status_code == 422
    query = "&".join(f"{key}={value}" for key, value in asked.items())
    assert sam.get(f"{PAGE}?{query}").status_code == 422


def test_others_look_and_only_supervisors_promise(practice: Practice, visit: Visits) -> None:
    form = {"one_in": "100", "wrong": "5", "model": "router-1"}
    for name in ("devi", "ada"):
        person = visit(name)
        page = person.get(f"{PAGE}?one_in=100&wrong=5").text
        assert "Nothing has changed yet" in words(page)
        assert "Promise this" not in page
        assert person.post(PAGE, **form).status_code == 403
    assert visit("dana").get(PAGE).status_code == 403
    foreign = visit("sam").client.post(PAGE, data=form)
    assert foreign.status_code == 403
    assert practice.desk.models.promises(PEOPLE["sam"]).promised is None


def test_a_spoilt_file_of_tested_messages_is_a_missing_model(
    practice: Practice, visit: Visits, tmp_path: Path
) -> None:
    (tmp_path / "practice" / "shipped" / "router-1" / POINTS).write_text("[]")
    assert visit("sam").get(PAGE).status_code == 404
