"""Bytes that tests of the parsing room send through the real door."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.sizes import many
from triage.domain import Channel, Message, Position, RawMessage
from triage.parsing import parse


def raw_of(content: bytes, *, media_type: str = "message/rfc822") -> RawMessage:
    channel = Channel.PORTAL if "fhir" in media_type else Channel.EMAIL
    position = Position("front-desk", "INBOX", "1", "1")
    now = datetime(2025, 5, 5, tzinfo=UTC)
    return RawMessage("raw-1", "clinic-1", position, channel, media_type, now, content)


def read(content: bytes, trusted: str | None = None) -> Message:
    return parse(raw_of(content), trusted)


def mail(head: str, body: str = "Please refill my lisinopril.\n") -> bytes:
    return (head.strip("\n") + "\n\n" + body).encode("utf-8")


def typed(head: str, body: bytes) -> bytes:
    return b"From: Ana Ruiz <ana@example.org>\nMIME-Version: 1.0\n" + head.encode() + b"\n\n" + body


def nested(depth: int) -> bytes:
    head = "From: a@example.org\nSubject: onion\n"
    opening = "".join(
        f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(depth)
    )
    return (head + opening + "Content-Type: text/plain\n\nmy chest hurts\n").encode()


def poisons() -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes): the short form of safety-bar 6."""
    yield "nest 20,000", nested(20_000)
    parts = b"--b\nContent-Type: text/plain\n\nx\n" * 100_000
    yield "100,000 parts", typed('Content-Type: multipart/mixed; boundary="b"', parts + b"--b--\n")
    params = "; ".join(f'p{n}="v"' for n in range(80_000))
    yield "80,000 params", typed(f"Content-Type: text/plain; {params}", b"hello there")
    yield "unknown charset", typed("Content-Type: text/plain; charset=klingon-7", b"caf\xe9 pills")
    yield (
        "truncated base64",
        typed(
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64",
            b"TXkgcmVmaWxsIGlzIG",
        ),
    )
    yield "NUL", typed("Content-Type: text/plain", b"my re\0fill please\0")
    yield (
        "8-bit headers",
        b"From: Jos\xe9 <jose@example.org>\nSubject: caf\xe9 \xff\n\nrefill please\n",
    )


def public_mails() -> list[Path]:
    """Return the public mail fixtures, of the many bounces one in ten in the short form.

    Our own few where they are not at hand.
    """
    checkout = Path(__file__).parents[2]
    beside = Path(os.environ.get("TRIAGE_PUBLIC_DATA") or checkout.parent / "shared" / "data")
    found = [
        path
        for folder in sorted(beside.glob("email_*"))
        if folder.name != "email_sisimai_bounces"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (path.suffix in {".eml", ".raw", ".txt", ""})
    ]
    found += sorted(beside.glob("email_sisimai_bounces/**/*.eml"))[:: many(10, long=1)]
    return found or sorted((checkout / "tests" / "fixtures" / "mail").glob("*.eml"))
