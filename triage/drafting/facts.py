"""What a clinic says about itself, as slot values for one language.

Rule of the room: values come from the clinic's settings and from nowhere else.

Settings are a mapping such as a practice file: names at the top or one table deep, so that
`phone` and `[contact] phone` are the same slot. `[hours]` by weekday becomes one phrase, and
`[address]` one line. Words are in English unless `language` says otherwise; a table named after
another language, such as `[es]`, holds the same slots in that language.
"""

import re
from collections.abc import Collection, Mapping

#: Slots whose value somebody can be reached at.
_REACHABLE = re.compile(
    r"(^|_)(phone|fax|line|email|url|number)$|^address$|^(crisis|emergency|nurse)_"
)
#: Called when the clinic sets no other.
EMERGENCY_NUMBER = "911"
#: A table under such a name holds the same slots in that language.
_LANGUAGE = re.compile(r"[a-z]{2}")
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def facts(
    settings: Mapping[str, object],
    language: str,
    *,
    neutral: Collection[str],
    days: Mapping[str, str],
) -> dict[str, str]:
    """Return slot -> value for one language; slots without a value are missing.

    `neutral` names the slots that read the same in every language; `days` has the weekdays'
    names and the words `to` and `closed`.
    """
    slots = _slots(settings, days)
    if language != settings.get("language", "en"):
        # Weekdays and times are put into words here, so they need no translation.
        kept = {*neutral, "hours"} if _by_day(settings.get("hours")) else set(neutral)
        own = settings.get(language)
        translated = _slots(own, days) if isinstance(own, Mapping) else {}
        slots = {key: value for key, value in slots.items() if key in kept} | translated
    return {"emergency_number": EMERGENCY_NUMBER} | slots


def reachable(settings: Mapping[str, object]) -> frozenset[str]:
    """Return every phone, address and link of the clinic, and what the setting `allow` adds."""
    slots = _slots(settings, {})
    found = {value for key, value in slots.items() if _REACHABLE.search(key)}
    extra = settings.get("allow", ())
    if isinstance(extra, list | tuple):
        found |= {str(one) for one in extra}
    return frozenset(found | {slots.get("emergency_number", EMERGENCY_NUMBER)})


def _slots(settings: Mapping[str, object], days: Mapping[str, str]) -> dict[str, str]:
    slots: dict[str, str] = {}
    for key, value in settings.items():
        if not isinstance(value, Mapping):
            slots[key] = _phrase(value)
        elif key == "hours" and _by_day(value):
            slots["hours"] = _hours(value, days)
        elif key == "address" and "street" in value:
            slots["address"] = _address(value)
            slots["parking"] = _phrase(value.get("parking"))
        elif not _LANGUAGE.fullmatch(key):
            slots |= {str(name): _phrase(inner) for name, inner in value.items()}
    return {key: value for key, value in slots.items() if value}


def _by_day(hours: object) -> bool:
    return isinstance(hours, Mapping) and bool(set(hours) & set(_WEEK))


def _phrase(value: object) -> str:
    """Return a value as words that fit inside a sentence: one line, no full stop at its end."""
    if isinstance(value, list | tuple):
        return ", ".join(one for one in map(_phrase, value) if one)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return " ".join(str(value).split()).rstrip(".")


def _address(table: Mapping[str, object]) -> str:
    street, city = _phrase(table.get("street")), _phrase(table.get("city"))
    region = f"{_phrase(table.get('state'))} {_phrase(table.get('zip'))}".strip()
    return ", ".join(one for one in (street, city, region) if one)


def _hours(table: Mapping[str, object], days: Mapping[str, str]) -> str:
    """Return opening hours with equal neighbours joined: `Monday to Friday 8:00-17:00, ...`."""
    runs: list[tuple[list[str], str]] = []
    for day in _WEEK:
        times = _phrase(table.get(day))
        if runs and runs[-1][1] == times:
            runs[-1][0].append(day)
        else:
            runs.append(([day], times))
    return ", ".join(_run(names, times, days) for names, times in runs if times)


def _run(names: list[str], times: str, days: Mapping[str, str]) -> str:
    first, last = days.get(names[0], names[0]), days.get(names[-1], names[-1])
    span = first if len(names) == 1 else f"{first} {days.get('to', 'to')} {last}"
    return f"{span} {days.get('closed', 'closed') if times == 'closed' else times}"
