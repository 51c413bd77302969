"""What the desk shows: nouns for pages, tables and notebooks; text stays Protected."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from triage.domain import (
    ALL,
    NOTHING,
    UNDERWAY,
    CaseFile,
    CaseRow,
    Checked,
    ClinicForm,
    Draft,
    Evidence,
    Filters,
    Hits,
    Lane,
    Outage,
    Protected,
    Reply,
    ReplyState,
    SavedView,
    Share,
    TrainingRow,
    Undelivered,
    User,
    Wanted,
)

#: Where a reply is that left, or is about to.
_LEAVING = UNDERWAY | {ReplyState.SENT}


@dataclass(frozen=True, slots=True)
class Banner:
    """A line on top of every page that says what is not as it should be."""

    #: `warning` or `alarm`.
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class QueueView:
    """One page of the queue."""

    rows: tuple[CaseRow, ...]
    counts: dict[Lane, int]
    lane: Lane | None
    banners: tuple[Banner, ...]
    #: Changes whenever a case arrives, moves or is claimed; the page asks for it to stay live.
    version: str
    #: The saved view it is narrowed to, those this person may pick, and how full each is.
    saved: SavedView | None = None
    views: tuple[SavedView, ...] = ()
    in_views: Mapping[str, int] = field(default_factory=dict)
    #: What narrows it down further, and how many cases of this lane or view pass.
    filters: Filters = ALL
    passing: int = 0


@dataclass(frozen=True, slots=True)
class SearchView:
    """One page of what was found, and what was asked."""

    wanted: Wanted
    hits: Hits
    banners: tuple[Banner, ...]


@dataclass(frozen=True, slots=True)
class Pulse:
    """Whether the queue changed, how full its lanes are, what is wrong; nothing about anybody."""

    version: str
    counts: dict[Lane, int]
    banners: tuple[Banner, ...]
    in_views: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CaseView:
    """Everything one case page shows."""

    file: CaseFile
    #: The suggestion with placeholders filled from the store; None when there is none.
    suggested_subject: Protected | None
    suggested_body: Protected | None
    suggestion_template: str
    #: The words saved last, with the digest approval is bound to.
    draft: Draft | None
    replies: tuple[Reply, ...]
    #: Why no reply can be approved now, in words; empty when one can.
    obstacle: str
    claimed_by: User | None
    may_approve: bool
    banners: tuple[Banner, ...]
    #: Display names of the clinic's people by id.
    names: dict[str, str]
    #: Whether it holds automatic messages only, as far as anybody has said.
    automatic: bool = False
    #: Until when an emergency keeps the case open to this person; None for whose work it is.
    glass_until: datetime | None = None
    #: What was found in the saved words; None while there are none.
    checked: Checked | None = None
    #: The clinic's forms that may be enclosed.
    forms: tuple[ClinicForm, ...] = ()

    @property
    def answered(self) -> bool:
        """Whether a reply to the newest message has left or is on its way.

        A message that was received before that reply was approved and joined after it is not
        answered: the reply does not refer to it.
        """
        if not self.replies:
            return False
        last, file = self.replies[0], self.file
        since = last.approval.approved_at > file.case.last_message_at
        refers = last.outgoing.in_reply_to == file.conversation(last.outgoing.channel)
        return last.state in _LEAVING and since and refers


@dataclass(frozen=True, slots=True)
class PaperView:
    """The times in which people worked from a list on paper."""

    #: The practice's time zone, in which people write down what they did.
    zone: ZoneInfo
    #: When the list that lies on the disk was made; None before the first.
    newest: datetime | None
    outages: tuple[Outage, ...]
    #: Display names of the clinic's people by id.
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FirstPassword:
    """A password made for a person; shown once and kept nowhere."""

    user: User
    password: Protected


@dataclass(frozen=True, slots=True)
class ReplyView:
    """Where an approved reply is."""

    id: str
    state: ReplyState
    message_id: str
    #: Until when it can still be taken back.
    not_before: datetime
    #: What the other side answered, or why it did not go; empty until settled.
    receipt: Protected = NOTHING
    why: Protected = NOTHING
    settled_at: datetime | None = None
    #: Set once a delivery report gave it back.
    undelivered: Undelivered | None = None
    #: Whose case it answers, and where it goes.
    case_id: str = ""
    recipient: Protected = NOTHING


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """What proves what happened to a case, ready to be written down."""

    evidence: Evidence
    #: The suggestion as it was shown, placeholders filled; None when there was none.
    suggested: Protected | None
    #: User id -> the name colleagues know.
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MissRate:
    """How often the daily re-reading found a missed urgent message, with its exact interval."""

    judged: int
    missed: int
    #: Clopper-Pearson 95 % bounds as shares, 0 to 1.
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ModelView:
    """One registered model."""

    name: str
    task: str
    serving: bool
    trainer: str
    #: Metrics as the card gives them: name -> value.
    metrics: dict[str, str]


@dataclass(frozen=True, slots=True)
class TrainingExport:
    """The rows that leave the desk, and how many stayed because they leak."""

    rows: tuple[TrainingRow, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class AlertPrice:
    """How often a person is called where this share of all messages is urgent."""

    urgent: float
    per_100_messages: float
    urgent_in_100: float


@dataclass(frozen=True, slots=True)
class Price:
    """What a promise does to the messages it was tested on."""

    #: Urgent ones of which no person would be told.
    misses: Share
    #: With 95 % certainty a smaller share than this is missed (exact, one-sided).
    missed_below: float
    #: Routed ones that went the wrong way.
    errors: Share
    #: Left to people, of all tested messages and of everyday ones.
    left: Share
    left_everyday: Share
    alerts: tuple[AlertPrice, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """One promise: at most this share of the urgent missed, of the routed wrong."""

    missed: float
    wrong: float
    #: None when it cannot be kept; then `obstacle` is the sentence that says why.
    price: Price | None
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class PromiseView:
    """What the clinic wants promised, what the serving router keeps of it, and what else it could.

    A pair is (share of urgent missed, share of routed wrong).
    """

    model: str
    #: Messages it was tested on, and urgent ones among them; 0 when the model came without.
    tested: int
    urgent: int
    #: None when nobody chose yet; then the model serves by thresholds of its own.
    promised: tuple[float, float] | None
    #: What the model keeps; None when nobody chose or it can keep nothing.
    kept: tuple[float, float] | None
    #: The price paid now; None when the model came without its tested messages.
    now: Price | None
    #: The promise whose price is asked for; None when none is.
    asked: Offer | None
    #: The nearest to what is asked, or promised, that can be kept; None when nothing can.
    nearest: tuple[float, float] | None
    #: The smallest share of each that can be promised; None when nothing can.
    strictest: tuple[float, float] | None
    #: Other choices of one share, with the other as in `nearest`.
    by_missed: tuple[Offer, ...] = ()
    by_wrong: tuple[Offer, ...] = ()
