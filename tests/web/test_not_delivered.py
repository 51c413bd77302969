"""A reply that came back is said on the case and in the queue, in words a secretary understands."""

from collections.abc import Callable
from datetime import timedelta

from tests.returned_mails import report
from tests.small_practice import rooms
from tests.web.conftest import Visit
from tests.web.practice import PEOPLE, Practice
from tests.web.test_pages import approve, settle
from triage.domain import ReplyState, Undelivered
from triage.pipeline import file
from triage.testing import arrival
from triage.web import wording

#: Every word that path, sender, store and restore give for what became of a reply.
WHY = (
    "SendRefused", "ProofRefused", "postponed", "line_broke", "sender_stopped", "restored",
    "no_outbox", "changed_in_store", "recipient_changed", "approver_left", "second_missing",
)  # fmt: skip


def test_every_reason_has_plain_words() -> None:
    assert set(wording.UNDELIVERED) == set(Undelivered)
    assert all(words.endswith(".") for words in wording.UNDELIVERED.values())


def test_a_reply_that_did_not_go_says_why_in_plain_words(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    assert set(wording.REASONS) == set(WHY)
    practice.desk.replies._undo = timedelta(seconds=-1)
    case_id, dana = practice.cases["refill"], visit("dana")
    dana.post(f"/case/{case_id}/draft", subject="s", body="words")
    approve(dana, "dana", case_id)
    settle(practice, case_id, ReplyState.FAILED, why="SendRefused")
    page = dana.get(f"/case/{case_id}").text
    assert "The other side refused it for good" in page
    assert "SendRefused" not in page


def test_the_case_says_that_a_reply_was_not_delivered_and_why(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    practice.desk.replies._undo = timedelta(seconds=-1)
    case_id, dana = practice.cases["refill"], visit("dana")
    dana.post(f"/case/{case_id}/draft", subject="s", body="words")
    approve(dana, "dana", case_id)
    settle(practice, case_id, ReplyState.SENT)
    assert "Not delivered" not in dana.get(f"/case/{case_id}").text
    (reply,) = practice.desk.queue.open(PEOPLE["dana"], case_id).replies
    (raw_id,) = practice.store.landing.land(
        [arrival(report(reply.message_id, status="5.2.2"), uid=900)], clinic="c1"
    )
    assert file([raw_id], rooms(), practice.store, clinic="c1", by="worker") == [case_id]
    page = dana.get(f"/case/{case_id}").text
    assert "Not delivered</strong>: the mailbox is full. Call the patient." in page
    assert "A reply of ours was not delivered" in page
    assert "Write a reply" in page
    assert "not delivered" in dana.get("/queue").text
    state = dana.get(f"/case/{case_id}/reply/{reply.id}").text
    assert "the mailbox is full" in state
