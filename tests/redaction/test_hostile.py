"""Strings made to slow a recogniser down or to slip through: hidden or withheld, and soon."""

import time
import unicodedata

import pytest

from tests.redaction.redacting import Patterns
from triage.redaction import finding
from triage.redaction.deadline import Deadline

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
    "flags": "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f go" * 800,
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


#: Ways to write a number so that a person still reads it and a pattern may not.
WRITTEN = {
    "plain": CANARY,
    "quoted": f'> > "> ssn {CANARY}"',
    "zero width": "\u200b".join(CANARY),
    "soft hyphens": CANARY.replace("-", "\u00ad-\u00ad"),
    "full width": "".join(chr(ord(sign) + 0xFEE0) if sign.isdigit() else sign for sign in CANARY),
    "other dashes": CANARY.replace("-", "\u2013"),
    "marked": "".join(f"{sign}\u0332" for sign in CANARY),
    "overridden": f"\u202d{CANARY}\u202c",
    "arabic digits": "".join(chr(0x660 + int(sign)) if sign.isdigit() else sign for sign in CANARY),
}


def readable_digits(text: str) -> str:
    """Return every digit a person can read, whatever stands between."""
    return "".join(str(unicodedata.digit(sign)) for sign in text if sign.isdigit())


@pytest.mark.parametrize("name", ENDLESS)
def test_no_noise_lets_a_number_through(patterns: Patterns, name: str) -> None:
    """612 strings: each noise around each way of writing the canary."""
    noise = ENDLESS[name][:1_200]
    alone = readable_digits(noise)
    for written in WRITTEN.values():
        done = patterns.one(f"{noise}\nmy ssn: {written}, {MAIL}\n{noise[:300]}")
        assert MAIL not in done.body
        left = readable_digits(done.body.replace(noise[:300], "")).replace(alone, "")
        assert "219099321" not in left
        assert "9321" not in left


def test_a_redactor_that_reads_what_stands_there_would_leak() -> None:
    """The oracle: without the plain reading a zero-width space is enough."""
    from triage.redaction.table import finders

    for found in finders():
        assert not [one for one in found.find(WRITTEN["zero width"]) if one.type == "SSN"]


@pytest.fixture
def unhurried(patterns: Patterns, monkeypatch: pytest.MonkeyPatch) -> Patterns:
    """The redactor on a busy machine: only time it computes counts, not time it waits for a turn.

    `regex` itself counts processor time, so a pattern that is too slow still runs out of it.
    """
    monkeypatch.setattr(finding, "monotonic", time.thread_time)
    monkeypatch.setattr(patterns, "_deadline", Deadline(600))
    return patterns


@pytest.mark.parametrize("name", ENDLESS)
def test_ten_thousand_letters_of_noise_are_judged_by_every_recogniser(
    unhurried: Patterns, name: str
) -> None:
    """No recogniser comes near its half second, or its field would be withheld."""
    patterns = unhurried
    noise = ENDLESS[name]
    done = patterns.one(f"{noise}\nssn {CANARY} {MAIL}\n{noise[:500]}", subject=f"SSN {CANARY}")
    assert CANARY not in done.body + done.subject
    assert MAIL not in done.body
    assert not done.withheld & {"subject"}
    assert "body" not in done.withheld, "a recogniser ran out of time"


def test_a_word_of_a_megabyte_is_withheld_at_once(patterns: Patterns) -> None:
    done = patterns.one("a" * 1_000_000, subject="my ssn is 219-09-9321")
    assert done.withheld == {"body"}
    assert done.body == ""
    assert CANARY not in done.subject


def test_what_lies_across_two_windows_is_hidden(patterns: Patterns) -> None:
    for shift in range(0, 420, 35):
        body = "word " * 1_980 + "x" * shift + f" ssn {CANARY} and {MAIL} " + "word " * 500
        done = patterns.one(body)
        assert not done.withheld
        assert CANARY not in done.body
        assert MAIL not in done.body
        assert done.body.count("[") == 2


def unseen(text: str) -> str:
    """Return `text` in tag letters, which a model reads and nobody sees."""
    return "".join(chr(0xE0000 + ord(letter)) for letter in text)


@pytest.mark.parametrize(
    "body",
    [
        unseen("I am Zorbak Quill"),
        f"good morning{unseen(' Zorbak Quill')}",
        f"\U0001f3f4{unseen('gbsct Zorbak Quill')}\U000e007f",
        "\u2061\u2062" * 40,
    ],
)
def test_text_nobody_sees_is_withheld(patterns: Patterns, body: str) -> None:
    for done in (patterns.one(body, subject="hello"), patterns.one("hello", subject=body)):
        assert len(done.withheld) == 1
        assert "hello" in (done.body, done.subject)
        assert "" in (done.body, done.subject)


@pytest.mark.parametrize(
    "body",
    ["", "\u200b\ufeff", " \u00ad\u200e ", f"good morning \U0001f3f4{unseen('gbwls')}\U000e007f"],
)
def test_what_mail_programs_leave_behind_is_read(patterns: Patterns, body: str) -> None:
    done = patterns.one(body)
    assert not done.withheld
    assert done.body == body
