"""The page of a day that must be moved: whatever goes wrong, what was typed is still there."""

import re
from collections.abc import Callable

import pytest

from tests.web.conftest import Visit
from tests.web.practice import PEOPLE, Practice
from triage.desk.bulk import MOST
from triage.errors import StoreLocked

Visits = Callable[[str], Visit]
TYPED = {"subject": "Moved <soon>", "body": "Dear [NAME],\r\nwe call you & others."}
AREA = "Dear [NAME],\nwe call you &amp; others.</textarea>"


def ticked(page: str) -> list[str]:
    return re.findall(r'name="picked" value="(\w+)" checked', page)


def test_what_was_typed_for_a_day_stays_whatever_error_comes_back(
    practice: Practice, visit: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    dana, case_id = visit("dana"), practice.cases["move"]
    shown = dana.post("/away", words="friday").text
    assert ticked(shown) == [case_id]
    form = {**TYPED, "words": "friday", "offered": case_id}
    many = [case_id, *(str(number) for number in range(MOST))]
    for wrong in ({}, {"picked": many}):
        answer = dana.post("/away/prepare", **(form | wrong))
        assert answer.status_code == 409, wrong.keys()
        assert 'value="Moved &lt;soon&gt;"' in answer.text
        assert AREA in answer.text
        assert ticked(answer.text) == ([case_id] if wrong else [])
    with monkeypatch.context() as patch:

        def locked(*_: object, **__: object) -> None:
            raise StoreLocked

        for name in ("pick", "prepare"):
            patch.setattr(practice.desk.bulk, name, locked)
        answer = dana.post("/away/prepare", **form, picked=case_id)
        assert (answer.status_code, AREA in answer.text) == (503, True)
    assert practice.desk.queue.open(PEOPLE["dana"], case_id).draft is None
    # As much as the page lets anybody type, with the end of each line sent as two signs.
    lines = "x\r\n" * 4000
    done = dana.post("/away/prepare", **(form | {"body": lines}), picked=case_id)
    assert (done.status_code, "1 reply is prepared" in done.text) == (200, True)
    # Nobody is offered twice, and who was left with a reason keeps the words on the page.
    assert ticked(done.text) == []
    again = dana.post("/away/prepare", **form, picked=case_id)
    assert "Somebody has saved words in it already." in again.text
    assert AREA in again.text
