"""What the tagger may claim, by shape alone."""

import pytest

from triage.domain import IdentifierType as T
from triage.redaction.claims import believable
from triage.redaction.finding import Found


def claimed(text: str, surface: str, type: T) -> list[str]:
    start = text.index(surface)
    find = Found(start, start + len(surface), type, 0.9, "tagger")
    return [text[part.start : part.end] for part in believable([find], text)]


@pytest.mark.parametrize(
    ("text", "surface", "type"),
    [
        ("pressure was 162/98 at noon", "162/98", T.DATE),
        ("eyes 20/60 now", "20/60", T.DATE),
        ("ferritin 7.4 again", "7.4", T.DATE),
        ("I moved here in 1988", "1988", T.DATE),
        ("drawn at 07:45", "07:45", T.DATE),
        ("after the harvest", "harvest", T.DATE),
        ("second door in Suite 220", "Suite 220", T.ADDRESS),
        ("my cousin in Arizona", "Arizona", T.ADDRESS),
        ("for a 99395 in spring", "99395", T.ACCOUNT),
        ("code E0601 for the machine", "E0601", T.DEVICE),
        ("NDC 00093-7146-56 is out", "00093-7146-56", T.MEMBER_ID),
        ("he owes 412 dollars", "412", T.PHONE),
        ("the serial is worn off", "serial", T.DEVICE),
        ("put him on tirzolimab", "tirzolimab", T.NAME),
        ("Braden 16 today", "16", T.NAME),
        ("out of the county hospital", "county hospital", T.ORG),
        ("From: Fern Valley Pharmacy\nhello", "Fern Valley Pharmacy", T.ORG),
    ],
)
def test_impossible_claims_are_dropped(text: str, surface: str, type: T) -> None:
    assert claimed(text, surface, type) == []


@pytest.mark.parametrize(
    ("text", "surface", "type", "kept"),
    [
        ("since 3/4 it hurts", "3/4", T.DATE, "3/4"),
        ("cambien la del 17 por favor", "17", T.DATE, "17"),
        ("seen on 24.12. and again", "24.12", T.DATE, "24.12"),
        ("the ninth of Tevet", "ninth of Tevet", T.DATE, "ninth of Tevet"),
        ("twelve nine eighty", "twelve nine eighty", T.DATE, "twelve nine eighty"),
        ("desde el 4 de mayo", "el 4 de mayo", T.DATE, "4 de mayo"),
        ("I live in Flagstaff, Arizona", "Flagstaff, Arizona", T.ADDRESS, "Flagstaff, Arizona"),
        ("its vin 3ZNXT48N7L0000152", "vin 3ZNXT48N7L0000152", T.LICENSE, "3ZNXT48N7L0000152"),
        ("I work at Oak Hill Hospital", "Oak Hill Hospital", T.ORG, "Oak Hill Hospital"),
        ("user sunnyjim is me", "sunnyjim", T.OTHER_ID, "sunnyjim"),
        ("ask Ira 2 times", "Ira 2", T.NAME, "Ira"),
    ],
)
def test_possible_claims_stand(text: str, surface: str, type: T, kept: str) -> None:
    assert claimed(text, surface, type) == [kept]


def test_a_piece_of_a_believed_claim_is_believed() -> None:
    text = "starts at thornbury hollow middle"
    first = Found(10, 26, T.ORG, 0.9, "tagger")
    second = Found(27, 33, T.ADDRESS, 0.9, "tagger")
    assert second in believable([first, second], text)
