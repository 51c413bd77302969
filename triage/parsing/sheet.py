"""What the reading child hands back over its pipe: plain values, nothing that runs.

Rule of the room: the two sides exchange JSON and raw bytes, never pickles; the sheet becomes a
`Message` with `Protected` text as soon as it is on our side.
"""

import json
from dataclasses import asdict, dataclass, field

from triage.domain import Attachment, Channel, Mark, Message, Protected, Returned, Undelivered


@dataclass(slots=True)
class Sheet:
    """Everything that could be read from one raw message, as it grows while it is read."""

    sender: str = ""
    sender_name: str = ""
    subject: str = ""
    body: str = ""
    quoted: str = ""
    signature: str = ""
    html: str = ""
    readings: list[str] = field(default_factory=list)
    #: (name, media type) of each attachment; the bytes are in `blobs`, in the same order.
    files: list[tuple[str, str]] = field(default_factory=list)
    message_id: str = ""
    references: list[str] = field(default_factory=list)
    portal_thread: str = ""
    about: str = ""
    topic: str = ""
    automatic: bool = False
    #: Of a delivery report about a failure: why, its code, and the Message-IDs it gives back.
    undelivered: str = ""
    status: str = ""
    gives_back: list[str] = field(default_factory=list)
    sender_doubtful: bool = False
    not_read: bool = False
    partly_read: bool = False
    ambiguous: bool = False
    #: A machine wrote down what somebody said.
    transcript: bool = False
    blobs: list[bytes] = field(default_factory=list)

    def add_reading(self, text: str) -> None:
        """Remember one more way to read the message, once."""
        if text.strip() and text not in self.readings:
            self.readings.append(text)

    def add_file(self, name: str, media_type: str, content: bytes) -> None:
        """Remember an attachment."""
        self.files.append((name, media_type))
        self.blobs.append(content)


def pack(sheet: Sheet) -> bytes:
    """Return the sheet as length-prefixed JSON followed by the attachments' bytes."""
    values = asdict(sheet)
    blobs = values.pop("blobs")
    values["sizes"] = [len(blob) for blob in blobs]
    head = json.dumps(values, ensure_ascii=True).encode("ascii")
    return b"".join([len(head).to_bytes(8, "big"), head, *blobs])


def unpack(packed: bytes) -> Sheet:
    """Read what `pack` wrote; raise ValueError, KeyError or TypeError when it is not that."""
    length = int.from_bytes(packed[:8], "big")
    values = json.loads(packed[8 : 8 + length])
    at, blobs = 8 + length, []
    for size in values.pop("sizes"):
        blobs.append(packed[at : at + size])
        at += size
    if at != len(packed):
        raise ValueError("the child's answer has the wrong length")
    values["files"] = [(name, media_type) for name, media_type in values["files"]]
    return Sheet(**values, blobs=blobs)


def to_message(sheet: Sheet, *, raw_id: str, channel: Channel) -> Message:
    """Protect every text of the sheet and give it the raw message's id and channel."""
    marks = {
        Mark.NOT_READ: sheet.not_read,
        Mark.PARTLY_READ: sheet.partly_read or sheet.ambiguous,
        Mark.AMBIGUOUS: sheet.ambiguous,
        Mark.AUTOMATIC: sheet.automatic,
        Mark.TRANSCRIPT: sheet.transcript,
    }
    return Message(
        raw_id=raw_id,
        channel=channel,
        sender=_protect(sheet.sender),
        sender_name=_protect(sheet.sender_name),
        subject=_protect(sheet.subject),
        body=_protect(sheet.body),
        quoted=_protect(sheet.quoted),
        signature=_protect(sheet.signature),
        html=_protect(sheet.html),
        readings=tuple(_protect(text) for text in sheet.readings),
        attachments=tuple(
            Attachment(_protect(name), media_type, blob)
            for (name, media_type), blob in zip(sheet.files, sheet.blobs, strict=True)
        ),
        message_id=_protect(sheet.message_id),
        references=tuple(_protect(text) for text in sheet.references),
        portal_thread=_protect(sheet.portal_thread),
        about=_protect(sheet.about),
        topic=sheet.topic,
        automatic=sheet.automatic,
        returned=_returned(sheet),
        sender_doubtful=sheet.sender_doubtful,
        marks=frozenset(mark for mark, present in marks.items() if present),
    )


def _returned(sheet: Sheet) -> Returned | None:
    if not sheet.undelivered:
        return None
    about = tuple(_protect(text) for text in sheet.gives_back)
    return Returned(Undelivered(sheet.undelivered), about, sheet.status)


def _protect(text: str) -> Protected:
    # Lone surrogates cannot be stored as UTF-8; everything after us may rely on real text.
    return Protected(text.encode("utf-8", "replace").decode("utf-8"))
