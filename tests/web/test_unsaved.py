"""Words that a colleague was quicker than: nothing typed is lost, nothing saved is replaced."""

import re
from collections.abc import Callable

import pytest

from tests.web.conftest import Visit
from tests.web.practice import PEOPLE, Practice
from tests.web.test_pages import approve
from triage.domain import Protected

Visits = Callable[[str], Visit]
TYPED = {"subject": "Mine", "body": "Milo's <own> words.\nTwo lines."}


def had(page: str) -> str:
    """Return what the form of a page says was shown."""
    (digest,) = set(re.findall(r'name="had" value="(\w*)"', page))
    return str(digest)


def body(practice: Practice, case_id: str) -> str:
    draft = practice.desk.queue.open(PEOPLE["sam"], case_id).draft
    return draft.outgoing.body.reveal() if draft else ""


def test_who_comes_second_keeps_what_they_typed_and_sees_whose_words_are_there(
    practice: Practice, visit: Visits
) -> None:
    case_id, wim, milo = practice.cases["refill"], visit("wim"), visit("milo")
    shown = had(milo.get(f"/case/{case_id}").text)
    assert shown == ""
    wim.post(f"/case/{case_id}/draft", subject="s", body="Wim's words & more.", had="")
    assert wim.post(f"/case/{case_id}/ask", words="").status_code == 303
    form = practice.desk.forms.add(PEOPLE["sam"], Protected("C.pdf"), b"%PDF-1.4\nsign\n%%EOF")
    for way in ("draft", "shorter"):
        more = {"had": shown, "form": form.id, "agreed": "yes", "then": "run"}
        late = milo.post(f"/case/{case_id}/{way}", **TYPED, **more)
        assert (late.status_code, body(practice, case_id)) == (409, "Wim's words & more.")
        assert "changed while you were looking" in late.text
        assert "<b>Wim Achter</b>" in late.text
        assert "Wim Achter asks to have these words approved" in " ".join(late.text.split())
        assert "Wim&#39;s words &amp; more." in late.text
        assert 'value="Mine"' in late.text
        assert "Milo&#39;s &lt;own&gt; words.\nTwo lines.</textarea>" in late.text
    assert len(practice.desk.together.mine(PEOPLE["nia"]).asked) == 1
    # The page shows the words, so its own form may replace them, with the form that was ticked.
    assert re.findall(r'name="(?:form|then)" value="(\w+)"', late.text) == ["run", form.id]
    again = milo.post(f"/case/{case_id}/draft", **TYPED, had=had(late.text), form=form.id)
    assert (again.status_code, body(practice, case_id)) == (303, TYPED["body"])


def test_a_page_without_the_field_replaces_nobody_s_words_but_one_s_own(
    practice: Practice, visit: Visits
) -> None:
    case_id, wim, milo = practice.cases["refill"], visit("wim"), visit("milo")
    for words in ("once", "twice"):
        assert wim.post(f"/case/{case_id}/draft", subject="s", body=words).status_code == 303
    assert milo.post(f"/case/{case_id}/draft", subject="s", body="no").status_code == 409
    late = milo.post(f"/case/{case_id}/acknowledge")
    assert (late.status_code, "<textarea" in late.text) == (409, False)
    assert body(practice, case_id) == "twice"
    assert had(milo.get(f"/case/{case_id}").text) == had(wim.get(f"/case/{case_id}").text) != ""


@pytest.mark.parametrize("how", ["taken", "answered"])
def test_words_for_a_case_that_is_shut_meanwhile_can_still_be_copied(
    practice: Practice, visit: Visits, how: str
) -> None:
    case_id, milo = practice.cases["refill"], visit("milo")
    if how == "taken":
        practice.desk.queue.claim(PEOPLE["nia"], case_id)
    else:
        nia = visit("nia")
        assert nia.post(f"/case/{case_id}/draft", subject="s", body="Yes.").status_code == 303
        approve(nia, "nia", case_id)
    late = milo.post(f"/case/{case_id}/draft", **TYPED, had="")
    assert late.status_code == 409
    assert re.search(r"<textarea[^>]* readonly>\nMilo&#39;s &lt;own&gt; words", late.text)
    assert "Save mine in their place" not in late.text


@pytest.mark.parametrize("way", ["draft", "shorter"])
def test_words_that_could_never_leave_are_refused_before_anybody_approves_them(
    practice: Practice, visit: Visits, way: str
) -> None:
    case_id, milo = practice.cases["refill"], visit("milo")
    typed = {"subject": "s", "body": "Milo's\x07 own\twords.", "agreed": "yes", "had": ""}
    late = milo.post(f"/case/{case_id}/{way}", **typed)
    assert (late.status_code, body(practice, case_id)) == (409, "")
    assert "These words hold a sign that nobody sees" in late.text
    assert "own\twords.</textarea>" in late.text
