"""What a draft states, what it advises and how it reads; tables of (text, found)."""

import time
from datetime import UTC, date, datetime

import pytest
from drafting_scope import (
    ADVICE,
    OFFICE,
    OFFICE_AFTERWARDS,
    PLAIN,
    WRITTEN_FIRST,
)

from triage.domain import FactSource, Protected
from triage.drafting.legible import legible
from triage.drafting.scope import advice_in, rules
from triage.drafting.shapes import _MEASURES, _SPANS, found
from triage.drafting.stated import Source, clinic_words, facts_of

MOMENT = datetime(2026, 3, 14, 15, tzinfo=UTC)
STATED = (
    ("Friday, March 14, 2026 at 3:30 pm", "date Friday|date March 14, 2026|time 3:30 pm"),
    ("el viernes 14 de marzo a las 15:30", "date viernes|date 14 de marzo|time 15:30"),
    ("2 pastillas de amoxicilina cada 8 horas", "dose 2 pastillas|drug amoxicilina|dose cada 8 h"),
    ("$84.50, 20 %, 20 dólares", "amount $84.50|percent 20 %|amount 20 dólares"),
    ("555-010-4477, a@b.example, www.b.example/x", "phone 555-|email a@b|link www.b"),
    ("call 911 within 2 business days", "phone call 911|span 2 business days"),
    ("24/7 for you; 1/2 tablet", "dose 1/2 tablet"),
)


@pytest.mark.parametrize(("text", "expected"), STATED)
def test_a_fact_is_found_in_both_languages(text: str, expected: str) -> None:
    said = [
        f"{kind.value} {text[start:end]}"
        for kind, start, end, _ in sorted(found(text), key=lambda one: one[1])
    ]
    wanted = expected.split("|")
    assert len(said) == len(wanted), said
    assert all(one.startswith(two) for one, two in zip(said, wanted, strict=True)), said


@pytest.mark.parametrize("row", [*_MEASURES, *_SPANS])
def test_every_spelling_of_a_measure_means_the_same(row: str) -> None:
    # As typed, in capitals, and as other keyboards write the same letters (µ, and an ı for an i).
    spellings = [
        one for name in row.split() for one in (name, name.upper(), name.replace("i", "ı"))
    ]
    spellings += [one.replace("µ", "μ") for one in spellings]
    meant = {name: [meaning.asks for _, _, _, meaning in found(f"3 {name}")] for name in spellings}
    assert {frozenset(asks) for asks in meant.values()} == {frozenset([meant[row.split()[0]][0]])}


@pytest.mark.parametrize(
    "text",
    [
        "1/٠ tablet",
        "1/0 tablet",
        "0/0 mg",
        "FRİDAY, MARCH 3",
        "frıday, aprıl 3",
        "sıx mg a day",
        "٣ µg",
    ],
)
def test_odd_letters_and_digits_break_nothing(text: str) -> None:
    list(found(text))


@pytest.mark.parametrize(
    ("draft", "source", "known"),
    [
        ("at 3 pm", "can I come at 15:00?", True),
        ("at 3 pm", "can I come at 3?", True),
        ("at 3 pm", "at 3 am", False),
        ("on 14 March", "on March 14, 2026", True),
        ("on March 14, 2026", "14/03/2026", True),
        ("on March 14, 2026", "March 14, 2025", False),
        ("$84.50", "I paid 84.50 on the day", True),
        ("amoxicillin", "mi amoxicilina", True),
        ("20 mg", "10 mg", False),
        ("555-010-4477", "(555) 010 4477", True),
        ("555-010-4477", "555-010-4478", False),
        ("on Saturday", "March 14, 2026", True),
        ("$25", "lisinopril 25 mg", False),
        ("$25", "in 25 days, at 25 Elm Street", False),
        ("$25", "your bill says 25", True),
        ("$25", "25 dollars", True),
        ("$25", "25 €", False),
        ("25 mg", "25 ml, $25, 25 tablets", False),
        ("Saturday, March 14", "can I come on March 14?", True),
        ("Saturday, March 14", "can I come on Saturday?", False),
    ],
)
def test_a_source_is_believed_only_where_it_says_the_same(
    draft: str, source: str, known: bool
) -> None:
    told = Source(FactSource.MESSAGE, Protected(source), "m1")
    facts = facts_of(Protected(""), Protected(draft), [told])
    assert facts
    assert all((fact.source is FactSource.MESSAGE) == known for fact in facts)
    assert not any(fact.source for fact in facts_of(Protected(""), Protected(draft), []))


#: (draft, source, whether the source says the same number).
NUMBERS = (
    ("125 mg", "0.125 mg", False), ("125 mg", "0,125 mg", False), ("0.125 mg", "0,125 mg", True),
    ("1250 mg", "1.250 mg", False), ("1.25 mg", "1.250 mg", True), ("1250 mg", "1,250 mg", False),
    ("1,250 mg", "1,250 mg", True), ("1.25 mg", "1,250 mg", False), ("1500 mg", "1,500 mg", True),
    ("1500 unidades", "1.500 unidades", False), ("1.5 unidades", "1.500 unidades", False),
    ("5 mg", ".5 mg", False), ("0.5 mg", ".5 mg", True), ("0.5 mg", "take.5 mg", False),
    ("5 mg", "...5 mg", False), ("5 mg", "x5 mg", False), ("5 mg", "05 mg", False),
    ("12,5 mg", "12.5 mg", True), ("10 mg", "1.0 mg", False), ("10 mg", "lisinopril10 mg", True),
    ("500,000 units", "1,500,000 units", False), ("1500000 units", "1,500,000 units", True),
    ("1.500.000 unidades", "1,500,000 units", True), ("10 units", "1 0 units", False),
    ("500 units", "1 500 units", False), ("1000 units", "1,00 units", False),
    ("1/2 tablet", "2 1/2 tablets", False), ("1/2 tablet", "2-1/2 tablets", False),
    ("2.5 tablets", "2 1/2 tablets", True), ("2½ tablets", "two and a half tablets", True),
    ("half tablet", "one and a half tablets", False), ("1.5 tablets", "una tableta y media", True),
    ("una tableta", "una tableta y media", False), ("half a tablet", "1/2 of a tablet", True),
    ("½ tableta", "media tableta", True), ("0.5 tablets", "one-half tablet", True),
    ("1 tablet", "1/2-1 tablet", False), ("1 tablet", "1/2 to 1 tablet", False),
    ("twenty-two tablets", "two tablets", False), ("22 tablets", "twenty-two tablets", True),
    ("treinta y dos gotas", "dos gotas", False), ("32 gotas", "treinta y dos gotas", True),
    ("veintidós gotas", "22 gotas", True), ("two hundred units", "two units", False),
    ("two hundred units", "two hundred units", False), ("1-5 mg", "5 mg", False),
    ("5 mg", "1-5 mg", False), ("1 to 5 mg", "1-5 mg", True), ("1-5 mg", "1 and 5 mg", False),
    ("2 x 5 mg", "5 mg", False), ("5/325 mg", "5/325 mg", True), ("325 mg", "5/325 mg", False),
    ("10 mg", "one 10 mg tablet", True), ("5 ml", "10 mg/5 ml", True),
    ("6 hours", "every 4-6 hours", False), ("every 4 to 6 hours", "cada 4-6 horas", True),
    ("cada 8 horas", "every 08 hours", True), ("2 business days", "1-2 business days", False),
    ("twice a day", "twenty-two times a day", False), ("3 times a day", "three times a day", True),
    ("$125", "$0.125", False), ("$1,250.00", "$1.250", True), ("$1250.50", "$1.250,50", True),
    ("$50", "$.50", False), ("50 dollars", ".50 dollars", False), ("$50", "we paid .50", False),
    ("$1,250", "$12.50", False), ("5 %", ".5 %", False), ("125 %", "0.125 %", False),
    ("5 %", "1.5 %", False), ("1,5 por ciento", "1.5%", True),
)  # fmt: skip


@pytest.mark.parametrize(("draft", "source", "known"), NUMBERS)
def test_a_number_is_read_whole_or_not_believed(draft: str, source: str, known: bool) -> None:
    told = Source(FactSource.MESSAGE, Protected(f"I take {source} now"), "m1")
    (fact,) = facts_of(Protected(""), Protected(f"Please take {draft}."), [told])
    assert fact.words.reveal() == draft
    assert (fact.source is FactSource.MESSAGE) == known


@pytest.mark.parametrize(
    "text",
    ["1,", "1-", "1", "1 ", "one ", "one-1-", "twenty-", "1 to ", "½", ".", "1/", "x1", "a-"],
)
def test_no_run_of_numbers_keeps_the_check_busy(text: str) -> None:
    began = time.process_time()
    list(found((text * 3000)[:3000] + "mg dollars"))
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("draft", "known"),
    [
        ("Come on Friday.", False),
        ("Come at 5 pm.", False),
        ("We are open on Friday until 5 pm.", True),
        ("We open at 8:00 and close at 5 pm.", True),
        ("Our hours:\nMonday to Friday 8:00-17:00", True),
        ("El viernes abrimos a las 8:00.", True),
        ("Venga el viernes a las 8:00.", False),
        ("Open the portal on Friday.", False),
        ("We will close your request on Friday.", False),
        ("Call 555-010-4477.", True),
    ],
)
def test_opening_hours_support_only_what_is_said_of_them(draft: str, known: bool) -> None:
    hours = {"monday": "8:00-17:00", "friday": "8:00-17:00", "phone": "555-010-4477"}
    template = Source(FactSource.TEMPLATE, Protected("Our hours: Monday, Friday 8:00-17:00."))
    sources = [Source(FactSource.CLINIC, clinic_words(hours)), template]
    facts = facts_of(Protected(""), Protected(draft), sources)
    assert facts
    assert all((fact.source is not None) == known for fact in facts), facts


def test_the_day_a_message_came_is_a_source_of_its_date_and_of_no_weekday() -> None:
    came = Source(FactSource.MESSAGE, Protected("Hello"), "m1", days=(MOMENT,))
    born = Source(FactSource.RECORD, Protected("2026-03-14"))
    for source in (came, born):
        (fact,) = facts_of(Protected(""), Protected("Come on Saturday."), [source])
        assert fact.source is None
        (fact,) = facts_of(Protected(""), Protected("Yours of March 14, 2026."), [source])
        assert fact.source is source.kind


@pytest.mark.parametrize(
    ("draft", "really"),
    [
        ("Thursday, March 13, 2026", 4),
        ("el jueves 13 de marzo de 2026", 4),
        ("March 13 (Thursday)", 4),
        ("Friday, March 13", None),
        ("Thu 3/13/2025", None),
        ("Wednesday, January 7", None),
    ],
)
def test_a_weekday_beside_a_date_has_to_fit_it(draft: str, really: int | None) -> None:
    (fact,) = facts_of(Protected(""), Protected(draft), [], date(2025, 12, 20))
    assert fact.weekday == really
    # A source for both parts helps a day that fits, and no other.
    said = Source(FactSource.MESSAGE, Protected(f"{draft}."), "m1")
    (fact,) = facts_of(Protected(""), Protected(draft), [said], date(2025, 12, 20))
    assert (fact.source is None) == (really is not None)


def test_a_portal_appointment_is_a_source() -> None:
    told = Source(
        FactSource.PORTAL, Protected(""), moments=(datetime(2026, 3, 14, 15, tzinfo=UTC),)
    )
    text = Protected("Saturday, March 14 at 3 pm")
    assert all(fact.source for fact in facts_of(Protected(""), text, [told]))


def test_the_table_of_advice_finds_its_own_sentences_and_no_others() -> None:
    for rule in rules():
        for sentence in rule.yes:
            assert rule.id in {one.rule for one in advice_in(Protected(sentence))}, sentence
        for sentence in rule.no:
            assert not advice_in(Protected(sentence)), sentence


@pytest.mark.bar(33)
def test_advice_is_recognised_in_sentences_the_table_has_not_seen() -> None:
    """Figures for docs/approval.md; the sentences are invented and were written for this."""
    hits = [one for one in ADVICE if advice_in(Protected(one))]
    again = [one for one in WRITTEN_FIRST if advice_in(Protected(one))]
    alarms = [one for one in (*PLAIN, *OFFICE) if advice_in(Protected(one))]
    later = [one for one in OFFICE_AFTERWARDS if advice_in(Protected(one))]
    assert len(hits) >= 17, sorted(set(ADVICE) - set(hits))
    assert len(again) >= 16, sorted(set(WRITTEN_FIRST) - set(again))
    assert not alarms, alarms
    assert len(later) <= 3, later


def test_reading_grade_grows_with_hard_words_in_both_languages() -> None:
    easy = "We got your note. We will call you soon. The form is at the desk for you to take."
    hard = (
        "Notwithstanding the aforementioned authorization requirements, the administration of"
        " reimbursement determinations necessitates supplementary documentation accordingly."
    )
    low, high = legible(Protected(easy)), legible(Protected(hard))
    assert low.grade is not None
    assert high.grade is not None
    assert low.grade <= 4 < 12 <= high.grade
    spanish = "Gracias por su mensaje. La receta está lista. Puede pasar por ella hoy."
    assert legible(Protected(spanish)).language == "es"
    assert legible(Protected("Yes.")).grade is None
