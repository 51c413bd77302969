"""What is looked at in a draft before somebody may approve it.

Words of the draft stay `Protected`; what is remembered of a decision is an id such as `time-1`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from triage.domain.text import Protected
from triage.domain.words import Channel, IdentifierType


class FactKind(StrEnum):
    """What a draft may state that can be wrong."""

    DATE = "date"
    TIME = "time"
    SPAN = "span"
    AMOUNT = "amount"
    PERCENT = "percent"
    DRUG = "drug"
    DOSE = "dose"
    PHONE = "phone"
    EMAIL = "email"
    LINK = "link"
    #: A word that is part of somebody's name in the roster, and not of this patient's.
    NAME = "name"
    #: A bare number that is another patient's record number, and may be a year or a postal code.
    NUMBER = "number"
    #: A date on which another patient was born.
    BIRTH = "birth"


class FactSource(StrEnum):
    """Where a fact of a draft was found."""

    MESSAGE = "message"
    REPLY = "reply"
    CLINIC = "clinic"
    CONTACT = "contact"
    RECORD = "record"
    PORTAL = "portal"
    TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class Stated:
    """One fact of a draft and where it was found; without a source a person answers for it."""

    #: Kind and place in the draft, such as `time-1`; the digest approved says of which draft.
    id: str
    kind: FactKind
    words: Protected
    source: FactSource | None = None
    #: The message it stands in, where the source is one.
    message_id: str = ""
    #: The weekday a date really is, Monday being 0, where another one stands beside it.
    weekday: int | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """A place of a draft that may name somebody, folded so that it can be looked up."""

    kind: IdentifierType
    #: As it was written.
    words: Protected
    #: What is looked up: parts of one name, a day as year-month-day, digits, an address.
    keys: tuple[str, ...]
    #: Whether it can only mean a person: a whole name, a salutation, `born`.
    sure: bool


@dataclass(frozen=True, slots=True)
class Stranger:
    """A spot that belongs to another patient; `sure` ones stand in the way of any approval."""

    kind: IdentifierType
    words: Protected
    sure: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """Words only a licensed person may approve, and the row of the table that says so."""

    rule: str
    words: Protected


@dataclass(frozen=True, slots=True)
class Legible:
    """How hard a text is to read."""

    words: int
    #: Years of school it takes, 0 to 16; None for a text too short to tell.
    grade: int | None
    language: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Everything that was looked at in one draft."""

    facts: tuple[Stated, ...] = ()
    strangers: tuple[Stranger, ...] = ()
    advice: tuple[Advice, ...] = ()
    #: Placeholders and slots nobody filled.
    unfilled: tuple[Protected, ...] = ()
    legible: Legible = Legible(0, None, "en")
    #: Whether the words hold an error that was planted as a drill.
    drill: bool = False
    #: Whether nobody has to give a licensed yes to advice, or somebody who may says or said it.
    licensed: bool = True
    #: Whether the yes of who looks is worth nothing for it.
    out_of_scope: bool = False
    #: Whether looking failed, so that nothing is known about the words.
    unread: bool = False

    @property
    def unsupported(self) -> tuple[Stated, ...]:
        """The facts nobody knows the source of: the approver answers for each by name."""
        return tuple(fact for fact in self.facts if fact.source is None)


@dataclass(frozen=True, slots=True)
class Check:
    """What is kept beside an approval: the machine's words then, and what a person answered for."""

    #: The body that was suggested when this was approved; None when there was no suggestion.
    suggested: Protected | None
    #: Ids of the facts that were confirmed by name, such as `time-1`.
    confirmed: tuple[str, ...] = ()
    #: Milliseconds between the first look at the words and the yes; None where nobody knows.
    milliseconds: int | None = None
    #: False where these are clinical advice and nobody who may give it has said yes: then it can
    #: only be kept as the first of two.
    licensed: bool = True
    #: What the suggestion was made from and its version, such as `refill@3`; empty without one.
    template: str = ""


@dataclass(frozen=True, slots=True)
class ClinicForm:
    """A file of the clinic's own list that may go with a reply."""

    id: str
    clinic: str
    name: Protected
    #: SHA-256 of its bytes, in hexadecimal.
    digest: str
    size: int
    added_by: str
    added_at: datetime
    #: Set once it was taken off the list.
    retired_at: datetime | None = None

    @property
    def enclosed(self) -> tuple[str, str]:
        """Name and digest, as they stand in what is approved."""
        return self.name.reveal(), self.digest


@dataclass(frozen=True, slots=True)
class CheckCounts:
    """How approving went in some time: numbers for a supervisor."""

    approved: int = 0
    #: Approved in less than three seconds after the words were shown.
    quick: int = 0
    #: Facts without a source that an approver answered for.
    confirmed: int = 0
    #: Why an approval was refused -> how often.
    stopped: Mapping[str, int] | None = None
    drills_caught: int = 0
    drills_missed: int = 0


@dataclass(frozen=True, slots=True)
class Reached:
    """Whom a draft is for: what belongs to them is nobody else's."""

    patient_id: str
    channel: Channel
    address: Protected
