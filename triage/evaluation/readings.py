"""What the router, and rules and router together, say of labelled messages.

Rule of the room: the model reads redacted text only, the rules the original, as in the path.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from triage.classifiers.dataset import Row, as_served
from triage.classifiers.groups import groups_of
from triage.classifiers.minilm import MiniLMClassifier
from triage.classifiers.wording import compose
from triage.domain import Classification, Flag, Lane, Message, Redacted, Route
from triage.evaluation.routes import Prediction

#: Turns rows into what the classifier reads of them.
Reader = Callable[[Sequence[Row]], list[Redacted]]


@dataclass
class Shown:
    """What is known of some rows: flags of the rules, answers of the router."""

    rows: Sequence[Row]
    flags: Sequence[tuple[Flag, ...]]
    said: Sequence[Classification]
    groups: Sequence[frozenset[str]] = field(default_factory=tuple)

    def of_model(self) -> list[Prediction]:
        """Return what the router alone says."""
        return [Prediction.of(each) for each in self.said]

    def of_path(self) -> list[Prediction]:
        """Return what the queue shows: the rank of rules and router together."""
        return [
            ranked(row, flags, said)
            for row, flags, said in zip(self.rows, self.flags, self.said, strict=True)
        ]

    def of_rules(self) -> list[Prediction]:
        """Return what the queue shows when no model loads."""
        return [ranked(row, flags, None) for row, flags in zip(self.rows, self.flags, strict=True)]


def show(
    model: Path,
    rows: Sequence[Row],
    *,
    read: Reader | None = None,
    flags: Sequence[tuple[Flag, ...]] | None = None,
) -> Shown:
    """Ask rules and router; `read` redacts, as labelled when left out. Raise MissingModel.

    `flags` are those of the rows where the rules were asked before.
    """
    texts = (read or as_labelled)(rows)
    said = MiniLMClassifier({"model_dir": str(model)}).classify(texts)
    groups = [
        groups_of(compose(text.subject, text.body), row.channel)
        for text, row in zip(texts, rows, strict=True)
    ]
    return Shown(rows, flags_of(rows) if flags is None else flags, said, groups)


def as_labelled(rows: Sequence[Row]) -> list[Redacted]:
    """Redact the rows by their labels, as a perfect redactor would."""
    from triage.redaction.perfect import replaced

    return [replaced(*as_served(row), row.channel) for row in rows]


def by_redactor(rows: Sequence[Row]) -> list[Redacted]:
    """Redact the rows with the redactor that serves, which misses some and hides too much."""
    from triage.redaction.presidio import PresidioRedactor

    return PresidioRedactor().redact([message_of(row) for row in rows])


def original(rows: Sequence[Row]) -> list[Redacted]:
    """Leave every identifier in its place, to see what hiding them costs."""
    from triage.redaction.perfect import replaced

    return [replaced(row.subject, row.body, row.channel) for row in rows]


def message_of(row: Row) -> Message:
    """Return a row as the path parses it."""
    from triage.parsing import plain

    return plain(id=row.id, channel=row.channel, subject=row.subject, body=row.body)


def flags_of(rows: Sequence[Row]) -> list[tuple[Flag, ...]]:
    """Return the red flags of each row's original text."""
    from triage.priority import RedFlags

    rules = RedFlags()
    return [rules.flags(message_of(row)) for row in rows]


def flags_of_texts(texts: Sequence[Redacted]) -> list[tuple[Flag, ...]]:
    """Return the red flags of redacted copies; placeholders set no rule off."""
    from triage.parsing import plain
    from triage.priority import RedFlags

    rules = RedFlags()
    return [
        rules.flags(plain(id="copy", channel=text.channel, subject=text.subject, body=text.body))
        for text in texts
    ]


def ranked(row: Row, flags: Sequence[Flag], said: Classification | None) -> Prediction:
    """Return what the queue shows of one row; `said` is None when no model loads.

    Where a rule fired and the model sees no danger, a person decides what it is: the message
    stands at the top, and is not counted as routed.
    """
    from triage.priority import rank

    priority = rank(message_of(row), flags, said)
    abstained = said is None or said.abstained
    calm = said is not None and said.route is not Route.URGENT_CLINICAL
    disputed = calm and priority.lane is not Lane.SORTED
    return Prediction(
        priority.route,
        priority.also,
        priority.urgency,
        abstained or disputed,
        said.confidence if said else 0.0,
        said.route if said else None,
    )
