"""Identifiers are hidden here before any model reads a message.

Rule of the room: only a Redactor makes `Redacted`; whatever fails withholds the whole field;
nothing here touches the network or writes a token to a log.
To add a recogniser: a row or a class in `recognizers.py`; to add a redactor: a row in `BUILTIN`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from triage.domain import Message, Redacted


class Redactor(Protocol):
    """Hides identifiers."""

    #: Name and version, stored with every Redacted.
    name: str

    def redact(self, messages: Sequence[Message]) -> list[Redacted]:
        """Hide identifiers in subject and body of each message; same order, same length.

        Never raises for a message: a recogniser that fails, times out or is missing withholds
        the field it failed on (`Redacted.withheld`).
        """
        ...


#: name -> dotted path of a class taking one settings mapping.
BUILTIN: Mapping[str, str] = {
    "presidio": "triage.redaction.presidio.PresidioRedactor",
    "withhold": "triage.redaction.withhold.WithholdEverything",
}
