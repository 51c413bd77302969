"""Fetches portal messages from a FHIR R4 server.

Rule of the room: polling with overlap is the truth and a Subscription only a hint. Pages shift
while others write, so the cursor moves only after a whole walk over them turned up nothing that an
earlier walk should have seen; clocks lie, so every walk goes back a little and some go back far.

For administrators. Settings of the connection: `base_url`, and optionally `auth` (`bearer`, the
default where there is a secret; `smart` for SMART Backend Services with `client_id`, `key_id`,
`algorithm` RS384 or ES384, `scope` and, unless the portal says it itself, `token_url`; or `none`),
`also_allowed` (addresses of other servers we may log in at), `network` (`private` for a server
inside the clinic), `ca_file`, `timeout_seconds` (30). The secret is the token, or the private key
as PEM or JWK. The inbox also takes `resources` (`["Communication", "Task"]` where the portal routes
with tasks), `query` (a table of further search parameters for Communication, such as
`recipient = "Organization/clinic"`; without it every Communication comes in) and `task_query`,
`page_size` (50), `overlap_seconds` (1500), `look_back_hours` (48) once in `look_back_minutes` (60),
`poll_seconds` (30) and `hint_port` (see `fhir_hints`). docs/portals.md says what portals offer.
Files that a message only links to (Attachment.url) are never fetched.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from triage.connectors.fhir_auth import read_credentials
from triage.connectors.fhir_check import explain
from triage.connectors.fhir_client import (
    Answer,
    FhirClient,
    Nonsense,
    Refused,
    TooLong,
    Unreachable,
)
from triage.connectors.fhir_focus import Focuses
from triage.connectors.fhir_hints import Hints
from triage.connectors.fhir_page import (
    COMMUNICATION,
    KINDS,
    TASK,
    Resource,
    canonical,
    changed,
    focus_of,
    has_words,
    incoming,
    is_a,
    is_address,
    is_instant,
    later,
    latest,
    read_bundle,
    uid_of,
    when,
)
from triage.connectors.options import Options
from triage.domain import Arrival, Channel, Cursor, Delivery, Listing, Position
from triage.errors import (
    InboxLied,
    InboxMissedNews,
    InboxRefused,
    InboxUnreachable,
    MailboxUnreachable,
    TriageError,
)

_EPOCH = "fhir-r4"
_PAGES = 10_000
_WALKS = 5
#: A message whose task came in without it is first asked for again after this long at the latest.
_AGAIN = timedelta(minutes=5)
#: So many messages in a row that fail mean that the portal does, and not they.
_PATIENCE = 3


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
        self._kinds = options.words("resources", (COMMUNICATION,))
        if set(self._kinds) - set(KINDS):
            raise options.wrong(f"resources (some of {', '.join(KINDS)})")
        self._queries = {COMMUNICATION: options.pairs("query"), TASK: options.pairs("task_query")}
        self._page = options.whole("page_size", 50, least=1, most=1000)
        overlap = options.number("overlap_seconds", 1500, least=0, most=86_400)
        self._overlap = timedelta(seconds=overlap)
        back = options.number("look_back_hours", 48, least=0, most=8760)
        self._back = max(self._overlap, timedelta(hours=back))
        every = options.number("look_back_minutes", 60, least=1, most=10_080)
        self._every = timedelta(minutes=every)
        self._poll = options.number("poll_seconds", 30, least=0.05, most=3600)
        rights = " ".join(f"system/{kind}.rs" for kind in self._kinds)
        credentials = read_credentials(options, secret, scope=rights)
        self._client = FhirClient(options, credentials, sleep=sleep)
        if self._page == 1:
            self._client.allow_one_long_message()
        self._hints = Hints(options, secret)
        options.done()
        self._clock = clock
        # At most half the time between two looks far back, so that the next one finds it due.
        self._focuses = Focuses(clock, again_after=min(self._every / 2, _AGAIN))
        #: When the next walk goes back far; the first one does.
        self._far_at = datetime.min.replace(tzinfo=UTC)
        self._seen: dict[str, frozenset[str]] = {}
        self._reached: dict[str, str] = {}
        #: Kind -> what the server listed since the last look far back, and where it was landed.
        self._landed: dict[str, dict[str, tuple[Position, ...]]] = {}

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]:
        """Yield everything changed since the cursors less the overlap, page by page.

        All deliveries of a kind but the last carry the old cursor: until a whole walk is done,
        nothing is certain. Raises InboxUnreachable, InboxRefused or InboxLied; what is wrong with
        one kind, or with a message behind a task, only after everything else was handed over.
        """
        self._hints.quiet()
        self._focuses.begin()
        now = self._clock()
        far = now >= self._far_at
        troubles: list[TriageError] = []
        for kind in self._kinds:
            try:
                yield from self._kind(kind, cursors.get(kind, Cursor(kind, _EPOCH, "")), far)
            except (InboxLied, InboxRefused, InboxUnreachable) as trouble:
                troubles.append(trouble)
        if troubles:
            raise self._summed(troubles)
        if far:
            self._far_at = now + self._every

    def listings(self, cursors: Mapping[str, Cursor]) -> Iterator[Listing]:
        """Yield what the portal listed of each kind when it was last looked at, far back or near.

        Only what was handed over counts: what came a moment ago is no message that is missing.
        """
        del cursors
        places = {one for kind in self._landed.values() for some in kind.values() for one in some}
        for kind in KINDS:
            if kind in self._landed or any(one.mailbox == kind for one in places):
                uids = frozenset(one.uid for one in places if one.mailbox == kind)
                # Of a kind that could not be searched we know only what tasks led to.
                whole = kind in self._landed or kind not in self._kinds
                yield Listing(kind, _EPOCH, uids, whole)

    def fetch(self, listing: Listing, uids: Collection[str]) -> Iterator[tuple[Arrival, ...]]:
        """Yield those messages again, as far as the portal still has these very words.

        One that fails holds up no other; what failed is raised once the rest was asked for.
        """
        kind, failed = listing.mailbox, 0
        trouble: InboxUnreachable | None = None
        for uid in sorted(uids):
            try:
                resource = self._one(f"{kind}/{uid.partition('/')[0]}", kind)
            except InboxUnreachable as caught:
                failed, trouble = failed + 1, caught
                if failed == _PATIENCE:
                    break
                continue
            failed = 0
            if resource is not None and uid_of(resource, self._client.base) == uid:
                yield (self._arrival(kind, uid, resource),)
        if trouble is not None:
            raise trouble

    def newest(self, cursors: Mapping[str, Cursor]) -> Iterator[tuple[Arrival, ...]]:
        """Yield nothing: a portal never gives an id out twice."""
        del cursors
        return iter(())

    def stored(self, listing: Listing, uids: Collection[str]) -> None:
        """Do nothing: a portal is only read."""

    def wait(self, seconds: float) -> bool:
        """Ask every `poll_seconds`; True as soon as something changed that was not seen before.

        The portal's own notifications only make us ask at once. Raises InboxMissedNews when their
        numbers have a gap: the next walk goes back far.
        """
        self._hints.listen(self._who)
        end = time.monotonic() + seconds
        while not self._hints.closed:
            if missed := self._hints.missed():
                self._far_at = self._clock()
                raise InboxMissedNews(f"{self._who}, {missed}")
            if any(self._has_news(kind) for kind in self._kinds):
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._hints.wait(min(left, self._poll))
        return False

    def check(self) -> tuple[str, ...]:
        """Say in plain words what this portal offers, what it lacks and what follows."""
        lines = list(explain(self._client, self.name, self._kinds))
        for kind in self._kinds:
            try:
                found, _ = self._bundle(kind, kind, {**self._queries[kind], "_count": "1"})
            except TriageError as trouble:
                return (*lines, str(trouble))
            some = "at least one" if found else "none yet"
            lines.append(f"{self.name}: {self._client.base} lets us read {kind}: {some}.")
        return (*lines, *self._hints.explain())

    def close(self) -> None:
        """Let go of the connections, also while another thread waits."""
        # What was handed over may not have been landed when somebody else goes on from here.
        self._landed.clear()
        # Whoever does goes back far: what failed must not wait for the hour to be seen again.
        self._far_at = datetime.min.replace(tzinfo=UTC)
        self._hints.close()
        self._client.close()

    def _kind(self, kind: str, cursor: Cursor, far: bool) -> Iterator[Delivery]:
        reached = cursor.uid if is_instant(cursor.uid) else ""
        held = Cursor(kind, _EPOCH, reached)
        known, became = self._landed.get(kind, {}), dict[str, tuple[Position, ...]]()
        found: dict[str, str] = {}
        stuck: dict[str, str] = {}
        for walk in range(_WALKS):
            mark, pages, overlooked = latest([reached, *found.values()]), 0, walk == 0
            for page in self._walk(kind, reached, self._back if far else self._overlap):
                pages += 1
                fresh = {uid: one for uid, one in page.items() if uid not in found}
                found |= {uid: changed(one) for uid, one in fresh.items()}
                overlooked = overlooked or any(not later(found[uid], mark) for uid in fresh)
                # What an earlier look handed over is stored, or the comparison says that it is not.
                unknown = {u: one for u, one in fresh.items() if u not in known or self._owes(one)}
                became |= {u: known[u] for u in (fresh.keys() & known.keys()) - unknown.keys()}
                parted, without = self._arrivals(kind, unknown)
                stuck |= without
                became |= {u: tuple(one.position for one in some) for u, some in parted.items()}
                arrivals = {one.position: one for some in parted.values() for one in some}
                if arrivals:
                    yield Delivery(tuple(arrivals.values()), held)
            if pages <= 1 or not overlooked:
                break
        else:
            raise InboxLied(f"{self._who}, pages kept changing")
        # A message dated 2099 must not carry the cursor past everything that comes before then.
        last = latest([reached, *found.values()], most=self._clock())
        self._seen[kind], self._reached[kind] = frozenset(found.keys() - stuck.keys()), last
        # Every delivery was landed, or we would not be here. A look far back begins the list anew.
        self._landed[kind] = became if far else known | became
        if stuck:
            why = next(iter(stuck.values()))
            raise MailboxUnreachable(f"{why}, the message behind a Task")
        if last != cursor.uid:
            yield Delivery((), Cursor(kind, _EPOCH, last))

    def _summed(self, troubles: Sequence[TriageError]) -> TriageError:
        """Return the first; where only some kinds are out of reach, the rest is still compared."""
        first = troubles[0]
        beyond = [one for one in troubles if type(one) is InboxUnreachable]
        if first in beyond and len(beyond) < len(self._kinds):
            return MailboxUnreachable(*first.args)
        return first

    def _arrivals(
        self, kind: str, fresh: Mapping[str, Resource]
    ) -> tuple[dict[str, tuple[Arrival, ...]], dict[str, str]]:
        """Return uid -> what comes in, and uid -> why it waits for the next look.

        A task that only routes a message stands for that one.
        """
        found: dict[str, tuple[Arrival, ...]] = {}
        stuck: dict[str, str] = {}
        for uid, resource in incoming(fresh):
            try:
                messages = self._followed_by(resource) if kind == TASK else []
            except InboxUnreachable as trouble:
                stuck[uid] = str(trouble.args[0])
                continue
            came = [self._arrival(COMMUNICATION, other, message) for other, message in messages]
            if not messages or has_words(resource):
                came.insert(0, self._arrival(kind, uid, resource))
            found[uid] = tuple(came)
        return found, stuck

    def _owes(self, resource: Resource) -> bool:
        """Whether it is a task that came without its message, which is worth another try."""
        return is_a(resource, TASK) and self._focuses.due(focus_of(resource, self._client.base))

    def _followed_by(self, task: Resource) -> list[tuple[str, Resource]]:
        """Fetch the message a task routes; none where there is none or it is not shown to us.

        Raises InboxUnreachable where it fails and it is too early to do without.
        """
        address = focus_of(task, self._client.base)
        if not address:
            return []
        message = self._focuses.ask(address, lambda: self._one(address, COMMUNICATION))
        # Without it the task itself is shown to a person.
        return [] if message is None else incoming({uid_of(message, self._client.base): message})

    def _one(self, address: str, kind: str) -> Resource | None:
        """Return one resource; None where there is none or it is not shown to us."""
        if not is_address(address):
            return None
        try:
            answer = self._client.get(address)
        except Unreachable as trouble:
            raise InboxUnreachable(f"{self._who} ({trouble})") from None
        except (Refused, Nonsense):
            return None
        return answer.resource if answer.status == 200 and is_a(answer.resource, kind) else None

    def _has_news(self, kind: str) -> bool:
        newest = {"_sort": "-_lastUpdated", "_count": str(self._page)}
        query = self._since(kind, self._reached.get(kind, ""), self._overlap) | newest
        seen = self._seen.get(kind, frozenset())
        return any(uid not in seen for uid in self._bundle(kind, kind, query)[0])

    def _walk(self, kind: str, reached: str, back: timedelta) -> Iterator[dict[str, Resource]]:
        """Yield uid -> resource for each page, following `next` within the server's address."""
        address, query = kind, {**self._since(kind, reached, back), "_count": str(self._page)}
        visited: set[str] = set()
        while address and len(visited) < _PAGES:
            page, following = self._bundle(kind, address, query)
            yield page
            visited.add(address)
            address, query = following, {}
            if address in visited:
                raise InboxLied(f"{self._who}, pages in a circle")
        if address:
            raise InboxLied(f"{self._who}, pages without end")

    def _since(self, kind: str, reached: str, back: timedelta) -> dict[str, str]:
        query = {**self._queries[kind], "_sort": "_lastUpdated"}
        if reached:
            since = when(reached) - back
            query["_lastUpdated"] = f"ge{since.isoformat(timespec='milliseconds')}"
        return query

    def _bundle(
        self, kind: str, address: str, query: Mapping[str, str]
    ) -> tuple[dict[str, Resource], str]:
        """Return (uid -> resource, the next address or empty)."""
        try:
            answer: Answer = self._client.get(address, query or None)
            if answer.status != 200 or not is_a(answer.resource, "Bundle"):
                raise Nonsense(str(answer.status))
            found, following = read_bundle(answer.resource or {}, kind, self._client.base)
            return found, self._client.within(following) if following else ""
        except Unreachable as trouble:
            raise InboxUnreachable(f"{self._who} ({trouble})") from None
        except Refused as trouble:
            raise InboxRefused(f"{self._who} ({trouble})") from None
        except TooLong:
            raise InboxLied(f"{self._who}, {self._smaller_pages()}") from None
        except Nonsense as trouble:
            raise InboxLied(f"{self._who} ({trouble})") from None
        except (LookupError, TypeError, AttributeError, ValueError) as trouble:
            raise InboxLied(f"{self._who} ({type(trouble).__name__})") from None

    def _smaller_pages(self) -> str:
        """Ask for half as many messages a page from the next look on: their files made it long."""
        if self._page == 1:
            return "one message is too long"
        self._page //= 2
        if self._page == 1:
            self._client.allow_one_long_message()
        return f"a page too long; {self._page} messages a page from now on"

    def _arrival(self, kind: str, uid: str, resource: Resource) -> Arrival:
        position = Position(self.name, kind, _EPOCH, uid)
        content = canonical(resource, self._client.base)
        return Arrival(position, self.channel, "application/fhir+json", content)
