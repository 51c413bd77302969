"""HL7 segments: what their fields hold is hidden, codes stay readable."""

import pytest

from triage.domain import IdentifierType as T
from triage.redaction.table import structures

HL7, _ = structures()

VISIT = (
    "MSH|^~\\&|WARDSYS|OAKHALL|HUB|CLINIC|20240901121500-0500||ADT^A08|Z0099123|P|2.5\n"
    "PID|1|77120^^^OLD|A4471^^^OAK^MR~8830^^^X||QUILLON^BERTA^T^^MS||19500229|F|||"
    "14 MILL RACE^UNIT 2^LOWFORD^VT^05999^USA||802-555-0190~^NET^Internet^b.q@example.org|"
    "(802)555-0191|ENG|M|CAT|ACC55120|900-12-3456|V1234567^VT\n"
    "NK1|1|QUILLON^OSKAR|SPO|14 MILL RACE^^LOWFORD^VT^05999|8025550192\n"
    "PV1|1|I|3W^310^B||||1234567893^AMARI^LENA^^^^MD|1987654321^POST^IDA|||||||||||V88120\n"
    "IN1|1|GOLD77|PAY01|Acme Health|||||||HARBOR CANNERY|20240101|||PPO|QUILLON^OSKAR|SPO|19490301|"
    "14 MILL RACE^^LOWFORD^VT^05999|||||||||||||||||ZX99812\n"
    "OBX|1|NM|2345-7^GLUCOSE^LN||98|mg/dL|70-99|N|||F\n"
)


def hidden(text: str) -> list[tuple[str, T]]:
    return [(text[find.start : find.end], find.type) for find in HL7.find(text)]


@pytest.mark.parametrize(
    ("surface", "type"),
    [
        ("20240901121500-0500", T.DATE),
        ("Z0099123", T.OTHER_ID),
        ("77120", T.MRN),
        ("A4471", T.MRN),
        ("8830", T.MRN),
        ("QUILLON^BERTA^T^^MS", T.NAME),
        ("19500229", T.DATE),
        ("14 MILL RACE^UNIT 2^LOWFORD^VT^05999", T.ADDRESS),
        ("802-555-0190", T.PHONE),
        ("^NET^Internet^b.q@example.org", T.EMAIL),
        ("ACC55120", T.ACCOUNT),
        ("900-12-3456", T.SSN),
        ("V1234567", T.LICENSE),
        ("8025550192", T.PHONE),
        ("1234567893", T.LICENSE),
        ("AMARI^LENA", T.NAME),
        ("POST^IDA", T.NAME),
        ("V88120", T.ACCOUNT),
        ("HARBOR CANNERY", T.ORG),
        ("ZX99812", T.MEMBER_ID),
    ],
)
def test_a_field_is_what_the_standard_says(surface: str, type: T) -> None:
    assert (surface, type) in hidden(VISIT)


def test_codes_units_and_results_stay() -> None:
    places = HL7.readable(VISIT)
    for code in ("ADT^A08", "2345-7^GLUCOSE^LN", "mg/dL", "70-99", "3W^310^B", "WARDSYS", "OBX"):
        start = VISIT.index(code)
        assert any(low <= start and start + len(code) <= high for low, high in places), code
    assert not any(surface == "98" for surface, _ in hidden(VISIT))


def test_segments_in_one_line_and_quoted() -> None:
    text = "> PID|||55120||ROOK^TAMSIN PV1|1|O|CLN||||1112223334^VALE^JUNE"
    assert ("ROOK^TAMSIN", T.NAME) in hidden("PID|||55120||ROOK^TAMSIN")
    assert ("VALE^JUNE", T.NAME) in hidden(text)


def test_a_miscounted_person_is_found() -> None:
    assert ("ROOK^TAMSIN", T.NAME) in hidden("NK1|1|||||||||||||||ROOK^TAMSIN")


def test_other_text_is_nothing() -> None:
    assert hidden("name | dose | PID controller, 5|6|7") == []
