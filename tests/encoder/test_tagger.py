"""A tagger is trained, exported once and served."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests import tiny
from triage.encoder import TaggedSpan, TaggedText, batches, folder
from triage.encoder.serving import TaggerSession
from triage.encoder.tagging import _outside, measure
from triage.encoder.tokens import windows
from triage.errors import MissingModel, RedactionFailed

#: The first test of a machine trains and exports the tiny models.
pytestmark = pytest.mark.timeout(600)


def test_it_finds_what_it_was_shown() -> None:
    session = TaggerSession(tiny.tagger(), threads=1)
    assert session.labels == ("NAME", "PLACE")
    text = tiny.NAMED[0].text
    found = session.tag([text, "", tiny.NAMED[1].text])
    assert "Maria Lopez" in [text[each.start : each.end] for each in found[0]]
    assert found[1] == []


def test_a_long_text_is_tagged_to_its_end() -> None:
    session = TaggerSession(tiny.tagger(), threads=1, threshold=0.05)
    text = "nobody is here. " * 200 + "I am Maria Lopez, call me"
    (found,) = session.tag([text])
    assert any(each.start <= text.index("Lopez") < each.end for each in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


def test_a_text_is_tagged_alike_in_any_company() -> None:
    session = TaggerSession(tiny.tagger(), threads=2, threshold=0.05)
    texts = [*(each.text for each in tiny.NAMED), "", "word " * 700, tiny.NAMED[0].text.upper()]
    alone = [session.tag([text])[0] for text in texts]
    assert sum(map(len, alone)) > 3
    assert session.tag(texts) == alone
    assert session.tag(texts[::-1]) == alone[::-1]
    assert TaggerSession(tiny.tagger(), threads=1, threshold=0.05).tag(texts) == alone


def test_a_padded_batch_would_not_be_alike() -> None:
    """The oracle: int8 scales are taken over a whole batch, so they depend on the company."""
    session = TaggerSession(tiny.tagger(), threads=1)
    texts = [tiny.NAMED[0].text, "word " * 60 + tiny.NAMED[1].text.upper()]
    cut = windows(texts)
    ids, mask = batches.ids_and_mask(cut)
    feed = {"ids": ids, "mask": mask, "shapes": batches.pad([each.shapes for each in cut])}
    (together,) = session._graph._session.run(None, feed)
    (alone,) = session._graph.run(cut[0], batches.pad([cut[0].shapes]))
    assert not np.array_equal(together[0, : len(alone)], alone)


def test_a_lower_threshold_hides_more() -> None:
    texts = [each.text for each in tiny.NAMED]
    bold, shy = (TaggerSession(tiny.tagger(), threshold=at) for at in (0.05, 0.95))

    def hidden(session: TaggerSession) -> int:
        return sum(each.end - each.start for found in session.tag(texts) for each in found)

    assert hidden(bold) >= hidden(shy)


def test_the_folders_own_threshold_is_used_and_checked(tmp_path: Path) -> None:
    path = tiny.copy(tiny.tagger(), tmp_path)
    folder.remember(path, threshold=0.25)
    assert TaggerSession(path)._threshold == 0.25
    folder.remember(path, threshold=2)
    with pytest.raises(MissingModel, match="threshold"):
        TaggerSession(path)


def test_a_router_is_no_tagger() -> None:
    with pytest.raises(MissingModel):
        TaggerSession(tiny.router())


def test_an_answer_that_is_not_a_number_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    session = TaggerSession(tiny.tagger(), threads=1)
    run = session._graph.run
    monkeypatch.setattr(
        session._graph, "run", lambda *inputs: [each * np.float32("nan") for each in run(*inputs)]
    )
    with pytest.raises(RedactionFailed):
        session.tag(["hello"])


def test_what_nobody_looked_for_is_not_punished() -> None:
    assert _outside(TaggedText("x"), ["NAME", "DATE"]) == [0]
    assert _outside(TaggedText("x", known=frozenset({"NAME"})), ["NAME", "DATE"]) == [0, 3, 4]


def test_the_numbers_count_letters_whatever_the_type() -> None:
    texts = [TaggedText("Ann lives in Rome", ((0, 3, "NAME"), (13, 17, "PLACE")))]
    found = [[TaggedSpan(0, 3, "PLACE", 1.0), TaggedSpan(4, 9, "NAME", 1.0)]]
    numbers = measure(found, texts, ["NAME", "PLACE"])
    assert numbers["recall"] == pytest.approx(3 / 7)
    assert numbers["precision"] == pytest.approx(3 / 8)
    assert numbers["recall_NAME"] == 1.0
    assert numbers["recall_PLACE"] == 0.0
    assert numbers["typed"] == 0.0
