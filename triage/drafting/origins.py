"""Gathers what a fact of a draft may come from: messages, answers, the clinic, the record.

Rule of the room: words a language model proposed are no source, and neither is the draft itself.
"""

from collections.abc import Iterable, Iterator

from triage.domain import (
    CaseFile,
    FactSource,
    IdentifierType,
    PortalFacts,
    Protected,
    ReplyState,
    Route,
    StoredMessage,
)
from triage.drafting.stated import Source, portal_words

#: What the shipped templates are called, and a clinic's own up to the version; any other
#: suggestion may be a model's.
_SHIPPED = frozenset(route.value for route in Route) | {"urgent_emergency", "urgent_today"}


def sources_of(
    file: CaseFile,
    clinic: Protected,
    portal: PortalFacts | None,
    suggested: Protected | None = None,
) -> tuple[Source, ...]:
    """Return every source of a case in the order in which they are believed."""
    return tuple(_sources(file, clinic, portal, suggested))


def _sources(
    file: CaseFile, clinic: Protected, portal: PortalFacts | None, suggested: Protected | None
) -> Iterator[Source]:
    for message in file.messages:
        days = (message.received_at,)
        yield Source(FactSource.MESSAGE, message_words(message), message.id, days=days)
    for reply in file.replies:
        if reply.state is ReplyState.SENT:
            yield Source(FactSource.REPLY, joined([reply.outgoing.subject, reply.outgoing.body]))
    yield Source(FactSource.CLINIC, clinic)
    if portal is not None:
        yield portal_words(portal)
    contacts = [one for one in (file.contact, *file.contacts) if one is not None]
    yield Source(FactSource.CONTACT, joined(one.address for one in contacts))
    if file.patient is not None:
        told = [
            text
            for kind, text in file.patient.identifiers
            if kind in (IdentifierType.PHONE, IdentifierType.EMAIL, IdentifierType.ADDRESS)
        ]
        yield Source(FactSource.RECORD, joined([file.patient.birth_date, *told]))
    # The clinic's own words are called by route and version, such as `refill@3`.
    made = file.suggestion.template.partition("@")[0] if file.suggestion else ""
    if suggested is not None and made in _SHIPPED:
        yield Source(FactSource.TEMPLATE, suggested)


def message_words(message: StoredMessage) -> Protected:
    """Return all a message says, quoted words too."""
    return joined([message.subject, message.body, message.signature, message.quoted])


def joined(texts: Iterable[Protected]) -> Protected:
    """Return texts as one, a line each."""
    return Protected("\n".join(text.reveal() for text in texts))
