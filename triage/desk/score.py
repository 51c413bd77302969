"""The score sheet of a practice for training: what was done with each exercise.

Rule of the room: it exists where a Lesson was given and nowhere else, so no desk with patients has
one; all of it comes from the store and the audit.
"""

import json
from collections.abc import Callable
from datetime import datetime

from triage.desk.marking import mark
from triage.desk.rights import Right, require
from triage.desk.spreadsheet import as_csv
from triage.domain import (
    AuditEvent,
    CaseState,
    Done,
    Exercise,
    Lesson,
    ReplyState,
    ScoreSheet,
    Sorting,
    User,
)
from triage.drafting.said import said_in
from triage.errors import NotFound
from triage.store import Store

#: By this the audit remembers which exercise a case is.
SET = "exercise.set"
#: No practice for training has more events than this.
_MOST = 100_000
#: Replies that never left, or were taken back.
_NOT_LEFT = frozenset({ReplyState.DRAFT, ReplyState.RECALLED})
#: These name cases somebody saw a line of, and did nothing with.
_LISTS = frozenset({"queue.read", "queue.picked", "search.read", "chain.read"})
HEAD = ("exercise", "looked at", "result", "what happened", "why it matters", "minutes")


class ScoreDesk:
    """The counter of whoever trains new staff."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], lesson: Lesson | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._lesson = lesson

    @property
    def training(self) -> bool:
        """Whether this desk is one to practise on, where nobody is real and nothing leaves."""
        return self._lesson is not None

    def sheet(self, actor: User) -> ScoreSheet:
        """Return what the trainee did so far; raise NotFound where nobody practises."""
        require(actor, Right.SEE_AUDIT)
        lesson = self._lesson
        if lesson is None:
            raise NotFound("score")
        trainee = self._store.people.user(lesson.trainee, clinic=actor.clinic)
        cases = self._cases(actor)
        events = self._events(actor, who=lesson.trainee)
        done = {
            one.id: self._done(actor, one, cases[one.id], events)
            for one in lesson.exercises
            if one.id in cases
        }
        return mark(lesson, done, name=trainee.display_name, at=self._clock())

    def table(self, actor: User, say: Callable[[str], str] = str) -> str:
        """Return the score sheet as CSV without a formula, its head as `say` says it."""
        return as_csv([[*map(say, HEAD)], *([*row] for row in _rows(self._leaving(actor)))])

    def listed(self, actor: User) -> str:
        """Return the score sheet as JSON."""
        sheet = self._leaving(actor)
        rows = [dict(zip(HEAD, row, strict=True)) for row in _rows(sheet)]
        found = {"trainee": sheet.trainee, "at": sheet.at.isoformat(), "findings": rows}
        return json.dumps(found, ensure_ascii=True, indent=1)

    def _leaving(self, actor: User) -> ScoreSheet:
        require(actor, Right.EXPORT_AUDIT)
        sheet = self.sheet(actor)
        self._store.audit.record("score.exported", clinic=actor.clinic, by=actor.id)
        return sheet

    def _cases(self, actor: User) -> dict[str, str]:
        """Return exercise -> case."""
        events = self._events(actor, action=SET)
        return {event.detail.get("exercise", ""): event.cases[0] for event in events}

    def _events(
        self, actor: User, *, who: str | None = None, action: str | None = None
    ) -> list[AuditEvent]:
        found = self._store.audit.events(
            clinic=actor.clinic, by=actor.id, actor=who, action=action, limit=_MOST
        )
        return found[::-1]

    def _done(self, actor: User, one: Exercise, case_id: str, events: list[AuditEvent]) -> Done:
        theirs = tuple(
            event for event in events if case_id in event.cases and event.action not in _LISTS
        )
        if not theirs:
            # Nobody who practises has been there: it stands as it was set.
            return Done(case_id, one.sorted, "", None, 0, (), ())
        file = self._store.cases.get(case_id, clinic=actor.clinic, by=actor.id)
        case, closed = file.case, None
        if case.state is CaseState.CLOSED:
            closed = case.outcome
        left = [reply for reply in file.replies if reply.state not in _NOT_LEFT]
        said = [
            words for reply in left for words in said_in(reply.outgoing, one.expected.never_say)
        ]
        return Done(
            case_id,
            Sorting(case.route, case.also, case.urgency),
            case.patient_id or "",
            closed,
            len(left),
            tuple(said),
            theirs,
        )


def _rows(sheet: ScoreSheet) -> list[tuple[str, ...]]:
    return [
        (
            line.exercise.id,
            found.aspect.value,
            found.result.value,
            found.words,
            line.exercise.expected.why,
            "" if line.took is None else f"{line.took.total_seconds() / 60:.1f}",
        )
        for line in sheet.lines
        for found in line.findings
    ]
