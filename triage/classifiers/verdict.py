"""From the router's scores to a route, further routes, an urgency and a confidence.

Rule of the room: every number here was chosen on messages nobody trained on and stands in the
model's config.json; urgent means route `urgent_clinical`, never one without the other.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from triage.domain import Route, Urgency
from triage.encoder import RouterScores
from triage.errors import MissingModel


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers between scores and verdict; all are probabilities but the first three."""

    #: Divides the route logits, so that confidence means what it says.
    temperature: float = 1.0
    #: Scale and shift of the evidence of urgency (log-odds).
    urgent_scale: float = 1.0
    urgent_shift: float = 0.0
    #: A message at least this likely to be urgent is treated as urgent.
    urgent_at: float = 0.5
    #: An urgent message is an emergency when at least this share of its urgency is.
    emergency_at: float = 0.5
    #: A further route is named when asked for with at least this probability.
    also_at: float = 0.5
    #: Below this confidence a person sorts.
    abstain_below: float = 0.5
    #: How much the log-odds that a route is asked for add to its logit.
    asked: float = 0.0

    @classmethod
    def read(cls, content: object) -> "Policy":
        """Read from config.json; raise MissingModel when a number is missing or no number."""
        names = {field.name for field in fields(cls)}
        if not isinstance(content, dict) or set(content) != names:
            raise MissingModel("config.json has no complete policy")
        numbers = {name: float(content[name]) for name in names if _is_number(content[name])}
        if len(numbers) != len(names) or numbers["temperature"] <= 0:
            raise MissingModel("config.json has a policy that is not numbers")
        return cls(**numbers)

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers by name, rounded for people."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the scores come to under a policy."""

    route: Route
    also: frozenset[Route]
    urgency: Urgency
    confidence: float
    abstained: bool
    #: Calibrated probability of each route; they sum to 1.
    scores: Mapping[Route, float]


def evidence(scores: RouterScores) -> float:
    """Return the log-odds that a text is urgent: half from its route, half from its urgency."""
    urgent = scores.logits[Route.URGENT_CLINICAL]
    others = _log_sum(value for key, value in scores.logits.items() if key != "urgent_clinical")
    return 0.5 * (urgent - others) + 0.5 * log_odds(1.0 - scores.urgency[0])


def judge(scores: RouterScores, policy: Policy) -> Verdict:
    """Return the verdict on one text."""
    urgent = _logistic(policy.urgent_scale * evidence(scores) + policy.urgent_shift)
    calm = _softmax(
        {
            Route(key): (value + policy.asked * log_odds(scores.asks[key])) / policy.temperature
            for key, value in scores.logits.items()
            if key != Route.URGENT_CLINICAL
        }
    )
    shares = {route: (1.0 - urgent) * share for route, share in calm.items()}
    shares[Route.URGENT_CLINICAL] = urgent
    best = max(calm, key=lambda route: calm[route])
    is_urgent = urgent >= policy.urgent_at
    route = Route.URGENT_CLINICAL if is_urgent else best
    asked = {Route(key) for key, value in scores.asks.items() if value >= policy.also_at}
    # A doubtful danger is raised by its urgency; it is never a mere "also".
    also = frozenset(asked - {route, Route.URGENT_CLINICAL})
    confidence = shares[route]
    return Verdict(
        route=route,
        also=also,
        urgency=_urgency(scores, policy) if is_urgent else Urgency.ROUTINE,
        confidence=confidence,
        abstained=confidence < policy.abstain_below,
        scores=shares,
    )


def _urgency(scores: RouterScores, policy: Policy) -> Urgency:
    _, today, emergency = scores.urgency
    share = emergency / max(today + emergency, 1e-9)
    return Urgency.EMERGENCY if share >= policy.emergency_at else Urgency.TODAY


def _softmax(values: Mapping[Route, float]) -> dict[Route, float]:
    total = _log_sum(values.values())
    return {route: math.exp(value - total) for route, value in values.items()}


def _log_sum(values: Any) -> float:
    numbers = list(values)
    highest = max(numbers)
    return float(highest + math.log(sum(math.exp(number - highest) for number in numbers)))


def log_odds(probability: float) -> float:
    """Return the log-odds of a probability; 0 and 1 are moved a millionth inwards."""
    safe = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(safe / (1 - safe))


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(min(value, 30.0), -30.0)))
