"""Fetches portal messages from a FHIR R4 server.

Rule of the room: polling with overlap is the truth. Pages shift while others write, so the cursor
moves only after a whole walk over them turned up nothing that an earlier walk should have seen.

For administrators. Settings of the connection: `base_url`, and optionally `auth` (`bearer`, the
default where there is a secret; `smart` for SMART Backend Services with `token_url`, `client_id`,
`key_id`, `algorithm` RS384 or ES384, `scope`; or `none`), `ca_file`, `timeout_seconds` (30). The
secret is the token, or the private key as PEM or JWK. The inbox also takes `query` (a table of
further search parameters, such as `recipient = "Organization/clinic"`; without it every
Communication comes in), `page_size` (50), `overlap_seconds` (600) and `poll_seconds` (30). Files
that a message only links to (Attachment.url) are never fetched.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from triage.connectors.fhir_auth import read_credentials
from triage.connectors.fhir_client import (
    REPLY_SYSTEM,
    FhirClient,
    Nonsense,
    Refused,
    Unreachable,
)
from triage.connectors.options import Options
from triage.domain import Arrival, Channel, Cursor, Delivery, Position
from triage.errors import InboxLied, InboxRefused, InboxUnreachable, TriageError

_MAILBOX = "Communication"
_EPOCH = "fhir-r4"
_PAGES = 10_000
_WALKS = 5
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")


class FhirInbox:
    """The Communications of a FHIR R4 server; see the module for its settings."""

    def __init__(
        self,
        settings: Mapping[str, object],
        secret: str,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        options = Options(settings, "inbox")
        self.name = options.name
        self.channel = Channel.PORTAL
        self._who = options.who
        self._query = options.pairs("query")
        self._page = options.whole("page_size", 50, least=1, most=1000)
        self._overlap = timedelta(
            seconds=options.number("overlap_seconds", 600, least=0, most=86_400)
        )
        self._poll = options.number("poll_seconds", 30, least=0.05, most=3600)
        credentials = read_credentials(options, secret, scope="system/Communication.rs")
        self._client = FhirClient(options, credentials, sleep=sleep)
        options.done()
        self._clock = clock
        self._seen: frozenset[str] = frozenset()
        self._reached = ""
        self._closed = threading.Event()

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]:
        """Yield every Communication changed since the cursor less the overlap, page by page.

        All deliveries but the last carry the old cursor: until a whole walk is done, nothing is
        certain. Raises InboxUnreachable, InboxRefused or InboxLied.
        """
        self._closed.clear()
        cursor = cursors.get(_MAILBOX, Cursor(_MAILBOX, _EPOCH, ""))
        reached = cursor.uid if _INSTANT.fullmatch(cursor.uid) else ""
        held = Cursor(_MAILBOX, _EPOCH, reached)
        found: dict[str, str] = {}
        for walk in range(_WALKS):
            mark, pages, overlooked = _latest([reached, *found.values()]), 0, walk == 0
            for page in self._walk(reached):
                pages += 1
                fresh = {uid: one for uid, one in page.items() if uid not in found}
                found |= {uid: _changed(one) for uid, one in fresh.items()}
                overlooked = overlooked or any(not _later(found[uid], mark) for uid in fresh)
                arrivals = tuple(self._arrival(uid, one) for uid, one in _incoming(fresh))
                if arrivals:
                    yield Delivery(arrivals, held)
            if pages <= 1 or not overlooked:
                break
        else:
            raise InboxLied(f"{self._who}, pages kept changing")
        # A message dated 2099 must not carry the cursor past everything that comes before then.
        last = _latest([reached, *found.values()], most=self._clock())
        self._seen, self._reached = frozenset(found), last
        if last != cursor.uid:
            yield Delivery((), Cursor(_MAILBOX, _EPOCH, last))

    def wait(self, seconds: float) -> bool:
        """Ask every `poll_seconds`; True as soon as something changed that was not seen before."""
        self._closed.clear()
        end = time.monotonic() + seconds
        while not self._closed.is_set():
            newest = {"_sort": "-_lastUpdated", "_count": str(self._page)}
            query = self._since(self._reached) | newest
            if any(uid not in self._seen for uid in self._bundle(_MAILBOX, query)[0]):
                return True
            left = end - time.monotonic()
            if left <= 0 or self._closed.wait(min(left, self._poll)):
                return False
        return False

    def check(self) -> tuple[str, ...]:
        """Search once and say in plain words what was found."""
        try:
            found, _ = self._bundle(_MAILBOX, {**self._query, "_count": "1"})
        except TriageError as trouble:
            return (str(trouble),)
        some = "at least one message" if found else "no message yet"
        return (f"{self.name}: {self._client.base} lets us read Communications; {some}.",)

    def close(self) -> None:
        """Let go of the connections, also while another thread waits."""
        self._closed.set()
        self._client.close()

    def _walk(self, reached: str) -> Iterator[dict[str, dict[str, Any]]]:
        """Yield uid -> resource for each page, following `next` within the server's address."""
        address, query = _MAILBOX, {**self._since(reached), "_count": str(self._page)}
        visited: set[str] = set()
        while address and len(visited) < _PAGES:
            page, following = self._bundle(address, query)
            yield page
            visited.add(address)
            address, query = following, {}
            if address in visited:
                raise InboxLied(f"{self._who}, pages in a circle")
        if address:
            raise InboxLied(f"{self._who}, pages without end")

    def _since(self, reached: str) -> dict[str, str]:
        query = {**self._query, "_sort": "_lastUpdated"}
        if reached:
            since = _when(reached) - self._overlap
            query["_lastUpdated"] = f"ge{since.isoformat(timespec='milliseconds')}"
        return query

    def _bundle(
        self, address: str, query: Mapping[str, str]
    ) -> tuple[dict[str, dict[str, Any]], str]:
        """Return (uid -> resource, the next address or empty)."""
        try:
            answer = self._client.get(address, query or None)
            if answer.status != 200 or not _is(answer.resource, "Bundle"):
                raise Nonsense(str(answer.status))
            return _read_bundle(answer.resource or {}, self._client)
        except Unreachable as trouble:
            raise InboxUnreachable(f"{self._who} ({trouble})") from None
        except Refused:
            raise InboxRefused(self._who) from None
        except Nonsense as trouble:
            raise InboxLied(f"{self._who} ({trouble})") from None
        except (LookupError, TypeError, AttributeError, ValueError) as trouble:
            raise InboxLied(f"{self._who} ({type(trouble).__name__})") from None

    def _arrival(self, uid: str, resource: Mapping[str, Any]) -> Arrival:
        position = Position(self.name, _MAILBOX, _EPOCH, uid)
        return Arrival(position, self.channel, "application/fhir+json", canonical(resource))


def canonical(resource: Mapping[str, Any]) -> bytes:
    """Return the resource as JSON with sorted keys and no spaces: same content, same bytes."""
    return json.dumps(resource, sort_keys=True, separators=(",", ":")).encode("ascii")


def _read_bundle(
    bundle: Mapping[str, Any], client: FhirClient
) -> tuple[dict[str, dict[str, Any]], str]:
    found = {}
    for entry in bundle.get("entry", []):
        resource = entry.get("resource")
        if _is(resource, "Communication"):
            found[_uid(resource)] = resource
        elif not isinstance(resource, dict) or "resourceType" not in resource:
            raise Nonsense("an entry without a resource")
    links = [link["url"] for link in bundle.get("link", []) if link.get("relation") == "next"]
    return found, client.within(links[0]) if links else ""


def _uid(resource: Mapping[str, Any]) -> str:
    """Return `<id>/<versionId>`; where the server gives none, a digest keeps it distinct."""
    version = _meta(resource).get("versionId")
    if not isinstance(version, str) or not version:
        version = hashlib.sha256(canonical(resource)).hexdigest()[:32]
    return f"{resource.get('id', 'no-id')}/{version}"


def _meta(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = resource.get("meta")
    return meta if isinstance(meta, dict) else {}


def _changed(resource: Mapping[str, Any]) -> str:
    instant = _meta(resource).get("lastUpdated")
    return instant if isinstance(instant, str) and _INSTANT.fullmatch(instant) else ""


def _later(instant: str, mark: str) -> bool:
    return bool(instant) and (not mark or _when(instant) > _when(mark))


def _when(instant: str) -> datetime:
    """Read an instant; nanoseconds are cut to the microseconds Python knows."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", instant))


def _latest(instants: Iterable[str], most: datetime | None = None) -> str:
    """Return the latest instant, at most `most`; empty when there is none."""
    last = max((instant for instant in instants if instant), key=_when, default="")
    if last and most is not None and _when(last) > most:
        return most.isoformat(timespec="milliseconds")
    return last


def _incoming(page: Mapping[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [(uid, one) for uid, one in page.items() if not _is_ours(one)]


def _is_ours(resource: Mapping[str, Any]) -> bool:
    """Say whether our outbox created this; the identifier alone would let a patient hide one."""
    try:
        sender = resource.get("sender", {}).get("reference", "")
        if "Patient/" in sender or "RelatedPerson/" in sender:
            return False
        return any(one.get("system") == REPLY_SYSTEM for one in resource.get("identifier", []))
    except (AttributeError, TypeError):
        # What cannot be understood is shown to a person.
        return False


def _is(resource: object, kind: str) -> bool:
    return isinstance(resource, dict) and resource.get("resourceType") == kind
