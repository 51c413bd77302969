"""A FHIR reference is read: to whom or what it points, and whether that can be trusted.

Rule of the room: only `Type/id` on the portal itself names somebody. Whatever else stands there (a
name alone, another server, a resource inside the message, a type that contradicts itself) is
shown and doubted, and never made to fit.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ON_THE_PORTAL = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9.-]{1,64})(?:/_history/[^/]{1,64})?")
#: Who can write a message (R4, Communication.sender).
WRITERS = frozenset(
    {"Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "Organization", "Device"}
    | {"HealthcareService"}
)


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a reference says: `Type/id`, or its own words where they are doubtful."""

    text: str = ""
    name: str = ""
    doubtful: bool = True


def point(reference: object, kinds: frozenset[str] = WRITERS) -> Pointer:
    """Read one Reference that must point to one of `kinds`; never raises."""
    if not isinstance(reference, Mapping):
        return Pointer()
    said = _text(reference.get("reference")).strip()
    name = _text(reference.get("display"))
    found = _ON_THE_PORTAL.fullmatch(said)
    if found is None:
        return Pointer(said, name)
    kind, text = found[1], f"{found[1]}/{found[2]}"
    claimed = reference.get("type")
    fits = kind in kinds and (claimed is None or claimed == kind)
    return Pointer(text, name, doubtful=not fits)


def pointed(references: object) -> list[str]:
    """Return `Type/id` of every reference in a list that can be trusted, each once."""
    every = references if isinstance(references, list) else []
    found = [point(one, frozenset({"Communication", "Task"})) for one in every]
    return list(dict.fromkeys(one.text for one in found if not one.doubtful))


def file_name(address: str) -> str:
    """Return the end of an address, to call a file by that has no title."""
    return "/".join([one for one in address.split("?", maxsplit=1)[0].split("/") if one][-2:])


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
