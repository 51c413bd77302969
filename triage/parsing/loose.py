"""Reads a mail the way a careless program would, for what the careful reading did not show.

Rule of the room: nothing found here is shown as the message; the red-flag rules read it, and a
mail in which it says something new is marked as ambiguous.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

from triage.parsing.charset import decode
from triage.parsing.headers import readable

#: Of a mail so many bytes are looked through again, and so many pieces are kept.
_LOOKED_THROUGH = 2_000_000
_MOST_PIECES = 50
#: Lines of base64 whose words nobody declared: at least so many letters together.
_RUN = re.compile(
    rb"(?:(?<=[\r\n])|^)(?:[A-Za-z0-9+/]{16,}[ \t]*\r?\n?)+(?:[A-Za-z0-9+/]{1,15})?={0,2}"
)
_CHARSET = re.compile(r"=\?[^?\s]{1,60}\?([bBqQ])\?")
#: Outlook shows what stands in such a comment.
_CONDITIONAL = re.compile(r"<!--\[if[^\]]{0,100}\]>(.{0,20000}?)<!\[endif\]-->", re.S | re.I)
_SHOWING = frozenset(range(32, 127)) | {9, 10, 13}


def packed_words(content: bytes, *, besides: Sequence[bytes] = ()) -> Iterator[str]:
    """Yield the text inside every run of base64, whatever is declared, but in none of `besides`."""
    found = 0
    for run in _RUN.finditer(content[:_LOOKED_THROUGH]):
        if any(run[0].strip() in known for known in besides):
            continue
        packed = b"".join(run[0].split()).rstrip(b"=")
        packed = packed[: len(packed) - 1] if len(packed) % 4 == 1 else packed
        try:
            unpacked = base64.b64decode(packed + b"=" * (-len(packed) % 4))
        except (binascii.Error, ValueError):
            continue
        if _is_text(unpacked):
            found += 1
            yield decode(unpacked)[0]
        if found >= _MOST_PIECES:
            return


def _is_text(content: bytes) -> bool:
    """Whether bytes look like words of a European language rather than a picture or a key."""
    head = content[:400].replace(b"\0", b"")
    showing = sum(one in _SHOWING or one >= 0xC2 for one in head)
    return b" " in head and showing > 0.95 * len(head)


def other_charset(content: bytes, text: str) -> str:
    """Return what plain bytes say to a reader that ignores the declared charset, or nothing.

    Some charsets turn every two letters into one sign of another script.
    """
    if not content.isascii() or b"\x1b" in content or b"\0" in content:
        return ""
    plain = content.decode("ascii")
    return "" if plain.split() == text.split() else plain


def other_subject(value: str) -> str:
    """Return what a subject says to a reader that takes every encoded word for UTF-8."""
    return readable(_CHARSET.sub(r"=?utf-8?\1?", value))[0]


def conditional_words(source: str) -> str:
    """Return the HTML that only some mail programs show."""
    return "\n".join(_CONDITIONAL.findall(source))


def is_new(text: str, readings: list[str]) -> bool:
    """Whether a text says something that no reading has said yet."""
    words = " ".join(text.split())
    return bool(words) and all(words not in " ".join(known.split()) for known in readings)
