"""Names found by capitals lose the ordinary words, and nothing else."""

import pytest

from triage.domain import IdentifierType as T
from triage.redaction.capitals import sober
from triage.redaction.finding import Found


def left(text: str, surface: str, by: str) -> list[str]:
    start = text.index(surface)
    find = Found(start, start + len(surface), T.NAME, 0.8, by)
    return [text[part.start : part.end] for part in sober([find], text)]


@pytest.mark.parametrize(
    ("text", "surface", "by", "kept"),
    [
        ("PLEASE SEND THE RECORDS TO US", "SEND THE RECORDS", "name_self", []),
        (
            "CALLED BY HELGA OSTREM AT NOON",
            "HELGA OSTREM AT NOON",
            "name_signature",
            ["HELGA OSTREM"],
        ),
        ("THIS IS FOR WILL OSTREM TODAY", "WILL OSTREM", "name_self", ["WILL OSTREM"]),
        ("THE WATER IS ON AND THE HEAT OFF", "THE", "echo", []),
        ("SEEN BY DR YOUNG ON MONDAY LAST", "YOUNG", "name_title", ["YOUNG"]),
        ("I sent it.\nPassport 77120 is old", "Passport", "name_signature", []),
        ("I sent it.\nOstrem 77120", "Ostrem", "name_signature", ["Ostrem"]),
        ("Thanks,\nGrace", "Grace", "name_signature", ["Grace"]),
        ("this is uh Tollan speaking", "uh Tollan", "tagger", ["Tollan"]),
        ("good night, the", "the", "tagger", []),
        ("ask Grace Oh about it", "Grace Oh", "tagger", ["Grace Oh"]),
    ],
)
def test_ordinary_words_go(text: str, surface: str, by: str, kept: list[str]) -> None:
    assert left(text, surface, by) == kept


def test_what_the_roster_says_stays() -> None:
    assert left("THE THE THE THE THE", "THE", "roster") == ["THE"]
