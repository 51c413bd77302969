"""The search box: what is typed stands in no address, and what is found is shown to its asker."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.canaries import links
from tests.web.conftest import Visit
from tests.web.practice import MORNING, PEOPLE, Practice
from triage.desk import search
from triage.desk.search import SearchDesk
from triage.domain import Protected, Wanted
from triage.errors import NotFound

Visits = Callable[[str], Visit]
CANARY = "zwxqcanary"


def look(person: Visit, **form: str) -> tuple[str, str]:
    """Search as the form does; return the address it leads to and the page there."""
    answer = person.post("/search", **form)
    assert answer.status_code == 303, answer.text
    where = answer.headers["location"]
    return where, person.get(where).text


def subjects(page: str) -> list[str]:
    return re.findall(r'<a class="open" href="/case/\w+"><bdi>(.*?)</bdi>', page)


def test_the_queue_has_a_box_that_finds_by_words_and_by_patient(visit: Visits) -> None:
    dana = visit("dana")
    page = dana.get("/queue").text
    assert 'method="post" action="/search"' in page
    assert 'name="words"' in page
    for words, found in {
        "lisinopril": ["Refill of lisinopril"],
        "keane": ["Refill of lisinopril"],
        "1957-08-14 pharmacy": ["Refill of lisinopril"],
        "MRN40006": ["Charged twice for the same visit??"],
        "office@lawyers.example.net": ["Records for our mutual client"],
        "lisinopril invoice": [],
    }.items():
        _, page = look(dana, words=words)
        assert subjects(page) == found, words
        assert f'value="{words}"' in page


def test_results_are_narrowed_down_and_closed_cases_say_so(
    practice: Practice, visit: Visits
) -> None:
    dana, case_id = visit("dana"), practice.cases["spam"]
    (part,) = practice.store.cases.get(case_id, clinic="c1", by="t").case.requests
    assert dana.decide(case_id, "tick", part=part.id).status_code == 303
    assert dana.decide(case_id, "close", outcome="no_reply_needed").status_code == 303
    _, page = look(dana, words="practice", place="closed")
    assert subjects(page) == ["WIN a practice makeover!!!"]
    assert "Closed: No reply needed" in page
    _, page = look(dana, words="practice", place="open")
    assert subjects(page) == []
    _, page = look(dana, place="unsorted", route="records_forms", held="-", age="7")
    assert subjects(page) == ["Re: Re: your letter"]
    assert re.findall(r'<option value="([^"]+)" selected>', page) == [
        "unsorted", "records_forms", "-", "7",
    ]  # fmt: skip
    assert dana.post("/search", place="nowhere").status_code == 422
    assert CANARY not in dana.post("/search", words=CANARY, age="3").text


def test_what_is_typed_stands_in_no_address_and_no_log(
    visit: Visits, caplog: pytest.LogCaptureFixture
) -> None:
    dana = visit("dana")
    with caplog.at_level("DEBUG"):
        where, page = look(dana, words=CANARY)
    assert re.fullmatch(r"/search/[0-9a-f]{32}", where)
    assert f'value="{CANARY}"' in page
    assert not [link for link in links(page) if CANARY in link]
    ours = [record for record in caplog.records if record.name.startswith("triage")]
    assert CANARY not in " ".join(record.getMessage() for record in ours)
    assert dana.client.cookies.get("desk") not in (None, CANARY)
    # Nobody can put words into an address by hand, either.
    assert dana.get(f"/search?words={CANARY}").status_code == 405


def test_a_search_is_its_person_s_own_and_is_forgotten(practice: Practice, visit: Visits) -> None:
    where, _ = look(visit("dana"), words="lisinopril")
    answer = visit("milo").get(where)
    assert (answer.status_code, "lisinopril" in answer.text) == (404, False)
    desk, now = practice.desk.search, practice.desk.search._clock()
    desk._clock = lambda: now + search.KEPT_FOR + timedelta(seconds=1)
    answer = visit("dana").get(where)
    assert (answer.status_code, "Type it again" in answer.text) == (404, True)
    assert desk._kept == {}


def test_a_search_that_is_looked_at_stays_and_only_so_many_do(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    dana, wanted = PEOPLE["dana"], Wanted(Protected("lisinopril"))
    clock = [practice.desk._clock()]
    desk = SearchDesk(practice.store, lambda: clock[0], {})
    kept = desk.keep(dana, wanted)
    for _ in range(3):
        clock[0] += search.KEPT_FOR - timedelta(seconds=1)
        assert desk.find(dana, kept).hits.rows
    monkeypatch.setattr(search, "MOST_KEPT", 2)
    for _ in range(2):
        desk.keep(dana, wanted)
    with pytest.raises(NotFound):
        desk.find(dana, kept)


def test_a_case_leads_to_everything_of_its_patient(practice: Practice, visit: Visits) -> None:
    dana, refill = visit("dana"), practice.cases["refill"]
    (part,) = practice.store.cases.get(refill, clinic="c1", by="t").case.requests
    assert dana.decide(refill, "tick", part=part.id).status_code == 303
    assert dana.decide(refill, "close", outcome="phoned", who="Ms Keane", when="9:00",
                       said="It is ready.").status_code == 303  # fmt: skip
    again = replace(MORNING[4], key="asks", writer=1, body="Is it there yet?")
    newer = practice.receive(again)
    page = dana.get(f"/case/{newer}").text
    # What came by the other way is folded beside it; nothing of it stands in an address.
    folded = re.search(r"<summary>Newest words</summary>(.*?)</details>", page, re.S)
    assert folded
    assert "I am nearly out of my lisinopril" in folded[1]
    assert "closed · E-mail" in page
    events = practice.store.audit.events(clinic="c1", by="t", action="chain.read")
    assert [(one.actor, one.cases) for one in events[:1]] == [("u-dana", (refill,))]
    answer = dana.post(f"/case/{newer}/everything")
    where = answer.headers["location"]
    assert re.fullmatch(r"/search/[0-9a-f]{32}", where)
    page = dana.get(where).text
    assert subjects(page) == ["move my appt", "Refill of lisinopril"]
    assert "Everything of this patient" in page
    (event, *_) = practice.store.audit.events(clinic="c1", by="t", action="search.read")
    assert set(event.cases) == {newer, refill}
    assert visit("milo").get(where).status_code == 404
    assert dana.post(f"/case/{practice.cases['stranger']}/everything").status_code == 404
    assert "everything" not in dana.get(f"/case/{practice.cases['stranger']}").text
    assert visit("devi").post(f"/case/{newer}/everything").status_code == 403


def test_more_than_a_page_is_looked_for_further_back(
    visit: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triage.web.search.PAGE", 4)
    dana = visit("dana")
    _, page = look(dana)
    seen = subjects(page)
    while further := re.search(r'href="(/search/\w+\?before=\d+)"', page):
        page = dana.get(further.group(1)).text
        assert "Newest" in page
        seen += subjects(page)
    assert len(seen) == len(set(seen)) == 10
