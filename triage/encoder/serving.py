"""Runs the exported encoder with ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path

from triage.encoder.texts import RouterScores, TaggedSpan


class RouterSession:
    """Scores texts with one router; torch is not imported when the cache is warm."""

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        """Raise MissingModel when the folder, a hash, the labels or the export is not right."""
        raise NotImplementedError

    def predict(self, texts: Sequence[str]) -> list[RouterScores]:
        """Return the scores of each text, same order; raise ClassificationFailed on NaN."""
        raise NotImplementedError


class TaggerSession:
    """Marks identifiers with one tagger; torch is not imported when the cache is warm."""

    def __init__(
        self, model: Path, *, threads: int | None = None, threshold: float = 0.5
    ) -> None:
        """Raise MissingModel when the folder, a hash, the labels or the export is not right.

        A token is marked when the probability that it is of some type reaches `threshold`.
        """
        raise NotImplementedError

    #: The types this tagger knows, in the order of labels.json.
    labels: tuple[str, ...]

    def tag(self, texts: Sequence[str]) -> list[list[TaggedSpan]]:
        """Return the spans of each text, sorted, not overlapping, whole words.

        Texts of any length: windows of 256 tokens with overlap. Raise RedactionFailed on NaN.
        """
        raise NotImplementedError
