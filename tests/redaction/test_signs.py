"""A pattern is not run where it cannot match, and only there."""

import random
from collections.abc import Iterator

import pytest
import regex  # type: ignore[import-untyped]  # It has no type information.

from tests.redaction.test_recognisers import HIDDEN, ODD, READABLE
from triage.classifiers.dataset import SHIPPED, read_rows
from triage.redaction.finding import Pattern, PatternFinder
from triage.redaction.plain import plain
from triage.redaction.signs import NOTHING, Needs, fold, needs
from triage.redaction.table import finders

EXAMPLES = [*(row[0] for row in HIDDEN), *READABLE, *ODD]

WORTH = [
    # Expression, a text worth a search, one that is not.
    (r"\d{3}-\d{4}", "call 555-0148", "call 555 0148"),
    (r"(?:\d[ -]?){6}\d", "5 5 5 0 1 4 8", "5 5 5 0 1 4"),
    (r"mrn #?\d+", "MRN #7", "MRI 7"),
    (r"(?:ssn|social)[^.]{0,9}\d{4}", "Social: 4471", "sociable 4471"),
    (r"t[ií][oa] \p{Lu}", "mi TÍA Ana", "mi taza"),
    (r"(?<!\p{L})(?:oct|nov)\.? \d", "on Oct 4", "the doctor at 4"),
    (r"\b(?:may|june) \d", "in may 4", "dismay 4"),
    (r"(?:jan(?:uary)?|feb) \d{1,2}, \d{4}", "Jan 3, 2024", "Jan 3 2024"),
    (r"(?=[^@]{0,40}@)\w+", "a@b", "a at b"),
    (r"(?<=pid\|)\d", "PID|7", "PID 7"),
    (r"(?:one|two|\d) (?:street|lane)", "two lane", "two lambs"),
]
#: Nothing is asked for what the derivation cannot read or does not trust.
OPEN = [
    (r"(?:a|\p{L})", "b"),
    (r"(?<!\p{Nd})jan", "dejan"),
    (r"(?<![^\w])jan", "dejan"),
    (r"(?:oct)?\p{L}", "x"),
    (r"(?!oct)\p{L}{3}", "nov"),
    (r"(?P<a>x)?(?(a)y|z)", "z"),
    (r"[^o]ct", "act"),
    (r"[[:alpha:]]{2}", "no"),
    (r"(?:oct){e<=1}", "ocs"),
    (r"e\X", "e\u0301"),
    (r"(?i)oct", "OCT"),
]


@pytest.mark.parametrize(("expression", "worth", "vain"), WORTH)
def test_a_search_is_worth_it_or_not(expression: str, worth: str, vain: str) -> None:
    signs = needs(expression, case=False)
    assert signs.met(worth)
    assert not signs.met(vain)
    assert regex.search(expression, worth, regex.IGNORECASE)


@pytest.mark.parametrize(("expression", "text"), OPEN)
def test_what_is_not_understood_asks_for_nothing(expression: str, text: str) -> None:
    assert needs(expression, case=True).met(text)
    assert regex.search(expression, text, regex.IGNORECASE)


def test_capitals_matter_where_the_pattern_says_so() -> None:
    assert not needs(r"\d Street", case=True).met("7 street")
    assert needs(r"\d (?i:Street)", case=True).met("7 STREET")
    assert not needs(r"\d (?-i:Street)", case=False).met("7 street")


def test_a_broken_expression_asks_for_nothing() -> None:
    assert needs("(", case=False) == NOTHING


def test_letters_that_a_pattern_takes_for_alike_are_folded_alike() -> None:
    everything = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    assert len(fold(everything)) == len(everything)
    for letter in "abcdefghijklmnopqrstuvwxyzáéíóúñü":
        alike = regex.findall(letter, everything, regex.IGNORECASE)
        assert {fold(each) for each in alike} == {letter}, letter


def lost(pattern: Pattern, text: str) -> bool:
    """Whether the pattern would have matched a text that it is not run on."""
    return not pattern.needs.met(text) and any(True for _ in pattern.matches(text))


def patterns() -> list[Pattern]:
    rows = [finder for finder in finders() if isinstance(finder, PatternFinder)]
    return [pattern for row in rows for pattern in row.patterns]


def texts() -> Iterator[str]:
    """Yield examples, shipped messages, and both as somebody else might have written them."""
    yield from EXAMPLES
    rows = [row for name in ("train-a", "dev") for row in read_rows(SHIPPED / f"{name}.jsonl")]
    yield from (plain(row.body).text for row in rows[::3])
    chance = random.Random(8)
    for _ in range(700):
        one, other = chance.sample(EXAMPLES, 2)
        place = chance.randrange(len(one) + 1)
        odd = chance.choice(["", " ", "\n", "-", "'", "0", "a", "é", "ı", "ſ", "½", "_", "\x01"])
        yield chance.choice(
            [
                one.upper(),
                one.title(),
                one.replace(" ", odd),
                one[:place] + odd + one[place + 1 :],
                one[:place] + other,
                other + odd + one,
                "".join(chance.choice([letter, letter.swapcase()]) for letter in one),
            ]
        )


def test_nothing_is_lost() -> None:
    every = patterns()
    assert len(every) > 100
    # Without signs this test would hold as well, and so would any that ask for nothing.
    assert sum(pattern.needs != NOTHING for pattern in every) > 0.9 * len(every)
    for text in texts():
        assert not [pattern for pattern in every if lost(pattern, text)], text


def test_a_wrong_sign_would_be_noticed() -> None:
    """The oracle: a pattern that is told to wait for a digit misses a name."""
    assert lost(Pattern("mrs [a-z]+", needs=Needs(digits=1)), "ask mrs okonkwo")
