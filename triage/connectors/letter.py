"""Writes an e-mail byte by byte, and proves the bytes before anybody sends them.

Rule of the room: no library composes a header here. Python's own composer decodes an encoded word
in a subject and lets the line feed inside it start a new header, such as a Bcc; ours encodes
whatever is not plain, refuses what could break a line, and `prove` reads the result back.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.header import decode_header
from email.utils import format_datetime, getaddresses

from triage.connectors.enclosure import Enclosure, boundary_of, enclosed_body, same_files
from triage.domain import Protected

#: One mailbox address as RFC 5321 writes it without quotes; anything fancier is refused, and so is
#: what a reader could take for an encoded word.
ADDRESS = re.compile(
    r"(?!.*=\?)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
#: A Message-ID without spaces, comments or quotes, short enough for one line.
MESSAGE_ID = re.compile(
    r"(?!.*=\?)<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,400}@[A-Za-z0-9.:\[\]_-]{1,400}>"
)

_LINE_LIMIT = 998
#: Bytes of text in one encoded word: 45 become 60 of base64, 72 with the wrapping.
_WORD_BYTES = 45
#: C0, DEL, C1 and the Unicode line and paragraph separators: all can pass for a line break.
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: What no text body carries; tab and line feed stay.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Unwritable(Exception):
    """A field cannot be written safely; the message names the field and never its content."""


@dataclass(frozen=True, slots=True)
class Letter:
    """The fields of one e-mail to one person; there is no Cc, no Bcc and no second To."""

    from_name: str
    from_address: str
    to: Protected
    subject: Protected
    body: Protected
    message_id: str
    #: The Message-IDs of the conversation, oldest first, the answered one last; or empty. One that
    #: is malformed but harmless is left out of the headers.
    in_reply_to: Protected
    date: datetime
    #: Files that go with it; without any it is plain text.
    files: tuple[Enclosure, ...] = ()


def compose(letter: Letter) -> bytes:
    """Return the message with CRLF lines, pure ASCII; raise Unwritable naming the field."""
    headers = _headers(letter)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    body = _quoted_printable(_text_lines(letter.body))
    if letter.files:
        body = enclosed_body(body, letter.files, boundary_of(letter.message_id))
    message = "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body
    prove(message, letter)
    return message


def prove(message: bytes, letter: Letter) -> None:
    """Read `message` back as a stranger would; raise Unwritable if it says anything else.

    Checked on the bytes: only CRLF breaks lines, nothing but printable ASCII, exactly our headers
    in our order, no line over 998. Checked after decoding: To, From, Subject, Message-ID,
    In-Reply-To, References and body.
    """
    head, separator, _ = message.partition(b"\r\n\r\n")
    bare = message.replace(b"\r\n", b"")
    if not separator or re.search(rb"[^\x20-\x7e]", bare):
        raise Unwritable("line ends")
    if any(len(line) > _LINE_LIMIT for line in message.split(b"\r\n")):
        raise Unwritable("line length")
    names = [line.split(b":")[0].decode() for line in re.split(rb"\r\n(?![ \t])", head)]
    if names != list(_headers(letter)):
        raise Unwritable("headers")
    _prove_content(message, letter)


def _prove_content(message: bytes, letter: Letter) -> None:
    read = message_from_bytes(message)
    if getaddresses(read.get_all("To", [])) != [("", letter.to.reveal())]:
        raise Unwritable("To")
    senders = getaddresses(read.get_all("From", []))
    if [(_decoded(name), at) for name, at in senders] != [(letter.from_name, letter.from_address)]:
        raise Unwritable("From")
    if _decoded(str(read["Subject"])) != letter.subject.reveal():
        raise Unwritable("Subject")
    if str(read["Message-ID"]) != letter.message_id:
        raise Unwritable("Message-ID")
    conversation = _conversation(letter)
    if (read.get("In-Reply-To", "").split(), read.get("References", "").split()) != (
        conversation[-1:],
        conversation,
    ):
        raise Unwritable("References")
    parts = [part for part in read.walk() if part is not read] or [read]
    words, files = parts[0], parts[1:]
    if read.preamble or read.epilogue or not same_files(files, letter.files):
        raise Unwritable("attachments")
    payload = words.get_payload(decode=True)
    if words.is_multipart() or not isinstance(payload, bytes):
        raise Unwritable("body")
    # The line end before a boundary belongs to the boundary.
    last = [] if letter.files else [""]
    if payload.decode("utf-8").split("\r\n") != [*_text_lines(letter.body), *last]:
        raise Unwritable("body")


def _headers(letter: Letter) -> Mapping[str, str]:
    """Return name -> encoded value, in the order they are written."""
    if not ADDRESS.fullmatch(letter.from_address):
        raise Unwritable("From")
    if not ADDRESS.fullmatch(letter.to.reveal()) or len(letter.to.reveal()) > 254:
        raise Unwritable("To")
    if not MESSAGE_ID.fullmatch(letter.message_id):
        raise Unwritable("Message-ID")
    headers = {
        "Date": format_datetime(letter.date),
        "From": _sender(letter),
        "To": letter.to.reveal(),
        "Message-ID": letter.message_id,
        "Subject": _words("Subject", letter.subject.reveal()),
    }
    conversation = _conversation(letter)
    if conversation:
        # Folded after each: a long conversation stays under the limit of a line.
        headers |= {"In-Reply-To": conversation[-1], "References": "\r\n ".join(conversation)}
    if letter.files:
        boundary = boundary_of(letter.message_id)
        kind = f'multipart/mixed;\r\n boundary="{boundary}"'
        return headers | {"MIME-Version": "1.0", "Content-Type": kind}
    return headers | {
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "quoted-printable",
    }


def _conversation(letter: Letter) -> list[str]:
    """Return the Message-IDs for References; none where the answered one cannot be written."""
    text = letter.in_reply_to.reveal()
    if _BREAKS.search(text):
        raise Unwritable("In-Reply-To")
    named = text.split(" ")
    whole = all(one.startswith("<") and one.endswith(">") for one in named)
    if not whole or not MESSAGE_ID.fullmatch(named[-1]):
        return []
    return list(dict.fromkeys(one for one in named if MESSAGE_ID.fullmatch(one)))


def _sender(letter: Letter) -> str:
    if not letter.from_name:
        return letter.from_address
    name = letter.from_name
    if not re.fullmatch(r"[A-Za-z0-9 ]{1,60}", name) or name != name.strip():
        name = _words("From", letter.from_name, always=True)
    return f"{name} <{letter.from_address}>"


def _words(field: str, text: str, *, always: bool = False) -> str:
    """Return `text` as it is where it is short and plain, else as RFC 2047 words, folded."""
    if _BREAKS.search(text):
        raise Unwritable(field)
    plain = text.isascii() and len(text) <= 200 and "=?" not in text and text == text.strip()
    if plain and "  " not in text and not always:
        return text
    try:
        words = [base64.b64encode(part).decode() for part in _parts(text)]
    except UnicodeEncodeError:
        raise Unwritable(field) from None
    return "\r\n ".join(f"=?utf-8?b?{word}?=" for word in words)


def _parts(text: str) -> list[bytes]:
    """Cut UTF-8 into pieces of at most `_WORD_BYTES`, never inside a character."""
    parts = [b""]
    for letter in text:
        encoded = letter.encode("utf-8")
        if len(parts[-1]) + len(encoded) > _WORD_BYTES:
            parts.append(b"")
        parts[-1] += encoded
    return parts


def _decoded(value: str) -> str:
    pieces = decode_header(value)
    return "".join(
        piece.decode(charset or "ascii") if isinstance(piece, bytes) else piece
        for piece, charset in pieces
    )


def _text_lines(body: Protected) -> list[str]:
    """Return the lines of the body; every kind of line end counts as one."""
    text = body.reveal().replace("\r\n", "\n").replace("\r", "\n")
    if _CONTROLS.search(text):
        raise Unwritable("body")
    return text.removesuffix("\n").split("\n")


def _quoted_printable(lines: list[str]) -> bytes:
    """Encode each line by itself; none ends in a space, starts with a dot or is over 78 long."""
    return b"".join(_quoted_line(line) + b"\r\n" for line in lines)


def _quoted_line(line: str) -> bytes:
    try:
        text = line.encode("utf-8")
        # A tab inside a line would leave as it is, and a server may make blanks of it. Spaces are
        # quoted with it: only the encoder itself knows where a line has to be folded.
        encoded = binascii.b2a_qp(text, quotetabs=b"\t" in text, istext=False)
    except UnicodeEncodeError:
        raise Unwritable("body") from None
    pieces = encoded.replace(b"\r\n", b"\n").split(b"=\n")
    return b"=\r\n".join(_guarded(piece) for piece in pieces)


def _guarded(piece: bytes) -> bytes:
    """Hide a leading dot, which SMTP would read as a command, and a leading `From `."""
    if piece.startswith(b"."):
        return b"=2E" + piece[1:]
    return b"=46" + piece[1:] if piece.startswith(b"From ") else piece
