"""Puts exercises into the queue by the path that every message walks.

Rule of the room: parser, redactor, rules and drafter are those that serve patients; only how a
message is sorted comes from the exercise, so that everybody practises the same.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from triage.cli.demo.servers import AUTHSERV_ID, delivered
from triage.desk import Desk
from triage.desk.score import SET
from triage.domain import (
    Arrival,
    Channel,
    Classification,
    Exercise,
    Position,
    Protected,
    Redacted,
    User,
)
from triage.errors import BadExercise, NoRecipient, NotAnswerable
from triage.parsing import reader
from triage.pipeline import Rooms, file
from triage.store import Store

INBOX = "exercises"
#: How sure the machine of the exercises says it is.
_SURE = 0.93


class Sorter:
    """Sorts one message as its exercise says."""

    name = "exercise"

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise

    def classify(self, texts: Sequence[Redacted]) -> list[Classification]:
        """Return what the exercise says, whatever the words are."""
        said = self.exercise.sorted
        made = Classification(said.route, said.also, said.urgency, _SURE, False, self.name)
        return [made for _ in texts]


def set_exercises(
    store: Store,
    exercises: Iterable[Exercise],
    rooms: Rooms,
    *,
    clinic: str,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Land and file every exercise; the audit remembers which case it is."""
    rooms = replace(rooms, parse=reader({INBOX: AUTHSERV_ID}))
    for number, one in enumerate(exercises, 1):
        position = Position(INBOX, "INBOX", "1", str(number))
        arrival = Arrival(position, one.channel, *_written(one))
        raw_ids = store.landing.land([arrival], clinic=clinic)
        sorting = replace(rooms, classifier=Sorter(one))
        (case_id,) = file(raw_ids, sorting, store, clinic=clinic, by="worker")
        detail = {"exercise": one.id}
        store.audit.record(SET, clinic=clinic, by="training", cases=(case_id,), detail=detail)
        watch()


def begin_replies(
    desk: Desk, store: Store, exercises: Iterable[Exercise], *, colleague: User
) -> None:
    """Save what a colleague began, where an exercise says so; the case stays free."""
    events = store.audit.events(clinic=colleague.clinic, by="training", action=SET, limit=10_000)
    cases = {event.detail["exercise"]: event.cases[0] for event in events}
    for one in exercises:
        if one.begun:
            subject, body = Protected("Your message to us"), Protected(one.begun)
            try:
                desk.replies.save(colleague, cases[one.id], subject=subject, body=body)
            except (NotAnswerable, NoRecipient):
                raise BadExercise(f"{one.id}, begun: its sender is not one known patient") from None


def _written(one: Exercise) -> tuple[str, bytes]:
    """Return the media type and the bytes in which an exercise comes in."""
    if one.channel is Channel.PORTAL:
        return "application/fhir+json", communication_of(one)
    return "message/rfc822", mail_of(one)


def communication_of(one: Exercise) -> bytes:
    """Return an exercise as a portal hands it on."""
    whose = {"reference": one.sender}
    resource = {
        "resourceType": "Communication",
        "id": one.id,
        "status": "completed",
        "sender": {**whose, "display": one.sender_name},
        "subject": whose,
        "topic": {"text": one.subject},
        "payload": [{"contentString": one.body}],
    }
    return json.dumps(resource).encode()


def mail_of(one: Exercise) -> bytes:
    """Return an exercise as a mail server hands it on, its verdict on the sender on top."""
    mail = EmailMessage(policy=SMTP)
    user, _, domain = one.sender.rpartition("@")
    mail["From"] = Address(one.sender_name, user, domain)
    mail["To"] = "frontdesk@willowcreek.example"
    mail["Subject"] = one.subject
    mail["Message-ID"] = f"<{one.id}@exercise.example>"
    if one.automatic:
        mail["Auto-Submitted"] = "auto-replied"
    mail.set_content(one.body)
    return delivered(mail.as_bytes())
