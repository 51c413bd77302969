"""People who practise: one who does everything right, and what the others do instead.

They work at the real desk, and approve with keys of their own, as a browser does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.proofs import proof_of
from tests.web.practice import Practice
from triage.cli.newcomers.home import CLINIC
from triage.cli.newcomers.practising import practice_desk
from triage.cli.newcomers.reading import EXERCISES, read_exercises
from triage.desk import Desk
from triage.desk.desk import utcnow
from triage.desk.score import SET, ScoreDesk
from triage.domain import (
    NOTHING,
    Exercise,
    Lesson,
    Protected,
    ScoreSheet,
    Told,
    Urgency,
    User,
)
from triage.settings import approval_master
from triage.store import Store
from triage.wiring import House

#: What can be said in answer to anything, and promises nothing.
WORDS = "Thank you for your message. We are looking into it and will write to you again."

#: What is answered in writing besides what a colleague began; everything else is phoned.
WRITTEN = ("refill-es", "school-form")


@dataclass
class Trainee:
    """Somebody who practises, and the practice around them."""

    house: House
    store: Store
    exercises: tuple[Exercise, ...]
    cases: Mapping[str, str]
    clock: datetime
    #: Exercise -> what is done with it instead of the right thing.
    instead: dict[str, Callable[[Exercise], None]] = field(default_factory=dict)
    #: What is closed once its reply has been settled, and how.
    answered: list[tuple[Exercise, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.me = self.user("trainee")
        self.lesson = Lesson(self.exercises, self.me.id)
        self.desk: Desk = practice_desk(self.house, self.store, self.lesson)

    def user(self, name: str) -> User:
        return next(u for u in self.store.people.users(clinic=CLINIC) if u.username == name)

    def sheet(self) -> ScoreSheet:
        return self.desk.score.sheet(self.user("trainer"))

    def one(self, key: str) -> Exercise:
        return next(one for one in self.exercises if one.id == key)

    def practise(self, *keys: str) -> None:
        """Do these exercises in order, or all of them: urgent ones first."""
        calm = [one for one in self.exercises if one.expected.sorting.urgency is Urgency.ROUTINE]
        grave = [one for one in self.exercises if one not in calm]
        for one in map(self.one, keys) if keys else [*grave, *calm]:
            self.instead.get(one.id, self.rightly)(one)
        self.settle()
        for one, outcome in self.answered:
            self.close(one, outcome)

    def read(self, one: Exercise) -> None:
        self.desk.queue.open(self.me, self.cases[one.id])

    def rightly(self, one: Exercise) -> None:
        """Do what the trainer expects."""
        self.read(one)
        if one.expected.together:
            self.read(self.one(one.expected.together))
        self.sort(one)
        if one.expected.patient:
            self.link(one, one.expected.patient)
        self.finish(one)

    def sort(self, one: Exercise) -> None:
        wanted, case_id = one.expected.sorting, self.cases[one.id]
        if one.sorted == wanted:
            return
        self.desk.queue.reroute(
            self.me,
            case_id,
            route=wanted.route,
            urgency=wanted.urgency,
            also=wanted.also,
            why=NOTHING,
        )

    def link(self, one: Exercise, patient: str) -> None:
        found = self.store.people.contacts(patient, clinic=CLINIC, by="test")
        contact = next(c for c in found if c.address.reveal() == one.sender)
        self.desk.queue.link(self.me, self.cases[one.id], patient_id=patient, contact_id=contact.id)

    def finish(self, one: Exercise, *, words: str = WORDS, outcome: str = "") -> None:
        """Answer where that is expected, and close with the first outcome that fits."""
        outcomes = one.expected.outcomes
        written = "answered" in outcomes and (one.begun or one.id in WRITTEN)
        chosen = outcome or ("answered" if written else min(outcomes - {"answered"}))
        if chosen != "answered":
            self.close(one, chosen)
            return
        self.answer(one, words)
        self.answered.append((one, chosen))

    def answer(self, one: Exercise, words: str, *, confirm: bool = False) -> None:
        body = Protected(words)
        self.desk.replies.save(self.me, self.cases[one.id], subject=Protected("Re"), body=body)
        self.approve(one, confirm=confirm)

    def approve(self, one: Exercise, *, confirm: bool = False) -> None:
        """Approve what is saved, as it is."""
        case_id = self.cases[one.id]
        view = self.desk.queue.open(self.me, case_id)
        assert view.draft
        assert view.checked
        digest, master = view.draft.outgoing.digest, approval_master(self.house.home)
        proof = proof_of(self.store, master, self.me.id, view.draft.id, digest, clinic=CLINIC)
        confirmed = [fact.id for fact in view.checked.unsupported] if confirm else []
        self.desk.replies.approve(self.me, case_id, digest=digest, proof=proof, confirmed=confirmed)

    def close(self, one: Exercise, outcome: str) -> None:
        told = Told(Protected("Nia"), NOTHING, Protected("What was agreed"))
        case_id = self.cases[one.id]
        self.desk.queue.close(
            self.me, case_id, outcome=outcome, note=NOTHING, told=told, all_done=True
        )

    def settle(self) -> int:
        """Let the undo window pass and the sender do its round."""
        from triage.cli.newcomers.practising import practice_sender

        sender = practice_sender(self.house, self.store)
        later = self.clock + timedelta(hours=1)
        sender._clock = lambda: later
        return sender.once()


def teach(practice: Practice) -> None:
    """Make the practice of other tests one for training, with two of its messages to practise."""
    read = {one.id: one for one in read_exercises(EXERCISES)}
    ours = {"refill": read["refill"], "chest": read["chest"]}
    for key, one in ours.items():
        case, detail = practice.cases[key], {"exercise": one.id}
        practice.store.audit.record(SET, clinic="c1", by="training", cases=(case,), detail=detail)
    practice.desk.score = ScoreDesk(
        practice.store, utcnow, Lesson(tuple(ours.values()), practice.user("dana").id)
    )
