"""Compares what a server lists with what is stored here, and fetches what is missing.

Rule of the room: after each cycle, listed = stored + owed + ignored; what was missing is an alarm
even when it could be repaired, because it should not have been.
"""

import logging

from triage.connectors import Inbox, Listed
from triage.domain import Cursor, Listing
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


def look_beneath(inbox: Inbox, store: Store, *, clinic: str) -> None:
    """Begin a mailbox anew where other messages now lie under numbers we know.

    A server put back from a backup gives used numbers out again, and nothing shows it once it has
    passed our mark; so look before the mark moves. Numbers only grow: as long as the highest below
    the mark are what they were, none below was given out twice.
    """
    if not isinstance(inbox, Listed):
        return
    for arrivals in inbox.newest(store.landing.cursors(inbox.name, clinic=clinic)):
        if not store.mailboxes.contradicted(arrivals, clinic=clinic):
            continue
        place = arrivals[0].position
        log.error(
            "inbox %(inbox)s: known numbers name other messages; reading all anew",
            {"inbox": inbox.name},
        )
        store.landing.land(arrivals, clinic=clinic)
        start = Cursor(place.mailbox, place.epoch, "0")
        store.landing.move_cursor(inbox.name, start, clinic=clinic)


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
    repaired = len(missing - owed)
    if repaired:
        log.error(
            "inbox %(inbox)s: %(missed)s messages were missing here and are fetched again",
            {"inbox": inbox.name, "missed": str(repaired)},
        )
    store.mailboxes.compared(inbox.name, listing, owed=owed, repaired=repaired, clinic=clinic)
    server.stored(listing, listing.uids - owed)
    if trouble is not None:
        raise trouble
    return repaired
