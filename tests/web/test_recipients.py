"""Safety-bar 22 and 23 on the pages: whom a reply goes to is chosen, agreed to and one person."""

import re
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from tests.web import practice as stage
from tests.web.conftest import Visit
from tests.web.practice import MORNING, Practice
from triage.connectors.letter import Letter
from triage.domain import Draft, Outgoing
from triage.store.tables import metadata

Visits = Callable[[str], Visit]
REFILL = next(letter for letter in MORNING if letter.key == "refill")
WEB = Path(stage.__file__).parents[2] / "triage" / "web"
#: What a second recipient is called where one can be had.
SECOND = re.compile(r"(?<![a-z])(b?cc|carbon|copy_to|copies_to|recipients)(?![a-z])", re.I)


@pytest.mark.bar(22)
def test_an_unverified_sender_is_a_stop_until_a_person_chose_a_verified_contact(
    practice: Practice, visit: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stage._message
    monkeypatch.setattr(
        stage, "_message", lambda *given: replace(real(*given), sender_doubtful=True)
    )
    case_id, dana = practice.receive(replace(REFILL, key="spoofed")), visit("dana")
    page = dana.get(f"/case/{case_id}").text
    assert '<li class="grave">Sender not verified</li>' in page
    assert "may not come from the address shown" in page
    assert "Nobody has said who this is yet" in page
    assert "Write a reply" not in page
    assert dana.decide(case_id, "draft", subject="s", body="b").status_code == 409
    found = dana.decide(case_id, "patients", words="Keane").text
    assert "p1:p1-mail" in found
    assert "checked" not in found, "nobody is chosen before a person chooses"
    assert dana.decide(case_id, "link", contact="p1:p1-mail").status_code == 303
    page = dana.get(f"/case/{case_id}").text
    assert "Write a reply" in page
    assert "may not come from the address shown" in page


@pytest.mark.bar(22)
def test_consent_to_mail_is_shown_at_the_reply_recorded_and_taken_back(
    practice: Practice, visit: Visits
) -> None:
    case_id, dana = practice.cases["refill"], visit("dana")
    page = f"/case/{case_id}"
    assert "Agreed to e-mail, recorded by the roster" in dana.get(page).text
    dana.decide(case_id, "consent", contact="p1-mail", agreed="no")
    text = dana.get(page).text
    assert "has not agreed to e-mail" in text
    assert "Does not want e-mail, recorded by <bdi>Dana" in text
    assert "Write a reply" not in text
    assert dana.decide(case_id, "draft", subject="s", body="b").status_code == 409
    dana.decide(case_id, "consent", contact="p1-mail", agreed="yes")
    assert "Agreed to e-mail, recorded by <bdi>Dana" in dana.get(page).text
    assert dana.decide(case_id, "draft", subject="s", body="b").status_code == 303
    assert dana.decide(case_id, "consent", contact="p1-mail", agreed="perhaps").status_code == 422


def test_that_nobody_checks_senders_is_said_on_every_page(
    practice: Practice, visit: Visits
) -> None:
    practice.store.beats.beat("worker", notes=["senders_unchecked"])
    page = visit("dana").get("/queue").text
    assert "Nobody checks who really sent an e-mail" in page


def second_recipients(names: Iterable[str]) -> set[str]:
    return {name for name in names if SECOND.search(name)}


@pytest.mark.bar(23)
def test_nothing_anywhere_can_name_a_second_recipient() -> None:
    columns = {
        f"{table.name} {column.name}" for table in metadata.sorted_tables for column in table.c
    }
    ours = {one.name for kind in (Outgoing, Draft, Letter) for one in fields(kind)}
    forms = {
        f"{path.name} {name}"
        for path in [*WEB.rglob("*.html"), *WEB.glob("*.py")]
        for name in re.findall(r'name="([^"]+)"|(\w+): Annotated', path.read_text())
        for name in name
    }
    assert len(columns) > 100
    assert {"_reply.html subject", "reply.py body"} <= forms
    assert second_recipients(columns | ours | forms) == set()
    shown = {path.name: path.read_text() for path in WEB.rglob("*.html")}
    assert [name for name, text in shown.items() if re.search(r"\bb?cc\b", text, re.I)] == []


@pytest.mark.parametrize("name", ["drafts bcc", "Cc", "replies copy_to", "reply.html recipients"])
def test_a_second_recipient_is_seen(name: str) -> None:
    assert second_recipients([name])
