"""The words everybody uses: channels, routes, urgencies, roles, states and marks."""

from enum import IntEnum, StrEnum


class Channel(StrEnum):
    """How a message came in and how its answer leaves."""

    EMAIL = "email"
    PORTAL = "portal"
    #: A web form or a voicemail: it comes in this way, and nothing leaves by it.
    FORM = "form"


class Route(StrEnum):
    """What the front desk must act on first (docs/routes.md has the labelling rules)."""

    URGENT_CLINICAL = "urgent_clinical"
    CLINICAL_QUESTION = "clinical_question"
    REFILL = "refill"
    RESCHEDULE = "reschedule"
    BILLING_DISPUTE = "billing_dispute"
    INSURANCE_AUTHORIZATION = "insurance_authorization"
    RESULTS = "results"
    REFERRAL = "referral"
    RECORDS_FORMS = "records_forms"
    GENERAL = "general"
    NOT_FOR_US = "not_for_us"


class Urgency(IntEnum):
    """How soon a person must look; ordered, so that `max` is the safe choice."""

    ROUTINE = 0
    TODAY = 1
    EMERGENCY = 2

    @property
    def word(self) -> str:
        """The label as it is written in files and shown on screen."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Urgency":
        """Read `routine`, `today` or `emergency`; raise KeyError for anything else."""
        return cls[word.upper()]


class IdentifierType(StrEnum):
    """What redaction must hide."""

    NAME = "NAME"
    ADDRESS = "ADDRESS"
    DATE = "DATE"
    AGE = "AGE"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    SSN = "SSN"
    MRN = "MRN"
    MEMBER_ID = "MEMBER_ID"
    ACCOUNT = "ACCOUNT"
    LICENSE = "LICENSE"
    DEVICE = "DEVICE"
    URL = "URL"
    IP = "IP"
    ORG = "ORG"
    OTHER_ID = "OTHER_ID"


class Role(StrEnum):
    """What a person may do; the table of rights is in `triage/desk.py`."""

    SECRETARY = "secretary"
    WRITER = "writer"
    NURSE = "nurse"
    SUPERVISOR = "supervisor"
    DATA_SCIENTIST = "data_scientist"
    ADMINISTRATOR = "administrator"


class Lane(StrEnum):
    """Where in the queue a case stands; every open case is in exactly one lane."""

    #: Emergency or today: always on top.
    URGENT = "urgent"
    #: A step failed or the text could not be read: a person opens the original.
    UNREADABLE = "unreadable"
    #: The classifier abstained or was missing: a person sorts.
    UNSORTED = "unsorted"
    #: Routed by the classifier.
    SORTED = "sorted"
    #: Put off by a person until a time, or until no answer came; a new message ends it at once.
    SNOOZED = "snoozed"
    #: A reply was approved and has not certainly arrived: queued, sending, uncertain or failed.
    OUTGOING = "outgoing"


class CaseState(StrEnum):
    """Whether a person still has to do something."""

    OPEN = "open"
    CLOSED = "closed"


class ReplyState(StrEnum):
    """The life of a reply; `docs/approval.md` draws it."""

    #: Words on a screen; may change.
    DRAFT = "draft"
    #: Approved; leaves after the undo window.
    QUEUED = "queued"
    #: The sender has claimed it and may be on the wire.
    SENDING = "sending"
    #: The other side acknowledged it.
    SENT = "sent"
    #: The wire broke after the last byte; a person must look before anything is repeated.
    UNCERTAIN = "uncertain"
    #: The other side refused it or the proof did not hold; nothing left.
    FAILED = "failed"
    #: Taken back within the undo window.
    RECALLED = "recalled"
    #: Shown and never stored: it was sent, and a delivery report gave it back.
    NOT_DELIVERED = "not_delivered"


#: A reply in one of these is still on its way.
UNDERWAY = frozenset({ReplyState.QUEUED, ReplyState.SENDING})


class Undelivered(StrEnum):
    """Why a mail of ours came back, as far as the report says."""

    NO_MAILBOX = "no_mailbox"
    NO_SERVER = "no_server"
    MAILBOX_FULL = "mailbox_full"
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


class Mark(StrEnum):
    """Why a person must look twice; shown as a sign on the case."""

    NOT_READ = "not_read"
    PARTLY_READ = "partly_read"
    #: Two mail programs could show two different texts; the rules read all of them.
    AMBIGUOUS = "ambiguous"
    WITHHELD = "withheld"
    UNCLASSIFIED = "unclassified"
    RULES_FAILED = "rules_failed"
    DRAFT_FAILED = "draft_failed"
    UNKNOWN_SENDER = "unknown_sender"
    UNVERIFIED_SENDER = "unverified_sender"
    AMBIGUOUS_PATIENT = "ambiguous_patient"
    CONTRADICTION = "contradiction"
    #: How the newest words sound, for whoever answers; nothing is sorted by it.
    ANGRY = "angry"
    THREATENS = "threatens"
    PLEADS = "pleads"
    AUTOMATIC = "automatic"
    #: Somebody says that a person wrote it although it looks automatic.
    BY_PERSON = "by_person"
    NOT_DELIVERED = "not_delivered"
    SECOND_MESSAGE = "second_message"
    #: Old mail that somebody brought in: it may be long settled.
    IMPORTED = "imported"
    #: A machine wrote down what somebody said.
    TRANSCRIPT = "transcript"
