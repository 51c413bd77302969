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
