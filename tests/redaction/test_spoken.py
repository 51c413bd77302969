"""Dictated numbers and spelled names."""

import pytest

from triage.domain import IdentifierType as T
from triage.redaction.table import spoken


def hidden(text: str) -> list[tuple[str, T]]:
    return [(text[find.start : find.end], find.type) for find in spoken().find(text)]


@pytest.mark.parametrize(
    ("text", "surface", "type"),
    [
        ("last name is k o v a c s thanks", "k o v a c s", T.NAME),
        ("that's N-G-O-Z-I, two syllables", "N-G-O-Z-I", T.NAME),
        ("m as in mary o r r o w is how", "m as in mary o r r o w", T.NAME),
        ("se escribe ka, u, erre, te, zeta por favor", "ka, u, erre, te, zeta", T.NAME),
        ("reach me at six oh two, five double five, oh one seven seven", None, T.PHONE),
        ("llame al nueve uno cinco, cinco cinco cinco, cero uno ocho dos", None, T.PHONE),
        ("from abroad plus four nine one five one, five five five, oh one nine", None, T.PHONE),
        ("area code nine oh seven", "nine oh seven", T.PHONE),
        ("the plate was r as in romeo j w eight eight three", None, T.LICENSE),
        (
            "member number q zero zero seven one nine two",
            "q zero zero seven one nine two",
            T.MEMBER_ID,
        ),
        ("serial number is t x nine dash four four oh one", None, T.DEVICE),
        ("claim number seven seven one zero b", "seven seven one zero b", T.MEMBER_ID),
        ("date of birth is four nineteen sixty two", "four nineteen sixty two", T.DATE),
        (
            "nací el quince del cuatro del sesenta y uno",
            "quince del cuatro del sesenta y uno",
            T.DATE,
        ),
    ],
)
def test_hidden(text: str, surface: str | None, type: T) -> None:
    found = hidden(text)
    assert any(kind is type and surface in (None, said) for said, kind in found), found


@pytest.mark.parametrize(
    "text",
    [
        "i take one in the morning two at noon and three at night",
        "my pressure was one forty two over ninety one",
        "e k g and m r i were fine, so was the c o p d",
        "forty then thirty then twenty and ten of prednisone",
        "at 3 a.m. I woke, at 5 p.m. I slept",
        "8.5 x 11 paper, a 5 x 7 photo",
        "la casa de la que te hablé y de mi tía",
        "plan a or plan b, i do not mind",
        "Vitamins A, B and C",
        "10 y/o with 2 or 3 colds a year",
        "entre nueve y once, que es cuando puedo",
    ],
)
def test_readable(text: str) -> None:
    assert hidden(text) == []


def test_long_runs_take_no_time() -> None:
    assert len(hidden("one " * 2500)) == 1
    assert len(hidden("a b c " * 1600)) == 1
