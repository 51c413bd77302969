"""Where a message stands in the queue, and why, in words a secretary reads.

Rule of the room: the rules set the floor; a classifier can lift a message above it and never
press it below. What could not be read or sorted stands above what could.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from triage.domain import (
    Classification,
    Flag,
    Lane,
    Mark,
    Message,
    Priority,
    Redacted,
    Route,
    Urgency,
)
from triage.priority.redflags import TOGETHER
from triage.priority.signs import contradictions

EMERGENCY, TODAY, UNREAD, UNSORTED = 90, 70, 60, 50
#: A classifier that gives danger less than this does not lend a weak flag the weight to raise.
DOUBT = 0.05

#: Where routine work starts, below everything a person has to look at first; confidence adds
#: at most `_CONFIDENCE_ADDS`.
_ROUTINE = {
    Route.URGENT_CLINICAL: 40,
    Route.CLINICAL_QUESTION: 40,
    Route.RESULTS: 34,
    Route.REFILL: 32,
    Route.REFERRAL: 28,
    Route.INSURANCE_AUTHORIZATION: 26,
    Route.RESCHEDULE: 24,
    Route.RECORDS_FORMS: 20,
    Route.BILLING_DISPUTE: 18,
    Route.GENERAL: 14,
    Route.NOT_FOR_US: 1,
}
_CONFIDENCE_ADDS = 9
_UNREADABLE = frozenset({Mark.NOT_READ, Mark.PARTLY_READ, Mark.WITHHELD})
_MOST_SENTENCES = 2


def rank(
    message: Message,
    flags: Sequence[Flag],
    classification: Classification | None,
    *,
    rules_failed: bool = False,
) -> Priority:
    """Weigh rules and classifier; the urgency is the higher of the two, whatever else is wrong.

    `classification` is None when the classifier could not answer; `rules_failed` says that the
    red-flag rules could not run, so that nothing may count as safely routine. Weak flags raise
    unless a classifier read the whole message and all but rules danger out; then a rule that fired
    weakly still keeps the message from being sorted by itself.
    """
    counted, noticed = _weighed(message, flags, classification)
    by_rule = max((flag.urgency for flag in counted), default=Urgency.ROUTINE)
    by_model = _urgency_of(classification)
    urgency = max(by_rule, by_model)
    unreadable = rules_failed or bool(message.marks & _UNREADABLE)
    route, also = _routes(classification, urgency)
    because = _because(message, counted, classification, urgency, rules_failed=rules_failed)
    return Priority(
        route=route,
        also=also,
        urgency=urgency,
        score=_score(message, counted, noticed, classification, urgency, rules_failed=rules_failed),
        lane=_lane(urgency, noticed, classification, unreadable=unreadable),
        because=(*because, *(f"A weak sign: {flag.because}." for flag in noticed)),
        flags=tuple(counted),
    )


def _weighed(
    message: Message, flags: Sequence[Flag], classification: Classification | None
) -> tuple[list[Flag], list[Flag]]:
    """Return the flags that raise the message, and the rules that were only noticed."""
    if not _all_but_ruled_out(message, classification):
        return list(flags), []
    strong = [flag for flag in flags if not flag.weak]
    return strong, [flag for flag in flags if flag.weak and flag.rule != TOGETHER]


def _all_but_ruled_out(message: Message, classification: Classification | None) -> bool:
    """Whether a classifier read everything and gives danger less than DOUBT."""
    if classification is None or message.marks & _UNREADABLE:
        return False
    share = classification.scores.get(Route.URGENT_CLINICAL, 1.0)
    return 0.0 <= share < DOUBT and _urgency_of(classification) is Urgency.ROUTINE


def loud(found: Sequence[Flag] | None, hidden: Redacted) -> list[Flag]:
    """Return the flags; none is weak where the models saw less than the rules."""
    return [replace(one, weak=one.weak and not hidden.withheld) for one in found or ()]


def _urgency_of(classification: Classification | None) -> Urgency:
    if classification is None:
        return Urgency.ROUTINE
    if classification.route is Route.URGENT_CLINICAL:
        # This route means today at the least, whatever the urgency head says.
        return max(classification.urgency, Urgency.TODAY)
    return classification.urgency


def _confidence(classification: Classification) -> float:
    sure = classification.confidence
    return min(1.0, max(0.0, sure)) if math.isfinite(sure) else 0.0


def _routes(
    classification: Classification | None, urgency: Urgency
) -> tuple[Route, frozenset[Route]]:
    if classification is None:
        route, also = Route.GENERAL, frozenset[Route]()
    else:
        route, also = classification.route, classification.also
    if urgency is not Urgency.ROUTINE:
        guessed = classification is not None and _confidence(classification) > 0
        also = also | {route} if guessed else also
        route = Route.URGENT_CLINICAL
    return route, also - {route}


def _score(
    message: Message,
    flags: Sequence[Flag],
    noticed: Sequence[Flag],
    classification: Classification | None,
    urgency: Urgency,
    *,
    rules_failed: bool,
) -> int:
    if urgency is not Urgency.ROUTINE:
        floor, room = (EMERGENCY, 10) if urgency is Urgency.EMERGENCY else (TODAY, 19)
        # More rules and an agreeing classifier put a case above others of its urgency.
        agreeing = sum(flag.urgency is urgency for flag in flags)
        return floor + min(room, 2 * agreeing + 2 * (_urgency_of(classification) is urgency))
    blind = {
        UNREAD + 9: rules_failed,
        UNREAD + 8: Mark.NOT_READ in message.marks,
        UNREAD + 6: bool(message.marks & _UNREADABLE),
    }
    for score, holds in blind.items():
        if holds:
            return score
    if noticed:
        return UNSORTED + 9
    return UNREAD if classification is None else _sorted_score(classification)


def _sorted_score(classification: Classification) -> int:
    if classification.abstained:
        return UNSORTED + _ROUTINE[classification.route] // 5
    sure = round(_CONFIDENCE_ADDS * _confidence(classification))
    if classification.route is Route.NOT_FOR_US:
        # The surer it is that nobody wrote to us, the lower it stands; never out of sight.
        return _ROUTINE[Route.NOT_FOR_US] + _CONFIDENCE_ADDS - sure
    return _ROUTINE[classification.route] + sure


def _lane(
    urgency: Urgency,
    noticed: Sequence[Flag],
    classification: Classification | None,
    *,
    unreadable: bool,
) -> Lane:
    if urgency is not Urgency.ROUTINE:
        return Lane.URGENT
    if unreadable:
        return Lane.UNREADABLE
    if noticed or classification is None or classification.abstained:
        return Lane.UNSORTED
    return Lane.SORTED


def _because(
    message: Message,
    flags: Sequence[Flag],
    classification: Classification | None,
    urgency: Urgency,
    *,
    rules_failed: bool,
) -> list[str]:
    lines = [f"Red flag: {flag.because}." for flag in flags]
    lines += contradictions(message, classification, urgency)
    if rules_failed:
        lines.append("The red-flag rules could not run: unclassified, read now.")
    if Mark.NOT_READ in message.marks:
        lines.append("The content could not be read by machine: open the original.")
    elif message.marks & _UNREADABLE:
        lines.append("A part could not be read by machine: open the original.")
    if classification is None:
        lines.append("The classifier gave no answer: a person sorts.")
    else:
        lines += _of_model(classification, urgency)
    return lines


def _of_model(classification: Classification, urgency: Urgency) -> list[str]:
    name = classification.route.value.replace("_", " ")
    share = _confidence(classification)
    # Nothing is certain, so rounding may not say that it is.
    sure = "over 99% sure" if share > 0.99 else f"{share:.0%} sure"
    if classification.abstained:
        lines = [f"The classifier was not sure enough (its best guess: {name}): a person sorts."]
    else:
        lines = [f"The classifier reads it as {name} ({sure})."]
    by_model = _urgency_of(classification)
    if by_model is not Urgency.ROUTINE and by_model is urgency:
        lines.append(f"The classifier calls it {by_model.word}.")
    return lines + [f"It weighed: {one}" for one in classification.because[:_MOST_SENTENCES]]
