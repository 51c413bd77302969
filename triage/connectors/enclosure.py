"""Writes the forms that go with a reply, and proves that they are the approved ones.

Rule of the room: the bytes of a file leave only under the SHA-256 that was approved; what cannot
be found, or has another digest, stops the whole reply.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from urllib.parse import quote

from triage.domain import Outgoing
from triage.errors import ProofRefused, SendRefused

PDF = "application/pdf"
_PLAIN = re.compile(r"[A-Za-z0-9 ._()-]{1,85}\.pdf")
_ODD = re.compile('[\x00-\x1f\x7f-\x9f\u2028\u2029"\\\\/]')


@dataclass(frozen=True, slots=True)
class Enclosure:
    """One file as it leaves."""

    name: str
    content: bytes


def enclosures(outgoing: Outgoing, *, who: str) -> tuple[Enclosure, ...]:
    """Return the files of a reply; raise ProofRefused unless each is, to the byte, the approved.

    Raises SendRefused where the bytes are not at hand: nothing is left out silently.
    """
    if len(outgoing.files) != len(outgoing.attachments):
        raise SendRefused(f"{who}, the bytes of its attachments are not at hand")
    found = []
    for (name, digest), content in zip(outgoing.attachments, outgoing.files, strict=True):
        if hashlib.sha256(content).hexdigest() != digest:
            raise ProofRefused(f"{who}, an enclosed file is not the approved one")
        if not name or len(name) > 120 or _ODD.search(name):
            raise SendRefused(f"{who}, the name of an enclosed file cannot be written safely")
        found.append(Enclosure(name, content))
    return tuple(found)


def boundary_of(message_id: str) -> str:
    """Return a boundary that no quoted-printable or base64 line can be: `=_` is in neither."""
    return f"=_{hashlib.sha256(message_id.encode()).hexdigest()[:40]}"


def enclosed_body(text_part: bytes, files: Sequence[Enclosure], boundary: str) -> bytes:
    """Return a multipart body: the words, already quoted-printable, then each file in base64."""
    mark = f"--{boundary}".encode()
    parts = [
        mark,
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Transfer-Encoding: quoted-printable",
        b"",
        text_part.removesuffix(b"\r\n"),
    ]
    for file in files:
        coded = base64.b64encode(file.content)
        parts += [
            mark,
            f"Content-Type: {PDF}".encode(),
            b"Content-Transfer-Encoding: base64",
            b"Content-Disposition: attachment;\r\n " + _filename(file.name),
            b"",
            *(coded[at : at + 76] for at in range(0, len(coded), 76)),
        ]
    return b"\r\n".join([*parts, mark + b"--", b""])


def same_files(parts: Sequence[Message], files: Sequence[Enclosure]) -> bool:
    """Whether what a stranger reads of the parts is exactly these files, in order."""
    read = [
        (part.get_filename(), part.get_content_type(), part.get_payload(decode=True))
        for part in parts
    ]
    return read == [(file.name, PDF, file.content) for file in files]


def _filename(name: str) -> bytes:
    if _PLAIN.fullmatch(name):
        return f'filename="{name}"'.encode()
    coded = quote(name, safe="")
    pieces = [coded[at : at + 54] for at in range(0, len(coded), 54)]
    if len(pieces) == 1:
        return f"filename*=utf-8''{coded}".encode()
    # A continued parameter: each piece on a line of its own, the first one says the charset.
    lines = [f"filename*{number}*={piece}" for number, piece in enumerate(pieces)]
    lines[0] = f"filename*0*=utf-8''{pieces[0]}"
    return ";\r\n ".join(lines).encode()
