"""Reads the tables of recognisers and of readable words.

Rule of the room: the tables ship with the package; a table that cannot be read stops the redactor
from being made, it never leaves a recogniser out.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from triage.domain import IdentifierType
from triage.errors import RedactionFailed
from triage.redaction.checks import CHECKS
from triage.redaction.codes import CodeFinder
from triage.redaction.finding import Finder, Pattern, PatternFinder
from triage.redaction.hl7 import Hl7Finder
from triage.redaction.kept import kept_needs
from triage.redaction.rows import RowFinder
from triage.redaction.signs import Needs, needs
from triage.redaction.spoken import SpokenFinder, words

HERE = Path(__file__).parent


@cache
def finders() -> tuple[Finder, ...]:
    """Return every recogniser that needs no model; raise RedactionFailed for a broken table."""
    try:
        table = _read("recognizers.yaml")
        pieces = _expand(table["pieces"])
        return (*_rows(table["rows"], pieces), codes(), spoken(), *structures())
    except Exception as trouble:
        raise RedactionFailed(f"recognisers: {type(trouble).__name__}") from trouble


@cache
def codes() -> CodeFinder:
    """Return the recogniser of labelled numbers."""
    table = _read("labels.yaml")
    labels = {IdentifierType(type): words for type, words in table["labels"].items()}
    return CodeFinder(labels, table["general"], table["readable"])


@cache
def spoken() -> SpokenFinder:
    """Return the recogniser of what is dictated."""
    return SpokenFinder(words(_read("spoken.yaml")), codes().label)


@cache
def structures() -> tuple[Hl7Finder, RowFinder]:
    """Return the recognisers of HL7 messages, tables, JSON and XML, which also say what stays."""
    return Hl7Finder(_read("hl7.yaml")), RowFinder(_read("columns.yaml"))


@cache
def word_list(name: str) -> Mapping[str, Sequence[str]]:
    """Return one section after another of `readable.yaml`-like tables."""
    return {section: tuple(map(str, words)) for section, words in _read(name).items()}


@cache
def text_lists() -> Mapping[str, tuple[str, ...]]:
    """Return the lists of `surrogates.yaml`; items stand apart by `;`, or by a space without."""
    lists: dict[str, tuple[str, ...]] = {}
    for section, text in _read("surrogates.yaml").items():
        parts = text.split(";") if ";" in text else text.split()
        lists[section] = tuple(part.strip() for part in parts if part.strip())
    return lists


def _read(name: str) -> Any:
    return yaml.safe_load((HERE / name).read_text(encoding="utf-8"))


def _expand(pieces: Mapping[str, str]) -> dict[str, str]:
    """Put pieces into pieces; a piece may use the ones above it."""
    done: dict[str, str] = {}
    for name, expression in pieces.items():
        done[name] = _fill(expression, done)
    return done


def _fill(expression: str, pieces: Mapping[str, str]) -> str:
    return re.sub(r"(?<!\\p)\{([a-z_]{2,})\}", lambda match: pieces[match[1]], expression)


def _rows(rows: Sequence[Mapping[str, Any]], pieces: Mapping[str, str]) -> list[PatternFinder]:
    filled = [[_fill(expression, pieces) for expression in row["patterns"]] for row in rows]
    cased = [bool(row.get("case", False)) for row in rows]
    flat = [(one, case) for some, case in zip(filled, cased, strict=True) for one in some]
    patterns = iter(
        [
            Pattern(expression, case=case, needs=known)
            for (expression, case), known in zip(flat, kept_needs(flat, _proved), strict=True)
        ]
    )
    return [
        _row(row, tuple(islice(patterns, len(some))))
        for row, some in zip(rows, filled, strict=True)
    ]


def _proved(expression: str, case: bool) -> Needs:
    """Return what a pattern needs once it was seen to compile: nothing else is ever kept."""
    Pattern(expression, case=case).compile()
    return needs(expression, case=case)


def _row(row: Mapping[str, Any], patterns: tuple[Pattern, ...]) -> PatternFinder:
    return PatternFinder(
        name=row["name"],
        type=IdentifierType(row["type"]),
        patterns=patterns,
        score=float(row["score"]),
        check=CHECKS[row["check"]] if "check" in row else None,
        context=tuple(row.get("context", ())),
    )
