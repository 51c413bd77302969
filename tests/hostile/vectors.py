"""Hostile strings for the tests of this folder: the public collections, or a few of our own.

The short form of each test takes a part of them, the same at every run; the long form, with
TRIAGE_LONG=1 in the environment, takes them all.
"""

import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from tests.sizes import LONG

Item = TypeVar("Item")

#: Ways to run a script, one per idea; each fires in a bare page.
SCRIPTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<object data='javascript:alert(1)'></object>",
    "<a href='javascript:alert(1)'>a</a>",
    "<details open ontoggle=alert(1)>d</details>",
    "<input autofocus onfocus=alert(1)>",
    "<button onclick=alert(1)>b</button>",
    "<div onmouseover=alert(1)>d</div>",
    "<style onload=alert(1)></style>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table>",
    "<video><source onerror=alert(1)></video>",
    '"><script>alert(1)</script>',
    "</textarea><script>alert(1)</script>",
    "--><script>alert(1)</script>",
)
TEMPLATES = (
    "{{7*7}}", "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ config.items() }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}", "{{ request }}",
    "${7*7}", "#{7*7}", "<%= 7*7 %>", "{{ self._TemplateReference__context }}", "@(1+2)",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}", "{0.__class__}", "%(x)s", "{phone}",
    "{% include 'case.html' %}", "{# comment #}", "{% raw %}", "[NAME_1]", "{writer}",
)  # fmt: skip
NAUGHTY = (
    "undefined", "NULL", "\u202eevil\u202c", "\u200b", "\u2066x\u2069", "\ufeff", "a\u0300\u0301",
    "\U000e0041\U000e0042", "\u0000", "Ω≈ç√∫˜µ≤≥÷", "田中さんにあげて下さい", "ثم نفس سقطت",
    "Z̮̞̠͙͔ͅḀ̗̞͈̻̗Ḷ͙͎̯̹̞͓G̻O̭̗̮", "\x85\xa0\u180e", "１２３", "<script>alert(1)</script>", "' OR 1=1",
    "👩‍👩‍👧", "\u2028\u2029", "﷽",
)  # fmt: skip
LINES = (
    "/%0aSet-Cookie:crlf=injection", "/%0d%0aSet-Cookie:crlf=injection", "/%u000aSet-Cookie:x=y",
    "/%25%30%61Set-Cookie:crlf=injection", "/%E5%98%8A%E5%98%8DSet-Cookie:crlf=injection",
)  # fmt: skip


def public(*names: str) -> Path | None:
    """Return a file of the public data, or None where this machine has none."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    path = Path(os.environ.get("TRIAGE_PUBLIC_DATA") or beside).joinpath(*names)
    return path if path.is_file() else None


def scripts() -> list[str]:
    """Return every vector of script injection."""
    path = public("attack_xss", "vectors.jsonl")
    if path is None:
        return list(SCRIPTS)
    lines = path.read_text(encoding="utf-8").splitlines()
    return list(dict.fromkeys(json.loads(line)["payload"] for line in lines))


def templates() -> list[str]:
    """Return every vector of template injection."""
    path = public("attack_strings", "template_injection.txt")
    found = path.read_text(encoding="utf-8").splitlines() if path else []
    return list(dict.fromkeys([*found, *TEMPLATES]))


def naughty() -> list[str]:
    """Return the big list of naughty strings."""
    path = public("attack_strings", "naughty.json")
    found = json.loads(path.read_text(encoding="utf-8")) if path else []
    return list(dict.fromkeys([*found, *NAUGHTY]))


def line_feeds() -> list[str]:
    """Return every vector that hides a line feed from a filter."""
    path = public("attack_strings", "crlf.txt")
    found = path.read_text(encoding="utf-8").splitlines() if path else []
    return list(dict.fromkeys([*found, *LINES]))


def some(items: Sequence[Item], short: int, *, seed: int) -> list[Item]:
    """Return all items in the long form, else the same `short` of them at every run."""
    if LONG or len(items) <= short:
        return list(items)
    return random.Random(seed).sample(items, short)
