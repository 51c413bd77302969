"""The router as it serves: the encoder's scores with those of the counted words added."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from triage.classifiers.words import PIN, WEIGHT, WordCounts
from triage.encoder import RouterScores


class Scorer:
    """Scores texts with one model folder; a folder without counted words is read without them."""

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        """Load encoder and words; raise MissingModel when either is not what config.json says."""
        from triage.encoder.serving import RouterSession

        self._session = RouterSession(model, threads=threads)
        self.name = self._session.name
        self.config: Mapping[str, Any] = self._session.config
        pinned = self.config.get(PIN)
        self._words = WordCounts.load(model, pinned) if pinned is not None else None

    def predict(self, texts: Sequence[str]) -> list[RouterScores]:
        """Return the scores of each text, same order; raise ClassificationFailed on NaN."""
        read = self._session.predict(texts)
        if self._words is None:
            return read
        return [
            _together(scores, self._words.scores(text))
            for scores, text in zip(read, texts, strict=True)
        ]


def _together(scores: RouterScores, words: Mapping[Any, float]) -> RouterScores:
    logits = {route: value + WEIGHT * words[route] for route, value in scores.logits.items()}
    return replace(scores, logits=logits)
