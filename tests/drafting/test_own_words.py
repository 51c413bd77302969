"""A clinic's own templates: what is refused and why, which words serve, where they came from."""

from datetime import UTC, datetime

import pytest
from drafting_cast import CLINIC, ENGLISH, SPANISH, message, priority, redacted

from triage.domain import OwnTemplate, Protected, Route, Suggestion
from triage.drafting import own_words
from triage.drafting.acknowledgement import acknowledgement
from triage.drafting.naming import named
from triage.drafting.own_words import answered, empty_slots, objections, shipped, words_for
from triage.drafting.templates import TemplateDrafter
from triage.drafting.wording import wordings

GOOD = "Thank you for your message.\nWe answer within {refill_turnaround}."


def own(text: str, *, language: str = "en", number: int = 3, subject: str = "Refill") -> dict:
    words = Protected(subject), Protected(text)
    at = datetime(2026, 11, 2, tzinfo=UTC)
    made = OwnTemplate("t", "c", Route.REFILL, language, number, *words, "u-sam", at)
    return {**CLINIC, "own_templates": lambda: {(Route.REFILL, language): made}}


def refused(text: str, *, subject: str = "Refill", language: str = "en") -> list[str]:
    words = Protected(subject), Protected(text)
    return [one.says for one in objections(CLINIC, Route.REFILL, language, *words)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Call us at {fone}.", "No such place exists"),
        ("Call {{ cycler.__init__ }}.", "a brace is open"),
        ("{% for x in y %}hello{% endfor %}", "a brace is open"),
        ("Call {phone or leave a note.", "a brace is open"),
        ("Hello [NAME_1], it is ready.", "Square brackets"),
        ("Hello [NAME], it is ready.", "Square brackets"),
        ("Take two tablets of ibuprofen twice a day.", "clinical advice"),
        ("Gracias por su mensaje, le llamamos para su cita con el doctor.", "read like Spanish"),
        ("Ready\u200b soon.", "invisible sign"),
        ("", "must both be there"),
        ("x" * 5000, "longer than"),
        ("The fee for this message is $900.", "drills"),
    ],
)
def test_what_may_not_be_in_a_template_is_refused_with_what_to_mend(text: str, says: str) -> None:
    assert any(says in one for one in refused(text)), refused(text)
    assert refused(GOOD) == []
    # Whoever released it: what breaks a rule never serves.
    body = TemplateDrafter(own(text)).draft(
        message(), redacted(ENGLISH), priority(Route.REFILL), language="en"
    )
    assert body is not None
    assert body.template == "refill"


def test_subject_and_topic_are_looked_at_too() -> None:
    assert refused(GOOD, subject="Call {phone}")
    assert refused(GOOD, subject="")
    assert refused(GOOD, subject="two\nlines")
    urgent = objections(CLINIC, Route.URGENT_CLINICAL, "en", Protected("s"), Protected(GOOD))
    assert ["nothing is ever suggested" in one.says for one in urgent] == [True]
    assert Route.URGENT_CLINICAL not in answered()


def test_every_shipped_text_would_be_let_in() -> None:
    for language in wordings()[0]:
        for route in answered():
            standard = shipped(route, language)
            assert standard is not None
            words = Protected(standard.subject), Protected(standard.text.strip())
            assert objections(CLINIC, route, language, *words) == (), (route, language)


def test_the_words_that_serve_are_asked_for_at_every_draft() -> None:
    served: dict = {}
    drafter = TemplateDrafter({**CLINIC, "own_templates": lambda: served})

    def draft() -> tuple[str, str]:
        found = drafter.draft(message(), redacted(ENGLISH), priority(Route.REFILL), language="en")
        assert found is not None
        return found.template, found.body

    before = draft()
    served |= own(GOOD)["own_templates"]()
    name, body = draft()
    assert (before[0], name) == ("refill", "refill@3")
    assert "Thank you for your message." in body
    assert body.endswith("If this is an emergency, call 911.")
    served.clear()
    assert draft() == before


def test_other_topics_and_languages_keep_the_shipped_words() -> None:
    settings = own(GOOD)
    drafter = TemplateDrafter(settings)
    for route, words in ((Route.REFILL, SPANISH), (Route.RESULTS, ENGLISH)):
        found = drafter.draft(message(), redacted(words), priority(route), language="en")
        assert found is not None
        assert found.template == route.value
    assert words_for(settings, Route.URGENT_CLINICAL, "en") is None


def test_a_line_whose_place_is_empty_is_told_before() -> None:
    words = Protected("s"), Protected("Hello.\nFax: {fax}.\nDear {writer}.")
    assert empty_slots({}, "en", *words) == ("fax",)


def test_the_acknowledgement_has_the_clinic_s_own_words() -> None:
    at = datetime(2026, 11, 2, tzinfo=UTC)
    place = Route.CLINICAL_QUESTION, "en"
    words = Protected("Yours"), Protected("A nurse will call you.")
    made = OwnTemplate("t", "c", *place, 1, *words, "u-sam", at)
    settings = {**CLINIC, "own_templates": lambda: {place: made}}
    _, body = acknowledgement(settings, language="en", name=Protected("Ana"))
    assert "A nurse will call you." in body.reveal()


def test_advice_would_serve_if_nobody_looked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: the drafter believes what was released."""
    monkeypatch.setattr(own_words, "objections", lambda *_: ())
    found = TemplateDrafter(own("Take two tablets of ibuprofen twice a day.")).draft(
        message(), redacted(ENGLISH), priority(Route.REFILL), language="en"
    )
    assert found is not None
    assert "ibuprofen" in found.body


def test_a_suggestion_names_its_template_and_the_version() -> None:
    def made(template: str, language: str = "en") -> str:
        return named(Suggestion("Subject", "Body", template, language))

    assert made("refill@3") == "refill@3"
    assert made("urgent_today") == "urgent_today"
    english, spanish = made("refill"), made("refill", "es")
    assert (english[:10], spanish[:10]) == ("refill@en-", "refill@es-")
    assert english[10:] != spanish[10:]
    assert english == made("refill")
