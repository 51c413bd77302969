"""The two ways in: raw bytes from a server, or a subject and body that somebody typed.

Rule of the room: `parse` never raises and never hangs; the work is done in a child with limits.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace

from triage.domain import Channel, Mark, Message, Protected, RawMessage
from triage.parsing.newest import Newest, separate
from triage.parsing.purpose import purpose_of
from triage.parsing.sandbox import TOO_MANY, Sandbox, as_it_lies
from triage.parsing.sheet import Sheet, to_message


@functools.cache
def _sandbox() -> Sandbox:
    return Sandbox()


def failing() -> bool:
    """Whether messages come out unread one after the other, so that it is not the messages."""
    return _sandbox().lost >= TOO_MANY


def parse(raw: RawMessage, trusted_authserv_id: str | None = None) -> Message:
    """Read one landed message; what cannot be read is marked, never raised.

    `trusted_authserv_id` is the name under which the clinic's own mail server writes
    Authentication-Results; without it such a line only adds doubt. Takes at most ten seconds.
    """
    job = {"kind": "mail", "trusted": trusted_authserv_id or ""}
    if raw.media_type.lower().startswith("application/fhir+json"):
        job = {"kind": "portal"}
    elif raw.channel is Channel.FORM:
        job = {"kind": "form"}
    try:
        sheet = _sandbox().read(raw.content, job)
    except Exception:
        # No child can be started at all: a person still gets to see the original.
        sheet = Sheet(not_read=True, sender_doubtful=True)
        sheet.add_reading(as_it_lies(raw.content))
    # Anybody can write a file of mails: without a server's own verdict nobody vouches for a sender.
    sheet.sender_doubtful |= raw.position.imported and not trusted_authserv_id
    message = to_message(sheet, raw_id=raw.id, channel=raw.channel)
    if raw.position.imported:
        return replace(message, marks=message.marks | {Mark.IMPORTED})
    return message


def reader(authserv_ids: Mapping[str, str]) -> Callable[[RawMessage], Message]:
    """Return a `parse` that believes, for each inbox named here, its own mail server's verdicts."""

    def parse_from(raw: RawMessage) -> Message:
        return parse(raw, authserv_ids.get(raw.position.inbox))

    return parse_from


def plain(*, id: str, channel: Channel, subject: str, body: str, whole: bool = False) -> Message:
    """Make a message of a typed subject and body, for the batch commands and for tests.

    The newest part is separated as it is in mail, unless `whole` keeps the body as it is, so
    that offsets into the message are offsets into `body`.
    """
    newest = Newest(body) if whole else separate(body, purpose_of(subject))
    readings = tuple(Protected(text) for text in dict.fromkeys((subject, newest.body)) if text)
    return Message(
        raw_id=id,
        channel=channel,
        sender=Protected(""),
        sender_name=Protected(""),
        subject=Protected(subject),
        body=Protected(newest.body),
        quoted=Protected(newest.quoted),
        signature=Protected(newest.signature),
        readings=readings,
        marks=frozenset() if newest.body.strip() else frozenset({Mark.NOT_READ}),
    )
