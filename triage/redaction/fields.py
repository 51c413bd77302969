"""What is read of a message: subject, body and names of files, each in plain letters.

Rule of the room: a field that is too long, or that holds text nobody can see, is not read at all,
and so withheld; every place in a plain reading leads back to the original.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from triage.domain import Background, IdentifierType, Message
from triage.redaction.finding import Found
from triage.redaction.plain import Plain, hides, plain

if TYPE_CHECKING:
    from triage.encoder.texts import TaggedSpan

FIELDS = ("subject", "body", "files")
#: A field longer than this, in code points, is withheld: nobody writes that by hand.
LONGEST = 120_000
#: What parts the words of a file name, as a space of the same length.
_FILE_JOINTS = str.maketrans("_-+", "   ")

#: Finds of the tagger by field.
Tagged = dict[str, list[Found]]


class Fields:
    """Subject, body and file names of one message, as they are and in plain letters."""

    def __init__(self, message: Message, background: Background) -> None:
        self.background = background
        self.channel = message.channel
        names = (" ".join(file.name.reveal().splitlines()) for file in message.attachments)
        self.original = {
            "subject": message.subject.reveal(),
            "body": message.body.reveal(),
            "files": "\n".join(names),
        }
        self.plain: dict[str, Plain] = {}
        for field, text in self.original.items():
            shown = plain(text) if len(text) <= LONGEST else None
            if shown is not None and not hides(text, shown):
                self.plain[field] = shown

    @property
    def readable(self) -> tuple[str, ...]:
        """The fields that are short enough to be judged and hide no text from the eye."""
        return tuple(self.plain)

    @property
    def joined(self) -> str:
        """What the tagger reads: subject and body as one text."""
        return join(*(self.reading(field) for field in ("subject", "body")))

    @property
    def files(self) -> str:
        """What the tagger reads of the names of files; empty when there are none."""
        return self.reading("files")

    def reading(self, field: str) -> str:
        """Return what recognisers read of a field; empty when it cannot be judged."""
        if field not in self.plain:
            return ""
        text = self.plain[field].text
        return text.translate(_FILE_JOINTS) if field == "files" else text

    def placed(self, joined: "Sequence[TaggedSpan]", files: "Sequence[TaggedSpan]") -> Tagged:
        """Return the tagger's finds by field, at their places there."""
        subject = len(self.reading("subject"))
        # Two line ends part the body from the subject.
        low = subject + 2
        found = [_from_tagger(span) for span in joined]
        return {
            "subject": _within(found, 0, subject),
            "body": _within(found, low, low + len(self.reading("body"))),
            "files": [_from_tagger(span) for span in files],
        }


def _within(found: Sequence[Found], low: int, high: int) -> list[Found]:
    return [
        replace(find, start=max(find.start, low) - low, end=min(find.end, high) - low)
        for find in found
        if find.start < high and low < find.end
    ]


def join(subject: str, body: str) -> str:
    """Return the one text that the tagger reads, in training as in service."""
    return f"{subject}\n\n{body}"


def _from_tagger(span: "TaggedSpan") -> Found:
    return Found(span.start, span.end, IdentifierType(span.type), span.score, "tagger")
