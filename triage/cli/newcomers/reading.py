"""Reads a file of exercises, strictly: what is wrong is named by exercise and line."""

import re
import tomllib
from collections.abc import Mapping
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from triage.desk.queue import OUTCOMES, URGENT_OUTCOMES
from triage.domain import Channel, Exercise, Expected, Route, Sorting, Urgency
from triage.errors import BadExercise

EXERCISES = Path(__file__).resolve().parents[3] / "data" / "exercises" / "first-week.toml"
#: Whom a portal names as the writer of a message.
_IN_PORTAL = re.compile(r"Patient/[A-Za-z0-9.-]{1,64}")
#: Key -> the kind of value it must have.
_KEYS: Mapping[str, type] = {
    **dict.fromkeys(("id", "from", "subject", "body", "begun", "why"), str),
    **dict.fromkeys(("sorted", "expect"), dict),
    "automatic": bool,
}
_NEEDED = ("id", "from", "subject", "body", "sorted", "expect", "why")
_SORTING: Mapping[str, type] = {"route": str, "also": list, "urgency": str}
_EXPECT: Mapping[str, type] = {
    **_SORTING,
    **dict.fromkeys(("outcomes", "never_say"), list),
    **dict.fromkeys(("patient", "together"), str),
    "no_reply": bool,
}


def read_exercises(path: Path) -> tuple[Exercise, ...]:
    """Return the exercises of a file, in its order; raise BadExercise."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as trouble:
        raise BadExercise(f"{path}: {trouble}") from None
    rows = content.get("exercise")
    if not isinstance(rows, list) or not rows or content.keys() != {"exercise"}:
        raise BadExercise(f"{path}: it must hold [[exercise]] and nothing else")
    found = [_exercise(number, row) for number, row in enumerate(rows, 1)]
    ids = {one.id for one in found}
    if len(ids) < len(found):
        raise BadExercise(f"{path}: two exercises have the same id")
    for one in found:
        if one.expected.together and one.expected.together not in ids - {one.id}:
            raise BadExercise(f"{one.id}, expect.together: no other exercise has this id")
    return tuple(found)


def _exercise(number: int, row: Any) -> Exercise:
    place = str(row.get("id", f"exercise {number}")) if isinstance(row, dict) else str(number)
    _table(place, row, _KEYS, _NEEDED)
    name, address = parseaddr(row["from"])
    channel = Channel.PORTAL if _IN_PORTAL.fullmatch(address) else Channel.EMAIL
    if not name or (channel is Channel.EMAIL and "@" not in address):
        raise BadExercise(
            f"{place}, from: write a name and an address, such as Ana <ana@x.org>, Ana <Patient/7>"
        )
    if row.get("automatic") and channel is Channel.PORTAL:
        raise BadExercise(f"{place}, automatic: no machine writes through the portal")
    if row.get("automatic") and row.get("begun"):
        raise BadExercise(f"{place}, begun: nobody begins a reply to a machine")
    return Exercise(
        row["id"],
        channel,
        address,
        name,
        row["subject"],
        row["body"].strip(),
        _sorting(f"{place}, sorted", {**row["sorted"]}, _SORTING),
        _expected(place, row["expect"], row["why"]),
        begun=row.get("begun", "").strip(),
        automatic=row.get("automatic", False),
    )


def _expected(place: str, row: dict[str, Any], why: str) -> Expected:
    where = f"{place}, expect"
    sorting = _sorting(where, row, _EXPECT)
    outcomes = frozenset(_words(where, row, "outcomes"))
    allowed = URGENT_OUTCOMES if sorting.urgency > Urgency.ROUTINE else OUTCOMES
    if not outcomes or not outcomes <= set(allowed):
        raise BadExercise(f"{where}.outcomes: choose among {', '.join(allowed)}")
    if row.get("no_reply") and "answered" in outcomes:
        raise BadExercise(f"{where}.outcomes: what gets no reply cannot be answered")
    return Expected(
        sorting,
        outcomes,
        why,
        never_say=tuple(_words(where, row, "never_say")),
        no_reply=row.get("no_reply", False),
        patient=row.get("patient", ""),
        together=row.get("together", ""),
    )


def _sorting(place: str, row: dict[str, Any], keys: Mapping[str, type]) -> Sorting:
    _table(place, row, keys, ("route",))
    try:
        route = Route(row["route"])
        also = frozenset(map(Route, _words(place, row, "also")))
        urgency = Urgency.of(row.get("urgency", "routine"))
    except (ValueError, KeyError):
        raise BadExercise(
            f"{place}: a route or urgency that docs/routes.md does not know"
        ) from None
    if (urgency > Urgency.ROUTINE) != (route is Route.URGENT_CLINICAL):
        raise BadExercise(f"{place}: urgent_clinical and an urgency above routine go together")
    if route in also:
        raise BadExercise(f"{place}.also: it repeats the route")
    return Sorting(route, also, urgency)


def _table(place: str, row: Any, keys: Mapping[str, type], needed: tuple[str, ...]) -> None:
    if not isinstance(row, dict):
        raise BadExercise(f"{place}: a table is expected here")
    for key, value in row.items():
        if key not in keys:
            raise BadExercise(f"{place}, {key}: no such line (known: {', '.join(keys)})")
        if not isinstance(value, keys[key]):
            raise BadExercise(f"{place}, {key}: {keys[key].__name__} is expected here")
    for key in needed:
        if row.get(key) in (None, "", {}):
            raise BadExercise(f"{place}, {key}: this line is missing or empty")


def _words(place: str, row: dict[str, Any], key: str) -> list[str]:
    words = row.get(key, [])
    if not all(isinstance(word, str) and word.strip() for word in words):
        raise BadExercise(f"{place}.{key}: a list of words is expected here")
    return list(words)
