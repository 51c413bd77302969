"""Tone and contradiction are signs: they are heard in English and Spanish, and move nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sizes import many
from tests.small_practice import NOW, mail_from, rooms
from triage.classifiers.dataset import read_rows
from triage.domain import (
    Channel,
    Classification,
    Mark,
    Message,
    Position,
    Protected,
    RawMessage,
    Route,
    Urgency,
)
from triage.evaluation.readings import message_of
from triage.parsing import plain
from triage.pipeline import read
from triage.priority import rank
from triage.priority.signs import contradictions, signs
from triage.priority.tone import TONES, tones

DATA = Path(__file__).resolve().parents[2] / "data"
ANGRY, THREATENS, PLEADS = Mark.ANGRY, Mark.THREATENS, Mark.PLEADS


def letter(body: str = "", subject: str = "", **changes: object) -> Message:
    made = plain(id="m1", channel=Channel.EMAIL, subject=subject, body=body)
    return replace(made, **changes)  # type: ignore[arg-type]  # A test says which.


def classified(route: Route, confidence: float = 0.97, *also: Route) -> Classification:
    return Classification(
        route, frozenset(also), Urgency.ROUTINE, confidence, abstained=False, model="m1"
    )


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("This is UNACCEPTABLE. Nobody calls me back.", {ANGRY}),
        ("I'm so angry I could spit", {ANGRY}),
        ("Es una falta de respeto, ya estoy muy harta.", {ANGRY}),
        ("Call me or you will hear from my lawyer!", {THREATENS}),
        ("I am switching practices and leaving a bad review.", {THREATENS}),
        ("Si no contestan voy a poner una queja con el estado", {THREATENS}),
        ("¡Esto es INACEPTABLE! Voy a demandarlos.", {ANGRY, THREATENS}),
        ("I am begging you, I do not know what else to do", {PLEADS}),
        ("Ayúdenme por favor, estoy desesperada", {PLEADS}),
        ("I’m fed\u200b up", {ANGRY}),
        ("I am not angry, and this is not a formal complaint.", set()),
        ("He'd be furious if he knew that I wrote to you.", set()),
        ("No estoy molesta con ustedes.", set()),
        ("He tomado harta agua. Could I have an appointment?", set()),
        ("My attorney asks you for the complete chart.", set()),
        ("", set()),
    ],
)
def test_a_tone_is_heard_in_english_and_spanish_unless_it_is_denied(
    text: str, heard: set[Mark]
) -> None:
    assert tones(letter(text)) == heard
    assert tones(letter("Thanks.", subject=text)) == heard


def test_every_phrase_of_the_table_is_heard() -> None:
    said = {(mark, one.replace("~ ", "")) for mark, phrases in TONES.items() for one in phrases}
    assert [one for one in said if one[0] not in tones(letter(f"Hello. {one[1].upper()}!"))] == []


@settings(max_examples=many(25, long=2000), deadline=None)
@given(st.text(max_size=300), st.text(max_size=300), st.sampled_from(Urgency))
def test_no_text_stops_it(subject: str, body: str, urgency: Urgency) -> None:
    one = letter(body, subject)
    tones(one)
    contradictions(one, classified(Route.REFILL), urgency)


@pytest.mark.parametrize(
    ("subject", "said", "urgency", "line"),
    [
        ("birth control refill", None, Urgency.EMERGENCY, "speaks of refill"),
        ("Cobro del ultrasonido", None, Urgency.TODAY, "speaks of billing dispute"),
        ("URGENT!!! sports physical", Route.RECORDS_FORMS, Urgency.ROUTINE, "calls it urgent"),
        ("Es urgente", None, Urgency.ROUTINE, "calls it urgent"),
        ("appt for Sunniva", Route.REFERRAL, Urgency.ROUTINE, "but the classifier reads referral"),
        ("refill and a bill", Route.REFERRAL, Urgency.ROUTINE, ""),
        ("birth control refill", Route.REFILL, Urgency.ROUTINE, ""),
        ("URGENT: my chest", None, Urgency.EMERGENCY, ""),
        ("Emergency Action Plan, grade 3", Route.RECORDS_FORMS, Urgency.ROUTINE, ""),
        ("Not urgent - sore rib", Route.CLINICAL_QUESTION, Urgency.ROUTINE, ""),
        ("Re: Re: URGENT Dad collapsed", Route.RESCHEDULE, Urgency.ROUTINE, ""),
        ("URGENT: your mailbox is closed", Route.NOT_FOR_US, Urgency.ROUTINE, ""),
    ],
)
def test_a_subject_that_tells_another_story_is_named(
    subject: str, said: Route | None, urgency: Urgency, line: str
) -> None:
    answer = classified(said) if said else None
    found = contradictions(letter("words", subject), answer, urgency)
    assert len(found) == bool(line)
    assert all(line in one for one in found)


def test_who_is_unsure_or_hears_both_contradicts_nobody() -> None:
    one = letter("words", "my appointment")
    for said in (
        classified(Route.REFERRAL, 0.6),
        classified(Route.REFERRAL, 0.97, Route.RESCHEDULE),
        replace(classified(Route.REFERRAL), abstained=True),
    ):
        assert contradictions(one, said, Urgency.ROUTINE) == ()


def test_a_tone_moves_nothing_in_the_queue() -> None:
    calm, angry = "Please send the form.", "Please send the form. I am furious and will sue you."
    mails = [
        mail_from(1, body, subject=subject)
        for body in (calm, angry)
        for subject in ("My question", "URGENT question")
    ]
    at = Position("front-desk", "INBOX", "1", "1")
    kind = (Channel.EMAIL, "message/rfc822", NOW)
    raws = [RawMessage(str(n), "c1", at, *kind, mail) for n, mail in enumerate(mails)]
    quiet, *loud = read(raws, rooms())
    assert [sorted(one.marks - quiet.marks) for one in loud] == [
        ["contradiction"],
        ["angry", "threatens"],
        ["angry", "contradiction", "threatens"],
    ]
    places = {(one.priority.lane, one.priority.score, one.priority.urgency) for one in loud}
    assert places == {(quiet.priority.lane, quiet.priority.score, quiet.priority.urgency)}


def test_what_is_not_for_us_sounds_like_nothing() -> None:
    spam = letter("I beg you to keep this matter confidential.", "URGENT matter")
    said = classified(Route.NOT_FOR_US)
    assert signs(spam, said, rank(spam, [], said)) == frozenset()
    assert signs(spam, None, rank(spam, [], None)) == {PLEADS, Mark.CONTRADICTION}


def test_the_signs_are_quiet_on_routine_messages() -> None:
    files = [DATA / "samples" / "messages.jsonl", *sorted((DATA / "messages").glob("*.jsonl"))]
    rows = [row for file in files for row in read_rows(file) if row.urgency is Urgency.ROUTINE]
    shown = [
        tones(one) or contradictions(one, classified(row.route, 0.97, *row.also), row.urgency)
        for row in rows
        for one in [message_of(row)]
    ]
    assert len(rows) > 500
    assert 5 < sum(map(bool, shown)) < 0.05 * len(rows)


def test_what_is_folded_does_not_sound() -> None:
    assert tones(letter("Thanks.", quoted=Protected("This is unacceptable."))) == frozenset()
