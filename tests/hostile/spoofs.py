"""Two hundred and more From lines of strangers who would like to look like one patient.

Names that read like hers in every script and wrapping we know of, each before addresses that are
not hers.
"""

import base64
import itertools
import quopri
import unicodedata
from collections.abc import Iterator

NAME, HERS = "Rosalind Keane", "rosalind.keane@example.org"
#: None of these is hers, though some look it.
ADDRESSES = (
    "eve@evil.example",
    "rosalind.keane@examp1e.org",
    "rosalind.keane@example.org.evil.example",
    "rosalind.keane@xn--exmple-cua.org",
    "rosalind.keane@ex\u0430mple.org",
)
_LOOKALIKES = {
    "Cyrillic": {"o": "о", "s": "ѕ", "a": "а", "e": "е", "K": "К", "i": "і"},
    "Greek": {"R": "Ρ", "o": "ο", "a": "α", "K": "Κ", "e": "ε", "n": "η", "i": "ι"},
    "Armenian": {"o": "օ", "n": "ո", "s": "ս", "l": "ւ"},
    "Cherokee": {"R": "Ꭱ", "K": "Ꮶ", "l": "Ꮭ"},
    "digits": {"o": "0", "l": "1", "i": "1", "e": "3"},
}
#: Put between two letters, or around the name.
_UNSEEN = ("\u200b", "\u200c", "\u200d", "\u2060", "\u00ad", "\ufeff", "\u034f", "\u180e", "\u3164")


def _styled(first_capital: int, first_small: int) -> str:
    return "".join(
        chr(first_small + ord(one) - ord("a"))
        if one.islower()
        else chr(first_capital + ord(one) - ord("A"))
        if one.isupper()
        else one
        for one in NAME
    )


def lookalikes() -> Iterator[str]:
    """Yield names that read like hers."""
    yield NAME
    for table in _LOOKALIKES.values():
        yield "".join(table.get(one, one) for one in NAME)
        yield "".join(table.get(one, one) if at % 2 else one for at, one in enumerate(NAME))
    for sign in _UNSEEN:
        yield NAME[:4] + sign + NAME[4:]
    yield "\u202e" + NAME[::-1] + "\u202c"
    yield "\u2067" + NAME + "\u2069"
    yield NAME.replace("a", "a\u0301").replace("e", "e\u0323")
    yield unicodedata.normalize("NFD", NAME.replace("e", "é"))
    yield "".join(chr(ord(one) + 0xFEE0) if one != " " else "\u3000" for one in NAME)
    yield _styled(0x1D400, 0x1D41A)
    yield _styled(0x1D5A0, 0x1D5BA)
    yield "".join(chr(0xE0000 + ord(one)) for one in NAME) + NAME
    yield NAME.upper()
    yield NAME.replace(" ", "\u00a0")
    yield f"{NAME} (verified patient)"
    yield f"{NAME} \u2713"
    yield f"{NAME} via Patient Portal"


def wrapped() -> Iterator[str]:
    """Yield ways to write her name, or her address, where a display name stands."""
    packed = base64.b64encode(NAME.encode()).decode()
    quoted = quopri.encodestring(NAME.encode(), header=True).decode()
    yield f"=?utf-8?b?{packed}?="
    yield f"=?utf-8?q?{quoted}?="
    yield f"=?iso-8859-1?q?{quoted}?="
    yield f"=?utf-8?q?{quoted[:8]}?= =?utf-8?q?{quoted[8:]}?="
    yield f'"{NAME}"'
    yield '"' + "".join(f"\\{one}" for one in NAME) + '"'
    yield f'"{NAME} <{HERS}>"'
    yield f'"{HERS}"'
    yield f"=?utf-8?b?{base64.b64encode(f'{NAME} <{HERS}>'.encode()).decode()}?="
    yield f'"{NAME}" (rosalind.keane)'
    yield f"\"'{NAME}' via Alder Street Practice\""
    yield f"Keane,\r\n Rosalind <{HERS}>,"


def heads() -> list[str]:
    """Return every From line: each name with each address."""
    names = [*lookalikes(), *wrapped()]
    return [f"From: {name} <{address}>" for name, address in itertools.product(names, ADDRESSES)]
