"""A practice of two patients and the rooms around it, for tests of the path and the desk."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from tests.proofs import proof_of
from triage.classifiers.abstain import AlwaysAbstain
from triage.desk import Desk
from triage.domain import (
    Background,
    Channel,
    Classification,
    Clinic,
    Contact,
    Flag,
    Message,
    Patient,
    Priority,
    Protected,
    Redacted,
    Role,
    Route,
    Suggestion,
    Urgency,
    User,
    new_id,
)
from triage.parsing import parse
from triage.pipeline import Rooms, file, land
from triage.priority import rank
from triage.store import Store
from triage.testing import MemoryInbox, mail

CLINIC = Clinic("c1", "Test Clinic")
#: A counted key would be refused where a real process starts.
MASTER = hashlib.sha256(b"the master of the small practice").digest()
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)

SECRETARY = User("u-sec", "c1", "dana", "Dana", frozenset({Role.SECRETARY}))
SUPERVISOR = User("u-sup", "c1", "sam", "Sam", frozenset({Role.SUPERVISOR}))
SCIENTIST = User("u-sci", "c1", "devi", "Devi", frozenset({Role.DATA_SCIENTIST}))
NURSE = User("u-nur", "c1", "nia", "Nia", frozenset({Role.NURSE}))
WRITER = User("u-wri", "c1", "wim", "Wim", frozenset({Role.WRITER}))
STRANGER = User("u-str", "c2", "eve", "Eve", frozenset({Role.SUPERVISOR}))


def patient(number: int) -> tuple[Patient, tuple[Contact, ...]]:
    """Return a patient with one verified e-mail address and one portal reference."""
    key = f"p{number}"
    name = Protected(f"Pat{number} Example")
    person = Patient(key, "c1", name, Protected("1980-02-03"), Protected(f"MRN{number:05}"))
    by_mail = Contact(
        f"{key}-mail",
        "c1",
        key,
        Channel.EMAIL,
        Protected(f"pat{number}@example.org"),
        name,
        "self",
        "roster",
        consent_to_email=True,
    )
    by_portal = replace(
        by_mail,
        id=f"{key}-portal",
        channel=Channel.PORTAL,
        address=Protected(f"Patient/{number}"),
    )
    return person, (by_mail, by_portal)


class Hider:
    """A redactor double: hides addresses it knows and nothing else."""

    name = "hider"

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        del settings

    def redact(
        self, messages: Sequence[Message], backgrounds: Sequence[Background] = ()
    ) -> list[Redacted]:
        """Pass the text on; the small practice's mails hold no identifiers in their bodies."""
        return [
            Redacted(item.subject.reveal(), item.body.reveal(), redactor=self.name)
            for item in messages
        ]


class Keyword:
    """A classifier double: one word decides the route."""

    name = "keyword"
    words: Mapping[str, Route] = {"refill": Route.REFILL, "bill": Route.BILLING_DISPUTE}

    def classify(self, texts: Sequence[Redacted]) -> list[Classification]:
        """Return refill, billing or general with full confidence."""
        return [self._one(text) for text in texts]

    def _one(self, text: Redacted) -> Classification:
        if text.withheld:
            return AlwaysAbstain().classify([text])[0]
        route = next((r for w, r in self.words.items() if w in text.body), Route.GENERAL)
        return Classification(route, frozenset(), Urgency.ROUTINE, 0.99, False, self.name)


class Watch:
    """Rules double: the words 'chest pain' are an emergency."""

    def flags(self, message: Message) -> tuple[Flag, ...]:
        """Fire on chest pain."""
        if "chest pain" not in message.body.reveal():
            return ()
        return (Flag("chest", Urgency.EMERGENCY, Protected("chest pain"), "possible heart attack"),)


class Polite:
    """A drafter double."""

    name = "polite"

    def draft(
        self, message: Message, redacted: Redacted, priority: Priority, *, language: str
    ) -> Suggestion | None:
        """Thank the writer, unless it is urgent."""
        if priority.urgency > Urgency.ROUTINE:
            return None
        return Suggestion("Re: your message", "Thank you. We will look after it.", "polite")


def rooms(**changed: object) -> Rooms:
    """Return rooms made of doubles around the real parser and ranking."""
    made = Rooms(parse, Hider(), Keyword(), Watch(), rank, Polite())
    return replace(made, **changed)  # type: ignore[arg-type]  # Tests swap any room.


def move_in(store: Store) -> None:
    """Add the clinic, its people and two patients."""
    store.people.add_clinic(CLINIC)
    for user in (SECRETARY, SUPERVISOR, SCIENTIST, NURSE, WRITER):
        store.people.add_user(user, "correct horse battery staple")
    store.people.import_roster([patient(1), patient(2)], clinic="c1", by="test")


def receive(store: Store, *mails: bytes, with_rooms: Rooms | None = None) -> list[str]:
    """Land and file mails; return their case ids."""
    inbox = MemoryInbox(list(mails), name=f"memory-{new_id()}")
    landed = land(inbox, store, clinic="c1")
    return file(landed, with_rooms or rooms(), store, clinic="c1", by="worker")


def mail_from(number: int, body: str, **more: str) -> bytes:
    """Return a mail of patient `number`."""
    return mail(body, sender=f"Pat{number} <pat{number}@example.org>", **more)


def approve(desk: Desk, case_id: str, *, body: str = "All right.", actor: User = SECRETARY) -> str:
    """Save and approve words for a case with the actor's own key; return the reply's id."""
    draft = desk.replies.save(actor, case_id, subject=Protected("Re: hello"), body=Protected(body))
    digest = draft.outgoing.digest
    proof = proof_of(desk._store, MASTER, actor.id, draft.id, digest)
    return desk.replies.approve(actor, case_id, digest=digest, proof=proof).id
