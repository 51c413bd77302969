"""The classifier that never guesses: used when no trained model can be loaded."""

from collections.abc import Mapping, Sequence

from triage.domain import Classification, Redacted, Route, Urgency


class AlwaysAbstain:
    """Leaves every message to a person."""

    name = "abstain"

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        del settings

    def classify(self, texts: Sequence[Redacted]) -> list[Classification]:
        """Return an abstention per text: route general, confidence 0, urgency routine."""
        return [
            Classification(
                route=Route.GENERAL,
                also=frozenset(),
                urgency=Urgency.ROUTINE,
                confidence=0.0,
                abstained=True,
                model=self.name,
            )
            for _ in texts
        ]
