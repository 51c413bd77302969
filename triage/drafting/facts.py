"""What a clinic says about itself, as slot values for one language.

Rule of the room: values come from the clinic's settings and from nowhere else.

Settings are a mapping of slots; tables in it are opened, so that `phone` and `[contact] phone` are
the same slot. Slots named after weekdays become `hours`, and street, city, state and zip become
`address`. Words are in English unless `language` says otherwise; the same words in another language
stand under the slot's name and the language's code, such as `refill_turnaround_es`.
"""

import re
from collections.abc import Collection, Mapping

#: Slots whose value somebody can be reached at.
_REACHABLE = re.compile(r"(^|_)(phone|fax|line|email|url|number)$|^address$")
#: Settings of a drafter itself, which no patient should read.
_NOT_SAID = frozenset({"base_url", "api_key", "model"})
#: Called when the clinic sets no other.
EMERGENCY_NUMBER = "911"
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
    slots = {"emergency_number": EMERGENCY_NUMBER} | _slots(settings)
    hours = _hours(slots, days)
    if language != settings.get("language", "en"):
        ending = f"_{language}"
        own = {key.removesuffix(ending): slots[key] for key in slots if key.endswith(ending)}
        slots = {key: value for key, value in slots.items() if key in neutral} | own
    return slots | ({"hours": hours} if hours else {})


def reachable(settings: Mapping[str, object]) -> frozenset[str]:
    """Return every phone, address and link of the clinic, and what the setting `allow` adds."""
    slots = {"emergency_number": EMERGENCY_NUMBER} | _slots(settings)
    extra = settings.get("allow", ())
    named = [str(one) for one in extra] if isinstance(extra, list | tuple) else []
    return frozenset([value for key, value in slots.items() if _REACHABLE.search(key)] + named)


def _slots(settings: Mapping[str, object]) -> dict[str, str]:
    slots: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            slots |= _slots(value)
        elif key not in _NOT_SAID and (phrase := _phrase(value)):
            slots[str(key)] = phrase
    if "address" not in slots and "street" in slots:
        region = f"{slots.get('state', '')} {slots.get('zip', '')}".strip()
        parts = (slots["street"], slots.get("city", ""), region)
        slots["address"] = ", ".join(part for part in parts if part)
    return slots


def _phrase(value: object) -> str:
    """Return a value as words that fit inside a sentence: one line, no full stop at its end."""
    if isinstance(value, list | tuple):
        return ", ".join(one for one in map(_phrase, value) if one)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return " ".join(str(value).split()).rstrip(".")


def _hours(slots: Mapping[str, str], days: Mapping[str, str]) -> str:
    """Return opening hours with equal neighbours joined: `Monday to Friday 8:00-17:00, ...`."""
    runs: list[tuple[list[str], str]] = []
    for day in _WEEK:
        times = slots.get(day, "")
        if runs and runs[-1][1] == times:
            runs[-1][0].append(day)
        else:
            runs.append(([day], times))
    return ", ".join(_run(names, times, days) for names, times in runs if times)


def _run(names: list[str], times: str, days: Mapping[str, str]) -> str:
    first, last = days.get(names[0], names[0]), days.get(names[-1], names[-1])
    span = first if len(names) == 1 else f"{first} {days.get('to', 'to')} {last}"
    return f"{span} {days.get('closed', 'closed') if times == 'closed' else times}"
