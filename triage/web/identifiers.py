"""Shows in a message as it came what redaction hid from the models.

Rule of the room: a mark adds no character to the text and takes none away, and its words go
through `harmless` like all others. Where redaction withheld a field nothing is marked in it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from markupsafe import Markup, escape

from triage.domain import IdentifierType, Redacted, StoredMessage
from triage.web.harmless import exact

#: Start and end in a text, and what stands there.
Place = tuple[int, int, IdentifierType]
#: The fields redaction reads itself; in the others the same words are marked.
_READ = frozenset({"subject", "body"})
#: One letter alone is a name to the redactor in its place, and nothing anywhere else.
_SHORTEST = 2
_START = re.compile(r"\b\w|[^\w\s]")


def identified(message: StoredMessage, field: str, kinds: Mapping[IdentifierType, str]) -> Markup:
    """Return a field of a message, each identifier in it marked and named by its kind."""
    text = getattr(message, field).reveal()
    pieces: list[Markup] = []
    after = 0
    for start, end, kind in _apart(_places(message.redacted, field, text)):
        # A mark is decoration: a screen reader reads the words through, as they were written.
        pieces.append(exact(text[after:start]))
        pieces.append(
            Markup('<mark class="identifier" role="none" title="{}">{}</mark>').format(
                escape(kinds[kind]), exact(text[start:end])
            )
        )
        after = end
    pieces.append(exact(text[after:]))
    return Markup("").join(pieces)


def any_found(message: StoredMessage) -> bool:
    """Whether redaction found anything in what a page shows of a message."""
    fields = ("subject", "body", "quoted", "signature")
    texts = ((field, getattr(message, field).reveal()) for field in fields)
    found = chain.from_iterable(_places(message.redacted, *each) for each in texts)
    return next(iter(found), None) is not None


def _places(redacted: Redacted, field: str, text: str) -> Iterator[Place]:
    if field in redacted.withheld:
        return
    if field in _READ and redacted.spans:
        for span in redacted.spans:
            if span.field == field and 0 <= span.start < span.end <= len(text):
                yield span.start, span.end, span.type
        return
    yield from _again(redacted, text)


def _again(redacted: Redacted, text: str) -> Iterator[Place]:
    """Find what stands behind the placeholders as whole words, the longest first.

    The work grows with the text and with the number of different lengths, not with how many
    identifiers a hostile message holds.
    """
    known = {one.original.reveal(): one.type for one in redacted.redactions}
    lengths = sorted({len(words) for words in known if len(words) >= _SHORTEST}, reverse=True)
    after = 0
    for found in _START.finditer(text) if lengths else ():
        start = found.start()
        for length in lengths if start >= after else ():
            words = text[start : start + length]
            if words in known and _ends_there(text, start + length):
                yield start, start + length, known[words]
                after = start + length
                break


def _ends_there(text: str, end: int) -> bool:
    return end >= len(text) or not (text[end - 1].isalnum() and text[end].isalnum())


def _apart(places: Iterable[Place]) -> Iterator[Place]:
    """Put places in order; of two that overlap the first, and the longer, stays."""
    after = 0
    for start, end, kind in sorted(places, key=lambda place: (place[0], -place[1])):
        if start >= after:
            yield start, end, kind
            after = end
