"""The page of a day that must be moved: whatever goes wrong, what was typed is still there."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.web.conftest import Visit
from tests.web.practice import MORNING, PEOPLE, Practice
from triage.desk.bulk import MOST, begun
from triage.domain import Channel, Protected
from triage.errors import StoreLocked

Visits = Callable[[str], Visit]
TYPED = {
    "subject": "Moved <soon>",
    "body": "Dear [NAME],\r\nwe call you & others.",
    "subject_es": "Otro <día>",
    "body_es": "Hola, [NAME]:\r\nle llamamos a usted & otros.",
}
#: What was typed, as every page shows it again: both texts.
KEPT = (
    'value="Moved &lt;soon&gt;"',
    "Dear [NAME],\nwe call you &amp; others.</textarea>",
    'value="Otro &lt;día&gt;"',
    "Hola, [NAME]:\nle llamamos a usted &amp; otros.</textarea>",
)


def ticked(page: str) -> list[str]:
    return re.findall(r'name="picked" value="(\w+)" checked', page)


def kept(page: str) -> list[str]:
    return [words for words in KEPT if words in page]


def test_what_was_typed_for_a_day_stays_whatever_error_comes_back(
    practice: Practice, visit: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    dana, case_id = visit("dana"), practice.cases["move"]
    shown = dana.post("/away", words="friday").text
    assert ticked(shown) == [case_id]
    form = {**TYPED, "words": "friday", "offered": case_id}
    many = [case_id, *(str(number) for number in range(MOST))]
    half = {"picked": case_id, "body_es": " \r\n"}
    for wrong in ({}, {"picked": many}, half):
        answer = dana.post("/away/prepare", **(form | wrong))
        assert answer.status_code == 409, wrong.keys()
        assert kept(answer.text) == [*KEPT[: 3 if wrong is half else 4]]
        assert ticked(answer.text) == ([case_id] if wrong else [])
    with monkeypatch.context() as patch:

        def locked(*_: object, **__: object) -> None:
            raise StoreLocked

        for name in ("pick", "prepare"):
            patch.setattr(practice.desk.bulk, name, locked)
        answer = dana.post("/away/prepare", **form, picked=case_id)
        assert (answer.status_code, kept(answer.text)) == (503, [*KEPT])
    assert practice.desk.queue.open(PEOPLE["dana"], case_id).draft is None
    # As much as the page lets anybody type, with the end of each line sent as two signs.
    lines = "x\r\n" * 4000
    done = dana.post("/away/prepare", **(form | {"body": lines, "body_es": lines}), picked=case_id)
    assert (done.status_code, "1 reply is prepared" in done.text) == (200, True)
    # Nobody is offered twice, and who was left with a reason keeps the words on the page.
    assert ticked(done.text) == []
    again = dana.post("/away/prepare", **form, picked=case_id)
    assert "Somebody has saved words in it already." in again.text
    assert kept(again.text) == [*KEPT]


def test_who_reads_another_language_is_marked_gets_their_own_text_or_is_named(
    practice: Practice, visit: Visits
) -> None:
    desk, case_id = practice.desk, practice.cases["move"]
    _, contacts = desk.contacts.of(PEOPLE["sam"], "p5")
    (portal,) = (one for one in contacts if one.channel is Channel.PORTAL)
    desk.contacts.put(
        PEOPLE["sam"],
        "p5",
        channel=portal.channel,
        address=portal.address,
        reader=portal.name,
        relation=portal.relation,
        language="es",
        contact_id=portal.id,
        version=portal.version,
    )
    dana = visit("dana")
    shown = dana.post("/away", words="friday").text
    assert "<b>reads Spanish</b>" in shown
    # The page begins with the shipped words of both languages; nothing has to be typed.
    for words in begun().values():
        assert words.reveal() in shown
    form = {"words": "friday", "offered": case_id, "picked": case_id}
    given = {name: words.reveal() for name, words in begun().items()}
    alone = given | {"subject_es": "", "body_es": " "}
    named = dana.post("/away/prepare", **form, **alone).text
    assert "1 reply is in English, which is not its reader" in named
    assert f'href="/case/{case_id}">Case {case_id[:8]}</a>: <b>reads Spanish</b>' in named
    draft = desk.queue.open(PEOPLE["dana"], case_id).draft
    assert draft is not None
    assert draft.outgoing.subject == Protected("Your appointment")
    # As the page offers it: the reader's own language, and nobody to name.
    letter = next(one for one in MORNING if one.key == "move")
    form["picked"] = practice.receive(replace(letter, key="moved-again"))
    assert "reads Spanish" not in dana.post("/away/prepare", **form, **given).text
    draft = desk.queue.open(PEOPLE["dana"], form["picked"]).draft
    assert draft is not None
    assert draft.outgoing.subject == Protected("Su cita")
    assert draft.outgoing.body.reveal().startswith("Hola, Amina Yusuf:")
