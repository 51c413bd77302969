"""Counted words beside the encoder: TF-IDF of words and pairs of words, one weight a route.

What a text is about the encoder reads; which words a route is asked in they count. The two err on
different messages, and their sum errs less than either (models/router-3/card.md).

Rule of the room: words are kept as buckets and numbers, never as text, and serving needs no
scikit-learn.
"""

import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triage.domain import Route
from triage.encoder import LabelledText, arrays

#: The file beside the encoder's tensors, and under what name config.json keeps its SHA-256.
FILE, PIN = "words.safetensors", "words_sha256"
#: Words and pairs share so many buckets; a collision costs less than a list of words to keep.
BUCKETS = 65_536
#: How much the words' log-probabilities add to the encoder's logits: of 0.3 to 1.6 the most honest
#: probabilities on the calibration messages.
WEIGHT = 1.0
#: Inverse strength of regularisation: of 3, 10 and 30 the best there.
STRENGTH = 30.0
_WORD = re.compile(r"\w\w+")

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class WordCounts:
    """The weights, loaded once."""

    def __init__(self, weights: Floats, idf: Floats, bias: Floats) -> None:
        """`weights`: [BUCKETS, routes]; `idf`: [BUCKETS]; `bias`: [routes]."""
        self._weights, self._idf, self._bias = weights, idf, bias

    @classmethod
    def load(cls, folder: Path, pinned: object) -> "WordCounts":
        """Read the file; raise MissingModel when it is missing, changed or holds no numbers."""
        routes = len(Route)
        shapes = {"weights": (BUCKETS, routes), "idf": (BUCKETS,), "bias": (routes,)}
        return cls(**arrays.load(folder / FILE, pinned, shapes))

    def scores(self, text: str) -> dict[Route, float]:
        """Return the log-probability of each route by the words alone."""
        places, counts = _counted(text)
        values = counts * self._idf[places]
        values /= max(float(np.linalg.norm(values)), 1e-9)
        logits = values @ self._weights[places] + self._bias
        shifted = logits - logits.max()
        logits = shifted - math.log(float(np.exp(shifted).sum()))
        return {route: float(one) for route, one in zip(Route, logits, strict=True)}


def _counted(text: str) -> tuple[Ints, Floats]:
    """Return the buckets of a text's words and pairs, and 1 + log of how often each occurs."""
    words = _WORD.findall(text.lower())
    pairs = (f"{one} {two}" for one, two in pairwise(words))
    found = Counter(zlib.crc32(gram.encode()) % BUCKETS for gram in (*words, *pairs))
    places = np.fromiter(found, dtype=np.int64, count=len(found))
    counts = np.fromiter(found.values(), dtype=np.float32, count=len(found))
    return places, np.log(counts, dtype=np.float32) + np.float32(1)


def train(texts: Sequence[LabelledText], folder: Path) -> str:
    """Fit the weights on texts, write them into a model's folder, return the file's SHA-256."""
    from sklearn.linear_model import LogisticRegression

    counts = _matrix(texts)
    often = np.asarray((counts > 0).sum(axis=0)).ravel()
    idf = np.log((1 + len(texts)) / (1 + often)) + 1
    known = counts.multiply(idf).tocsr()
    lengths = np.sqrt(np.asarray(known.multiply(known).sum(axis=1)).ravel())
    known = known.multiply(1 / np.maximum(lengths, 1e-9)[:, None]).tocsr()
    fit = LogisticRegression(C=STRENGTH, max_iter=400, class_weight="balanced")
    routes = list(Route)
    fit.fit(known, [routes.index(Route(each.route)) for each in texts])
    weights = np.zeros((BUCKETS, len(Route)), dtype=np.float16)
    # A route nobody asked for in training is as unlikely as the least likely one.
    bias = np.full(len(Route), float(fit.intercept_.min()) - 5, dtype=np.float32)
    weights[:, fit.classes_] = fit.coef_.T
    bias[fit.classes_] = fit.intercept_
    return arrays.save(
        folder / FILE, {"weights": weights, "idf": idf.astype(np.float32), "bias": bias}
    )


def _matrix(texts: Sequence[LabelledText]) -> Any:
    """Return a sparse array [texts, BUCKETS] of the counts."""
    from scipy.sparse import csr_array

    found = [_counted(each.text) for each in texts]
    starts = np.cumsum([0, *(len(places) for places, _ in found)])
    places = np.concatenate([places for places, _ in found])
    values = np.concatenate([counts for _, counts in found])
    return csr_array((values, places, starts), shape=(len(texts), BUCKETS))
