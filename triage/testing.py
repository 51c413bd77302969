"""Doubles that ship, and the checks every plug-in must pass: use them in your own tests.

from triage.testing import check_classifier

def test_mine() -> None:
    check_classifier(MyClassifier({}))
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from triage.classifiers import Classifier
from triage.connectors import Inbox
from triage.domain import (
    NOTHING,
    Approval,
    Arrival,
    Channel,
    Cursor,
    Delivery,
    IdentifierType,
    Message,
    Outgoing,
    Position,
    Protected,
    Redacted,
    Route,
    Urgency,
)
from triage.errors import ProofRefused
from triage.redaction import Redactor


def message(body: str, *, subject: str = "", id: str = "m1") -> Message:
    """Return a plain e-mail message with the given words."""
    return Message(
        raw_id=id,
        channel=Channel.EMAIL,
        sender=Protected("sender@example.org"),
        sender_name=NOTHING,
        subject=Protected(subject),
        body=Protected(body),
        readings=(Protected(f"{subject}\n{body}"),),
    )


def mail(
    body: str,
    *,
    sender: str = "pat@example.org",
    subject: str = "Hello",
    message_id: str = "<1@example.org>",
    headers: str = "",
) -> bytes:
    """Return the bytes of a simple mail."""
    return (
        f"From: {sender}\r\nTo: desk@clinic.example\r\nSubject: {subject}\r\n"
        f"Message-ID: {message_id}\r\n{headers}"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
    ).encode()


def arrival(content: bytes, *, uid: int, inbox: str = "memory", epoch: str = "1") -> Arrival:
    """Return mail bytes as an inbox would hand them over."""
    position = Position(inbox, "INBOX", epoch, str(uid))
    return Arrival(position, Channel.EMAIL, "message/rfc822", content)


@dataclass
class MemoryInbox:
    """An inbox whose server is a list of mails; deliveries hold one mail each."""

    mails: list[bytes] = field(default_factory=list)
    name: str = "memory"
    channel: Channel = Channel.EMAIL
    epoch: str = "1"

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]:
        """Yield what lies past the cursor; everything again when the epoch changed."""
        cursor = cursors.get("INBOX")
        start = int(cursor.uid) if cursor and cursor.epoch == self.epoch else 0
        for uid, content in enumerate(self.mails[start:], start + 1):
            found = arrival(content, uid=uid, inbox=self.name, epoch=self.epoch)
            yield Delivery((found,), Cursor("INBOX", self.epoch, str(uid)))

    def wait(self, seconds: float) -> bool:
        """Return at once: a list never rings."""
        del seconds
        return False

    def check(self) -> tuple[str, ...]:
        """Say that a list always works."""
        return ("This inbox is a list in memory.",)

    def close(self) -> None:
        """Do nothing."""


@dataclass
class MemoryOutbox:
    """An outbox that keeps what it is given, and fails as it is told to."""

    channel: Channel = Channel.EMAIL
    name: str = "memory-out"
    #: Errors to raise, one a call, before anything is kept.
    troubles: list[Exception] = field(default_factory=list)
    sent: list[tuple[str, Outgoing]] = field(default_factory=list)

    def send(self, approval: Approval, outgoing: Outgoing, *, message_id: str) -> str:
        """Keep the words or raise the next trouble."""
        if approval.digest != outgoing.digest:
            raise ProofRefused(message_id)
        if self.troubles:
            raise self.troubles.pop(0)
        self.sent.append((message_id, outgoing))
        return f"kept {len(self.sent)}"


#: Words a redactor must hide completely, and the type it should call them.
PLAIN_IDENTIFIERS: Mapping[str, IdentifierType] = {
    "555-010-4477": IdentifierType.PHONE,
    "maria.quill@example.com": IdentifierType.EMAIL,
    "078-05-1120": IdentifierType.SSN,
}


def check_inbox(inbox: Inbox) -> list[Arrival]:
    """Assert what every inbox promises; return what it delivered.

    Nothing twice under one position, cursors that move, nothing new past the last cursor.
    """
    deliveries = list(inbox.deliveries({}))
    arrivals = [found for delivery in deliveries for found in delivery.arrivals]
    positions = [found.position for found in arrivals]
    assert len(set(positions)) == len(positions), "one position was delivered twice"
    assert all(found.content for found in arrivals), "an arrival without bytes"
    assert all(found.position.inbox == inbox.name for found in arrivals), "a foreign inbox name"
    assert inbox.check(), "check() says nothing"
    inbox.close()
    inbox.close()
    return arrivals


def check_redactor(redactor: Redactor) -> None:
    """Assert what every redactor promises: order, length, honest offsets, closed when it fails."""
    words = [f"Hello, my id is {word}. Bye." for word in PLAIN_IDENTIFIERS]
    messages = [message(text, subject="x", id=str(n)) for n, text in enumerate(words)]
    results = redactor.redact(messages)
    assert len(results) == len(messages), "not one result per message"
    for word, text, found in zip(PLAIN_IDENTIFIERS, words, results, strict=True):
        assert word not in found.body, "an identifier is still readable"
        for span in found.spans:
            source = text if span.field == "body" else "x"
            assert 0 <= span.start < span.end <= len(source), "a span outside its field"
    assert redactor.redact([]) == []


def check_classifier(classifier: Classifier) -> None:
    """Assert what every classifier promises: order, length, known words, abstaining when blind."""
    texts = [
        Redacted("", "I need a refill of my lisinopril"),
        Redacted("", "", withheld=frozenset({"subject", "body"})),
        Redacted("Bill", "Why was I charged twice?"),
    ]
    results = classifier.classify(texts)
    assert len(results) == len(texts), "not one result per text"
    for found in results:
        assert isinstance(found.route, Route)
        assert isinstance(found.urgency, Urgency)
        assert 0.0 <= found.confidence <= 1.0
    assert results[1].abstained, "a withheld text was not abstained on"
    assert classifier.classify([]) == []
