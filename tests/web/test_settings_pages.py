"""Templates and contacts on the pages: two people, words shown before they serve, one patient."""

import html
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.store.practice import message
from tests.web.conftest import Visit
from tests.web.practice import MORNING, PEOPLE, Practice
from triage.domain import Lane, Priority, Protected, Redacted, Route, Urgency
from triage.errors import NotYourself
from triage.wiring import House

Visits = Callable[[str], Visit]
PAGE = "/templates/refill.en"
REFILL = next(letter for letter in MORNING if letter.key == "refill")
WORDS = {"route": "refill", "language": "en", "subject": "Refill", "body": "We call {phone}."}
OPEN = {**WORDS, "body": "We pass it on to your doctor.\nCall us at 555-0100 by 6 pm."}


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


def test_a_text_is_looked_at_kept_released_by_a_second_and_names_its_version(
    practice: Practice, visit: Visits
) -> None:
    sam, nia, ada = visit("sam"), visit("nia"), visit("ada")
    looked = sam.post("/templates/look", **OPEN)
    assert "Hello" in looked.text
    assert "If this is an emergency" in looked.text
    assert "Message 1, redacted" in looked.text
    # The message of the morning is there as the model read it, and as nobody else.
    assert "lisinopril" in looked.text
    assert "Keane" not in looked.text
    assert "written out in the template" in looked.text, "555-0100 stands in no settings"
    assert practice.desk.templates.one(PEOPLE["sam"], Route.REFILL, "en").line.newest == 0
    assert "Save for a second person" in looked.text
    # Who sees no queue sees no message, redacted or not.
    blind = ada.post("/templates/look", **OPEN).text
    assert "lisinopril" not in blind
    assert "Your role sees no messages" in blind
    saved = sam.post("/templates", **OPEN, version="0")
    assert (saved.status_code, saved.headers["location"]) == (303, PAGE)
    own = sam.get(PAGE).text
    assert "Put version 1 in service" not in own
    assert "You wrote this one" in own
    line = practice.desk.templates.one(PEOPLE["nia"], Route.REFILL, "en").line
    form = {"template_id": line.versions[0].id, "version": "0"}
    assert sam.post("/templates/release", **form).status_code == 409
    offered = nia.get(PAGE).text
    assert field(offered, "template_id") == form["template_id"]
    assert nia.post("/templates/release", **form).status_code == 303
    assert "Version 1 is in service" in nia.get(PAGE).text
    assert "version 1" in sam.get("/templates").text
    served = practice.store.templates.serving(clinic="c1")
    assert served[Route.REFILL, "en"].name == "refill@1"
    assert sam.post("/templates/retire", **WORDS, version="1").status_code == 303
    assert practice.store.templates.serving(clinic="c1") == {}


def test_refused_words_stay_on_the_page_with_what_to_mend(visit: Visits) -> None:
    sam = visit("sam")
    bad = {**WORDS, "body": "Take two tablets of ibuprofen twice a day. Call {fone}."}
    answer = sam.post("/templates", **bad, version="0")
    assert answer.status_code == 409
    assert "clinical advice" in answer.text
    assert "{fone}</bdi></b>: No such place exists" in answer.text
    assert "ibuprofen twice a day" in html.unescape(answer.text)
    assert "Save for a second person" not in answer.text
    assert "ibuprofen" not in sam.get(PAGE).text


def test_the_desk_would_release_its_author_s_words_if_the_store_did_not_ask(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: a store without the rule puts them in service."""
    sam, desk = PEOPLE["sam"], practice.desk.templates
    typed = {"subject": Protected("s"), "body": Protected("We write again.")}
    view = desk.write(sam, Route.REFILL, "en", **typed, version=0)
    own = view.line.versions[0].id
    with pytest.raises(NotYourself):
        desk.release(sam, own, version=0)
    released: list[str] = []
    monkeypatch.setattr(practice.store.templates, "release", lambda one, **_: released.append(one))
    desk.release(sam, own, version=0)
    assert released == [own]


def test_a_language_without_texts_is_kept_when_its_contact_is_changed(
    practice: Practice, visit: Visits
) -> None:
    sam = visit("sam")
    new = {"patient": "p1", "contact": "p1-mail", "version": "0", "channel": "email"}
    new |= {"address": "rosalind.keane@example.org", "reader": "R. Keane", "relation": "self"}
    page = sam.post("/contacts/put", **new, language="vi").text
    assert '<option value="vi" selected>vi</option>' in page
    assert page.count('value="vi"') == 1, "the other contacts read what is on the list"


def test_a_contact_is_found_changed_verified_and_answers_after_that_only(
    practice: Practice, visit: Visits
) -> None:
    sam, dana, case_id = visit("sam"), visit("dana"), practice.cases["refill"]
    assert "Rosalind" not in sam.post("/contacts", words="Ros").text
    assert field(sam.post("/contacts", words="Keane").text, "patient") == "p1"
    page = sam.post("/contacts/patient", patient="p1").text
    assert "rosalind.keane@example.org" in page
    assert "recorded by the roster" in " ".join(page.split())
    new = {"patient": "p1", "contact": "p1-mail", "version": "0", "channel": "email"}
    new |= {"address": "keane@new.example", "reader": "R. Keane", "relation": "self"}
    for wrong in (
        {"address": "nobody"},
        {"reader": ""},
        {"relation": "<b>"},
        {"language": "es-MX"},
    ):
        assert sam.post("/contacts/put", **{**new, **wrong}).status_code == 409, wrong
    moved = sam.post("/contacts/put", **new)
    assert moved.status_code == 200
    assert "Nobody has verified this address" in moved.text
    assert "Out of use" in moved.text
    assert sam.post("/contacts/put", **new).status_code == 404, "the old one is out of use"
    # The case stands with the address that was; nobody may answer there, or say it is right.
    seen = dana.get(f"/case/{case_id}").text
    assert "This contact was taken out of use" in seen
    assert "I have checked this address" not in seen
    assert dana.decide(case_id, "draft", subject="s", body="b").status_code == 409
    _, known = practice.desk.contacts.of(PEOPLE["sam"], "p1")
    made = next(one.id for one in known if one.verified_by is None and not one.retired_at)
    assert dana.decide(case_id, "link", contact=f"p1:{made}").status_code == 303
    assert "has not been verified" in dana.get(f"/case/{case_id}").text
    assert sam.post("/contacts/verify", patient="p1", contact=made).status_code == 200
    agreed = sam.post("/contacts/consent", patient="p1", contact=made, agreed="yes").text
    assert "<bdi>Sam Ortega</bdi>" in agreed
    assert "Write a reply" in dana.get(f"/case/{case_id}").text


def test_nothing_of_a_patient_is_in_an_address(visit: Visits) -> None:
    sam = visit("sam")
    pages = [sam.get("/contacts"), sam.post("/contacts", words="Keane")]
    pages += [sam.post("/contacts/patient", patient="p1"), sam.post("/templates/look", **OPEN)]
    for page in pages:
        links = re.findall(r'(?:href|action|formaction|src)="([^"]*)"', page.text)
        assert [one for one in links if re.search(r"p1|keane|mrn|refill\b(?!\.)", one, re.I)] == []
        assert {one for one in links if "?" in one} <= {"/queue?lane=urgent"}


def test_a_running_worker_s_next_draft_has_the_released_words(
    practice: Practice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its drafter is made once, from the house as the worker makes it."""
    # The rules are slow to load and have no part in this.
    monkeypatch.setattr("triage.priority.RedFlags", lambda: None)
    home = tmp_path / "home"
    home.mkdir()
    (home / "triage.toml").write_text(
        '[clinic]\nid = "c1"\nname = "Alder"\nfacts = { phone = "555-0199" }\n'
        '[parts]\nredactor = "withhold"\nclassifier = "abstain"\n'
    )
    drafter = House.at(home).parts(practice.store).rooms.drafter
    assert drafter is not None
    rank = Priority(Route.REFILL, frozenset(), Urgency.ROUTINE, 40, Lane.SORTED, ())
    asked = Redacted("Refill", "Could you please renew my tablets for me? Thank you")

    def next_draft() -> tuple[str, str]:
        made = drafter.draft(message("raw"), asked, rank, language="en")
        assert made is not None
        return made.template, made.body

    assert next_draft()[0] == "refill"
    typed = {"subject": Protected("s"), "body": Protected("We call you from {phone}.")}
    desk = practice.desk.templates
    view = desk.write(PEOPLE["sam"], Route.REFILL, "en", **typed, version=0)
    assert next_draft()[0] == "refill", "written is not released"
    desk.release(PEOPLE["nia"], view.line.versions[0].id, version=0)
    name, body = next_draft()
    assert name == "refill@1"
    assert "We call you from 555-0199." in body


def test_a_draft_says_which_version_it_began_with(practice: Practice, visit: Visits) -> None:
    letter = replace(REFILL, key="own", suggestion="We write again.")
    real = practice._reading

    def named(*given: Any) -> Any:
        made = real(*given)
        return replace(made, suggestion=replace(made.suggestion, template="refill@7"))

    practice._reading = named  # type: ignore[method-assign]  # One message of its own.
    case_id, dana = practice.receive(letter), visit("dana")
    assert "Suggested (refill@7)" in dana.get(f"/case/{case_id}").text
    assert dana.decide(case_id, "draft", subject="s", body="We write again.").status_code == 303
    assert "own template, version 7" in dana.get(f"/case/{case_id}").text
