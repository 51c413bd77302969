"""Recognises clinical advice, which only a licensed person may approve.

Rule of the room: the table is data that a clinician can read; it can stop words and pass none.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from triage.domain import Advice, Protected


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of advice."""

    id: str
    says: str
    patterns: tuple[re.Pattern[str], ...]
    #: Sentences it must find, and sentences it must not.
    yes: tuple[str, ...]
    no: tuple[str, ...]


@cache
def rules() -> tuple[Rule, ...]:
    """Return the rows of the table that ships."""
    text = files("triage.drafting").joinpath("scope.toml").read_text("utf-8")
    return tuple(_rule(row) for row in tomllib.loads(text)["rule"])


def advice_in(*texts: Protected) -> tuple[Advice, ...]:
    """Return what of these texts is clinical advice, one finding a row, in the table's order."""
    found = []
    for rule in rules():
        first = next((one for text in texts if (one := _first(rule, text.reveal()))), None)
        if first:
            found.append(Advice(rule.id, Protected(first)))
    return tuple(found)


def _first(rule: Rule, text: str) -> str | None:
    for pattern in rule.patterns:
        match = pattern.search(text)
        if match:
            return " ".join(match[0].strip(" \n.,;:!¡").split())
    return None


def _rule(row: dict[str, object]) -> Rule:
    patterns = (*_words(row["en"]), *_words(row["es"]))
    compiled = tuple(re.compile(one, re.IGNORECASE | re.MULTILINE) for one in patterns)
    return Rule(str(row["id"]), str(row["says"]), compiled, _words(row["yes"]), _words(row["no"]))


def _words(value: object) -> tuple[str, ...]:
    assert isinstance(value, Sequence)
    return tuple(str(one) for one in value)
