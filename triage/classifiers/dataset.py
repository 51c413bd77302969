"""Reads labelled messages from JSON Lines and shows them the way serving sees them.

Rule of the room: a row that is not exactly right stops the reading and names file and line,
never its text.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triage.domain import Channel, IdentifierType, Route, Urgency
from triage.errors import BadRow

#: The labelled messages that ship, beside the package: folders of parts.
DATA = Path(__file__).resolve().parents[2] / "data"
SHIPPED = DATA / "messages"
#: Which files teach, choose the epoch, set the thresholds, and are measured on once, below DATA.
TEACHING = ("messages/train-*.jsonl", "routes/train*.jsonl")
CHOOSING = ("messages/dev.jsonl", "messages/report.jsonl")
SETTING = ("routes/calibration.jsonl",)
REPORTING = ("routes/report.jsonl",)
FRESH = ("routes/fresh.jsonl",)
#: The red-flag rules were written with the former; nobody wrote or changed one with the latter.
RULES_SEEN = ("messages/train-*.jsonl", "routes/train.jsonl")
RULES_UNSEEN = ("routes/train-unseen.jsonl", "routes/spanish.jsonl")


@dataclass(frozen=True, slots=True)
class Identifier:
    """One identifier in a field of a row; offsets in code points, end exclusive."""

    field: str
    start: int
    end: int
    type: IdentifierType


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled message of invented people."""

    id: str
    channel: Channel
    subject: str
    body: str
    route: Route
    also: frozenset[Route]
    urgency: Urgency
    phi: tuple[Identifier, ...]
    writer: str = ""
    lang: str = "en"
    tags: frozenset[str] = frozenset()

    def text_of(self, field: str) -> str:
        """Return the text of `subject` or `body`."""
        return self.subject if field == "subject" else self.body


def read_rows(path: Path) -> list[Row]:
    """Read one JSON Lines file; raise BadRow with file and line."""
    return list(_rows(path))


def _rows(path: Path) -> Iterator[Row]:
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as trouble:
        raise BadRow(f"{path.name}: {type(trouble).__name__}") from None
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = read_row(json.loads(line))
            if row.id in seen:
                raise ValueError("id occurs twice")
        except (ValueError, KeyError, TypeError, AttributeError) as trouble:
            raise BadRow(f"{path.name} line {number}: {_reason(trouble)}") from None
        seen.add(row.id)
        yield row


def _reason(trouble: Exception) -> str:
    """Say what is wrong without repeating any text of the row."""
    if isinstance(trouble, json.JSONDecodeError):
        return f"not JSON at column {trouble.colno}"
    if isinstance(trouble, KeyError):
        return "a key is missing or a label is unknown"
    return str(trouble.args[0]) if type(trouble) is ValueError else type(trouble).__name__


def read_row(content: Mapping[str, Any]) -> Row:
    """Read one row; raise ValueError, KeyError or TypeError with no text of the row in it."""
    row = Row(
        id=_word(content["id"], "id"),
        channel=_label(Channel, content["channel"], "channel"),
        subject=_word(content["subject"], "subject"),
        body=_word(content["body"], "body"),
        route=_label(Route, content["route"], "route"),
        also=frozenset(_label(Route, each, "also") for each in content["also"]),
        urgency=Urgency.of(_word(content["urgency"], "urgency")),
        phi=tuple(_identifier(each) for each in content["phi"]),
        writer=_word(content.get("writer", ""), "writer"),
        lang=_word(content.get("lang", "en"), "lang"),
        tags=frozenset(content.get("tags", ())),
    )
    _check(row)
    return row


def _word(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    return value


def _label(kind: Any, value: object, name: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{name} is not one of the known words") from None


def _identifier(content: Mapping[str, Any]) -> Identifier:
    if content["field"] not in {"subject", "body"}:
        raise ValueError("phi.field is neither subject nor body")
    kind = _label(IdentifierType, content["type"], "phi.type")
    return Identifier(content["field"], int(content["start"]), int(content["end"]), kind)


def _check(row: Row) -> None:
    if row.route in row.also:
        raise ValueError("also repeats the route")
    if (row.urgency > Urgency.ROUTINE) != (row.route is Route.URGENT_CLINICAL):
        raise ValueError("urgency and route contradict each other")
    for field in ("subject", "body"):
        end = 0
        for each in sorted((x for x in row.phi if x.field == field), key=lambda x: x.start):
            if not end <= each.start < each.end <= len(row.text_of(field)):
                raise ValueError("a phi span overlaps another or lies outside its field")
            end = each.end


def as_served(row: Row) -> tuple[str, str]:
    """Return subject and body with every identifier replaced, as a redactor would: [NAME_1]."""
    numbers: dict[tuple[IdentifierType, str], int] = {}
    counts: dict[IdentifierType, int] = {}

    def placeholder(kind: IdentifierType, original: str) -> str:
        key = (kind, original.casefold())
        if key not in numbers:
            counts[kind] = numbers[key] = counts.get(kind, 0) + 1
        return f"[{kind.value}_{numbers[key]}]"

    def hide(field: str) -> str:
        text, pieces, end = row.text_of(field), [], 0
        for each in sorted((x for x in row.phi if x.field == field), key=lambda x: x.start):
            pieces += [text[end : each.start], placeholder(each.type, text[each.start : each.end])]
            end = each.end
        return "".join([*pieces, text[end:]])

    return hide("subject"), hide("body")


def read_part(names: Sequence[str], root: Path = DATA) -> list[Row]:
    """Return the rows of every file under `root` that fits a name, in order; raise BadRow."""
    found = [path for name in names for path in sorted(root.glob(name))]
    return [row for path in found for row in read_rows(path)]


@dataclass(frozen=True, slots=True)
class Material:
    """What a router is made from: rows that teach, that choose the epoch, that set thresholds."""

    train: tuple[Row, ...]
    dev: tuple[Row, ...]
    calibration: tuple[Row, ...]


def read_material(root: Path = DATA) -> Material:
    """Return the labelled messages under `root`, laid out as in data/; raise BadRow.

    Where nobody set messages for the thresholds apart, those that choose the epoch set them.
    """
    train, dev = read_part(TEACHING, root), read_part(CHOOSING, root)
    if not train or not dev:
        raise BadRow(f"{root.name}: no messages/train-*.jsonl, or no messages/dev.jsonl")
    return Material(tuple(train), tuple(dev), tuple(read_part(SETTING, root) or dev))


def routes_of(rows: Sequence[Row]) -> list[Route]:
    """Return the primary routes, same order."""
    return [row.route for row in rows]
