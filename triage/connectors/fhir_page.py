"""Reads one page of a FHIR search: which resources, what is new about them, and the next page.

Rule of the room: what a person wrote decides whether a resource is a new message; the server's own
bookkeeping (versions, read marks, who holds a task) does not.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from triage.connectors.fhir_client import REPLY_SYSTEM, Nonsense

COMMUNICATION, TASK = "Communication", "Task"
KINDS = (COMMUNICATION, TASK)
#: Changes here are the server's or the staff's doing, not a person's new words.
_BOOKKEEPING: Mapping[str, frozenset[str]] = {
    COMMUNICATION: frozenset({"meta", "received"}),
    TASK: frozenset(
        {"meta", "statusReason", "businessStatus", "lastModified", "owner", "executionPeriod"}
        | {"restriction", "output", "relevantHistory"}
    ),
}
#: Not sent yet: once it is, its status changes and it comes in.
_DRAFTS = {COMMUNICATION: "preparation", TASK: "draft"}
#: States that change what a message is; of the others a reader need not hear.
_TELLING = ("entered-in-error", *_DRAFTS.values())
_PLAIN_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
#: Who may have sent what carries our identifier for it to be ours, and whom our replies go to.
_STAFF = {"Organization", "Practitioner", "PractitionerRole", "HealthcareService", "Device"}
_PATIENTS = {"Patient", "RelatedPerson"}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")

Resource = dict[str, Any]


def canonical(resource: Mapping[str, Any], base: str = "") -> bytes:
    """Return what was written, as JSON with sorted keys: the same words, the same bytes.

    Left out is the server's bookkeeping; references to resources under `base` become relative.
    """
    left_out = _BOOKKEEPING.get(str(resource.get("resourceType")), frozenset({"meta"}))
    kept = {key: _near(value, base) for key, value in resource.items() if key not in left_out}
    if kept.get("status") not in _TELLING:
        kept.pop("status", None)
    return json.dumps(kept, sort_keys=True, separators=(",", ":")).encode("ascii")


def uid_of(resource: Mapping[str, Any], base: str = "") -> str:
    """Return `<id>/<digest of what was written>`.

    It stands in the database in plain: an id that is none, as FHIR writes them, may name somebody,
    or hold what no database takes, and is only kept as a digest.
    """
    digest = hashlib.sha256(canonical(resource, base)).hexdigest()[:32]
    own = str(resource.get("id", "no-id"))
    if not _PLAIN_ID.fullmatch(own):
        own = f"sha256:{hashlib.sha256(own.encode('utf-8', 'replace')).hexdigest()}"
    return f"{own}/{digest}"


def read_bundle(bundle: Mapping[str, Any], kind: str, base: str) -> tuple[dict[str, Resource], str]:
    """Return (uid -> resource of that kind, the `next` link or empty).

    Raises Nonsense, or LookupError, TypeError, AttributeError or ValueError, for what is no page.
    """
    found = {}
    for entry in bundle.get("entry", []):
        resource = entry.get("resource")
        if is_a(resource, kind):
            found[uid_of(resource, base)] = resource
        elif not isinstance(resource, dict) or "resourceType" not in resource:
            raise Nonsense("an entry without a resource")
    links = [link["url"] for link in bundle.get("link", []) if link.get("relation") == "next"]
    return found, links[0] if links else ""


def incoming(page: Mapping[str, Resource]) -> list[tuple[str, Resource]]:
    """Leave out what our own outbox created and what was not sent yet."""
    return [(uid, one) for uid, one in page.items() if not (_is_ours(one) or _is_draft(one))]


def is_a(resource: object, kind: str) -> bool:
    """Whether it is a resource of that kind."""
    return isinstance(resource, dict) and resource.get("resourceType") == kind


def is_address(text: str) -> bool:
    """Whether it is `<kind>/<id>` as FHIR writes ids, and leads nowhere else."""
    return bool(re.fullmatch(r"(Communication|Task)/[A-Za-z0-9-][A-Za-z0-9.-]{0,63}", text))


def focus_of(task: Mapping[str, Any], base: str) -> str:
    """Return `Communication/<id>` where a task routes a message, else nothing."""
    focus = _near(task.get("focus"), base)
    reference = focus.get("reference") if isinstance(focus, dict) else None
    found = re.fullmatch(
        r"(Communication/[A-Za-z0-9.-]{1,64})(/_history/[A-Za-z0-9.-]{1,64})?", str(reference)
    )
    return found[1] if found else ""


def has_words(task: Mapping[str, Any]) -> bool:
    """Whether a task says anything besides what it points to."""
    return any(task.get(key) for key in ("description", "note", "input"))


def changed(resource: Mapping[str, Any]) -> str:
    """Return `meta.lastUpdated`, or nothing where it is no instant."""
    meta = resource.get("meta")
    instant = meta.get("lastUpdated") if isinstance(meta, dict) else None
    return instant if isinstance(instant, str) and is_instant(instant) else ""


def is_instant(text: str) -> bool:
    """Whether it is written as a FHIR instant, and is one."""
    try:
        return bool(_INSTANT.fullmatch(text)) and when(text) is not None
    except ValueError:
        return False


def when(instant: str) -> datetime:
    """Read an instant; nanoseconds are cut to the microseconds Python knows."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", instant))


def later(instant: str, mark: str) -> bool:
    """Whether an instant is known and lies after `mark`."""
    return bool(instant) and (not mark or when(instant) > when(mark))


def latest(instants: Iterable[str], most: datetime | None = None) -> str:
    """Return the latest instant, at most `most`; empty when there is none."""
    last = max((instant for instant in instants if instant), key=when, default="")
    if last and most is not None and when(last) > most:
        return most.isoformat(timespec="milliseconds")
    return last


def _near(value: Any, base: str) -> Any:
    """Make the references to this very server relative."""
    if isinstance(value, list):
        return [_near(one, base) if isinstance(one, dict) else one for one in value]
    if not isinstance(value, dict) or not base:
        return value
    reference = value.get("reference")
    if isinstance(reference, str) and reference.startswith(base):
        return value | {"reference": reference.removeprefix(base)}
    return value


def _is_draft(resource: Mapping[str, Any]) -> bool:
    return resource.get("status") == _DRAFTS[resource["resourceType"]]


def _is_ours(resource: Resource) -> bool:
    """Say whether our outbox surely created this; whatever is not sure is shown to a person.

    The identifier alone would let a portal that copies it hide a patient's answer. Our replies have
    the clinic's own sender or none, and go to patients; a patient's message goes to the clinic.
    """
    try:
        if not any(one.get("system") == REPLY_SYSTEM for one in resource.get("identifier", [])):
            return False
        sender, told = resource.get("sender") or {}, resource.get("recipient") or []
        if sender:
            return _kind_of(sender) in _STAFF
        return bool(told) and all(_kind_of(one) in _PATIENTS for one in told)
    except (AttributeError, TypeError):
        # What cannot be understood is shown to a person.
        return False


def _kind_of(reference: Mapping[str, Any]) -> str:
    """Return the kind of resource a reference names, or nothing where it does not say."""
    address = reference.get("reference")
    if address is None:
        return str(reference.get("type", ""))
    found = re.fullmatch(r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(/_history/[^/]*)?", address)
    return found[1] if found else ""
