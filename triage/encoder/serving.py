"""Runs the exported encoder with ONNX Runtime.

Rule of the room: with a warm cache nothing here imports torch; a model that is not exactly the
one its folder names is a MissingModel, an answer that is not a number an error, never a guess.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from triage.domain import Route
from triage.encoder import batches, export, folder
from triage.encoder.spans import decode
from triage.encoder.texts import RouterScores, SentenceScore, TaggedSpan
from triage.encoder.tokens import Window, sentences, windows
from triage.errors import ClassificationFailed, MissingModel, RedactionFailed

Floats = NDArray[np.float32]
Answer = TypeVar("Answer")

#: What ONNX Runtime would do to the graph and what takes longer then: one step in place of an
#: addition and a normalisation, on one thread and short texts a seventh of the whole time.
SLOWER = ["SkipLayerNormFusion"]


class RouterSession:
    """Scores texts with one router; torch is not imported when the cache is warm."""

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        """Raise MissingModel when the folder, a hash, the labels or the export is not right.

        `threads` is how many windows are read side by side, one for each core when left out.
        """
        checked = folder.read(model, kind="router")
        if checked.labels != tuple(Route):
            raise MissingModel(f"{checked.name} (labels.json does not name the eleven routes)")
        self.name = checked.name
        self.config = checked.config
        self._labels = checked.labels
        self._graph = _Graph(checked, threads)

    def predict(self, texts: Sequence[str]) -> list[RouterScores]:
        """Return the scores of each text, same order; raise ClassificationFailed on NaN.

        A text longer than one window is read window by window: its route is what the windows say
        on average, its requests and its urgency are what the most alarming window says.
        """
        if not texts:
            return []
        cut = windows(texts)
        spans = [sentences(text) for text in texts]
        answers = self._graph.each(cut, lambda window: self._read(window, spans[window.text]))
        grouped: list[list[tuple[Floats, ...]]] = [[] for _ in texts]
        for window, answer in zip(cut, answers, strict=True):
            grouped[window.text].append(answer)
        return [self._scores(parts, places) for parts, places in zip(grouped, spans, strict=True)]

    def _read(self, window: Window, places: Sequence[tuple[int, int]]) -> tuple[Floats, ...]:
        """Return the graph's answers for one window."""
        outputs = self._graph.run(window, batches.membership([window], [places]))
        if not all(np.isfinite(output).all() for output in outputs):
            raise ClassificationFailed(f"{self.name} answered with something not a number")
        return tuple(outputs)

    def _scores(
        self, parts: Sequence[tuple[Floats, ...]], places: Sequence[tuple[int, int]]
    ) -> RouterScores:
        """Put the windows of one text together."""
        route = np.mean([part[0] for part in parts], axis=0)
        asks = _sigmoid(np.max([part[1] for part in parts], axis=0))
        today, emergency = _sigmoid(np.max([part[2] for part in parts], axis=0))
        emergency = min(emergency, today)
        each = [self._sentence(parts, index, span) for index, span in enumerate(places)]
        return RouterScores(
            logits=dict(zip(self._labels, map(float, route), strict=True)),
            asks=dict(zip(self._labels, map(float, asks), strict=True)),
            urgency=(float(1 - today), float(today - emergency), float(emergency)),
            sentences=tuple(each),
        )

    @staticmethod
    def _sentence(
        parts: Sequence[tuple[Floats, ...]], index: int, span: tuple[int, int]
    ) -> SentenceScore:
        """Return one sentence's scores from the window that saw most of it."""
        seen = [part for part in parts if index < len(part[3])]
        asks = _sigmoid(np.max([part[3][index] for part in seen], axis=0))
        today, emergency = _sigmoid(np.max([part[4][index] for part in seen], axis=0))
        return SentenceScore(
            *span,
            today=float(today),
            emergency=float(min(emergency, today)),
            asks=tuple(map(float, asks)),
        )


class TaggerSession:
    """Marks identifiers with one tagger; torch is not imported when the cache is warm."""

    #: The types this tagger knows, in the order of labels.json.
    labels: tuple[str, ...]

    def __init__(
        self, model: Path, *, threads: int | None = None, threshold: float | None = None
    ) -> None:
        """Raise MissingModel when the folder, a hash, the labels or the export is not right.

        A token is marked when the probability that it is of some type reaches `threshold`; left
        out, it is what config.json says, else 0.5. `threads` is how many windows are read side by
        side, one for each core when left out.
        """
        checked = folder.read(model, kind="tagger")
        self.name = checked.name
        self.config = checked.config
        self.labels = checked.labels
        chosen = checked.config.get("threshold", 0.5) if threshold is None else threshold
        if not isinstance(chosen, float) or not 0.0 < chosen < 1.0:
            raise MissingModel(f"{checked.name} (threshold is not between 0 and 1)")
        self._threshold = chosen
        self._graph = _Graph(checked, threads)

    def tag(self, texts: Sequence[str]) -> list[list[TaggedSpan]]:
        """Return the spans of each text, sorted, not overlapping, whole words.

        Texts of any length: windows of 256 tokens with overlap. Raise RedactionFailed on NaN.
        """
        cut = windows(texts)
        found: list[list[TaggedSpan]] = [[] for _ in texts]
        rows = self._graph.each(cut, self._read)
        for text, tokens in batches.by_text(cut, rows):
            found[text] = decode(texts[text], tokens, self.labels, threshold=self._threshold)
        return found

    def _read(self, window: Window) -> Floats:
        """Return the label probabilities of one window's tokens."""
        (logits,) = self._graph.run(window, batches.pad([window.shapes]))
        if not np.isfinite(logits).all():
            raise RedactionFailed(f"{self.name} answered with something not a number")
        return _softmax(logits)


class _Graph:
    """One ONNX Runtime session over an exported model that reads each window by itself.

    A batch would be padded, and what int8 makes of a window would depend on the others in it: one
    scale is taken over all of them. Side by side, one thread each, windows are read faster too.
    """

    def __init__(self, model: folder.ModelFolder, threads: int | None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = export.cached(model)
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(path),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=SLOWER,
            )
        except Exception as trouble:
            # ONNX Runtime raises its own errors, all of which mean that the file is unusable.
            raise MissingModel(f"{model.name} ({type(trouble).__name__})") from None
        self._inputs = export.INPUTS[str(model.config["kind"])]
        # A session may be run by several threads at a time.
        self._beside = ThreadPoolExecutor(threads or len(os.sched_getaffinity(0)), "encoder")

    def each(self, windows: Sequence[Window], read: Callable[[Window], Answer]) -> list[Answer]:
        """Return what `read` says of each window, same order; raise what it raises."""
        # The longest go first, so that no core waits long for the last one.
        order = sorted(range(len(windows)), key=lambda index: -len(windows[index].ids))
        jobs = {index: self._beside.submit(read, windows[index]) for index in order}
        return [jobs[index].result() for index in range(len(windows))]

    def run(self, window: Window, last: NDArray[Any]) -> list[Floats]:
        """Return the graph's outputs for one window; `last` is its third input."""
        arrays = (*batches.ids_and_mask([window]), last)
        outputs: list[Floats] = self._session.run(
            None, dict(zip(self._inputs, arrays, strict=True))
        )
        return [output[0] for output in outputs]


def _sigmoid(logits: Floats) -> Floats:
    shares: Floats = (1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))).astype(np.float32)
    return shares


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    shares: Floats = (powers / powers.sum(-1, keepdims=True)).astype(np.float32)
    return shares
