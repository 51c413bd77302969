"""Finds identifiers in HL7 version 2 segments by the place of their field.

Rule of the room: `hl7.yaml` is the standard; a field it does not name is left to the other
recognisers, and what it calls a code stays readable.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from triage.domain import IdentifierType as Type
from triage.redaction.finding import Found

#: Segment name to field number to kind of field.
Segments = Mapping[str, Mapping[int, str]]

#: The separators, as next to every sender writes them.
_FIELD, _AGAIN, _PART = "|", "~", "^"
_CODE = "CODE"
#: Kind of field to the components that are hidden, counted from 0 (end exclusive), and their type.
_WHOLE: Mapping[str, tuple[int, Type]] = {
    "XPN": (5, Type.NAME),
    "XAD": (5, Type.ADDRESS),
    "XON": (1, Type.ORG),
}
_DEGREES = frozenset(
    [
        *("MD", "DO", "NP", "PA", "RN", "LPN", "DDS", "DMD", "DPT", "PHD", "PHARMD", "FNP", "APRN"),
        *("CRNA", "CNM", "DPM", "OD", "DC", "MBBS", "ESQ", "M.D.", "D.O."),
    ]
)
#: As sure as the standard: no word list can take a find back.
_SURE = 1.0
#: A point in time: a date, and hours and a zone perhaps.
_MOMENT = re.compile(r"\d{6,14}(?:\.\d+)?(?:[+-]\d{4})?|[\d/-]{6,10}")
_PEOPLE = frozenset({"PID", "NK1", "GT1", "PD1"})
#: Kinds of field in which letters and separators are no misplaced person.
_PERSONS_OWN = frozenset({"XPN", "XAD", "XON", _CODE})
_PERSON = re.compile(r"[^\W\d_][^\W\d_' .-]*(?:\^[^\W\d_][\w' .-]*){1,4}")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a segment: its place in the text and what the standard says it holds."""

    segment: str
    start: int
    end: int
    kind: str


class Hl7Finder:
    """Finds names, numbers, dates, addresses and telephones in pasted HL7 messages."""

    name = "hl7"
    context: tuple[str, ...] = ()
    types = (
        Type.NAME,
        Type.ADDRESS,
        Type.DATE,
        Type.PHONE,
        Type.EMAIL,
        Type.SSN,
        Type.MRN,
        Type.MEMBER_ID,
        Type.ACCOUNT,
        Type.LICENSE,
        Type.DEVICE,
        Type.ORG,
        Type.OTHER_ID,
    )

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        names = "|".join(segments)
        self._head = re.compile(rf"(?<![^\s>\"'`\x0b])(?:{names})(?=\|)")

    def find(self, text: str) -> list[Found]:
        """Return what the fields of every segment hold."""
        return [
            Found(start, end, type, _SURE, self.name)
            for field in self.fields(text)
            for start, end, type in _parts(field, text)
            if start < end
        ]

    def readable(self, text: str) -> list[tuple[int, int]]:
        """Return the places of segment names and of fields that hold codes."""
        if _FIELD not in text:
            return []
        heads = [match.span() for match in self._head.finditer(text)]
        return heads + [
            (field.start, field.end) for field in self.fields(text) if field.kind == _CODE
        ]

    def fields(self, text: str) -> Iterator[Field]:
        """Yield the fields of every segment that the table knows or a person may stand in."""
        if _FIELD not in text:
            return
        heads = list(self._head.finditer(text))
        for at, head in enumerate(heads):
            stop = heads[at + 1].start() if at + 1 < len(heads) else len(text)
            line = text.find("\n", head.end(), stop)
            yield from self._segment(head[0], text, head.end() + 1, stop if line < 0 else line)

    def _segment(self, name: str, text: str, start: int, stop: int) -> Iterator[Field]:
        table = self._segments[name]
        # The first separator of the header is a field itself.
        number = 2 if name == "MSH" else 1
        while start <= stop:
            end = text.find(_FIELD, start, stop)
            end = stop if end < 0 else end
            kind = table.get(number, "")
            if kind not in _PERSONS_OWN and name in _PEOPLE and _PERSON.fullmatch(text, start, end):
                # Who counts separators by hand miscounts them.
                kind = "XPN"
            if kind:
                yield Field(name, start, end, kind)
            start, number = end + 1, number + 1


def _parts(field: Field, text: str) -> Iterator[tuple[int, int, Type]]:
    """Yield what is hidden of one field."""
    start = field.start
    for item in text[field.start : field.end].split(_AGAIN):
        yield from _item(field.kind, item, start)
        start += len(item) + 1


def _item(kind: str, item: str, start: int) -> Iterator[tuple[int, int, Type]]:
    name, _, says = kind.partition(" ")
    if name == "ID":
        yield start, start + len(item.split(_PART, maxsplit=1)[0]), Type(says)
    elif name == "XCN":
        number = item.split(_PART, maxsplit=1)[0]
        alone = any(map(str.isdigit, number))
        yield start, start + len(number), Type(says) if alone else Type.NAME
        person = _upto(item, 6)
        if len(person) > len(number) + 1:
            yield start + len(number) + 1, start + len(person), Type.NAME
    elif name == "XTN":
        yield start, start + len(item), Type.EMAIL if "@" in item else Type.PHONE
    elif name == "TS":
        moment = _MOMENT.search(item)
        if moment:
            yield start + moment.start(), start + moment.end(), Type.DATE
    elif name in _WHOLE:
        count, type = _WHOLE[name]
        yield start, start + len(_upto(item, count)), type


def _upto(item: str, count: int) -> str:
    """Return the first components of an item, without a degree at their end."""
    parts = item.split(_PART)[:count]
    while parts and (not parts[-1].strip() or parts[-1].strip().upper() in _DEGREES):
        parts.pop()
    return _PART.join(parts)
