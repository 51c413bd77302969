"""Names found by capitals lose the ordinary words, and nothing else."""

import pytest

from triage.domain import IdentifierType as T
from triage.redaction.capitals import Loud, sober
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


class Counted(Loud):
    """Counts the letters it looks at."""

    seen = 0

    def _letters(self, low: int, high: int) -> str:
        self.seen += high - low
        return super()._letters(low, high)


@pytest.mark.parametrize("line", ["Zorbak", "ZORBAK", "zorbak"])
def test_many_short_lines_are_read_twice_at_most(line: str) -> None:
    text = f"my name is Zorbak\n{line}\n" + f"{line}\n" * 2_000
    loud = Counted(text)
    starts = range(18, len(text), len(line) + 1)
    assert len({loud.at(start, start + 6) for start in starts}) == 1
    assert loud.seen <= 2 * len(text)


def test_a_short_line_is_what_the_whole_text_is() -> None:
    text = "\n".join(["GRACE", "PLEASE SEND THE RECORDS TO US", "this line is a quiet one", "OK"])
    loud = Loud(text)
    assert [
        loud.at(text.index(word), text.index(word) + 2) for word in ("GR", "PL", "th", "OK")
    ] == [
        False,
        True,
        False,
        False,
    ]
    assert Loud("GRACE\nPLEASE SEND THE RECORDS TO US").at(0, 5)


def test_words_nobody_is_called_go_from_both_ends_however_many() -> None:
    text = "the " * 500 + "Tollan" + " the" * 500
    assert left(text, text, "tagger") == ["Tollan"]
    assert left("the " * 500, "the " * 500, "tagger") == []
