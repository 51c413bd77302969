"""The path every message walks, and the one gate in it.

    fetch -> land -> parse -> redact -> classify -> prioritise -> draft -> queue  no human
    claim -> edit -> approve -> (undo window) -> dispatch -> send         a human, then the machine

Two promises, each a test of that name in tests/test_pipeline.py: a message is never lost;
a reply is never sent twice, nor without a named person's approval of its exact words.

The order below is code, never configuration. A step that fails leaves the case in front of a
person, marked with what failed; nothing raises past the path.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol

from triage.classifiers import Classifier
from triage.classifiers.abstain import AlwaysAbstain
from triage.connectors import Inbox, Leaving, Outbox, hand_over
from triage.domain import (
    NO_BACKGROUND,
    Background,
    Channel,
    Classification,
    Flag,
    Mark,
    Message,
    Priority,
    RawMessage,
    Reading,
    Redacted,
    Reply,
    ReplyState,
    Route,
    Suggestion,
    Urgency,
    in_turn,
)
from triage.drafting import Drafter
from triage.errors import (
    ClassificationFailed,
    ProofRefused,
    SendPostponed,
    SendRefused,
    SendUncertain,
    StoreLocked,
    blame,
)
from triage.patience import Health, Patience, insist
from triage.priority.ranking import loud
from triage.priority.signs import signs
from triage.redaction import Redactor
from triage.redaction.leaks import LeakMeter, Leaks
from triage.redaction.withhold import WithholdEverything

if TYPE_CHECKING:
    from triage.store import Store

log = logging.getLogger(__name__)

#: How long a postponed reply waits before its second try; the store lets the pauses grow.
AGAIN = timedelta(seconds=30)


class Rules(Protocol):
    """The red-flag rules: the only automatic judge that reads the original."""

    def flags(self, message: Message) -> tuple[Flag, ...]:
        """Return every rule that fires."""
        ...


class Rank(Protocol):
    """Where a message stands in the queue."""

    def __call__(
        self,
        message: Message,
        flags: Sequence[Flag],
        classification: Classification | None,
        *,
        rules_failed: bool = False,
    ) -> Priority:
        """Return its priority; may raise urgency above the model's, never lower it."""
        ...


@dataclass(frozen=True, slots=True)
class Rooms:
    """The parts the path walks through, chosen by `triage/wiring.py`."""

    parse: Callable[[RawMessage], Message]
    redactor: Redactor
    classifier: Classifier
    #: None when the table could not be read: every message is then read by a person at once.
    rules: Rules | None
    rank: Rank
    drafter: Drafter | None
    #: Looks independently at what the redactor left.
    meter: LeakMeter = field(default_factory=LeakMeter)
    #: Apart, so that a hanging classifier does not stop redaction, which is slower and cuts itself.
    redactor_patience: Patience = field(default_factory=lambda: Patience(60.0))
    classifier_patience: Patience = field(default_factory=Patience)
    health: Health = field(default_factory=Health)


# --- in: no human -----------------------------------------------------------------------------


def land(inbox: Inbox, store: Store, *, clinic: str) -> tuple[str, ...]:
    """Fetch and land everything new; return the ids of newly landed raw messages.

    The raw bytes are committed and synced before the cursor moves: a crash in between fetches
    them again and the store knows them.
    """
    landed: list[str] = []
    for delivery in inbox.deliveries(store.landing.cursors(inbox.name, clinic=clinic)):
        landed += store.landing.land(delivery.arrivals, clinic=clinic)
        store.landing.move_cursor(inbox.name, delivery.cursor, clinic=clinic)
    return tuple(landed)


def read(raws: Sequence[RawMessage], rooms: Rooms) -> list[Reading]:
    """Walk raw messages from bytes to a ranked reading; same order, same length, never raises."""
    messages = [rooms.parse(raw) for raw in raws]
    return _readings(raws, messages, [NO_BACKGROUND] * len(messages), rooms)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the machine thinks of one message."""

    redacted: Redacted
    classification: Classification
    priority: Priority
    rules_failed: bool
    #: None when the leak meter failed.
    leaks: Leaks | None
    language: str = "en"


def judge(
    messages: Sequence[Message], rooms: Rooms, backgrounds: Sequence[Background] = ()
) -> list[Judgement]:
    """Redact, classify and prioritise; same order, same length, never raises."""
    flags = [_flags(message, rooms.rules) for message in messages]
    known = backgrounds or [NO_BACKGROUND] * len(messages)
    redacted = _redact(list(zip(messages, known, strict=True)), rooms)
    classified = _classify(redacted, rooms)
    rooms.health.note("no_rules", [found is None for found in flags])
    rooms.health.note("no_redactor", [bool(hidden.withheld) for hidden in redacted])
    rooms.health.note("no_classifier", [answered(one) is None for one in classified])
    return [
        Judgement(
            hidden,
            classification,
            rooms.rank(
                message, loud(found, hidden), answered(classification), rules_failed=found is None
            ),
            rules_failed=found is None,
            leaks=_leaks(message, hidden, background, rooms.meter),
            language=background.language,
        )
        for message, background, found, hidden, classification in zip(
            messages, known, flags, redacted, classified, strict=True
        )
    ]


def file(raw_ids: Sequence[str], rooms: Rooms, store: Store, *, clinic: str, by: str) -> list[str]:
    """Read landed messages and put each in the queue; return the case ids in the same order."""
    raws = store.landing.raws(raw_ids, clinic=clinic, by=by)
    messages = [rooms.parse(raw) for raw in raws]
    cases = dict.fromkeys(raw_ids, "")
    for wave in in_turn(messages):
        part = [messages[place] for place in wave]
        backgrounds, trusted = _backgrounds(part, rooms, store, clinic=clinic, by=by)
        for reading in _readings([raws[place] for place in wave], part, backgrounds, trusted):
            cases[reading.raw.id] = store.cases.file(reading, clinic=clinic, by=by)
    return [cases[raw_id] for raw_id in raw_ids]


def _backgrounds(
    messages: Sequence[Message], rooms: Rooms, store: Store, *, clinic: str, by: str
) -> tuple[Sequence[Background], Rooms]:
    """Return what is known about each message; when that cannot be read, models see nothing."""
    try:
        return store.backgrounds.of(messages, clinic=clinic, by=by), rooms
    except StoreLocked:
        raise
    except Exception as trouble:
        log.error("the roster cannot be read: %(error)s", blame(trouble))
        return [NO_BACKGROUND] * len(messages), replace(rooms, redactor=WithholdEverything())


def _readings(
    raws: Sequence[RawMessage],
    messages: Sequence[Message],
    backgrounds: Sequence[Background],
    rooms: Rooms,
) -> list[Reading]:
    judged = judge(messages, rooms, backgrounds)
    return [
        _reading(raw, message, judgement, rooms.drafter)
        for raw, message, judgement in zip(raws, messages, judged, strict=True)
    ]


def answered(classification: Classification) -> Classification | None:
    """Return the classification, or None when it only stands in for a missing answer."""
    return None if classification.model == AlwaysAbstain.name else classification


def _flags(message: Message, rules: Rules | None) -> tuple[Flag, ...] | None:
    """Return the flags of one message, or None when the rules cannot be trusted."""
    try:
        return None if rules is None else rules.flags(message)
    except Exception as trouble:
        log.error("red-flag rules failed: %(error)s", blame(trouble, raw=message.raw_id))
        return None


def _redact(messages: Sequence[tuple[Message, Background]], rooms: Rooms) -> list[Redacted]:
    def redact(pairs: Sequence[tuple[Message, Background]]) -> list[Redacted]:
        return rooms.redactor.redact([one for one, _ in pairs], [known for _, known in pairs])

    def withhold(pairs: Sequence[tuple[Message, Background]]) -> list[Redacted]:
        return WithholdEverything().redact([one for one, _ in pairs])

    hidden = rooms.redactor_patience.attempt(messages, redact, withhold)
    # The path knows the channel and need not trust a plugin to repeat it.
    return [replace(one, channel=at.channel) for one, (at, _) in zip(hidden, messages, strict=True)]


def _leaks(
    message: Message, redacted: Redacted, background: Background, meter: LeakMeter
) -> Leaks | None:
    """Return what is still readable by type; the meter only counts and stops nothing here."""
    try:
        return meter(redacted, background)
    except Exception as trouble:
        log.error("leak meter failed: %(error)s", blame(trouble, raw=message.raw_id))
        return None


def _classify(texts: Sequence[Redacted], rooms: Rooms) -> list[Classification]:
    def classify(batch: Sequence[Redacted]) -> list[Classification]:
        return [_usable(answer) for answer in rooms.classifier.classify(batch)]

    def length(text: Redacted) -> int:
        return len(text.subject) + len(text.body)

    instead = AlwaysAbstain().classify
    return rooms.classifier_patience.attempt(texts, classify, instead, length)


def _usable(answer: Classification) -> Classification:
    """Return a model's answer; raise when a label is foreign or a number is none."""
    known = all(isinstance(route, Route) for route in (answer.route, *answer.also, *answer.scores))
    sure = 0.0 <= answer.confidence <= 1.0 and all(map(math.isfinite, answer.scores.values()))
    if not (known and sure and isinstance(answer.urgency, Urgency)):
        raise ClassificationFailed("an answer that cannot be used")
    return answer


def _reading(
    raw: RawMessage, message: Message, judgement: Judgement, drafter: Drafter | None
) -> Reading:
    redacted, classification = judgement.redacted, judgement.classification
    marks = set(message.marks)
    marks |= {Mark.AUTOMATIC} if message.automatic else set()
    marks |= {Mark.RULES_FAILED} if judgement.rules_failed else set()
    marks |= {Mark.WITHHELD} if redacted.withheld else set()
    marks |= {Mark.UNCLASSIFIED} if answered(classification) is None else set()
    marks |= signs(message, answered(classification), judgement.priority)
    suggestion, failed = _suggest(message, judgement, frozenset(marks), drafter)
    marks |= {Mark.DRAFT_FAILED} if failed else set()
    return Reading(
        raw,
        message,
        redacted,
        classification,
        judgement.priority,
        suggestion,
        frozenset(marks),
        judgement.leaks,
    )


#: With one of these a message gets no suggestion: nobody could have understood it.
SILENT_MARKS = frozenset(
    {Mark.NOT_READ, Mark.RULES_FAILED, Mark.WITHHELD, Mark.UNCLASSIFIED, Mark.AUTOMATIC}
)


def _suggest(
    message: Message, judgement: Judgement, marks: frozenset[Mark], drafter: Drafter | None
) -> tuple[Suggestion | None, bool]:
    """Return a suggestion if one is due, and whether the drafter failed."""
    priority = judgement.priority
    if drafter is None or marks & SILENT_MARKS or priority.route is Route.NOT_FOR_US:
        return None, False
    try:
        redacted, language = judgement.redacted, judgement.language
        return drafter.draft(message, redacted, priority, language=language), False
    except Exception as trouble:
        log.error("drafter failed: %(error)s", blame(trouble, raw=message.raw_id))
        return None, True


# --- out: a human, then the machine -----------------------------------------------------------


def send(
    reply_id: str,
    store: Store,
    outboxes: Mapping[Channel, Outbox],
    *,
    clinic: str,
    by: str,
    master: bytes,
    again: timedelta = AGAIN,
    waited: datetime | None = None,
    rest: Callable[[float], object] = time.sleep,
) -> ReplyState | None:
    """Send one queued reply at most once; return what became of it, None if another took it.

    Claim, then act: exactly one sender moves the row from queued to sending. The approval's
    proof is computed anew here, with a key the web process does not hold. What became of it is
    kept for minutes until the store takes it; `rest` waits in between, and ends that with a yes.
    """
    reply = store.replies.claim(reply_id, clinic=clinic, by=by, waited=waited)
    if reply is None:
        return None
    keep = partial(store.departures.keep, reply, by=by)
    state, receipt, why = _transmit(reply, outboxes, master, keep)
    settle = partial(
        store.replies.settle, reply.id, state, clinic=clinic, by=by, receipt=receipt, why=why
    )
    # The words have left or have not; only the note of it is late. A row that stays "sending" is
    # put in front of a person by the sender's next recovery.
    insist(lambda: settle(again=again if state is ReplyState.QUEUED else None), rest=rest)
    return state


def _transmit(
    reply: Reply, outboxes: Mapping[Channel, Outbox], master: bytes, leaving: Leaving
) -> tuple[ReplyState, str, str]:
    """Hand the exact words over; return the new state, the receipt and the reason in one word."""
    try:
        check_proof(reply, master)
        outbox = outboxes.get(reply.outgoing.channel)
        if outbox is None:
            return ReplyState.FAILED, "", "no_outbox"
        receipt = hand_over(outbox, reply, leaving)
    except SendPostponed as trouble:
        log.warning("reply %(reply)s is postponed: %(why)s", blame(trouble, reply=reply.id))
        return ReplyState.QUEUED, "", "postponed"
    except (SendRefused, ProofRefused) as trouble:
        log.warning("reply %(reply)s was not sent: %(why)s", blame(trouble, reply=reply.id))
        return ReplyState.FAILED, "", type(trouble).__name__
    except SendUncertain:
        return ReplyState.UNCERTAIN, "", "line_broke"
    except Exception as trouble:
        # Whatever we did not foresee may have happened after the words left: a person looks.
        log.error("outbox failed: %(error)s", blame(trouble, reply=reply.id))
        return ReplyState.UNCERTAIN, "", type(trouble).__name__
    return ReplyState.SENT, receipt, ""


def check_proof(reply: Reply, master: bytes) -> None:
    """Raise ProofRefused unless the named approver's own key stands behind these words."""
    from triage.store.proof import proves

    if not proves(reply, master):
        raise ProofRefused(f"reply {reply.id}")


def recover(store: Store, *, clinic: str, by: str, reply_ids: Sequence[str]) -> None:
    """Put replies found half-sent at start-up in front of a person; nothing is repeated."""
    for reply_id in reply_ids:
        store.replies.settle(
            reply_id, ReplyState.UNCERTAIN, clinic=clinic, by=by, why="sender_stopped"
        )
