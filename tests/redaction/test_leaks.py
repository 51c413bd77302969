"""The leak meter sees what a redactor left, and nothing where it left nothing."""

import pytest

from triage.domain import Background, IdentifierType, KnownPeople, Protected, Redacted
from triage.redaction.leaks import LeakMeter

Type = IdentifierType
KNOWN = Background(KnownPeople.of([(Type.NAME, Protected("Oyelaran Adekunle"))], key=b"k" * 32))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("her ssn is 219-09-9999", Type.SSN),
        ("write ada@example.org", Type.EMAIL),
        ("see https://portal.example/u/77", Type.URL),
        ("call (605) 555-0148", Type.PHONE),
        ("from 192.0.2.7", Type.IP),
        ("card 4111 1111 1111 1111", Type.ACCOUNT),
        ("npi 1234567893", Type.LICENSE),
        ("MRN: 0047112", Type.MRN),
        ("born 03/14/1961", Type.DATE),
        ("at 12 Harbor View Road", Type.ADDRESS),
        ("adekunle came", Type.NAME),
    ],
)
def test_each_form_is_seen_once(text: str, kind: Type) -> None:
    assert LeakMeter().text(text, KNOWN) == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "[NAME_1] at [PHONE_1] on [DATE_2], bp 140/90, a1c 7.2, $1,204.50, NDC 0071-0155-23",
        "CPT 99213, ICD E11.9, 12 tablets, version 10.2.1",
        "",
    ],
)
def test_nothing_is_seen_where_nothing_is(text: str) -> None:
    assert LeakMeter().text(text, KNOWN) == {}


def test_a_placeholder_parts_what_stands_beside_it() -> None:
    assert LeakMeter().text("219-[OTHER_ID_1]-09-9999") == {}


def test_it_reads_subject_body_and_files_together() -> None:
    redacted = Redacted("Adekunle", "ssn 219-09-9999", files="adekunle_labs.pdf")
    assert LeakMeter()(redacted, KNOWN) == {Type.NAME: 2, Type.SSN: 1}


def test_a_placeholder_is_not_the_end_of_a_line() -> None:
    """A common name between placeholders is no signature, so no export stops for it."""
    known = Background(KnownPeople.of([(Type.NAME, Protected("Will Hunter"))], key=b"k" * 32))
    text = "my name is [NAME_1]\nMrs. [NAME_2] will [PHONE_1]\n[NAME_1] will [DATE_1]"
    assert LeakMeter().text(text, known) == {}


def test_brackets_alone_hide_nothing() -> None:
    assert LeakMeter().text("[ADEKUNLE_1] and [MRN_00123456]", KNOWN).get(Type.NAME) == 1


def test_an_endless_word_is_not_looked_at_letter_by_letter() -> None:
    assert LeakMeter().text("a" * 100_000, KNOWN) == {}


@pytest.mark.parametrize("text", ["card 4111 1111 1111 1112", "npi 1234567890"])
def test_what_fails_its_check_digit_is_nothing(text: str) -> None:
    assert LeakMeter().text(text) == {}
