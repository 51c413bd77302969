"""Strings made to slow a recogniser down or to slip through: hidden or withheld, and soon."""

import time

import pytest

from tests.redaction.redacting import Patterns

#: What every hostile string carries and nobody may read afterwards.
CANARY = "219-09-9321"
MAIL = "canary@example.org"

ENDLESS = {
    "dots": "." * 8_000,
    "dotted letters": "a." * 4_000,
    "dotted digits": "1." * 4_000,
    "at signs": "@" * 8_000,
    "a at a": "a@" * 4_000,
    "a.a@": "a.a@" * 2_000,
    "commas": "," * 8_000,
    "hyphens": "-" * 8_000,
    "hyphened letters": "a-" * 4_000,
    "hyphened digits": "1-" * 4_000,
    "slashes": "/" * 8_000,
    "dates": "1/1/" * 2_000,
    "colons": ":" * 8_000,
    "hex colons": "a:" * 4_000,
    "digits": "7" * 8_000,
    "spaced digits": "7 " * 4_000,
    "digit groups": "5555 " * 1_600,
    "stars": "*" * 8_000,
    "x": "x" * 8_000,
    "spaces": " " * 8_000,
    "new lines": "\n" * 8_000,
    "tabs": "\t" * 8_000,
    "quotes": '"' * 8_000,
    "nested quotes": "> " * 3_000 + "\n" * 500,
    "quoted lines": "> > > hi\n" * 900,
    "brackets": "[" * 8_000,
    "half placeholders": "[NAME_" * 1_300,
    "placeholders": "[NAME_1]" * 1_000,
    "parentheses": "(" * 8_000,
    "capitals": "A" * 8_000,
    "spaced capitals": "A " * 4_000,
    "names": "Al Bo " * 1_300,
    "initials": "A. " * 2_600,
    "apostrophes": "a'" * 4_000,
    "doctors": "Dr. " * 2_000,
    "hellos": "Hi\n" * 2_600,
    "thanks": "thanks\n" * 1_100,
    "months": "may " * 2_000,
    "number words": "one two three " * 570,
    "ordinals": "the 1st " * 1_000,
    "streets": "1 A St, " * 1_000,
    "towns": "Aa, OH " * 1_100,
    "boxes": "box 1, " * 1_100,
    "labels": "member id " * 800,
    "labelled": "mrn 1 " * 1_300,
    "schemes": "https://" * 1_000,
    "www": "www." * 2_000,
    "domains": "a.com." * 1_300,
    "percent": "%41" * 2_600,
    "plus": "+1" * 4_000,
    "underscores": "a_" * 4_000,
    "zero width": "a\u200b" * 4_000,
    "joiners": "\u200d" * 8_000,
    "marks": "e" + "\u0301" * 8_000,
    "marked letters": "e\u0301\u0302\u0303\u0304" * 1_600,
    "bidi": "\u202e\u202d" * 4_000,
    "tags": "\U000e0041" * 8_000,
    "full width": "\uff11" * 8_000,
    "ligatures": "\ufdfa" * 400,
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 1_600,
    "arabic": "\u0645\u0631\u062d\u0628\u0627 " * 1_300,
    "chinese": "\u4f60\u597d" * 4_000,
    "nul": "\x00" * 8_000,
    "controls": "\x07\x1b[31m" * 1_300,
    "carriage returns": "a\r\n" * 2_600,
    "surrogate halves": "\ud800" * 4_000,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_hidden_or_withheld_and_soon(patterns: Patterns, name: str) -> None:
    noise = ENDLESS[name]
    began = time.process_time()
    done = patterns.one(f"{noise}\nssn {CANARY} {MAIL}\n{noise[:500]}", subject=f"SSN {CANARY}")
    assert CANARY not in done.body + done.subject
    assert MAIL not in done.body
    assert "219" not in done.body.replace(noise, "")
    # 0.5 s for each of 41 recognisers would be allowed; no string may come near.
    assert time.process_time() - began < 15


def test_a_word_of_a_megabyte_is_withheld_at_once(patterns: Patterns) -> None:
    began = time.process_time()
    done = patterns.one("a" * 1_000_000, subject="my ssn is 219-09-9321")
    assert done.withheld == {"body"}
    assert done.body == ""
    assert CANARY not in done.subject
    assert time.process_time() - began < 5


def test_what_lies_across_two_windows_is_hidden(patterns: Patterns) -> None:
    for shift in range(0, 420, 35):
        body = "word " * 1_980 + "x" * shift + f" ssn {CANARY} and {MAIL} " + "word " * 500
        done = patterns.one(body)
        assert not done.withheld
        assert CANARY not in done.body
        assert MAIL not in done.body
        assert done.body.count("[") == 2
