"""Mailboxes compared with the ledger: what lies there and is owed to us."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Balance:
    """One mailbox when it was last compared: listed = stored + owed + ignored."""

    inbox: str
    mailbox: str
    epoch: str
    listed: int
    #: Listed by the server, and neither stored nor ignored by a named person.
    owed: int
    compared_at: datetime
    #: How many were found missing and fetched again, in all, and when last.
    repaired: int = 0
    repaired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Debt:
    """One message a server lists and does not hand over."""

    inbox: str
    mailbox: str
    epoch: str
    uid: str
    #: `owed`, `quarantined` after several tries, or `ignored` by a named person.
    fate: str
    tries: int
    since: datetime
    by: str = ""
