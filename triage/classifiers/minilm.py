"""The classifier that ships: a fine-tuned MiniLM, calibrated, that would rather ask a person."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from triage.classifiers.groups import groups_of
from triage.classifiers.promises import MISSED, WRONG, at_best, cautious, points_of
from triage.classifiers.scorer import Scorer
from triage.classifiers.verdict import Policy, Verdict, judge
from triage.classifiers.wording import compose
from triage.domain import Channel, Classification, Redacted, Route, Urgency
from triage.encoder import RouterScores, SentenceScore
from triage.errors import BadSettings, ClassificationFailed, MissingModel, TriageError

log = logging.getLogger(__name__)

#: How many sentences are shown as the reason, and the least a sentence must say for that.
MOST_REASONS = 2
LEAST_TELLING = 0.2


class MiniLMClassifier:
    """Routes redacted messages with the model in `model_dir`."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        """Load the model; raise MissingModel, WrongEncoder or BadSettings.

        `settings`: `model_dir` (folder under models/), `threads` (default: all cores of this
        process), `promise_missed` and `promise_wrong` (shares of urgent messages missed and of
        routed ones wrong that the clinic allows at most; default: the model's own thresholds) and
        `threshold` (abstain below this confidence even where the promise would not).
        """
        folder = str(settings.get("model_dir") or "")
        if not folder:
            raise MissingModel("no router is chosen")
        self._session = Scorer(Path(folder), threads=_threads(settings))
        try:
            policy = Policy.read(self._session.config.get("policy"))
        except MissingModel as trouble:
            raise MissingModel(f"{self._session.name} ({trouble.args[0]})") from None
        self.name = self._session.name
        self._held = _held(self._session.config.get("held"), self.name)
        self._policy = _with_threshold(_with_promise(policy, settings, Path(folder)), settings)

    @property
    def thresholds(self) -> dict[str, float]:
        """The numbers between scores and verdict, for the record."""
        return self._policy.as_dict()

    def classify(self, texts: Sequence[Redacted]) -> list[Classification]:
        """Return one Classification per text, same order; raise ClassificationFailed as a whole.

        A text with a withheld body, or with no words, is abstained on without being read; one of
        a group that this model serves badly is read, and abstained on.
        """
        composed = [
            "" if "body" in text.withheld else compose(text.subject, text.body) for text in texts
        ]
        readable = [text for text in composed if text]
        try:
            scored = iter(self._session.predict(readable))
        except TriageError:
            raise
        except Exception as trouble:
            # The runtime's own error could quote its input; only its kind is passed on.
            raise ClassificationFailed(f"{self.name} ({type(trouble).__name__})") from None
        return [
            self._classified(text, next(scored), redacted.channel)
            if text
            else self._nothing_to_read()
            for text, redacted in zip(composed, texts, strict=True)
        ]

    def _classified(self, text: str, scores: RouterScores, channel: Channel) -> Classification:
        verdict = judge(scores, self._policy)
        return Classification(
            route=verdict.route,
            also=verdict.also,
            urgency=verdict.urgency,
            confidence=verdict.confidence,
            abstained=verdict.abstained or bool(self._held & groups_of(text, channel)),
            model=self.name,
            scores=verdict.scores,
            because=because(text, scores.sentences, verdict),
        )

    def _nothing_to_read(self) -> Classification:
        return Classification(
            route=Route.GENERAL,
            also=frozenset(),
            urgency=Urgency.ROUTINE,
            confidence=0.0,
            abstained=True,
            model=self.name,
        )


def because(text: str, sentences: Sequence[SentenceScore], verdict: Verdict) -> tuple[str, ...]:
    """Return the redacted sentences that speak loudest for the verdict, loudest first."""
    place = list(Route).index(verdict.route)
    urgent = verdict.urgency > Urgency.ROUTINE

    def loudness(sentence: SentenceScore) -> float:
        return max(sentence.today, sentence.asks[place]) if urgent else sentence.asks[place]

    ranked = sorted(sentences, key=loudness, reverse=True)
    # The loudest one is shown even if it whispers: a person wants to see where the model looked.
    telling = [each for each in ranked[1:MOST_REASONS] if loudness(each) >= LEAST_TELLING]
    return tuple(text[each.start : each.end] for each in [*ranked[:1], *telling])


def _threads(settings: Mapping[str, object]) -> int | None:
    threads = settings.get("threads")
    if threads is None:
        return None
    if not isinstance(threads, int) or not 1 <= threads <= 256:
        raise BadSettings("minilm.threads is not a number from 1 to 256")
    return threads


def _held(content: object, name: str) -> frozenset[str]:
    """Return the groups of messages that this model leaves to people."""
    if content is None:
        return frozenset()
    if not isinstance(content, list) or not all(isinstance(group, str) for group in content):
        raise MissingModel(f"{name} (config.json names held groups that are no words)")
    return frozenset(content)


def _with_promise(policy: Policy, settings: Mapping[str, object], model: Path) -> Policy:
    """Return the policy with thresholds that keep what the clinic wants promised.

    Where this model cannot keep it the strictest serves that it can; where its calibration
    messages are missing or too few for any promise, its own policy, so that mail is still read.
    """
    asked = {name: _share(settings, f"promise_{name}") for name in ("missed", "wrong")}
    if asked == {"missed": None, "wrong": None}:
        return policy
    points = points_of(model)
    missed, wrong = asked["missed"] or MISSED, asked["wrong"] or WRONG
    try:
        kept = cautious(points, at_best(points, missed=missed, wrong=wrong))
    except BadSettings as trouble:
        why = trouble.args[0] if points else "it came without its calibration messages"
        log.warning(
            "%(model)s serves by its own thresholds: %(why)s", {"model": model.name, "why": why}
        )
        return policy
    if (kept.missed, kept.wrong) != (missed, wrong):
        log.warning(
            "%(model)s cannot keep what is promised; it serves at %(missed).2f %% missed and "
            "%(wrong).2f %% wrong",
            {"model": model.name, "missed": 100 * kept.missed, "wrong": 100 * kept.wrong},
        )
    return kept.policy(policy)


def _share(settings: Mapping[str, object], name: str) -> float | None:
    share = settings.get(name)
    if share is None:
        return None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 < share < 1.0:
        raise BadSettings(f"minilm.{name} is not a number between 0 and 1")
    return float(share)


def _with_threshold(policy: Policy, settings: Mapping[str, object]) -> Policy:
    threshold = settings.get("threshold")
    if threshold is None:
        return policy
    if not isinstance(threshold, int | float) or not 0.0 <= threshold <= 1.0:
        raise BadSettings("minilm.threshold is not a number from 0 to 1")
    return replace(policy, abstain_below=max(policy.abstain_below, float(threshold)))
