"""What a raw row of the audit says, for a check that reads a million of them.

Rule of the room: a shortcut may only take a text apart that has exactly the shape we write;
everything else is parsed in full, and what cannot be parsed raises ValueError or TypeError.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Text, cast, type_coerce
from sqlalchemy.types import NULLTYPE

from triage.audit import FIRST, canonical
from triage.domain import AuditEvent
from triage.store import tables

_decode = json.JSONDecoder().decode
#: A name as JSON has it: there are few, so each is written once.
_quoted = lru_cache(maxsize=4096)(canonical)
#: Ids as we write them: a list of one case, as most events have, or of many.
_CASES = re.compile(r'\["[0-9A-Za-z_-]+"(?:, "[0-9A-Za-z_-]+")*\]').fullmatch
#: A moment as SQLite keeps it.
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}").fullmatch


def raw_columns(connection: Connection) -> list[Any]:
    """Return the columns of the audit in the table's order, unread: JSON as the text it is."""
    postgresql = connection.dialect.name == "postgresql"
    return [
        cast(column, Text)
        if postgresql and column.name in ("cases", "detail")
        else type_coerce(column, NULLTYPE)
        for column in tables.audit.c
    ]


def words_of(row: Any) -> str:
    """Return what a row says as it is sealed, or nothing where it must be read in full.

    The same as `said(event_of(row))`, without making the event.
    """
    seq, clinic, at, actor, action, cases, detail, _, _, chain, number = row
    if type(seq) is not int or type(number) is not int or type(detail) is not str:
        raise TypeError("not what we write")
    if cases == "[]":
        listed = cases
    elif _CASES(cases):
        listed = cases.replace(", ", ",")
    else:
        return ""
    pairs = "[]" if detail == "{}" else canonical(sorted(_mapping(detail).items()))
    place = "" if chain == FIRST else f"{_quoted(chain)},{number},"
    who = f'{_quoted(clinic)},"{_moment(at)}",{_quoted(actor)},{_quoted(action)}'
    return f"[{place}{seq},{who},{listed},{pairs}]"


def cases_of(row: Any) -> Sequence[str]:
    """Return the cases a row names, each once; the row was found to hold."""
    cases = row[5]
    if cases == "[]":
        return ()
    if not _CASES(cases):
        return tuple(dict.fromkeys(_decode(cases)))
    named = cases[2:-2].split('", "')
    return named if len(named) == 1 else tuple(dict.fromkeys(named))


def event_of(row: Any) -> AuditEvent:
    """Return the event of a row; raise ValueError or TypeError where it makes no sense."""
    seq, clinic, at, actor, action, cases, detail, previous, digest, chain, number = row
    words = (clinic, actor, action, previous, digest, chain)
    if {str} != set(map(type, words)) or {int} != {type(seq), type(number)}:
        raise TypeError("not words and numbers")
    named, said = _decode(cases), _mapping(detail)
    if type(named) is not list:
        raise TypeError("not a list")
    moment = datetime.fromisoformat(_moment(at))
    return AuditEvent(
        seq, clinic, moment, actor, action, tuple(named), said, previous, digest, chain, number
    )


def _mapping(stored: str) -> dict[str, str]:
    found = _decode(stored)
    if type(found) is not dict:
        raise TypeError("not a mapping")
    return found


def _moment(stored: Any) -> str:
    """Return a moment in UTC as it is sealed; SQLite keeps it as text without a zone."""
    if isinstance(stored, datetime):
        return stored.astimezone(UTC).isoformat()
    if not _MOMENT(stored):
        raise ValueError("no moment")
    whole = stored[:19] if stored.endswith(".000000") else stored
    return f"{whole[:10]}T{whole[11:]}+00:00"
