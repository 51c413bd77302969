"""Nouns of the watch: what can be wrong, and what staff are told of it.

Rule of the room: a notice is made of fixed words, ids and numbers. No field of it can carry a
sentence, so none can carry a patient's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

#: What a part is called: a name from triage.toml or of a process, never a sentence.
_PART = re.compile(r"[a-z0-9_-]{0,40}")
#: How signs of life are called that tell of one moment and not that something lives: a process was
#: started; notices of an inbox were found to be missing. The name of either follows.
START_BEAT, MISSED_BEAT = "start:", "missed:"
#: How the hourly count of what lies where is called; its notes are what it found.
COUNT_BEAT = "count"


class Fault(StrEnum):
    """Everything the watch can find."""

    DATABASE = "database"
    PROCESS_SILENT = "process_silent"
    PROCESS_RESTARTED = "process_restarted"
    INBOX_SILENT = "inbox_silent"
    INBOX_REFUSED = "inbox_refused"
    INBOX_FULL = "inbox_full"
    INBOX_OWES = "inbox_owes"
    PART_FAILING = "part_failing"
    NOT_QUEUED = "not_queued"
    CANARY_NOT_SENT = "canary_not_sent"
    CANARY_MISSED = "canary_missed"
    ALERT_FAILING = "alert_failing"
    TOO_OLD = "too_old"
    IN_NO_LANE = "in_no_lane"
    NOWHERE = "nowhere"
    NOT_COUNTED = "not_counted"
    CLOCK = "clock"
    TEST = "test"
    URGENT_AGAIN = "urgent_again"
    URGENT_DEPUTY = "urgent_deputy"
    URGENT_ON_CALL = "urgent_on_call"


#: Not a fault of a machine: people wait.
URGENT_FAULTS = frozenset({Fault.URGENT_AGAIN, Fault.URGENT_DEPUTY, Fault.URGENT_ON_CALL})

#: What each fault is called in a notice and on the page; `{part}` is an id.
FAULT_WORDS: Mapping[Fault, str] = {
    Fault.DATABASE: "The database does not answer or cannot be written.",
    Fault.PROCESS_SILENT: "The process {part} is dead or stopped.",
    Fault.PROCESS_RESTARTED: "The process {part} was started again.",
    Fault.INBOX_SILENT: "The inbox {part} has not been looked at to the end for minutes.",
    Fault.INBOX_REFUSED: "The inbox {part} refuses our log-in: is the password still valid?",
    Fault.INBOX_FULL: "The mailbox of {part} is full or nearly full.",
    Fault.INBOX_OWES: "Messages lie in the mailbox of {part} and cannot be fetched:"
    " read them there.",
    Fault.PART_FAILING: "A part is failing: {part}.",
    Fault.NOT_QUEUED: "Messages have landed and are in no queue.",
    Fault.CANARY_NOT_SENT: "The test mail {part} cannot be handed over.",
    Fault.CANARY_MISSED: "Two test mails to the inbox {part} have not arrived.",
    Fault.ALERT_FAILING: "The alert door {part} cannot be used, or does not reach everybody in"
    " time.",
    Fault.TOO_OLD: "Work is older than four business hours: {part}.",
    Fault.IN_NO_LANE: "The queue does not show every open case: {part} of them. Tell the person who"
    " keeps this machine.",
    Fault.NOWHERE: "Messages have landed, wait no longer and are in no case: {part} of them. Tell"
    " the person who keeps this machine.",
    Fault.NOT_COUNTED: "For two hours nobody could count whether the queue shows every case.",
    Fault.CLOCK: "The clock of this machine leapt or stands still: set it right.",
    Fault.TEST: "This is a trial of the alert door {part}; nothing is wrong.",
    Fault.URGENT_AGAIN: "URGENT: for 5 minutes nobody has acted on urgent messages ({part})."
    " Open the queue now.",
    Fault.URGENT_DEPUTY: "URGENT: for 15 minutes nobody has acted on urgent messages ({part})."
    " It is your turn as deputy: open the queue now.",
    Fault.URGENT_ON_CALL: "URGENT: for 30 minutes nobody has acted on urgent messages ({part})."
    " You are on call: open the queue now, or call the practice.",
}


@dataclass(frozen=True, slots=True, order=True)
class Alarm:
    """One thing that is wrong with one part."""

    fault: Fault
    part: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.fault, Fault) or not _PART.fullmatch(self.part):
            raise ValueError("an alarm names a fault and an id")

    @property
    def words(self) -> str:
        """The fixed sentence for people."""
        return FAULT_WORDS[self.fault].format(part=self.part)

    @property
    def note(self) -> str:
        """One word for a heart-beat."""
        return f"{self.fault}:{self.part}"


def read_alarm(note: str) -> Alarm | None:
    """Return the alarm a heart-beat's note names; None for any other word."""
    fault, colon, part = note.partition(":")
    if not colon or fault not in set(Fault) or not _PART.fullmatch(part):
        return None
    return Alarm(Fault(fault), part)


@dataclass(frozen=True, slots=True)
class Notice:
    """What staff are told at once: what is wrong now, and what is well again."""

    clinic: str
    at: datetime
    #: True for what was not told before.
    alarms: tuple[tuple[Alarm, bool], ...] = ()
    ended: tuple[Alarm, ...] = ()

    def __post_init__(self) -> None:
        if not _PART.fullmatch(self.clinic):
            raise ValueError("a notice names a clinic by its id")

    @property
    def subject(self) -> str:
        """One line: how many things are wrong, or that all is well again."""
        count = len(self.alarms)
        if not count:
            return f"triage {self.clinic}: all well again"
        if any(one.fault in URGENT_FAULTS for one, _ in self.alarms):
            return f"triage {self.clinic}: URGENT message, nobody has acted"
        return f"triage {self.clinic}: {count} alarm{'s' if count > 1 else ''}"

    @property
    def body(self) -> str:
        """The sentences, one a line, in plain ASCII."""
        lines = [f"triage at {self.clinic}, {self.at:%Y-%m-%d %H:%M:%S} UTC", ""]
        lines += [f"{'NEW' if new else 'still'}: {one.words}" for one, new in self.alarms]
        lines += [f"well again: {one.words}" for one in self.ended]
        if not self.alarms:
            lines.append("All is well again.")
        lines += ["", "Sent by the watch. Do not answer; nobody reads this address."]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Canary:
    """A test mail on its way through the real mailbox."""

    id: str
    inbox: str
    sent_at: datetime
    seen_at: datetime | None = None


class Waiting(StrEnum):
    """Kinds of work that must not grow old unseen."""

    APPROVED_NOT_SENT = "approved_not_sent"
    DRAFT = "draft"
    UNSORTED = "unsorted"
    UNCERTAIN = "uncertain"
    #: What was approved did not leave, and nobody has done anything about it.
    FAILED = "failed"
    NOT_READ = "not_read"
    #: It came back from sleep, or should have, and nobody has touched it.
    SNOOZED = "snoozed"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a model was asked, and for how many seconds in all."""

    steps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The store in numbers, about nobody."""

    open: Mapping[str, int]
    #: Lane -> when its longest waiting message came.
    oldest: Mapping[str, datetime]
    landed: int
    in_no_queue: int
    replies: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Unseen:
    """How much lies where nobody would see it; all is well while both are nothing."""

    #: Cases that are not closed and that the queue's lanes do not show, or show twice.
    cases: int
    #: Messages that landed, no longer wait, and are neither in a case nor a test mail.
    messages: int


#: Longer than this is too old for any kind of waiting work.
OLDEST = timedelta(hours=4)
