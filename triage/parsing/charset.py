"""Bytes become text: the declared charset if it is an honest one, then UTF-8, then cp1252.

Rule of the room: only charsets on the list are ever looked up, because Python also accepts
`unicode_escape`, `utf-7` and `punycode`, which can hide words from every reader after us.
"""

import codecs

#: Undeclared text shorter than this is not guessed: detectors are wrong about short text.
LONG_ENOUGH_TO_GUESS = 2_000
#: How much of a long text the detector reads.
_GUESSED_FROM = 20_000

_ALLOWED = frozenset(
    {"ascii", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "koi8-r", "koi8-u"}
    | {f"iso8859-{n}" for n in range(1, 17)}
    | {f"cp{n}" for n in (437, 850, 852, 858, 866, 874, 932, 949, 950, *range(1250, 1259))}
    | {"gb2312", "gbk", "gb18030", "big5", "big5hkscs", "shift_jis", "euc_jp", "euc_kr"}
    | {"iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_kr", "mac-roman", "tis-620"}
)
#: What web browsers and mail programs do with these two labels.
_READ_AS = {"iso8859-1": "cp1252", "ascii": "utf-8"}


def allowed(name: str) -> str | None:
    """Return Python's own name of a charset that may be used, or None."""
    try:
        found = codecs.lookup(name.strip().strip("\"'")).name
    except (LookupError, ValueError):
        return None
    return found if found in _ALLOWED else None


def decode(content: bytes, declared: str = "") -> tuple[str, bool]:
    """Return the text and whether something about it was damaged; never raises."""
    charset = allowed(declared) if declared else None
    damaged = bool(declared) and charset is None
    if charset is not None:
        # Invalid input in a declared charset falls through to the guesses below.
        text = _strictly(content, _READ_AS.get(charset, charset))
        if text is not None:
            return _without_nul(text, damaged)
        damaged = charset not in _READ_AS
    text = _strictly(content, "utf-8")
    if text is not None:
        return _without_nul(text, damaged)
    guess = _guess(content) if len(content) >= LONG_ENOUGH_TO_GUESS else None
    if guess is not None:
        return _without_nul(guess, damaged)
    text = content.decode("cp1252", errors="replace")
    return _without_nul(text, damaged or "\ufffd" in text)


def _strictly(content: bytes, charset: str) -> str | None:
    try:
        text = content.decode(charset)
    except (UnicodeError, ValueError):
        return None
    return text.removeprefix("\ufeff")


def _without_nul(text: str, damaged: bool) -> tuple[str, bool]:
    if "\0" not in text:
        return text, damaged
    return text.replace("\0", ""), True


def _guess(content: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(content[:_GUESSED_FROM], cp_isolation=["cp1252", "cp1250", "cp1251"]).best()
    return None if best is None else _strictly(content, best.encoding)
