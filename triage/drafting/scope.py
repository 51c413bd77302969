"""Recognises clinical advice, which only a licensed person may approve.

Rule of the room: the table is data that a clinician can read; it can stop words and pass none.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from triage.domain import Advice, Protected
from triage.drafting.spelling import names_of_drugs

#: A word of the table, and where a sentence ends.
_NAMED = re.compile(r"@(\w+)@")
#: A sentence is read so far on both sides, so that a long one costs no more than its length.
_AROUND = 200
_END = re.compile(r"[.!?;](?=\s|$)|\n")


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of advice."""

    id: str
    says: str
    patterns: tuple[re.Pattern[str], ...]
    #: Counted for nothing in a sentence that is about the office and about nothing clinical.
    soft: tuple[re.Pattern[str], ...]
    #: Sentences it must find, and sentences it must not.
    yes: tuple[str, ...]
    no: tuple[str, ...]


@cache
def rules() -> tuple[Rule, ...]:
    """Return the rows of the table that ships."""
    return tuple(_rule(row) for row in _table()["rule"])


def advice_in(*texts: Protected) -> tuple[Advice, ...]:
    """Return what of these texts is clinical advice, one finding a row, in the table's order."""
    found = []
    for rule in rules():
        first = next((one for text in texts if (one := _first(rule, text.reveal()))), None)
        if first:
            found.append(Advice(rule.id, Protected(first)))
    return tuple(found)


def _first(rule: Rule, text: str) -> str | None:
    for pattern in (*rule.patterns, *rule.soft):
        for match in pattern.finditer(text):
            if pattern not in rule.soft or not _of_the_office(text, match):
                return " ".join(match[0].strip(" \n.,;:!¡").split())
    return None


def _of_the_office(text: str, match: re.Match[str]) -> bool:
    """Whether the sentence of a match names something of the office and nothing clinical."""
    low, high = max(match.start() - _AROUND, 0), min(match.end() + _AROUND, len(text))
    start = max((end.end() for end in _END.finditer(text, low, match.end() - 1)), default=low)
    stop = _END.search(text, match.end() - 1, high)
    sentence = text[min(start, match.start()) : stop.start() if stop else high]
    office, clinical = _compiled("@office@"), _compiled("@clinical@")
    return office.search(sentence) is not None and clinical.search(sentence) is None


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files("triage.drafting").joinpath("scope.toml").read_text("utf-8"))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    words = _table()["words"] | {"drug": names_of_drugs()}
    while _NAMED.search(pattern):
        pattern = _NAMED.sub(lambda one: str(words[one[1]]), pattern)
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)


def _rule(row: dict[str, object]) -> Rule:
    hard = (*_words(row["en"]), *_words(row["es"]))
    soft = (*_words(row.get("soft_en", ())), *_words(row.get("soft_es", ())))
    return Rule(
        id=str(row["id"]),
        says=str(row["says"]),
        patterns=tuple(map(_compiled, hard)),
        soft=tuple(map(_compiled, soft)),
        yes=_words(row["yes"]),
        no=_words(row["no"]),
    )


def _words(value: object) -> tuple[str, ...]:
    assert isinstance(value, Sequence)
    return tuple(str(one) for one in value)
