"""A model that leaves a channel to people learns the channel, whatever the redactor told."""

from collections.abc import Sequence

from tests.small_practice import rooms
from triage.classifiers.abstain import AlwaysAbstain
from triage.domain import Channel, Classification, Message, Redacted
from triage.parsing import plain
from triage.pipeline import judge


class Forgetful:
    """A redactor from outside that knows nothing of channels."""

    name = "forgetful"

    def redact(
        self, messages: Sequence[Message], backgrounds: Sequence[object] = ()
    ) -> list[Redacted]:
        del backgrounds
        return [Redacted("", "some words") for _ in messages]


class Listening(AlwaysAbstain):
    """Remembers the channels it was told."""

    def __init__(self) -> None:
        self.heard: list[Channel] = []

    def classify(self, texts: Sequence[Redacted]) -> list[Classification]:
        self.heard += [text.channel for text in texts]
        return super().classify(texts)


def test_the_path_says_by_which_channel_a_message_came() -> None:
    classifier = Listening()
    messages = [
        plain(id=channel.value, channel=channel, subject="", body="some words")
        for channel in (Channel.PORTAL, Channel.EMAIL)
    ]
    judge(messages, rooms(redactor=Forgetful(), classifier=classifier))
    assert classifier.heard == [Channel.PORTAL, Channel.EMAIL]
