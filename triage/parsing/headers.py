"""Header fields become text, and From becomes one address or a doubt.

Rule of the room: a sender is believed only when From has the one plain shape every mail program
agrees on; any other shape is shown, never trusted.
"""

import base64
import binascii
import quopri
import re
import unicodedata
from dataclasses import dataclass

from triage.parsing.charset import decode

#: Longer field values are cut: an honest one never is this long.
LONGEST_VALUE = 16_000

_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(=\?[^?\s]{1,60}\?[bBqQ]\?)")
_ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"
_PLAIN_FROM = (
    re.compile(rf"(?P<name>)<?(?P<address>{_ADDRESS})>?"),
    re.compile(rf'"(?P<name>(?:[^"\\<>@]|\\["\\]){{0,200}})"\s*<(?P<address>{_ADDRESS})>'),
    re.compile(rf"(?P<name>[^\"<>@,;:()\\]{{1,300}}?)\s*<(?P<address>{_ADDRESS})>"),
    re.compile(rf"(?P<address>{_ADDRESS})\s+\((?P<name>[^()<>@\\]{{0,200}})\)"),
)
_ANY_ADDRESS = re.compile(_ADDRESS)
_AT = re.compile("[@\uff20\ufe6b]")
#: Found in display names that pretend to be an address or another header.
_TRICKS = re.compile("[@<>\uff20\ufe6b\uff1c\uff1e\u2329\u27e8]|\\bmailto:", re.I)
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,500}>")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a mail says it is from, and whether that could be read in one way only."""

    address: str = ""
    name: str = ""
    doubtful: bool = True


def clean(value: str) -> str:
    """Return a field's value on one line, without line feeds, NULs or other control characters."""
    kept = "".join(" " if unicodedata.category(one) == "Cc" else one for one in value)
    return " ".join(kept.split())


def readable(value: str) -> tuple[str, bool]:
    """Decode raw 8-bit bytes and encoded words; return the text and whether it was damaged."""
    # Bare bytes stand in a value as lone surrogates; a file's name is decoded already.
    raw = value[:LONGEST_VALUE].encode("utf-8", "surrogateescape")
    text, damaged = decode(raw)
    # 8-bit bytes that are not UTF-8 break the mail standards in every reading.
    damaged = damaged or (not raw.isascii() and not _is_utf8(raw)) or len(value) > LONGEST_VALUE
    broken = False

    def one(word: re.Match[str]) -> str:
        nonlocal broken
        decoded, bad = _encoded_word(*word.groups())
        broken = broken or bad
        return decoded

    joined = _BETWEEN_WORDS.sub(r"\1\2", _BETWEEN_WORDS.sub(r"\1\2", text))
    return clean(_WORD.sub(one, joined)), damaged or broken


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _encoded_word(charset: str, coding: str, content: str) -> tuple[str, bool]:
    packed = content.encode("utf-8", "replace")
    try:
        if coding in "bB":
            content_bytes = base64.b64decode(packed + b"=" * (-len(packed) % 4))
        else:
            content_bytes = quopri.decodestring(packed.replace(b"_", b"=20"))
    except (binascii.Error, ValueError):
        return content, True
    return decode(content_bytes, charset.split("*", maxsplit=1)[0])


def message_ids(value: str) -> list[str]:
    """Return every `<id>` of a References or In-Reply-To value, in order."""
    return _MESSAGE_ID.findall(value[:LONGEST_VALUE])


def read_sender(values: list[str], *, sender_values: list[str], from_lines: int) -> Sender:
    """Read From strictly.

    `values` are the raw From values, `sender_values` the raw Sender values, and `from_lines`
    how many lines of the header block look like a From field to any reader at all.
    """
    if not values:
        return Sender()
    raw = values[0]
    text = " ".join(raw[:LONGEST_VALUE].split())
    strict = next((match for shape in _PLAIN_FROM if (match := shape.fullmatch(text))), None)
    if strict is None:
        return _doubted(readable(raw)[0])
    name, damaged = readable(strict["name"].replace('\\"', '"'))
    address = strict["address"]
    doubtful = (
        damaged
        or len(values) != 1
        or from_lines != 1
        or any(ord(one) < 32 and one not in "\t\r\n" for one in raw)
        or _TRICKS.search(name) is not None
        or _deceives_the_eye(name)
        or not _plain_address(address)
        or any(_ANY_ADDRESS.findall(value) != [address] for value in sender_values)
    )
    return Sender(address, name, doubtful=doubtful)


def _doubted(shown: str) -> Sender:
    """Return a sender whose From can be read in more than one way."""
    candidates = _ANY_ADDRESS.findall(shown)
    # An address that is none to us, in other letters perhaps, may be the true one.
    stray = len(_AT.findall(shown)) > len(candidates)
    # With two addresses in it, any part left out could be the true one: all of it is shown.
    whole = stray or len(set(candidates)) != 1
    name = shown if whole else shown.split("<", maxsplit=1)[0].strip(' "')
    sure = candidates and (not stray or shown.endswith(f"<{candidates[0]}>"))
    return Sender(candidates[0] if sure else "", name[:300], doubtful=True)


def _plain_address(address: str) -> bool:
    local, _, domain = address.rpartition("@")
    labels = domain.lower().split(".")
    return not (
        local.startswith(".")
        or local.endswith(".")
        or ".." in local
        or "%" in local
        or "!" in local
        or any(label.startswith(("xn--", "-")) or label.endswith("-") for label in labels)
        or labels[-1].isdigit()
    )


def _deceives_the_eye(name: str) -> bool:
    """Invisible or direction-turning characters, or one word mixed from two alphabets."""
    if any(unicodedata.category(one) in {"Cf", "Co", "Cn", "Zl", "Zp"} for one in name):
        return True
    for word in name.split():
        alphabets = {unicodedata.name(one, "?").split()[0] for one in word if one.isalpha()}
        if len(alphabets) > 1 and not alphabets <= {"CJK", "HIRAGANA", "KATAKANA", "HANGUL"}:
            return True
    return False
