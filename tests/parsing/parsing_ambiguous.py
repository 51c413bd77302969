"""Mails that two programs read in two ways; each hides the same danger from one of them."""

import base64
from collections.abc import Iterator

from parsing_mails import typed

HARMLESS = b"Please refill my lisinopril, thank you very much"
#: Ways in which every reader that sees the danger sees it as the message itself.
UNAMBIGUOUS = frozenset(
    {
        "cte param",
        "cte folded",
        "ct case",
        "cr only",
        "cr boundary",
        "alt",
        "related",
        "text/x",
        "ct typo",
    }
)


def b64(content: bytes) -> bytes:
    return base64.b64encode(content)


def ambiguous(danger: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (what is ambiguous, mail) with `danger` in at least one reading."""
    yield (
        "two cte",
        typed(
            "Content-Type: text/plain\nContent-Transfer-Encoding: 7bit\n"
            "Content-Transfer-Encoding: base64",
            b64(danger + b" please call me back at once"),
        ),
    )
    yield (
        "two cte qp",
        typed(
            "Content-Type: text/plain\nContent-Transfer-Encoding: 8bit\n"
            "Content-Transfer-Encoding: quoted-printable",
            danger.replace(b"c", b"=63"),
        ),
    )
    yield (
        "cte comment",
        typed("Content-Type: text/plain\nContent-Transfer-Encoding: (x) base64", b64(danger)),
    )
    yield (
        "cte param",
        typed("Content-Type: text/plain\nContent-Transfer-Encoding: base64; x=y", b64(danger)),
    )
    yield (
        "cte quoted",
        typed('Content-Type: text/plain\nContent-Transfer-Encoding: "base64"', b64(danger)),
    )
    yield (
        "cte unknown",
        typed("Content-Type: text/plain\nContent-Transfer-Encoding: x-base64", b64(danger)),
    )
    yield (
        "cte space",
        typed("Content-Type: text/plain\nContent-Transfer-Encoding : base64", b64(danger)),
    )
    yield (
        "cte folded",
        typed("Content-Type: text/plain\nContent-Transfer-Encoding:\n base64", b64(danger)),
    )
    yield (
        "cte uu",
        typed(
            "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n"
            "Content-Transfer-Encoding: x-uuencode",
            b64(danger),
        ),
    )
    yield (
        "b64 junk",
        typed(
            "Content-Type: text/plain\nContent-Transfer-Encoding: base64",
            b"!!" + b64(danger)[:20] + b"\n#\n" + b64(danger)[20:],
        ),
    )
    yield (
        "b64 early pad",
        typed(
            "Content-Type: text/plain\nContent-Transfer-Encoding: base64",
            b64(HARMLESS) + b"=\n" + b64(danger),
        ),
    )
    yield (
        "b64 pad mid",
        typed(
            "Content-Type: text/plain\nContent-Transfer-Encoding: base64",
            b64(b"Hello you") + b"====\n" + b64(danger),
        ),
    )
    yield (
        "b64 then plain",
        typed(
            "Content-Type: text/plain\nContent-Transfer-Encoding: base64",
            b64(HARMLESS) + b"\n\n" + danger + b"!",
        ),
    )
    yield ("utf16 ascii", typed("Content-Type: text/plain; charset=utf-16-le", danger + b" "))
    yield ("utf16be ascii", typed("Content-Type: text/plain; charset=utf-16-be", danger + b" "))
    yield (
        "utf16 real",
        typed("Content-Type: text/plain; charset=utf-8", danger.decode().encode("utf-16-le")),
    )
    yield (
        "utf16 real undeclared cte",
        typed(
            "Content-Type: text/plain\nContent-Transfer-Encoding: base64",
            b64(danger.decode().encode("utf-16")),
        ),
    )
    yield (
        "two charset",
        typed("Content-Type: text/plain; charset=utf-16-le; charset=utf-8", danger + b" "),
    )
    yield ("ebcdic ascii", typed("Content-Type: text/plain; charset=cp037", danger))
    yield (
        "iso2022",
        typed(
            "Content-Type: text/plain; charset=iso-2022-jp", b"hi \x1b$B" + danger + b" \x1b(B bye"
        ),
    )
    yield ("hz", typed("Content-Type: text/plain; charset=hz", b"hi ~{" + danger + b"~} bye"))
    yield (
        "shift",
        typed(
            "Content-Type: text/plain; charset=utf-32-le", danger + b"    "[: (-len(danger)) % 4]
        ),
    )
    yield (
        "rfc2231 boundary",
        typed(
            "Content-Type: multipart/mixed; boundary*=us-ascii''a; boundary=c",
            b"--a\n\n" + HARMLESS + b"\n--a--\n--c\n\n" + danger + b"\n--c--\n",
        ),
    )
    yield (
        "rfc2231 cont",
        typed(
            "Content-Type: multipart/mixed; boundary*0=a; boundary*1=b; boundary=c",
            b"--ab\n\n" + HARMLESS + b"\n--ab--\n--c\n\n" + danger + b"\n--c--\n",
        ),
    )
    yield (
        "boundary space",
        typed(
            'Content-Type: multipart/mixed; boundary="a "',
            b"--a \n\n" + HARMLESS + b"\n--a --\n--a\n\n" + danger + b"\n--a--\n",
        ),
    )
    yield (
        "boundary trailing",
        typed(
            "Content-Type: multipart/mixed; boundary=a b",
            b"--a\n\n" + danger + b"\n--a--\n--a b\n\n" + HARMLESS + b"\n--a b--\n",
        ),
    )
    yield (
        "boundary comment",
        typed("Content-Type: multipart/mixed; boundary=a (x)", b"--a\n\n" + danger + b"\n--a--\n"),
    )
    yield (
        "boundary case",
        typed(
            "Content-Type: multipart/mixed; boundary=aB",
            b"--aB\n\n" + HARMLESS + b"\n--ab\n\n" + danger + b"\n--aB--\n",
        ),
    )
    yield (
        "boundary empty",
        typed(
            'Content-Type: multipart/mixed; boundary=""',
            b"--\n\n" + HARMLESS + b"\n--\n\n" + danger + b"\n----\n",
        ),
    )
    yield (
        "boundary prefix",
        typed(
            "Content-Type: multipart/mixed; boundary=a",
            b"--a\n\n" + HARMLESS + b"\n--ab\n\n" + danger + b"\n--a--\n",
        ),
    )
    yield (
        "no boundary",
        typed("Content-Type: multipart/mixed", b"--a\n\n" + danger + b"\n--a--\n"),
    )
    yield (
        "two ct mp",
        typed(
            "Content-Type: multipart/mixed; boundary=a\nContent-Type: text/plain",
            b"--a\n\n" + danger + b"\n--a--\n",
        ),
    )
    yield (
        "two ct mp2",
        typed(
            "Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=a",
            b"--a\nContent-Transfer-Encoding: base64\n\n" + b64(danger) + b"\n--a--\n",
        ),
    )
    yield (
        "two ct b",
        typed(
            "Content-Type: multipart/mixed; boundary=a\nContent-Type: multipart/mixed; boundary=c",
            b"--a\n\n"
            + HARMLESS
            + b"\n--a--\n--c\nContent-Transfer-Encoding: base64\n\n"
            + b64(danger)
            + b"\n--c--\n",
        ),
    )
    yield (
        "ct case",
        typed("CONTENT-type: multipart/mixed; BOUNDARY=a", b"--a\n\n" + danger + b"\n--a--\n"),
    )
    yield (
        "ct space colon",
        typed(
            "Content-Type : multipart/mixed; boundary=a",
            b"--a\nContent-Transfer-Encoding: base64\n\n" + b64(danger) + b"\n--a--\n",
        ),
    )
    yield (
        "ct nul",
        typed(
            "Content-Type\0: multipart/mixed; boundary=a",
            b"--a\nContent-Transfer-Encoding: base64\n\n" + b64(danger) + b"\n--a--\n",
        ),
    )
    yield (
        "ct semicolon",
        typed(
            "Content-Type: multipart/mixed boundary=a",
            b"--a\nContent-Transfer-Encoding: base64\n\n" + b64(danger) + b"\n--a--\n",
        ),
    )
    yield (
        "ct comma",
        typed(
            "Content-Type: multipart/mixed, boundary=a",
            b"--a\nContent-Transfer-Encoding: base64\n\n" + b64(danger) + b"\n--a--\n",
        ),
    )
    yield (
        "ct single quote",
        typed(
            "Content-Type: multipart/mixed; boundary='a'",
            b"--a\nContent-Transfer-Encoding: base64\n\n" + b64(danger) + b"\n--a--\n",
        ),
    )
    yield (
        "preamble",
        typed(
            "Content-Type: multipart/mixed; boundary=a",
            danger + b", before\n--a\n\n" + HARMLESS + b"\n--a--\n",
        ),
    )
    yield (
        "epilogue",
        typed(
            "Content-Type: multipart/mixed; boundary=a",
            b"--a\n\n" + HARMLESS + b"\n--a--\n" + danger,
        ),
    )
    yield (
        "epilogue part",
        typed(
            "Content-Type: multipart/mixed; boundary=a",
            b"--a\n\n"
            + HARMLESS
            + b"\n--a--\n--a\nContent-Transfer-Encoding: base64\n\n"
            + b64(danger)
            + b"\n--a--\n",
        ),
    )
    yield (
        "cr only",
        (
            typed("Content-Type: multipart/mixed; boundary=a", b"--a\n\n" + danger + b"\n--a--\n")
        ).replace(b"\n", b"\r"),
    )
    yield (
        "cr boundary",
        typed(
            "Content-Type: multipart/mixed; boundary=a",
            b"--a\n\n" + HARMLESS + b"\r--a\r\r" + danger + b"\r--a--\r\n--a--\n",
        ),
    )
    yield (
        "alt",
        typed(
            "Content-Type: multipart/alternative; boundary=a",
            b"--a\nContent-Type: text/plain\n\n"
            + HARMLESS
            + b"\n--a\nContent-Type: text/html\n\n<p>"
            + danger
            + b"</p>\n--a--\n",
        ),
    )
    yield (
        "related",
        typed(
            "Content-Type: multipart/related; boundary=a",
            b"--a\nContent-Type: text/html\n\n"
            + HARMLESS
            + b"\n--a\nContent-Type: text/html\n\n<p>"
            + danger
            + b"</p>\n--a--\n",
        ),
    )
    yield (
        "header in body",
        b"From: Ana <ana@example.org>\nno colon here\nContent-Type: text/plain\n"
        b"Content-Transfer-Encoding: base64\n\n" + b64(danger),
    )
    yield (
        "blank w space",
        b"From: Ana <ana@example.org>\n \nContent-Transfer-Encoding: base64\n\n" + b64(danger),
    )
    yield (
        "nested b64 mp",
        typed(
            "Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: base64",
            b64(b"--a\n\n" + danger + b"\n--a--\n"),
        ),
    )
    yield (
        "rfc822 b64",
        typed(
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64",
            b64(b"Subject: x\n\n" + danger),
        ),
    )
    yield ("text/x", typed("Content-Type: text/x-unknown", danger))
    yield (
        "html plain",
        typed(
            "Content-Type: text/html\nContent-Type: text/plain",
            b"<p>" + HARMLESS + b"</p><!-- " + danger + b" -->",
        ),
    )
    yield ("ct typo", typed('Content-Type: text/plain; charset="utf-8', danger))
    yield (
        "subject2",
        b"From: Ana <ana@example.org>\nSubject: refill\nSubject: " + danger + b"\n\n" + HARMLESS,
    )
    yield (
        "subject enc",
        b"From: Ana <ana@example.org>\nSubject: =?utf-16-le?b?"
        + b64(danger + b" ")
        + b"?=\n\n"
        + HARMLESS,
    )
