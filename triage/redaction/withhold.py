"""The redactor that shows a model nothing: used when the real one cannot be loaded."""

from collections.abc import Mapping, Sequence

from triage.domain import Background, Message, Redacted


class WithholdEverything:
    """Withholds subject and body of every message, so that a person reads the original."""

    name = "withhold"

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        del settings

    def redact(
        self, messages: Sequence[Message], backgrounds: Sequence[Background] = ()
    ) -> list[Redacted]:
        """Return one empty Redacted per message with every field withheld."""
        del backgrounds
        withheld = frozenset({"subject", "body", "files"})
        return [
            Redacted("", "", withheld=withheld, redactor=self.name, channel=message.channel)
            for message in messages
        ]
