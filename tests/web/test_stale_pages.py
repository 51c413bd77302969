"""What somebody decides on a page that is older than what a colleague did is refused in words."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.web.conftest import Visit
from tests.web.practice import PEOPLE, Practice
from triage.domain import CaseFile, CaseState, Protected, Route, Urgency
from triage.errors import ChangedUnderneath
from triage.store import cases

Visits = Callable[[str], Visit]
DANA, NIA = PEOPLE["dana"], PEOPLE["nia"]
SPOKEN = {"who": "Ana Ruiz", "said": "Ambulance was called."}
AGAIN = "Read it again before you decide."


def raised(practice: Practice, case_id: str) -> None:
    """The nurse sees what nobody saw before her."""
    how: dict[str, Any] = {"route": Route.URGENT_CLINICAL, "urgency": Urgency.EMERGENCY}
    practice.desk.queue.reroute(NIA, case_id, **how, why=Protected("He cannot breathe."))


def linked(practice: Practice, case_id: str) -> None:
    """The nurse finds the patient and writes to her."""
    practice.desk.queue.link(NIA, case_id, patient_id="p2", contact_id="p2-mail")
    written(practice, case_id)


def written(practice: Practice, case_id: str) -> None:
    words = {"subject": Protected("Re"), "body": Protected("Her own words.")}
    practice.desk.replies.save(NIA, case_id, **words)


def file_of(practice: Practice, case_id: str) -> CaseFile:
    return practice.store.cases.get(case_id, clinic="c1", by="test")


def test_an_older_page_takes_no_emergency_away(practice: Practice, visit: Visits) -> None:
    case_id, dana, queue = practice.cases["refill"], visit("dana"), practice.desk.queue
    old = dana.shown(case_id)
    raised(practice, case_id)
    waiting = practice.desk.urgent.now(DANA)[0]
    words = {"who": "Ana", "said": "told"}
    for what, form in {
        "reroute": {"route": "billing_dispute", "urgency": "routine"},
        "hand-over": {},
        "close": {"outcome": "phoned", **words},
    }.items():
        stale = dana.post(f"/case/{case_id}/{what}", **old, **form)
        assert stale.status_code == 409, what
        assert f"Somebody sorted this case differently meanwhile. {AGAIN}" in stale.text
        # A form that does not say what its page showed is none of ours.
        assert dana.post(f"/case/{case_id}/{what}", seen=old["seen"], **form).status_code == 422
    file = file_of(practice, case_id)
    assert (file.case.urgency, len(file.labels)) == (Urgency.EMERGENCY, 1)
    assert practice.desk.urgent.now(DANA)[0] == waiting
    # On the page as it is now the same choice is hers, and says what she was shown.
    calm = {"route": "billing_dispute", "urgency": "routine"}
    assert dana.decide(case_id, "reroute", **calm).status_code == 303
    label = queue.open(DANA, case_id).file.labels[-1]
    assert (label.shown_urgency, label.urgency) == (Urgency.EMERGENCY, Urgency.ROUTINE)


def test_an_older_page_gives_no_case_to_another_patient(practice: Practice, visit: Visits) -> None:
    case_id, dana, milo = practice.cases["stranger"], visit("dana"), visit("milo")
    old = dana.shown(case_id)
    linked(practice, case_id)
    older = milo.shown(case_id)
    # The same patient still, and words that stood on no page of his.
    written(practice, case_id)
    for person, shown in ((dana, old), (milo, older)):
        stale = person.post(f"/case/{case_id}/link", **shown, contact="p1:p1-mail")
        assert stale.status_code == 409
        assert f"Somebody linked this case or saved words in it meanwhile. {AGAIN}" in stale.text
    file = file_of(practice, case_id)
    assert (file.case.patient_id, file.case.contact_id) == ("p2", "p2-mail")
    assert file.draft is not None
    assert file.draft.author == NIA.id
    assert dana.decide(case_id, "link", contact="p1:p1-mail").status_code == 303
    assert file_of(practice, case_id).draft is None


def test_oracle_who_compares_nothing_undoes_what_a_colleague_did(
    practice: Practice, visit: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("still_sorted", "still_linked"):
        monkeypatch.setattr(cases, name, lambda *_: None)
    urgent, unknown, dana = practice.cases["refill"], practice.cases["stranger"], visit("dana")
    old = {case_id: dana.shown(case_id) for case_id in (urgent, unknown)}
    raised(practice, urgent)
    linked(practice, unknown)
    calm = {"route": "billing_dispute", "urgency": "routine"}
    assert dana.post(f"/case/{urgent}/reroute", **old[urgent], **calm).status_code == 303
    assert file_of(practice, urgent).case.urgency is Urgency.ROUTINE
    assert dana.post(f"/case/{unknown}/link", **old[unknown], contact="p1:p1-mail").is_redirect
    assert file_of(practice, unknown).draft is None


@pytest.mark.parametrize("what", ["hand_over", "close"])
def test_who_is_between_the_look_and_the_lock_is_not_overruled(
    practice: Practice, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """No page was shown: what counts is the case as it was read before it is locked."""
    case_id, store, queue = practice.cases["refill"], practice.store.cases, practice.desk.queue
    name = "reroute" if what == "hand_over" else "close"
    real = getattr(store, name)

    def late(*given: Any, **named: Any) -> None:
        monkeypatch.setattr(store, name, real)
        raised(practice, case_id)
        real(*given, **named)

    monkeypatch.setattr(store, name, late)
    calm = {"outcome": "no_reply_needed", "note": Protected(""), "all_done": True}
    do, form = (queue.close, calm) if what == "close" else (practice.desk.rewriting.hand_over, {})
    with pytest.raises(ChangedUnderneath):
        do(DANA, case_id, **form)
    assert file_of(practice, case_id).case.urgency is Urgency.EMERGENCY


CLOSED = "This case was closed meanwhile; nothing of yours was kept."


def test_the_second_who_closes_a_case_changes_nothing_of_the_first(
    practice: Practice, visit: Visits
) -> None:
    case_id, dana, nia = practice.cases["chest"], visit("dana"), visit("nia")
    for part in file_of(practice, case_id).case.requests:
        assert nia.decide(case_id, "tick", part=part.id).status_code == 303
    old, words = dana.shown(case_id), {"who": "her husband", "said": "an ambulance is there"}
    first = {"outcome": "sent_to_emergency_services", "note": "Ambulance called.", **words}
    assert nia.decide(case_id, "close", **first).status_code == 303
    before = file_of(practice, case_id)
    second = {"outcome": "phoned", "who": "voicemail", "said": "call back"}
    stale = dana.post(f"/case/{case_id}/close", **old, **second)
    assert stale.status_code == 409
    assert CLOSED in stale.text
    after = file_of(practice, case_id)
    assert after.case == before.case
    assert "Ambulance called." in after.outcome_note.reveal()
    assert practice.store.cases.queue(clinic="c1", by="test")


def test_what_was_closed_is_opened_again_with_a_reason_and_rings_anew(
    practice: Practice, visit: Visits
) -> None:
    case_id, dana, nia = practice.cases["chest"], visit("dana"), visit("nia")
    rings = practice.desk.urgent.now(DANA)[0]
    assert nia.post(f"/case/{case_id}/open-again", reason="He called back.").status_code == 409
    for part in file_of(practice, case_id).case.requests:
        dana.decide(case_id, "tick", part=part.id)
    assert dana.decide(case_id, "close", outcome="phoned", **SPOKEN).status_code == 303
    assert practice.desk.urgent.now(DANA)[0].waiting == rings.waiting - 1
    assert nia.post(f"/case/{case_id}/open-again", reason="").status_code == 422
    assert nia.post(f"/case/{case_id}/open-again", reason="He called back.").status_code == 303
    found = file_of(practice, case_id).case
    assert (found.state, found.claimed_by) == (CaseState.OPEN, "u-nia")
    assert practice.desk.urgent.now(DANA)[0].waiting == rings.waiting
    page = dana.get(f"/case/{case_id}").text
    assert "Opened again" in page
    assert "He called back." in page
    assert SPOKEN["said"] in page, "what it was closed with is read beside it"


def test_nobody_sorts_links_or_ticks_what_is_closed(practice: Practice, visit: Visits) -> None:
    case_id, dana, nia = practice.cases["refill"], visit("dana"), visit("nia")
    (part,) = file_of(practice, case_id).case.requests
    old = nia.shown(case_id)
    assert dana.decide(case_id, "tick", part=part.id).status_code == 303
    assert dana.decide(case_id, "close", outcome="no_reply_needed").status_code == 303
    before, waiting = file_of(practice, case_id), practice.desk.urgent.now(DANA)[0]
    for what, form in {
        "reroute": {"route": "refill", "urgency": "emergency"},
        "link": {"contact": "p2:p2-mail"},
        "tick": {"part": part.id},
        "take-over": {"reason": "Left early."},
    }.items():
        stale = (visit("sam") if what == "take-over" else nia).post(
            f"/case/{case_id}/{what}", **old, **form
        )
        assert stale.status_code == 409, what
        assert CLOSED in stale.text, what
        assert "open it again." in stale.text
    after = file_of(practice, case_id)
    assert (after.case, after.labels) == (before.case, ())
    assert practice.desk.urgent.now(DANA)[0] == waiting
