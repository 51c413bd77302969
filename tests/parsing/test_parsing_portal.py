"""What a portal message says outside its own text, and that it was taken back."""

import json

import pytest

from triage.domain import Channel, Mark, Message, Urgency
from triage.parsing.portal import RETRACTED, read_portal
from triage.parsing.sheet import to_message
from triage.priority.redflags import RedFlags

DANGER = "I have crushing chest pain and cannot breathe."


@pytest.fixture(scope="module")
def rules() -> RedFlags:
    return RedFlags()


def read(kind: str = "Communication", **fields: object) -> Message:
    content = json.dumps({"resourceType": kind, "id": "c7", **fields}).encode()
    return to_message(read_portal(content), raw_id="r", channel=Channel.PORTAL)


def emergency(rules: RedFlags, message: Message) -> bool:
    return any(f.urgency is Urgency.EMERGENCY and not f.weak for f in rules.flags(message))


@pytest.mark.parametrize(
    "fields", [{"note": [{"text": DANGER}]}, {"reasonCode": [{"coding": [], "text": DANGER}]}]
)
@pytest.mark.parametrize("said", ["Please refill.", "Please refill.\n-- \nLuis Vega", ""])
def test_notes_and_reasons_are_shown(rules: RedFlags, fields: dict[str, object], said: str) -> None:
    message = read(payload=[{"contentString": said}], **fields)
    assert message.body.reveal().endswith(DANGER)
    assert emergency(rules, message)
    assert Mark.NOT_READ not in message.marks


def test_what_ends_one_text_folds_no_other(rules: RedFlags) -> None:
    texts = ["Yes, please.\n-- \nLuis Vega", DANGER]
    message = read(
        payload=[{"contentString": text} for text in texts],
        inResponseTo=[{"reference": "Communication/c6"}],
    )
    assert message.body.reveal() == f"Yes, please.\n\n{DANGER}"
    assert message.signature.reveal() == "Luis Vega"


def test_many_texts_are_all_shown() -> None:
    message = read(payload=[{"contentString": f"line {n}"} for n in range(300)])
    assert message.body.reveal().split() == " ".join(f"line {n}" for n in range(300)).split()


def test_a_portal_message_that_answers_nothing_is_not_cut(rules: RedFlags) -> None:
    text = f"From: Luis\nDate: May 5\nSubject: visit\nMessage:\n{DANGER}"
    assert read(payload=[{"contentString": f"New form\n\n{text}"}]).body.reveal().endswith(DANGER)
    ruled = read(payload=[{"contentString": f"New form\n---\n{DANGER}"}])
    assert emergency(rules, ruled)
    assert DANGER in ruled.body.reveal()


@pytest.mark.parametrize("kind", ["Communication", "Task"])
def test_what_was_taken_back_says_so(rules: RedFlags, kind: str) -> None:
    words = {"payload": [{"contentString": DANGER}], "description": DANGER}
    message = read(kind, status="entered-in-error", **words)
    assert message.body.reveal() == f"{RETRACTED}\n\n{DANGER}"
    assert Mark.PARTLY_READ in message.marks
    # Somebody may have taken back the wrong one: the danger still counts.
    assert emergency(rules, message)
    standing = read(kind, status="completed", **words)
    assert RETRACTED not in standing.body.reveal()
    assert Mark.PARTLY_READ not in standing.marks


def test_a_taken_back_message_without_words_is_still_not_read(rules: RedFlags) -> None:
    message = read(status="entered-in-error", inResponseTo=[{"reference": "Communication/c6"}])
    assert message.body.reveal() == RETRACTED
    assert Mark.NOT_READ in message.marks
    assert not rules.flags(message)
