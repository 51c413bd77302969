"""Suggested replies are written here; a person edits and approves them elsewhere.

Rule of the room: a drafter sees redacted text only, has no way to send, and is silent on
anything urgent. To add one: a module beside this file and a row in `BUILTIN`.
"""

import re
from collections.abc import Mapping
from typing import Protocol

from triage.domain import Message, Priority, Protected, Redacted, Redaction, Suggestion


class Drafter(Protocol):
    """Proposes words."""

    name: str

    def draft(
        self, message: Message, redacted: Redacted, priority: Priority, *, language: str
    ) -> Suggestion | None:
        """Return a suggestion with placeholders in place, or None when silence is better.

        Of `message` only the channel, topic and marks may be read, never its text.
        """
        ...


#: What a redactor leaves in the place of an identifier.
PLACEHOLDER = re.compile(r"\[[A-Z_]+_\d+\]")


def reidentify(text: str, redactions: tuple[Redaction, ...]) -> Protected:
    """Put the originals back where `text` carries their placeholders.

    A placeholder that is unknown, or stands for different originals, stays: a person fills it in.
    """
    originals: dict[str, set[str]] = {}
    for redaction in redactions:
        originals.setdefault(redaction.placeholder, set()).add(redaction.original.reveal())

    def original(found: re.Match[str]) -> str:
        known = originals.get(found[0], set())
        return next(iter(known)) if len(known) == 1 else found[0]

    # One pass, so that a placeholder written inside an original is not filled in turn.
    return Protected(PLACEHOLDER.sub(original, text))


#: name -> dotted path of a class taking one settings mapping.
BUILTIN: Mapping[str, str] = {
    "templates": "triage.drafting.templates.TemplateDrafter",
    "openai": "triage.drafting.openai.OpenAIDrafter",
}
