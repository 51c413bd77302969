"""Compares what a server lists with what is stored here, and fetches what is missing.

Rule of the room: after each cycle, listed = stored + owed + ignored; what was missing is an alarm
even when it could be repaired, because it should not have been.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress

from triage.connectors import Inbox, Listed, Rereading
from triage.domain import Arrival, Cursor, Listing, Position
from triage.errors import InboxLied, InboxRefused, InboxUnreachable, TriageError
from triage.store import Store

log = logging.getLogger(__name__)


def reconcile(inbox: Inbox, store: Store, *, clinic: str) -> int:
    """Compare every mailbox and repair; return how many messages were missing and are here now.

    An inbox whose server cannot list what it holds is left alone. Raises the inbox's own errors
    once every mailbox that can be compared was.
    """
    if not isinstance(inbox, Listed):
        return 0
    repaired = 0
    troubles: list[TriageError] = []
    for listing in inbox.listings(store.landing.cursors(inbox.name, clinic=clinic)):
        try:
            repaired += _compare(inbox, inbox, listing, store, clinic)
        except (InboxLied, InboxRefused, InboxUnreachable) as trouble:
            troubles.append(trouble)
    if troubles:
        raise troubles[0]
    return repaired


def look_beneath(inbox: Inbox, store: Store, *, clinic: str) -> InboxLied | None:
    """Begin a mailbox anew where other messages now lie under numbers we know.

    A server put back from a backup gives used numbers out again, and nothing shows it once it has
    passed our mark; so look before the mark moves. Numbers only grow: as long as the highest below
    the mark are what they were, none below was given out twice.

    A server that makes the same message anew for each answer says nothing by that: to read all
    anew would bring in every mail a second time. It is told as a lie, after the mail has landed.
    """
    lie: InboxLied | None = None
    if not isinstance(inbox, Listed):
        return lie
    for arrivals in inbox.newest(store.landing.cursors(inbox.name, clinic=clinic)):
        if not store.mailboxes.contradicted(arrivals, clinic=clinic):
            continue
        place = arrivals[0].position
        if not store.mailboxes.contradicted(_steady(inbox, arrivals), clinic=clinic):
            lie = InboxLied(f"inbox {inbox.name}, a message comes with other bytes each time")
            continue
        log.error(
            "inbox %(inbox)s: known numbers name other messages; reading all anew",
            {"inbox": inbox.name},
        )
        store.landing.land(arrivals, clinic=clinic)
        start = Cursor(place.mailbox, place.epoch, "0")
        store.landing.move_cursor(inbox.name, start, clinic=clinic)
    return lie


def _steady(inbox: Inbox, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Leave out what the server gives with other bytes when it is asked once more."""
    second: dict[Position, bytes] = {}
    if isinstance(inbox, Rereading):
        # Without a second answer the first one counts: better all anew than something hidden.
        with suppress(InboxLied, InboxRefused, InboxUnreachable):
            second = {one.position: one.content for one in inbox.again(arrivals)}
    return [one for one in arrivals if second.get(one.position, one.content) == one.content]


def _compare(inbox: Inbox, server: Listed, listing: Listing, store: Store, clinic: str) -> int:
    missing = store.mailboxes.missing(inbox.name, listing, clinic=clinic)
    trouble: TriageError | None = None
    owed = missing
    if missing:
        try:
            for arrivals in server.fetch(listing, missing):
                store.landing.land(arrivals, clinic=clinic)
        except TriageError as caught:
            trouble = caught
        owed = store.mailboxes.missing(inbox.name, listing, clinic=clinic)
    repaired = missing - owed
    missed = store.mailboxes.compared(
        inbox.name, listing, owed=owed, repaired=repaired, clinic=clinic
    )
    if missed:
        log.error(
            "inbox %(inbox)s: %(missed)s messages were missing here and are fetched again",
            {"inbox": inbox.name, "missed": str(missed)},
        )
    server.stored(listing, listing.uids - owed)
    if trouble is not None:
        raise trouble
    return len(repaired)
