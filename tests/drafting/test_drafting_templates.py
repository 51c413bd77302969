"""The shipped texts: whole in both languages, silent where they must be, nothing invented."""

import re
import tomllib
from pathlib import Path

import pytest
from drafting_cast import CANARY, CLINIC, ENGLISH, SPANISH, message, priority, redacted
from drafting_injections import INJECTIONS

from triage.domain import IdentifierType, Lane, Mark, Protected, Redacted, Redaction, Route, Urgency
from triage.drafting import reidentify, wording
from triage.drafting.facts import facts, reachable
from triage.drafting.filling import PLACES, filled
from triage.drafting.language import guess
from triage.drafting.templates import TemplateDrafter, staff_note
from triage.drafting.writer import writer_of

ANSWERED = [route for route in Route if route not in (Route.URGENT_CLINICAL, Route.NOT_FOR_US)]
WORDS = {"en": ENGLISH, "es": SPANISH}
LAST_LINE = {
    "en": "If this is an emergency, call 911.",
    "es": "Si es una emergencia, llame al 911.",
}
LINK_OR_NUMBER = re.compile(r"https?://\S+|\S+@\S+|\(?\d{3}\)?[ -]\d{3}-\d{4}")


def draft(route: Route, body: str, settings: dict[str, object] | None = None, **how: object):
    drafter = TemplateDrafter(CLINIC if settings is None else settings)
    return drafter.draft(message(), redacted(body), priority(route, **how), language="en")


@pytest.mark.parametrize("route", ANSWERED)
@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("settings", [CLINIC, {}], ids=["full", "empty"])
def test_every_text_is_whole_in_both_languages(route, language, settings):
    suggestion = draft(route, WORDS[language], settings)
    assert suggestion is not None
    assert suggestion.language == language
    assert suggestion.template == route.value
    assert suggestion.subject
    text = suggestion.subject + suggestion.body
    assert not set(text) & set("{}[]")
    assert "None" not in text
    assert "  " not in text
    assert ".." not in text
    assert not re.search(r"[:,] *(\.|\n|$)(?!\n*[A-ZÁ¿])", suggestion.body)
    assert suggestion.body.endswith(LAST_LINE[language])


@pytest.mark.parametrize("language", ["en", "es"])
def test_with_full_settings_no_sentence_is_lost(language):
    texts, neutral = wording.wordings()
    values = facts(CLINIC, language, neutral=neutral, days=texts[language].days)
    for template in texts[language].templates.values():
        lines = [line for line in template.text.strip().split("\n") if line]
        assert all(wording.sentence(line, values) for line in lines), template.subject


def test_both_languages_have_the_same_texts_and_slots():
    english, spanish = (wording.wordings()[0][code] for code in ("en", "es"))
    assert set(english.templates) == set(spanish.templates) == set(ANSWERED)
    assert set(english.urgent) == set(spanish.urgent) == {Urgency.TODAY, Urgency.EMERGENCY}
    for route, template in english.templates.items():
        slots = set(wording.SLOT.findall(template.text))
        assert slots == set(wording.SLOT.findall(spanish.templates[route].text)), route
        assert slots <= set(wording.SLOT.findall("{writer}{also}")) | set(
            facts(CLINIC, "en", neutral=(), days={})
        )


def test_a_day_to_be_moved_begins_with_words_in_both_languages():
    for language, texts in wording.wordings()[0].items():
        away = texts.away
        assert away.subject
        assert guess(away.text) == language
        assert all(place in away.text for place in PLACES)
        assert filled(Protected(away.text), dict.fromkeys(PLACES, Protected("x"))) is not None


def test_shipped_texts_hold_no_number_link_or_medical_advice():
    path = Path(wording.__file__).with_name("templates.toml")
    texts = tomllib.loads(path.read_text(encoding="utf-8"))
    texts.pop("neutral")
    every = str(texts)
    assert not re.search(r"\d", every)
    assert not re.search(r"https?:|www\.|@", every)
    advice = r"\b(take|stop taking|dose of|drink|rest|mg|tome|deje de tomar|beba|descanse)\b"
    assert not re.search(advice, every, re.I)


def test_a_sentence_without_a_value_is_left_out():
    with_value = draft(Route.REFILL, ENGLISH, {"refill_turnaround": "2 days"})
    without = draft(Route.REFILL, ENGLISH, {"name": "Clinic"})
    assert "Usual time for refills: 2 days." in with_value.body
    assert "Usual time" not in without.body
    assert "portal" not in without.body


def test_english_words_are_never_put_into_a_spanish_text():
    suggestion = draft(Route.REFILL, SPANISH, {"refill_turnaround": "2 business days"})
    assert "business" not in suggestion.body


def test_opening_hours_are_put_into_words():
    assert "Monday to Wednesday 8:00-17:00" in draft(Route.GENERAL, ENGLISH).body
    spanish = draft(Route.GENERAL, SPANISH).body
    assert "lunes a miércoles 8:00-17:00" in spanish
    assert "sábado a domingo cerrado" in spanish
    assert "12 Long Road, Fairhaven, OR 97398" in spanish


def test_flat_settings_read_like_tables():
    tables = [value for value in CLINIC.values() if isinstance(value, dict)]
    flat = {"name": CLINIC["name"]} | {key: value for one in tables for key, value in one.items()}
    for body in (ENGLISH, SPANISH):
        assert draft(Route.GENERAL, body, {"facts": flat}) == draft(Route.GENERAL, body)


def test_further_requests_are_named():
    also = frozenset({Route.RESCHEDULE, Route.BILLING_DISPUTE, Route.NOT_FOR_US})
    assert "an appointment and a bill" in draft(Route.REFILL, ENGLISH, also=also).body


@pytest.mark.parametrize("urgency", [Urgency.TODAY, Urgency.EMERGENCY])
@pytest.mark.parametrize("language", ["en", "es"])
def test_urgent_messages_get_no_words_until_a_clinician_has_signed(urgency, language):
    how = {"urgency": urgency}
    body = WORDS[language]
    assert draft(Route.URGENT_CLINICAL, body, **how) is None
    assert (
        draft(Route.URGENT_CLINICAL, body, {**CLINIC, "urgent_texts_signed": "yes"}, **how) is None
    )
    signed = draft(Route.URGENT_CLINICAL, body, {**CLINIC, "urgent_texts_signed": True}, **how)
    assert signed.template == f"urgent_{urgency.word}"
    assert signed.body.endswith(LAST_LINE[language])
    assert not set(signed.body) & set("{}[]")


@pytest.mark.parametrize(
    "urgent",
    [
        priority(Route.REFILL, urgency=Urgency.TODAY),
        priority(Route.URGENT_CLINICAL),
        priority(Route.REFILL, lane=Lane.URGENT),
    ],
)
def test_any_sign_of_urgency_is_enough_for_silence(urgent):
    drafter = TemplateDrafter(CLINIC)
    assert drafter.draft(message(), redacted(ENGLISH), urgent, language="en") is None


def test_staff_get_a_note_that_is_no_suggestion():
    assert staff_note(Urgency.EMERGENCY).startswith("Call the patient now.")
    assert staff_note(Urgency.TODAY, language="es").startswith("Llame al paciente hoy")
    assert staff_note(Urgency.ROUTINE) == ""
    assert staff_note(Urgency.TODAY, language="ru") == staff_note(Urgency.TODAY)
    signed = {**CLINIC, "urgent_texts_signed": True}
    body = draft(Route.URGENT_CLINICAL, ENGLISH, signed, urgency=Urgency.EMERGENCY).body
    assert staff_note(Urgency.EMERGENCY) not in body


def test_urgent_texts_say_that_nobody_reviewed_them_and_have_a_digest_to_sign(monkeypatch):
    texts, _ = wording.wordings()
    for one in (urgent for language in texts.values() for urgent in language.urgent.values()):
        assert one.review == "not yet reviewed by a clinician"
    before = wording.urgent_digest()
    assert re.fullmatch(r"[0-9a-f]{64}", before)
    monkeypatch.setattr(wording, "wordings", lambda: ({"en": texts["en"]}, frozenset()))
    assert wording.urgent_digest() != before


@pytest.mark.parametrize("mark", [Mark.AUTOMATIC, Mark.NOT_READ])
def test_marked_messages_get_no_words(mark):
    drafter = TemplateDrafter(CLINIC)
    routine = priority(Route.GENERAL)
    assert (
        drafter.draft(message(marks=frozenset({mark})), redacted(ENGLISH), routine, language="en")
        is None
    )
    assert drafter.draft(message(automatic=True), redacted(ENGLISH), routine, language="en") is None


def test_withheld_text_and_unsorted_messages_get_no_words():
    drafter = TemplateDrafter(CLINIC)
    withheld = Redacted("", "", withheld=frozenset({"body"}))
    routine = priority(Route.GENERAL)
    assert drafter.draft(message(), withheld, routine, language="en") is None
    for lane in (Lane.UNSORTED, Lane.UNREADABLE):
        unsorted = priority(Route.GENERAL, lane=lane)
        assert drafter.draft(message(), redacted(ENGLISH), unsorted, language="en") is None
    assert draft(Route.NOT_FOR_US, ENGLISH) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Please renew it.\n\n[NAME_1]", "[NAME_1]"),
        ("Please renew it.\n\nThanks, [NAME_2]", "[NAME_2]"),
        (
            "Please renew it.\nThank you,\n[NAME_1]\n[ORG_1], night dispatch\nc: [PHONE_1]",
            "[NAME_1]",
        ),
        ("My name is [NAME_1], born [DATE_1]. I need a form.", "[NAME_1]"),
        ("Me llamo [NAME_2]. Necesito una cita.", "[NAME_2]"),
        ("soy [NAME_1], mamá de [NAME_2], y quiero una cita", "[NAME_1]"),
        ("My name is [NAME_1]'s mother.", None),
        ("I am [NAME_1] mother and need a form.", None),
        ("Please see my son.\n\n[NAME_1]\n[NAME_2]", None),
        ("My name is [NAME_1].\n\n[NAME_2]", None),
        ("Patient:\n[NAME_1]", None),
        ("Send it to Dr. [NAME_1]", None),
        ("[NAME_1]", None),
        ("Thanks.\n\n[NAME_7]", None),
        ("Thanks.\n\nOn Monday [NAME_1] wrote:\n> Hello\n>\n> [NAME_2]", None),
        ("Yes please.\n> See you.\n\n[NAME_1]", None),
    ],
)
def test_the_writer_is_greeted_by_name_only_when_sure(body, expected):
    assert writer_of(redacted(body)) == expected
    suggestion = draft(Route.REFILL, body)
    greeting = suggestion.body.split("\n", maxsplit=1)[0]
    named = {f"Hello {expected},", f"Hola, {expected}:"}
    assert greeting in (named if expected else {"Hello,", "Hola:"})
    assert reidentify(suggestion.body, redacted(body).redactions).reveal().count(CANARY) == bool(
        expected
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ENGLISH, "en"),
        (SPANISH, "es"),
        ("", None),
        ("[NAME_1] [PHONE_1]", None),
        ("Levothyroxine 88 mcg", None),
        ("I need the refill para mi mamá for the week, se le acabaron las pills", None),
        ("ya se me acabaron las vitaminas prenatales y me quedan como cuatro metforminas", "es"),
    ],
)
def test_the_language_is_guessed_only_when_clear(text, expected):
    assert guess(text) == expected


def test_the_callers_language_holds_when_the_words_do_not_say():
    drafter = TemplateDrafter(CLINIC)
    short = redacted("Levothyroxine 88 mcg")
    routine = priority(Route.REFILL)
    assert drafter.draft(message(), short, routine, language="es").language == "es"
    assert drafter.draft(message(), short, routine, language="uk").language == "en"


@pytest.mark.parametrize("text", [row[0] for row in INJECTIONS])
def test_nothing_a_message_says_gets_into_a_template(text):
    allowed = reachable(CLINIC)
    for route in ANSWERED:
        suggestion = draft(route, f"{text}\n\n[NAME_1]")
        assert text not in suggestion.body
        for found in LINK_OR_NUMBER.findall(suggestion.body):
            assert found.rstrip(".)") in allowed


def test_the_original_is_never_read(monkeypatch):
    """Protected stays closed; a drafter that peeks is caught by the same check."""

    def closed(self):
        raise AssertionError("a drafter read protected text")

    monkeypatch.setattr(Protected, "reveal", closed)
    for route in ANSWERED:
        assert draft(route, ENGLISH + "\n\n[NAME_1]") is not None

    class Peeking(TemplateDrafter):
        def draft(self, message, redacted, priority, *, language):
            message.subject.reveal()

    with pytest.raises(AssertionError, match="read protected"):
        Peeking(CLINIC).draft(message(), redacted(""), priority(Route.REFILL), language="en")


def test_reidentify_goes_over_the_text_once_and_leaves_what_is_unsure():
    def known(placeholder, original):
        return Redaction(placeholder, IdentifierType.NAME, Protected(original))

    once = (known("[NAME_1]", "[NAME_2]"), known("[NAME_2]", "Grace"))
    assert reidentify("[NAME_1] and [NAME_3]", once).reveal() == "[NAME_2] and [NAME_3]"
    two = (known("[NAME_1]", "Grace"), known("[NAME_1]", "Will"), known("[NAME_10]", "Rose"))
    assert reidentify("[NAME_1] [NAME_10]", two).reveal() == "[NAME_1] Rose"
    same = (known("[NAME_1]", "Grace"), known("[NAME_1]", "Grace"))
    assert reidentify("Hello [NAME_1],", same).reveal() == "Hello Grace,"
