"""Windows, shapes and sentences know where they lie in the text."""

import pytest

from triage.encoder import batches
from triage.encoder.spans import decode, hidden, targets
from triage.encoder.tokens import WINDOW, _cuts, sentences, windows

TEXT = "Hello María!\n\nMy chest hurts 😀. I can't breathe, O'Brien said"


def test_offsets_count_code_points() -> None:
    (window,) = windows([TEXT])
    words = [TEXT[start:end] for start, end in window.offsets[1:-1]]
    assert "María" in words
    assert "😀" in words
    assert words[-1] == "said"


@pytest.mark.parametrize("length", [0, 1, 253, 254, 255, 300, 460, 461, 1_000])
def test_every_token_is_answered_for_exactly_once(length: int) -> None:
    kept = []
    for start, stop, (first, last) in _cuts(length):
        assert stop - start <= WINDOW - 2
        kept += [start + place - 1 for place in range(first, last)]
    assert kept == list(range(length))


def test_shapes_tell_what_the_tokenizer_drops() -> None:
    lower, title = windows(["will", "Will"])
    assert lower.ids == title.ids
    assert lower.shapes != title.shapes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("no stop\nnext line", ["no stop", "next line"]),
        ("", []),
        ("... \n !!", []),
        ("Pain is 8.5 of 10 today.", ["Pain is 8.5 of 10 today."]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == expected


def test_a_dictated_sentence_is_cut_at_its_breaths() -> None:
    text = "so i called about the bill and nobody answered, " * 4 + "and my chest hurts badly"
    pieces = [text[start:end] for start, end in sentences(text)]
    assert len(pieces) > 3
    assert pieces[-1].endswith("and my chest hurts badly")
    assert all(len(piece.split()) < 30 for piece in pieces)


def test_a_sentence_owns_its_tokens_and_an_empty_text_owns_itself() -> None:
    texts = ["First one. Second.", ""]
    cut = windows(texts)
    member = batches.membership(cut, [sentences(text) for text in texts])
    assert member.shape == (2, 2, len(cut[0].ids))
    assert member[0, 0].sum() == 3
    assert member[0, 1].sum() == 2
    assert member[1, 0].sum() == 2


def test_targets_and_decode_are_each_others_inverse() -> None:
    import numpy as np

    text = "Maria Lopez and Will, 12 Oak St"
    spans = [(0, 11, "NAME"), (16, 20, "NAME"), (22, 31, "PLACE")]
    (window,) = windows([text])
    labels = targets(window, spans, ["NAME", "PLACE"])
    rows = np.eye(5, dtype=np.float32)[labels]
    tokens = [(*window.offsets[place], rows[place]) for place in range(*window.keep)]
    found = decode(text, tokens, ["NAME", "PLACE"], threshold=0.5)
    assert [(each.start, each.end, each.type) for each in found] == spans


def test_half_a_word_marks_the_whole_word() -> None:
    import numpy as np

    outside, inside = np.array([1.0, 0, 0]), np.array([0.0, 0.5, 0.5])
    tokens = [(0, 3, inside), (3, 6, outside), (7, 9, outside)]
    found = decode("wojcik is", tokens, ["NAME"], threshold=0.5)
    assert [(each.start, each.end) for each in found] == [(0, 6)]
    assert hidden("wojcik is", [(0, 6)]).sum() == 6
