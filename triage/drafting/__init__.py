"""Suggested replies are written here; a person edits and approves them elsewhere.

Rule of the room: a drafter sees redacted text only, has no way to send, and is silent on
anything urgent. To add one: a module beside this file and a row in `BUILTIN`.
"""

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


def reidentify(text: str, redactions: tuple[Redaction, ...]) -> Protected:
    """Put the originals back where `text` carries their placeholders; unknown ones stay."""
    for redaction in redactions:
        text = text.replace(redaction.placeholder, redaction.original.reveal())
    return Protected(text)


#: name -> dotted path of a class taking one settings mapping.
BUILTIN: Mapping[str, str] = {
    "templates": "triage.drafting.templates.TemplateDrafter",
    "openai": "triage.drafting.openai.OpenAIDrafter",
}
