"""Messages and redactors the tests of this room share."""

from collections.abc import Sequence

from triage.domain import Channel, Message, Protected, Redacted
from triage.encoder.texts import TaggedSpan
from triage.redaction.finding import Finder
from triage.redaction.presidio import PresidioRedactor


def message(body: str, subject: str = "") -> Message:
    nobody = Protected("")
    return Message("m1", Channel.EMAIL, nobody, nobody, Protected(subject), Protected(body))


class Patterns(PresidioRedactor):
    """The redactor without a tagger, and with recognisers of a test's choice."""

    def __init__(self, *, seconds: float = 20.0, more: Sequence[Finder] = ()) -> None:
        super().__init__({"tagger": "none", "seconds": seconds})
        self._more = more

    def _finders(self) -> Sequence[Finder]:
        return [*super()._finders(), *self._more]

    def one(self, body: str, subject: str = "") -> Redacted:
        return self.redact([message(body, subject)])[0]


class FakeTagger:
    """Marks the words it is told to; counts how often it is asked."""

    def __init__(self, **words: str) -> None:
        self.words = words
        self.calls: list[int] = []

    def tag(self, texts: Sequence[str]) -> list[list[TaggedSpan]]:
        self.calls.append(len(texts))
        return [
            [
                TaggedSpan(text.index(word), text.index(word) + len(word), type, 0.9)
                for word, type in self.words.items()
                if word in text
            ]
            for text in texts
        ]
