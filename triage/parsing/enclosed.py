"""Looks at a file before it goes on the clinic's list of forms.

Rule of the room: a plain PDF with a plain name; what runs, hides files or is locked is refused.
"""

import re

from triage.domain import Protected
from triage.errors import FormRefused

LARGEST = 5_000_000
_LONGEST_NAME = 80
#: In the bytes as they are: a compressed stream may hide them, an honest form does not.
_ACTIVE = re.compile(rb"/(?:JavaScript|JS|Launch|EmbeddedFiles?|RichMedia|Encrypt|XFA)\b")
_NAME = re.compile(r"[^\w .()+-]+")


def clean_form(name: Protected, content: bytes) -> Protected:
    """Return the name a form is kept under; raise FormRefused."""
    if not content.startswith(b"%PDF-") or b"%%EOF" not in content[-1100:]:
        raise FormRefused("not a PDF")
    if len(content) > LARGEST:
        raise FormRefused("too large")
    if _ACTIVE.search(content):
        raise FormRefused("scripts, locked or hidden files")
    plain = " ".join(_NAME.sub(" ", name.reveal()).split()).strip(". ")
    stem = re.sub(r"\.pdf$", "", plain, flags=re.IGNORECASE).strip(". ")[:_LONGEST_NAME]
    if not stem:
        raise FormRefused("no name")
    return Protected(f"{stem}.pdf")
