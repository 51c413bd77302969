"""What a language model wrote is let through only when it is plain administrative prose.

Rule of the room: everything is refused that is not known to be harmless; the message may have
told the model what to write.
"""

import re
import unicodedata
from collections.abc import Collection

LONGEST = 1_500
_PUNCTUATION = frozenset(" \n.,;:!?¡¿'\"’‘“”()-–—/$%&+#*@[]_")
#: Stands for an allowed address while the rest is looked at.
_ALLOWED = "¤"
_TOP = "com|net|org|info|biz|io|co|ai|app|me|us|uk|ru|cn|example|health|link|click|xyz|online|site"
_NUMBER = (
    "zero|oh|one|two|three|four|five|six|seven|eight|nine"
    "|cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve"
)
_STREET = "street|st|avenue|ave|road|rd|drive|dr|lane|ln|court|ct|blvd|boulevard|way|highway|suite"
#: Each name says what a text is refused for; none of these may stand outside the allow-list.
_REFUSED = {
    "address or link": re.compile(
        r"@|://|\bwww\b|\bhxxp|\bmailto\b|[\w-]\.[^\W\d_]{2,}"
        rf"|\b(?:dot|punto)\s+(?:{_TOP})\b|[\[(]\s*(?:dot|at|\.|punto|arroba)\s*[\])]"
        rf"|\barroba\b|\w\s+\.\s*(?:{_TOP})\b|\bat\s+\w+\s+dot\b|\w/\w+/",
        re.I,
    ),
    "number": re.compile(
        rf"(?:(?:\d|\b(?:{_NUMBER})\b)[\s().,/+*#–—-]*){{5}}"
        r"|[\d+][\s().,/-]*¤|¤[\s().,/-]*\d",
        re.I,
    ),
    "place": re.compile(rf"\b\d+\s+(?:\w+\s+){{1,3}}(?:{_STREET})\b|\bP\.?\s?O\.?\s+Box\b", re.I),
    "dose": re.compile(
        r"\d\s*(?:mg|mcg|µg|g|ml|units?|unidades|tablets?|pills?|tabletas?|pastillas?|puffs?)\b",
        re.I,
    ),
    "spelling": re.compile(r"(?:\b\w[\s.-]+){5}"),
    "markup": re.compile(r"\]\(|[\[\]_*#]"),
}


def objection(text: str, *, allowed: Collection[str], longest: int = LONGEST) -> str:
    """Say in a word why a model's text is refused; empty when it may be suggested.

    `allowed` are the clinic's own phones, links and addresses, matched whole. A placeholder is
    refused too: the original that would fill it was written by the sender.
    """
    if not text.strip() or len(text) > longest:
        return "length"
    text = unicodedata.normalize("NFKC", text)
    if not all(map(_readable, text)):
        return "character"
    for one in sorted(map(_folded, allowed), key=len, reverse=True):
        if one:
            # Whole and free-standing: `portal.example.evil.com` is not `portal.example`.
            whole = rf"(?<![^\s(]){re.escape(one)}(?=[.,;:!?)]*(?:\s|$))"
            text = re.sub(whole, _ALLOWED, text)
    return next((why for why, pattern in _REFUSED.items() if pattern.search(text)), "")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def _readable(one: str) -> bool:
    """Whether a character belongs in English or Spanish prose; nothing invisible does."""
    if one.isalpha():
        return unicodedata.name(one, "").startswith("LATIN")
    return one in _PUNCTUATION or (one.isascii() and one.isdigit())
