"""The doors to the world: inboxes that hand over bytes, outboxes that take approved replies.

Rule of the room: an inbox never writes to its server and never reads what it carries; an outbox
sends nothing without an Approval of the very words.
To add one: a module beside this file, a row in `INBOXES` or `OUTBOXES`, and it is tested by
`tests/contracts/` because it is listed.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Protocol, runtime_checkable

from triage.domain import (
    Approval,
    Arrival,
    Channel,
    Cursor,
    Delivery,
    Listing,
    Notice,
    Outgoing,
    Reply,
)


class Inbox(Protocol):
    """A place messages come from."""

    #: The name of the inbox in triage.toml.
    name: str
    channel: Channel

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]:
        """Yield everything past `cursors` (mailbox -> cursor), oldest first.

        An unknown or changed epoch yields the whole mailbox again: the store tells old from new.
        Raises InboxUnreachable, InboxRefused or InboxLied.
        """
        ...

    def wait(self, seconds: float) -> bool:
        """Return True as soon as the server says something is new, False after `seconds`."""
        ...

    def check(self) -> tuple[str, ...]:
        """Try the connection and say in plain words what works and what to mend."""
        ...

    def close(self) -> None:
        """Let go of the connection; safe to call twice."""
        ...


@runtime_checkable
class Listed(Protocol):
    """An inbox whose server lists what it holds, so that the list can be compared with ours."""

    def listings(self, cursors: Mapping[str, Cursor]) -> Iterator[Listing]:
        """Yield what each mailbox holds up to its cursor; trouble with one comes after the rest."""
        ...

    def newest(self, cursors: Mapping[str, Cursor]) -> Iterator[tuple[Arrival, ...]]:
        """Yield the last few messages each cursor has passed, once over every new connection."""
        ...

    def fetch(self, listing: Listing, uids: Collection[str]) -> Iterator[tuple[Arrival, ...]]:
        """Yield those messages of a listing again, as far as the server hands them over."""
        ...

    def stored(self, listing: Listing, uids: Collection[str]) -> None:
        """Hear that these are stored for good; what is configured for stored mail happens now."""
        ...


@runtime_checkable
class Rereading(Protocol):
    """An inbox that can be asked for messages once more, only to compare."""

    def again(self, arrivals: Collection[Arrival]) -> tuple[Arrival, ...]:
        """Return these messages of one mailbox as the server gives them now, and claim none."""
        ...


@runtime_checkable
class Quota(Protocol):
    """An inbox whose server can say how full the mailbox is."""

    def full(self) -> bool:
        """Say whether new mail is, or soon will be, turned away for want of room."""
        ...


@runtime_checkable
class Counting(Protocol):
    """An inbox that knows, while it hands messages over, how many are still to come."""

    def left(self) -> int:
        """Return how many of the mailbox being read were listed and not handed over yet."""
        ...


class Outbox(Protocol):
    """A way out for approved replies on one channel."""

    name: str
    channel: Channel

    def send(self, approval: Approval, outgoing: Outgoing, *, message_id: str) -> str:
        """Deliver exactly `outgoing` and return the server's receipt.

        Raises ProofRefused when the digests differ, SendPostponed when nothing can have left,
        SendRefused when the server said no for good, SendUncertain when it may have left.
        """
        ...


@runtime_checkable
class Tried(Protocol):
    """An outbox that can be tried without a reply."""

    def check(self) -> tuple[str, ...]:
        """Try the connection, send nothing, and say in plain words what works and what to mend."""
        ...


#: Is given the very bytes that are about to leave; whatever it raises, they stay.
Leaving = Callable[[bytes], None]


@runtime_checkable
class Shown(Protocol):
    """An outbox that shows the very bytes it hands over, once, before any of them leaves."""

    def send_shown(
        self, approval: Approval, outgoing: Outgoing, *, message_id: str, leaving: Leaving
    ) -> str:
        """Do as `send` does, and call `leaving` when only the bytes are left to be sent."""
        ...


def hand_over(outbox: Outbox, reply: Reply, leaving: Leaving) -> str:
    """Let an outbox deliver a reply, and show what leaves where it can; return its receipt."""
    if isinstance(outbox, Shown):
        return outbox.send_shown(
            reply.approval, reply.outgoing, message_id=reply.message_id, leaving=leaving
        )
    return outbox.send(reply.approval, reply.outgoing, message_id=reply.message_id)


class AlertDoor(Protocol):
    """A way to tell staff that something is wrong; it is no outbox and cannot become one.

    Whom it tells stands in its settings. It is handed a `Notice`, which has no field for an
    address or a sentence, so it can neither reach a patient nor quote one.
    """

    name: str

    def tell(self, notice: Notice) -> None:
        """Say the notice's fixed words to the staff of the settings; raise AlertFailed.

        Where some of them were told all the same, the error says how many.
        """
        ...


#: name -> dotted path of a class taking one settings mapping and a secret.
INBOXES: Mapping[str, str] = {
    "imap": "triage.connectors.imap.ImapInbox",
    "fhir": "triage.connectors.fhir.FhirInbox",
    "folder": "triage.connectors.folder.FolderInbox",
    "maildir": "triage.connectors.maildir.MaildirInbox",
    "mbox": "triage.connectors.mbox.MboxInbox",
}

OUTBOXES: Mapping[str, str] = {
    "smtp": "triage.connectors.smtp.SmtpOutbox",
    "fhir": "triage.connectors.fhir_outbox.FhirOutbox",
}

#: Doors that others knock at; the web process holds them, and each delivery is signed.
HOOKS: Mapping[str, str] = {"webhook": "triage.connectors.hook.WebhookDoor"}

ALERTS: Mapping[str, str] = {
    "smtp": "triage.connectors.alert_mail.MailAlert",
    "webhook": "triage.connectors.alert_hook.HookAlert",
}
