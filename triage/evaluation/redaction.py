"""Says how redactors did: by type, beside what they have to reach, and beside one another.

Rule of the room: a figure is met or missed only when its whole interval is; with fewer messages
than that takes, the table says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triage.domain import IdentifierType as Type
from triage.domain import Redacted, Share
from triage.evaluation.tables import table
from triage.redaction.measure import Labelled, Score, compare


@dataclass(frozen=True, slots=True)
class Target:
    """What the identifiers of some types must reach, each type alone and all together."""

    types: tuple[Type, ...]
    #: At least this share wholly hidden.
    least: float


#: The figures to reach on messages that nobody trained on.
TARGETS = (
    Target((Type.PHONE, Type.EMAIL, Type.SSN, Type.IP, Type.URL), 0.99),
    Target(
        (Type.MRN, Type.MEMBER_ID, Type.ACCOUNT, Type.OTHER_ID, Type.LICENSE, Type.DEVICE), 0.95
    ),
    Target((Type.NAME,), 0.97),
    Target((Type.DATE, Type.AGE), 0.97),
    Target((Type.ADDRESS, Type.ORG), 0.92),
)
DIRECT_LEAST = 0.97
OTHERS_MOST = 0.025


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    shares: tuple[Share, ...]
    least: float | None = None
    most: float | None = None

    @property
    def target(self) -> str:
        """What must be reached, as it is printed."""
        if self.least is not None:
            return f">= {self.least:.1%}"
        return f"<= {self.most:.1%}" if self.most is not None else ""

    @property
    def verdict(self) -> str:
        """Whether the first redactor reached it: met, missed, too few to say, or nothing."""
        share = self.shares[0]
        if not self.target or not share.of:
            return ""
        low, high = share.interval()
        if self.most is not None:
            # Few is good here, so the ends of the interval change places.
            low, high = -high, -low
        goal = self.least if self.least is not None else -(self.most or 0.0)
        if low >= goal:
            return "met"
        return "missed" if high < goal else "too few to say"


def rows(scores: Sequence[Score]) -> list[Row]:
    """Return what is said of redactors that read the same messages, the judged one first."""
    said = []
    for target in TARGETS:
        groups = [target.types] if len(target.types) > 1 else []
        for types in [*groups, *((type,) for type in target.types)]:
            name = ", ".join(types) if len(types) == 1 else f"**{', '.join(types)}**"
            shares = tuple(score.together(types) for score in scores)
            said.append(Row(name, shares, least=target.least))
    direct = tuple(score.direct for score in scores)
    others = tuple(score.others for score in scores)
    return [
        *said,
        Row("**all direct identifiers** (all but DATE, AGE, ORG)", direct, least=DIRECT_LEAST),
        Row("all identifiers", tuple(score.all for score in scores)),
        Row("**words hidden that are no identifier**", others, most=OTHERS_MOST),
        Row("messages with every identifier hidden", tuple(score.clean for score in scores)),
        Row("right type among the hidden", tuple(score.typed for score in scores)),
    ]


def figures(scores: Mapping[str, Score]) -> str:
    """Return a Markdown table with a column for each redactor; the first one is judged."""
    head = ["wholly hidden", "target", "", *scores]
    lines = [
        [row.name, row.target, row.verdict, *map(str, row.shares)]
        for row in rows(list(scores.values()))
    ]
    withheld = [str(score.withheld) for score in scores.values()]
    lines.append(["fields withheld: all in them counts as hidden", "", "", *withheld])
    return table(head, lines)


def split(messages: Sequence[Labelled], done: Sequence[Redacted], *, by: str) -> dict[str, Score]:
    """Return the score of each `tag`, `writer` or `lang`; with tags a message counts in each."""
    parts: dict[str, list[tuple[Labelled, Redacted]]] = {}
    for message, found in zip(messages, done, strict=True):
        keys = sorted(message.tags) if by == "tag" else [str(getattr(message, by))]
        for key in keys or [""]:
            parts.setdefault(key or "none", []).append((message, found))
    return {
        key: compare([message for message, _ in part], [found for _, found in part])
        for key, part in sorted(parts.items())
    }


def parts(scores: Mapping[str, Score], *, by: str) -> str:
    """Return a Markdown table with a line for each part of the messages."""
    head = [by, "messages", "direct identifiers", "all identifiers", "other words hidden"]
    lines = [
        [key, score.messages, score.direct, score.all, score.others]
        for key, score in scores.items()
    ]
    return table(head, lines)
