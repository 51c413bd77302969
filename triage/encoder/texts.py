"""What goes into the encoder and what comes out of it.

Rule of the room: plain frozen data; offsets count Unicode code points, end exclusive.
"""

from collections.abc import Mapping
from dataclasses import dataclass

#: Named numbers measured in training, as they are written to metrics.json.
Metrics = dict[str, float]


@dataclass(frozen=True, slots=True)
class LabelledText:
    """One text with its route, further routes and urgency, for training the router."""

    text: str
    route: str
    also: frozenset[str] = frozenset()
    #: 0 routine, 1 today, 2 emergency; None when nobody labelled it.
    urgency: int | None = 0
    #: How much this text counts in the loss; hand-written text counts 1.
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class TaggedText:
    """One text with the spans a tagger should find."""

    text: str
    #: (start, end, type), not overlapping.
    spans: tuple[tuple[int, int, str], ...] = ()
    #: The types somebody looked for in this text; None means every type. Outside of `spans` a
    #: token may still be of a type nobody looked for, and training then does not punish it.
    known: frozenset[str] | None = None
    #: How much this text counts in the loss.
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """A span a tagger found; `score` is the mean probability of its tokens, 0 to 1."""

    start: int
    end: int
    type: str
    score: float


@dataclass(frozen=True, slots=True)
class SentenceScore:
    """How urgent one sentence is: probability that it alone needs a clinician the same day."""

    start: int
    end: int
    today: float
    emergency: float
    #: Probability that this sentence asks for each route, in the order of `Route`.
    asks: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RouterScores:
    """What the router says of one text; raw probabilities, not calibrated."""

    #: Route id -> logit of the softmax.
    logits: Mapping[str, float]
    #: Route id -> probability that the text asks for it, first or further.
    asks: Mapping[str, float]
    #: Probabilities of routine, today, emergency from the whole text; they sum to 1.
    urgency: tuple[float, float, float]
    sentences: tuple[SentenceScore, ...]
