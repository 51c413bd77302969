"""Identifiers are hidden here before any model reads a message.

Rule of the room: only a Redactor makes `Redacted`; whatever fails withholds the whole field;
nothing here touches the network or writes a token to a log.
To add a recogniser: a row or a class in `recognizers.py`; to add a redactor: a row in `BUILTIN`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from triage.domain import Background, Message, Redacted


class Redactor(Protocol):
    """Hides identifiers."""

    #: Name and version, stored with every Redacted.
    name: str

    def redact(
        self, messages: Sequence[Message], backgrounds: Sequence[Background] = ()
    ) -> list[Redacted]:
        """Hide identifiers in subject, body and names of files; same order, same length.

        `backgrounds` is what the clinic knows about each message, or empty when it knows
        nothing; a name the conversation has a placeholder for keeps it.

        Never raises for a message: a recogniser that fails, times out or is missing withholds
        the field it failed on (`Redacted.withheld`).
        """
        ...


#: name -> dotted path of a class taking one settings mapping.
BUILTIN: Mapping[str, str] = {
    "presidio": "triage.redaction.presidio.PresidioRedactor",
    "withhold": "triage.redaction.withhold.WithholdEverything",
}
