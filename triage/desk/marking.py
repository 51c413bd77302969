"""Compares what a trainee did with what a trainer expects; about exercises only, never patients.

Rule of the room: it counts nobody against anybody. Each finding says what happened in plain words;
why it matters stands in the exercise.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from triage.desk.queue import URGENT_OUTCOMES
from triage.domain import (
    Aspect,
    AuditEvent,
    Done,
    Exercise,
    Finding,
    Lesson,
    Result,
    ScoreLine,
    ScoreSheet,
    Urgency,
)

#: What a trainee does that ends work on a message.
ENDS = ("case.closed", "reply.approved", "reply.first")
#: Refusals by the desk that a careful look beforehand would have made needless.
STOPPED = "approval.stopped"


def mark(lesson: Lesson, done: Mapping[str, Done], *, name: str, at: datetime) -> ScoreSheet:
    """Return the score sheet; `done` is by the id of the exercise."""
    lines = tuple(_line(one, lesson, done) for one in lesson.exercises if one.id in done)
    tally: dict[Aspect, Counter[Result]] = {aspect: Counter() for aspect in Aspect}
    for found in (found for line in lines for found in line.findings):
        tally[found.aspect][found.result] += 1
    return ScoreSheet(name, at, lines, tally)


def _line(one: Exercise, lesson: Lesson, done: Mapping[str, Done]) -> ScoreLine:
    mine = done[one.id]
    findings = [
        *_sorting(one, mine),
        *_urgent(one, lesson, done),
        *_whose(one, mine),
        *_traps(one, mine),
        *_together(one, done),
        *_outcome(one, mine),
    ]
    opened, ended = opened_at(mine), ended_at(mine)
    took = ended - opened if opened and ended else None
    return ScoreLine(one, mine.case_id, tuple(findings), opened, took)


def _sorting(one: Exercise, mine: Done) -> Iterator[Finding]:
    wanted, now = one.expected.sorting, mine.sorting
    # More urgent than expected costs a call and harms nobody.
    enough = now.urgency >= wanted.urgency
    calm = wanted.urgency is Urgency.ROUTINE
    route = now.route is wanted.route or (now.urgency > Urgency.ROUTINE and calm)
    if enough and route and wanted.also <= now.also:
        left = one.sorted.route is wanted.route and wanted.also <= one.sorted.also
        words = "Sorted rightly already, and left so." if left else "Sorted wrongly, and put right."
        if opened_at(mine) is None:
            # What nobody has looked at is right by luck.
            yield _found(Aspect.SORTING, Result.OPEN, "Not opened yet.")
            return
        yield _found(Aspect.SORTING, Result.RIGHT, words)
    elif not enough:
        words = "Its urgency was not seen: it was left among the routine messages."
        yield _missed(Aspect.SORTING, mine, words, "Is it as urgent as it looks?")
    elif not route:
        words = "It was left under the wrong topic."
        yield _missed(Aspect.SORTING, mine, words, "Is it under the right topic?")
    else:
        words = "It asks for more than one thing, and only one was seen."
        yield _missed(Aspect.SORTING, mine, words, "Does it ask for more than one thing?")


def _urgent(one: Exercise, lesson: Lesson, done: Mapping[str, Done]) -> Iterator[Finding]:
    if one.expected.sorting.urgency is Urgency.ROUTINE:
        return
    mine = done[one.id]
    acts = [event.at for event in mine.events if _is_act(event)]
    opened = opened_at(mine)
    if not acts:
        words = "Nobody was reached about an urgent message."
        yield _missed(Aspect.URGENT, mine, words, "An urgent message waits for somebody to act.")
        return
    shown = one.sorted.urgency > Urgency.ROUTINE
    since = None if shown else opened
    for other in lesson.exercises:
        calm = other.expected.sorting.urgency is Urgency.ROUTINE
        if other.id not in done or not calm:
            continue
        ends = [event.at for event in done[other.id].events if event.action in ENDS]
        if any((since is None or since <= at) and at < acts[0] for at in ends):
            words = "A routine message was finished first, while this one waited."
            yield _found(Aspect.URGENT, Result.MISSED, words)
            return
    yield _found(Aspect.URGENT, Result.RIGHT, "Somebody was reached before anything else was done.")


def _whose(one: Exercise, mine: Done) -> Iterator[Finding]:
    if not one.expected.patient:
        return
    if mine.patient == one.expected.patient:
        yield _found(Aspect.WHOSE, Result.RIGHT, "Linked to the right patient.")
        return
    words = "Linked to another patient." if mine.patient else "Nobody said whose message it is."
    yield _missed(Aspect.WHOSE, mine, words, "Two patients share this address.")


def _traps(one: Exercise, mine: Done) -> Iterator[Finding]:
    wanted = one.expected
    why = [event.detail.get("why", "") for event in mine.events if event.action == STOPPED]
    # Another patient's name is a trap wherever somebody types it.
    if not (wanted.never_say or wanted.no_reply or "WrongPatient" in why):
        return
    if wanted.no_reply and mine.replies:
        words = "A reply was approved where none may be written."
        yield _found(Aspect.TRAP, Result.MISSED, words)
    elif mine.said:
        words = "A reply was approved with words that may not be in it."
        yield _found(Aspect.TRAP, Result.MISSED, words)
    elif "WrongPatient" in why:
        words = "A reply that names another patient was to be approved; only the desk stopped it."
        yield _found(Aspect.TRAP, Result.MISSED, words)
    elif mine.outcome is None:
        yield _found(Aspect.TRAP, Result.OPEN, "Not finished yet.")
    elif "UnconfirmedFact" in why or "OutOfScope" in why:
        words = "Stopped: the desk asked, and the words were changed."
        yield _found(Aspect.TRAP, Result.RIGHT, words)
    else:
        yield _found(Aspect.TRAP, Result.RIGHT, "Seen, and nothing wrong left the practice.")


def _together(one: Exercise, done: Mapping[str, Done]) -> Iterator[Finding]:
    if not (key := one.expected.together) or key not in done:
        return
    mine, other = done[one.id], opened_at(done[key])
    first = min((event.at for event in mine.events if event.action in ENDS), default=None)
    if first is None:
        yield _found(Aspect.TOGETHER, Result.OPEN, "Not finished yet.")
    elif other is None or other > first:
        words = "It was finished before the other message of the same patient was read."
        yield _found(Aspect.TOGETHER, Result.MISSED, words)
    else:
        words = "Both messages of this patient were read before this one was finished."
        yield _found(Aspect.TOGETHER, Result.RIGHT, words)


def _outcome(one: Exercise, mine: Done) -> Iterator[Finding]:
    if mine.outcome is None:
        words = "Answered, and not closed." if mine.replies else "Not finished yet."
        yield _found(Aspect.OUTCOME, Result.OPEN, words)
    elif mine.outcome == "answered" and not mine.replies:
        words = "Closed as answered, but no reply was approved."
        yield _found(Aspect.OUTCOME, Result.MISSED, words)
    elif mine.outcome not in one.expected.outcomes:
        yield _found(Aspect.OUTCOME, Result.MISSED, "Closed in a way that does not fit it.")
    else:
        yield _found(Aspect.OUTCOME, Result.RIGHT, "Closed in a way that fits it.")


def _missed(aspect: Aspect, mine: Done, words: str, still: str) -> Finding:
    """Return what was missed, or that it is still open while the message is."""
    if mine.outcome is None:
        return _found(aspect, Result.OPEN, still)
    return _found(aspect, Result.MISSED, words)


def _found(aspect: Aspect, result: Result, words: str) -> Finding:
    return Finding(aspect, result, words)


def _is_act(event: AuditEvent) -> bool:
    closing = event.action == "case.closed" and event.detail.get("outcome") in URGENT_OUTCOMES
    return closing or event.action == "urgent.acted"


def opened_at(mine: Done) -> datetime | None:
    """Return when the trainee first opened the message."""
    return min((event.at for event in mine.events if event.action == "case.read"), default=None)


def ended_at(mine: Done) -> datetime | None:
    """Return when the trainee closed it; None while it is open."""
    ends: Sequence[datetime] = [event.at for event in mine.events if event.action == "case.closed"]
    return max(ends, default=None) if mine.outcome is not None else None
