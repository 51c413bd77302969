"""Working together: notes, handing over, putting off, and asking a colleague to approve."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from triage.desk.rights import Right, may, require
from triage.domain import (
    LONGEST_SNOOZE,
    MOST_WORKING_DAYS,
    Ask,
    CaseRow,
    Mention,
    Protected,
    Together,
    User,
)
from triage.errors import NotAnswerable, NotFound, NoWords
from triage.store import Store

#: Longest note, in characters.
LONGEST = 4000


@dataclass(frozen=True, slots=True)
class ForMe:
    """What waits for one person beside the queue."""

    mentions: tuple[tuple[Mention, CaseRow], ...]
    #: Words somebody asks to have approved; empty for who may not approve.
    asked: tuple[tuple[Ask, CaseRow], ...]


class TogetherDesk:
    """The counter where colleagues meet."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def about(self, actor: User, case_id: str) -> Together:
        """Return what colleagues know of a case, and say that this person looks at it."""
        require(actor, Right.SEE_QUEUE)
        who = {"clinic": actor.clinic, "by": actor.id}
        return self._store.colleagues.about(case_id, **who, now=self._clock())

    def here(self, actor: User, case_id: str) -> tuple[str, ...]:
        """Return the ids of the others who have the page of a case open."""
        require(actor, Right.SEE_QUEUE)
        who = {"clinic": actor.clinic, "by": actor.id}
        return self._store.colleagues.here(case_id, **who, now=self._clock())

    def write(
        self, actor: User, case_id: str, *, words: Protected, told: Iterable[str] = ()
    ) -> None:
        """Put a note beside a case; it tells whom it names, and never leaves the clinic."""
        require(actor, Right.WORK_CASE)
        named = [one for one in told if self._works(actor, one)]
        self._store.notes.write(case_id, _some(words), told=named, clinic=actor.clinic, by=actor.id)

    def assign(self, actor: User, case_id: str, *, to: str, reason: Protected) -> None:
        """Hand a case to `user:ID`, `team:ID` or, with nothing, back to everybody.

        The receiver reads why. Raises NoWords without a reason, AlreadyClaimed while a colleague
        has the case, unless this person may take over.
        """
        require(actor, Right.WORK_CASE)
        kind, _, name = to.partition(":")
        if kind not in ("user", "team", "") or (kind and not name):
            raise NotFound("a colleague or team")
        if kind == "user" and not self._works(actor, name):
            raise NotAnswerable("This person does not work on cases.")
        self._store.assignments.assign(
            case_id,
            user_id=name if kind == "user" else None,
            team_id=name if kind == "team" else None,
            reason=_some(reason),
            clinic=actor.clinic,
            by=actor.id,
            over=may(actor, Right.TAKE_OVER),
        )

    def open_again(self, actor: User, case_id: str, *, reason: Protected) -> None:
        """Open a closed case and take it; raise NoWords without a reason, which colleagues read."""
        require(actor, Right.WORK_CASE)
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.cases.open_again(case_id, _some(reason), **who)

    def snooze(
        self, actor: User, case_id: str, *, until: datetime, seen: str | None = None
    ) -> None:
        """Put a calm case off until a time within two weeks; a new message ends it at once."""
        require(actor, Right.WORK_CASE)
        now = self._clock()
        if not now < until <= now + LONGEST_SNOOZE:
            raise NotAnswerable("Choose a time within the next fourteen days.")
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.snoozes.snooze(case_id, until, **who, seen=seen)

    def remind(self, actor: User, case_id: str, *, days: int) -> datetime:
        """Bring a case back after so many working days without an answer; return when."""
        require(actor, Right.WORK_CASE)
        if not 1 <= days <= MOST_WORKING_DAYS:
            raise NotAnswerable("Choose between 1 and 20 working days.")
        hours = self._store.practice.hours(clinic=actor.clinic)
        until = hours.morning_after(self._clock(), days)
        self._store.snoozes.remind(case_id, until, clinic=actor.clinic, by=actor.id)
        return until

    def wake(self, actor: User, case_id: str) -> None:
        """Take a case out of its sleep."""
        require(actor, Right.WORK_CASE)
        self._store.snoozes.wake(case_id, clinic=actor.clinic, by=actor.id)

    def ask(self, actor: User, case_id: str, *, words: Protected) -> None:
        """Put the saved words on the approvers' list, with a word to them or none."""
        require(actor, Right.WRITE_REPLY)
        short = Protected("") if not words else _some(words)
        self._store.colleagues.ask(case_id, short, clinic=actor.clinic, by=actor.id)

    def give_back(self, actor: User, case_id: str, *, words: Protected) -> None:
        """Give asked-for words back to their writer with a remark."""
        require(actor, Right.APPROVE_REPLY)
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.colleagues.give_back(case_id, _some(words), **who)

    def mine(self, actor: User) -> ForMe:
        """Return what names this person, and what waits for an approval."""
        require(actor, Right.SEE_QUEUE)
        who = {"clinic": actor.clinic, "by": actor.id}
        asked = self._store.colleagues.asked(**who) if may(actor, Right.APPROVE_REPLY) else []
        return ForMe(tuple(self._store.notes.for_me(**who)), tuple(asked))

    def unseen(self, actor: User) -> int:
        """Return how many notes wait for this person."""
        require(actor, Right.SEE_QUEUE)
        return self._store.notes.unseen(clinic=actor.clinic, by=actor.id)

    def tick_off(self, actor: User, mention_id: str) -> None:
        """Say that a note was read."""
        require(actor, Right.SEE_QUEUE)
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.notes.tick_off(mention_id, **who, now=self._clock())

    def _works(self, actor: User, user_id: str) -> bool:
        """Whether somebody of this clinic works on cases; raise NotFound for a stranger."""
        person = self._store.people.user(user_id, clinic=actor.clinic)
        return may(person, Right.WORK_CASE)


def _some(words: Protected) -> Protected:
    """Return the words, or raise NoWords for none."""
    if not words:
        raise NoWords
    return words
