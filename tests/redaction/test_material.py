"""What the tagger is trained on and how the redactor is measured."""

import json
import random
from pathlib import Path

import pytest

from tests.redaction.redacting import Patterns
from triage.domain import Channel, Protected, Redacted, Redaction, Share, Span
from triage.domain import IdentifierType as T
from triage.errors import BadRow
from triage.redaction import corpora, surrogates, training
from triage.redaction.measure import Labelled, compare, read_messages, score
from triage.redaction.surrogates import Inventor

ROW = Labelled(
    "a-1",
    Channel.EMAIL,
    "moving Hal's appt",
    "This is Hal Brubaker\u2019s wife, 605\u200b-555-0148.",
    (
        ("subject", 7, 10, T.NAME),
        ("body", 8, 20, T.NAME),
        ("body", 29, 42, T.PHONE),
    ),
)


def test_a_message_is_read_as_in_service() -> None:
    text = corpora.tagged(ROW)
    assert text.text == "moving Hal's appt\n\nThis is Hal Brubaker's wife, 605-555-0148."
    marked = [text.text[start:end] for start, end, _ in text.spans]
    assert marked == ["Hal", "Hal Brubaker", "605-555-0148"]


def test_surrogates_replace_every_identifier_and_keep_its_place() -> None:
    text = corpora.tagged(ROW)
    for seed in range(60):
        varied = surrogates.varied(text, random.Random(seed))
        assert [kind for _, _, kind in varied.spans] == ["NAME", "NAME", "PHONE"]
        assert all(varied.text[start:end].strip() for start, end, _ in varied.spans)
        assert "555-0148" not in varied.text
        assert "brubaker" not in varied.text.casefold()


def test_one_name_stays_one_name() -> None:
    text = corpora.tagged(ROW)
    for seed in range(20):
        varied = surrogates.varied(text, random.Random(seed))
        short, long = (varied.text[start:end] for start, end, _ in varied.spans[:2])
        # One time in ten a full name is written anew, with initials or the family name first.
        if long.casefold().startswith(short.casefold()):
            break
    else:
        pytest.fail("a person lost their name in every copy")


def test_frames_mark_what_they_filled() -> None:
    texts = surrogates.frames(random.Random(1))
    assert len(texts) > 20
    assert not any("{{" in text.text for text in texts)
    kinds = {kind for text in texts for _, _, kind in text.spans}
    assert {"NAME", "ADDRESS", "ORG", "DATE", "PHONE", "EMAIL", "OTHER_ID"} <= kinds


def test_an_inventor_repeats_itself_with_its_seed() -> None:
    first, again = (Inventor(random.Random(3)) for _ in range(2))
    assert [first.name() for _ in range(9)] == [again.name() for _ in range(9)]


def test_reserved_rows_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "wnut17"
    folder.mkdir()
    lines = "Ask\tO\nMaria\tB-person\nin\tO\nDuluth\tB-location\n\nnothing\tO\nhere\tO\n"
    (folder / "wnut17train.conll").write_text(lines, encoding="utf-8")
    found = corpora.public(tmp_path, random.Random(1))
    assert {text.text for text in found} == {"Ask Maria in Duluth", "nothing here"}
    marked = next(text for text in found if text.spans)
    assert marked.spans == ((4, 9, "NAME"), (13, 19, "ADDRESS"))
    assert marked.known == {"NAME", "ADDRESS"}
    (tmp_path / "do_not_train_on.txt").write_text(
        "# reserved\n" + corpora.fingerprint("NOTHING,  here!") + "\n", encoding="utf-8"
    )
    assert [text.text for text in corpora.public(tmp_path, random.Random(1))] == [marked.text]


def test_all_shipped_messages_can_be_trained_on() -> None:
    texts = training.texts(training.SHIPPED[:1], None, copies=0)
    assert len(texts) >= 400
    for text in texts:
        for start, end, _ in text.spans:
            assert 0 <= start < end <= len(text.text)


def test_a_bad_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train-x.jsonl"
    path.write_text(json.dumps({"id": "1", "body": "x"}) + "\n{\n", encoding="utf-8")
    with pytest.raises(BadRow, match=r"train-x\.jsonl line 2"):
        read_messages(path)


def test_counting() -> None:
    row = Labelled(
        "1", Channel.EMAIL, "", "Hal is 94 today", (("body", 0, 3, T.NAME), ("body", 7, 9, T.AGE))
    )
    spans = (Span("body", 0, 3, T.ORG, "x", 1.0), Span("body", 4, 6, T.NAME, "x", 1.0))
    found = Redacted("", "", spans, (Redaction("[ORG_1]", T.ORG, Protected("Hal")),))
    result = compare([row], [found])
    assert result.hidden == {"NAME": Share(1, 1), "AGE": Share(0, 1)}
    assert result.typed == Share(0, 1)
    assert result.others == Share(1, 2)
    numbers = result.flat()
    assert numbers["recall"] == 0.5
    assert numbers["recall_NAME_low"] < 0.3


def test_patterns_alone_hide_what_has_a_form(patterns: Patterns) -> None:
    """A floor for the recognisers on the dev messages; names are the tagger's."""
    result = score(patterns, read_messages(training.SHIPPED[0] / "dev.jsonl"))
    for kind in ("PHONE", "EMAIL", "URL", "IP", "SSN", "MRN", "LICENSE", "AGE"):
        assert result.hidden[kind].value == 1.0, kind
    assert result.hidden["DATE"].value >= 0.95
    assert result.hidden["MEMBER_ID"].value >= 0.9
    assert result.others.value <= 0.01
    assert result.withheld == 0
