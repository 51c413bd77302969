"""Packs windows into padded arrays, windows of like length together.

Rule of the room: padding costs more than a batch saves, so nothing long rides with the short.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triage.encoder.tokens import Window

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


def pad(rows: Sequence[Sequence[int]], fill: int = 0) -> Ints:
    """Return an int64 array [rows, longest], padded at the end with `fill`."""
    longest = max(len(row) for row in rows)
    return np.array([[*row, *[fill] * (longest - len(row))] for row in rows], dtype=np.int64)


def ids_and_mask(windows: Sequence[Window]) -> tuple[Ints, Ints]:
    """Return token ids and attention mask, both [windows, tokens]."""
    ids = pad([window.ids for window in windows])
    return ids, pad([[1] * len(window.ids) for window in windows])


def membership(windows: Sequence[Window], sentences: Sequence[Sequence[tuple[int, int]]]) -> Floats:
    """Return [windows, sentences, tokens]: 1 where a token lies in a sentence of its text.

    `sentences` holds those of each window's text. A window that no sentence touches gets one
    sentence made of all its tokens.
    """
    most = max(1, *(len(each) for each in sentences))
    longest = max(len(window.ids) for window in windows)
    member = np.zeros((len(windows), most, longest), dtype=np.float32)
    for row, (window, spans) in enumerate(zip(windows, sentences, strict=True)):
        starts = np.array([start for start, _ in window.offsets])
        ends = np.array([end for _, end in window.offsets])
        for place, (start, end) in enumerate(spans):
            member[row, place, : len(starts)] = (starts >= start) & (ends <= end) & (ends > 0)
        if not member[row].any():
            member[row, 0, : len(window.ids)] = 1.0
    return member


def by_length(windows: Sequence[Window], size: int) -> list[list[int]]:
    """Return batches of at most `size` indices, shortest windows first."""
    order = sorted(range(len(windows)), key=lambda index: len(windows[index].ids))
    return [order[start : start + size] for start in range(0, len(order), size)]


def shuffled(windows: Sequence[Window], size: int, chance: random.Random) -> list[list[int]]:
    """Return training batches: of like length inside, in random order outside."""
    order = list(range(len(windows)))
    chance.shuffle(order)
    pool = size * 12
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        near = sorted(order[start : start + pool], key=lambda index: len(windows[index].ids))
        batches += [near[at : at + size] for at in range(0, len(near), size)]
    chance.shuffle(batches)
    return batches


def by_text(
    cut: Sequence[Window], probabilities: Sequence[Any]
) -> Iterator[tuple[int, list[tuple[int, int, Any]]]]:
    """Yield each text's index and its tokens (start, end, probabilities), overlaps resolved."""
    pairs = zip(cut, probabilities, strict=True)
    for text, group in groupby(pairs, key=lambda pair: pair[0].text):
        tokens: list[tuple[int, int, Any]] = []
        for window, rows in group:
            for place in range(*window.keep):
                tokens.append((*window.offsets[place], rows[place]))
        yield text, tokens


def tensor(array: NDArray[Any], device: Any) -> Any:
    """Return the array as a torch tensor on `device`."""
    import torch

    return torch.from_numpy(array).to(device)
