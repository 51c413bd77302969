"""Reads what a portal says of itself and tells an administrator what it lacks and what follows.

Rule of the room: plain words, one line a finding; a statement is what a server claims, and where it
claims nothing we say so. Nothing is written to the server.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from triage.connectors.fhir_client import FhirClient, Nonsense, Refused, Unreachable

#: What the desk shows beside a case, where the portal has it.
CONTEXT = ("Patient", "Appointment", "Coverage", "MedicationRequest")


def explain(client: FhirClient, name: str, kinds: Sequence[str]) -> Iterator[str]:
    """Yield lines about the portal's CapabilityStatement; never raises for what the server does."""
    yield from _told(client, name, lambda statement: _lacks(statement, name, kinds))


def explain_replies(client: FhirClient, name: str) -> Iterator[str]:
    """Yield what the statement says of replies; never raises for what the server does."""
    yield from _told(
        client, name, lambda said: _replies(offered(said).get("Communication", {}), name)
    )


def _told(
    client: FhirClient, name: str, judge: Callable[[Mapping[str, Any]], Iterator[str]]
) -> Iterator[str]:
    try:
        answer = client.get("metadata")
    except Unreachable as trouble:
        yield f"{name}: nobody answers at {client.base} ({trouble}); check address and line."
        return
    except Refused as trouble:
        yield f"{name}: the portal does not say what it can do ({trouble}); check the log-in."
        return
    except Nonsense as trouble:
        yield f"{name}: no FHIR server answers at {client.base} ({trouble}); check base_url."
        return
    statement = answer.resource or {}
    if answer.status != 200 or statement.get("resourceType") != "CapabilityStatement":
        yield f"{name}: no CapabilityStatement ({answer.status}); what it lacks is not known."
        return
    yield from judge(statement)


def offered(statement: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return kind of resource -> what the statement says of it, for the server's side."""
    found: dict[str, Mapping[str, Any]] = {}
    for rest in _dicts(statement.get("rest")):
        if rest.get("mode", "server") == "server":
            found |= {str(one.get("type")): one for one in _dicts(rest.get("resource"))}
    return found


def can(resource: Mapping[str, Any], code: str) -> bool:
    """Whether it lists an interaction such as `search-type`."""
    return any(one.get("code") == code for one in _dicts(resource.get("interaction")))


def _lacks(statement: Mapping[str, Any], name: str, kinds: Sequence[str]) -> Iterator[str]:
    version = str(statement.get("fhirVersion", ""))[:20]
    if not version.startswith("4.0"):
        yield (
            f"{name}: speaks FHIR {version or 'of an unknown version'}, not R4 (4.0.1); "
            "messages may be shown as not readable. Ask for its R4 address."
        )
    found = offered(statement)
    for kind in kinds:
        yield from _kind(found.get(kind), kind, name)
    yield from _replies(found.get("Communication", {}), name)
    if "Task" in found and "Task" not in kinds:
        yield (
            f"{name}: has Task, too. If the portal hands out messages as tasks, write "
            'resources = ["Communication", "Task"].'
        )
    if "Subscription" not in found:
        yield f"{name}: has no Subscription; new messages are seen when we ask (poll_seconds)."
    missing = [kind for kind in CONTEXT if not can(found.get(kind, {}), "search-type")]
    if missing:
        yield f"{name}: does not list {', '.join(missing)}; the desk cannot show those for a case."


def _kind(resource: Mapping[str, Any] | None, kind: str, name: str) -> Iterator[str]:
    if resource is None:
        yield (
            f"{name}: does not offer {kind} at all. No message can come in this way: ask the "
            "vendor for another door, such as notifications by e-mail (docs/portals.md)."
        )
        return
    if not can(resource, "search-type"):
        yield f"{name}: does not say that {kind} can be searched; messages may not come in."
    named = {str(one.get("name")) for one in _dicts(resource.get("searchParam"))}
    if "_lastUpdated" not in named:
        yield (
            f"{name}: does not list _lastUpdated for {kind}. If it ignores it, every look reads "
            "everything: right, but slow. If it refuses it, nothing comes in."
        )


def _replies(resource: Mapping[str, Any], name: str) -> Iterator[str]:
    if not can(resource, "create"):
        yield (
            f"{name}: does not let us create a Communication. Replies cannot leave here: answer in "
            "the portal itself or by phone."
        )
    elif resource.get("conditionalCreate") is not True:
        yield (
            f"{name}: has no conditional create. A reply whose line breaks, and that is not found "
            "by its identifier, stays uncertain until a person looked in the portal."
        )
    else:
        yield f"{name}: has conditional create; a repeated reply cannot become a second message."


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
