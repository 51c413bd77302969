"""The release gate: a candidate that small changes of wording upset does not serve.

Rule of the room: the copies are made from messages nobody trained on; a gate that was not walked
through is a gate that is shut.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from triage.classifiers.groups import behind, by_group
from triage.classifiers.minilm import MiniLMClassifier
from triage.classifiers.variation import PERTURBATIONS, Variation
from triage.domain import Redacted, Share
from triage.evaluation.readings import Shown, as_labelled, flags_of_texts
from triage.evaluation.tables import table

#: At most this share of urgent messages may fall to routine, and of all may change their route.
FALLEN, CHANGED = 0.01, 0.03
SEED = 11


@dataclass(frozen=True, slots=True)
class Copies:
    """What one kind of copy did; rules and model read each."""

    #: Urgent messages that were called urgent, and are routine as a copy.
    fallen: Share
    #: Messages whose best guess is another one as a copy.
    changed: Share
    #: Messages that were routed and would go another way, without a person being asked.
    astray: Share

    @property
    def held(self) -> bool:
        """Whether this kind is within the limits."""
        return self.fallen.value <= FALLEN and self.changed.value <= CHANGED


@dataclass(frozen=True, slots=True)
class Gate:
    """The whole verdict on one candidate."""

    copies: Mapping[str, Copies]
    groups: Mapping[str, Share]
    overall: Share
    #: Groups that fall behind; they are left to people while this model serves.
    held: tuple[str, ...]

    @property
    def all_copies(self) -> Copies:
        """All kinds of copies together."""
        kinds = self.copies.values()
        return Copies(
            _sum(each.fallen for each in kinds),
            _sum(each.changed for each in kinds),
            _sum(each.astray for each in kinds),
        )

    @property
    def passed(self) -> bool:
        """Whether the candidate may serve."""
        return self.all_copies.held

    def __str__(self) -> str:
        kinds = {**self.copies, "all copies": self.all_copies}
        rows = [
            [name, str(each.fallen), str(each.changed), str(each.astray)]
            for name, each in kinds.items()
        ]
        head = [
            "kind of copy",
            f"urgent to routine (limit {FALLEN:.0%})",
            f"other best guess (limit {CHANGED:.0%})",
            "routed another way",
        ]
        groups = [
            [name, str(share), "left to people" if name in self.held else "routed"]
            for name, share in {"all": self.overall, **self.groups}.items()
        ]
        verdict = "The gate is passed." if self.passed else "The gate is NOT passed."
        return "\n\n".join(
            [table(head, rows), table(["group", "right route", ""], groups), verdict]
        )


def walk(model: Path, shown: Shown) -> Gate:
    """Walk a candidate through the gate with the messages in `shown`."""
    classifier = MiniLMClassifier({"model_dir": str(model)})
    copies = {
        name: _copies(classifier, shown, change, random.Random(SEED))  # noqa: S311  # No secret.
        for name, change in PERTURBATIONS.items()
    }
    overall, groups = _by_group(shown)
    return Gate(copies, groups, overall, behind(groups, overall))


def fallen_behind(shown: Shown) -> tuple[str, ...]:
    """Return the groups that a model serves worse than all, and leaves to people."""
    overall, groups = _by_group(shown)
    return behind(groups, overall)


def _by_group(shown: Shown) -> tuple[Share, dict[str, Share]]:
    right = [said.route is row.route for row, said in zip(shown.rows, shown.said, strict=True)]
    return Share.among(right), by_group(shown.groups, right)


def _copies(
    classifier: MiniLMClassifier, shown: Shown, change: Variation, chance: random.Random
) -> Copies:
    texts = [_changed(text, change, chance) for text in as_labelled(shown.rows)]
    said, flags = classifier.classify(texts), flags_of_texts(texts)
    copies = Shown(shown.rows, flags, said).of_path()
    pairs = list(zip(shown.rows, shown.of_path(), copies, strict=True))
    return Copies(
        Share.among(
            not copy.urgency for row, before, copy in pairs if row.urgency and before.urgency
        ),
        Share.among(before.best is not copy.best for _, before, copy in pairs),
        Share.among(
            before.best is not copy.best and not copy.abstained
            for _, before, copy in pairs
            if not before.abstained
        ),
    )


def _changed(text: Redacted, change: Variation, chance: random.Random) -> Redacted:
    from triage.redaction.perfect import replaced

    return replaced(change(text.subject, chance), change(text.body, chance), text.channel)


def _sum(shares: Iterable[Share]) -> Share:
    every = list(shares)
    return Share(sum(each.hits for each in every), sum(each.of for each in every))
