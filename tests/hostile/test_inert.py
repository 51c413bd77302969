"""Safety-bar 42: template strings are words, files are only saved, and names are only names.

Both forms run every public template string, every naughty string and 50 polyglots.
"""

import re
from urllib.parse import unquote

import pytest
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.hostile.vectors import naughty, scripts, some, templates
from triage.domain import (
    IdentifierType,
    Lane,
    Priority,
    Protected,
    Redacted,
    Redaction,
    Route,
    Urgency,
)
from triage.drafting import reidentify
from triage.drafting.templates import TemplateDrafter
from triage.testing import message
from triage.web import pages
from triage.web.case import saved
from triage.web.harmless import DEVICES, disposition, exact, file_name, unseen

pytestmark = pytest.mark.bar(42)

TEMPLATES = templates()
SUMS = re.compile(r"\b(49|7777777|9|16|25)\b")


@pytest.mark.parametrize("text", TEMPLATES, ids=ascii)
def test_a_template_string_is_inert_wherever_it_stands(text: str) -> None:
    drafter = TemplateDrafter({"phone": text, "name": text, "message_turnaround": text})
    priority = Priority(Route.GENERAL, frozenset(), Urgency.ROUTINE, 40, Lane.SORTED, ())
    redacted = Redacted(text, f"{text}\n\n[NAME_1]", redactions=(
        Redaction("[NAME_1]", IdentifierType.NAME, Protected(text)),
    ))  # fmt: skip
    draft = drafter.draft(message(text), redacted, priority, language="en")
    if draft is not None:
        words = draft.body.replace(" ".join(text.split()).rstrip("."), "")
        assert not SUMS.search(words)
        filled = reidentify("Hello [NAME_1], bye.", redacted.redactions)
        assert filled.reveal() == f"Hello {text}, bye."
    environment = pages.environment("/static")
    page = environment.from_string("{{ text | exact }}").render(text=Protected(text))
    assert page == str(exact(text))


def test_the_templates_are_sandboxed_and_the_sandbox_is_seen_to_hold() -> None:
    environment = pages.environment("/static")
    assert isinstance(environment, ImmutableSandboxedEnvironment)
    for attack in ("{{ ''.__class__.__mro__ }}", "{{ wording.size.__globals__ }}"):
        with pytest.raises(SecurityError):
            environment.from_string(f"{attack}{{{{ ''.__class__.__base__ }}}}").render()


HEADS = (
    b"GIF89a/*", b"\xff\xd8\xff\xe0", b"%PDF-1.7\n", b"PK\x03\x04", b"<svg xmlns='http://www.w3.org/"
    b"2000/svg'>", b"\x89PNG\r\n\x1a\n", b"BM", b"MZ\x90", b"RIFF\x00\x00\x00\x00WEBP",
    b"<!doctype html>",
)  # fmt: skip
TAILS = (
    b"<script>alert(1)</script>", b"*/=1;alert(1)//", b"<svg onload=alert(1)>", b"PK\x05\x06",
    b"%PDF",
)  # fmt: skip
NAMES = (
    "scan.html", "scan.svg", "a.xhtml", "x.js", "r\u202elmth.fdp", "a.pdf\x00.html", "../../a.htm",
    "a\r\nContent-Type: text/html", "con.html", ".htaccess", "-rf", "a.html;x=.pdf", "\ud800.html",
)  # fmt: skip


def test_polyglots_are_only_ever_saved() -> None:
    polyglots = [head + tail for head in HEADS for tail in TAILS]
    assert len(polyglots) >= 50
    for number, content in enumerate(polyglots):
        answer = saved(content, NAMES[number % len(NAMES)])
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert answer.body == content


def test_every_name_is_only_a_name() -> None:
    claims = [
        *NAMES,
        *naughty(),
        *TEMPLATES,
        *some(scripts(), 200, seed=42),
        "NUL",
        "com1.txt",
        ".",
    ]
    for claim in claims:
        name = file_name(claim)
        assert 0 < len(name) <= 101
        assert not re.search(r"[\x00-\x1f/\\:*?\"<>|;%$`]", name), ascii(claim)
        assert unseen(name) == 0
        assert name[0] not in ".-"
        assert name[-1] not in ". "
        assert not DEVICES.match(name)
        header = disposition(claim)
        assert header.isascii()
        assert header.isprintable()
        assert unquote(header.partition("''")[2]) == name
