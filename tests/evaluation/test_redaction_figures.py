"""The figures of a redactor are counted as they say, and judged by their intervals."""

import json
from pathlib import Path

import pytest

from triage.domain import Channel, Redacted, Share, Span
from triage.domain import IdentifierType as T
from triage.errors import BadRow
from triage.evaluation.redaction import TARGETS, Row, figures, parts, rows, split
from triage.redaction.measure import INDIRECT, Labelled, Score, compare, read_messages

BODY = "Call Ann Lee at 555-0100 on May 3."
PHI = (("body", 5, 12, T.NAME), ("body", 16, 24, T.PHONE), ("body", 28, 33, T.DATE))
MESSAGE = Labelled("m", Channel.EMAIL, "", BODY, PHI)


def span(start: int, end: int, kind: T) -> Span:
    return Span("body", start, end, kind, "test", 1.0)


def said(*spans: Span, withheld: frozenset[str] = frozenset()) -> Score:
    return compare([MESSAGE], [Redacted("", "", spans, withheld=withheld)])


def test_half_a_name_is_not_hidden() -> None:
    score = said(span(5, 8, T.NAME), span(16, 24, T.NAME))
    assert score.hidden == {T.NAME: Share(0, 1), T.PHONE: Share(1, 1), T.DATE: Share(0, 1)}
    assert score.direct == Share(1, 2)
    assert score.all == Share(1, 3)
    assert score.typed == Share(0, 1)
    assert score.clean == Share(0, 1)
    assert score.others == Share(0, 3)
    leaks = [(leak.id, leak.field, leak.start, leak.end, leak.type) for leak in score.leaks]
    assert leaks == [("m", "body", 5, 12, T.NAME), ("m", "body", 28, 33, T.DATE)]
    assert [(leak.readable, leak.letters) for leak in score.leaks] == [(3, 6), (4, 4)]


def test_two_spans_hide_one_name_together_and_other_words_are_counted() -> None:
    score = said(
        span(0, 8, T.NAME), span(9, 12, T.NAME), span(16, 24, T.PHONE), span(28, 34, T.DATE)
    )
    assert score.direct == Share(2, 2)
    assert score.typed == Share(3, 3)
    assert score.clean == Share(1, 1)
    assert score.others == Share(1, 3)
    assert score.leaks == ()


def test_a_withheld_field_hides_everything_at_a_price() -> None:
    score = said(withheld=frozenset({"body"}))
    assert score.all == Share(3, 3)
    assert score.others == Share(3, 3)
    assert score.typed == Share(0, 0)
    assert score.withheld == 1


def test_a_word_that_touches_an_identifier_is_no_other_word() -> None:
    body = "Ann's mother-in-law’s on 20mg ... __"
    message = Labelled("m", Channel.EMAIL, "", body, (("body", 0, 3, T.NAME),))
    assert compare([message], [Redacted("", "")]).others == Share(0, 3)


@pytest.mark.parametrize(
    ("hits", "of", "verdict"),
    [(200, 200, "met"), (30, 30, "too few to say"), (150, 200, "missed"), (0, 0, "")],
)
def test_a_target_is_judged_by_the_whole_interval(hits: int, of: int, verdict: str) -> None:
    assert Row("x", (Share(hits, of),), least=0.97).verdict == verdict
    assert Row("x", (Share(of - hits, of),), most=0.03).verdict == verdict
    assert Row("x", (Share(hits, of),)).verdict == ""


def test_every_type_has_a_target() -> None:
    types = [type for target in TARGETS for type in target.types]
    assert sorted(types) == sorted(T)
    assert {T.DATE, T.AGE, T.ORG} == INDIRECT


def test_redactors_stand_side_by_side_and_the_first_is_judged() -> None:
    good, bad = said(span(0, 34, T.NAME)), said()
    text = figures({"ours": good, "theirs": bad})
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert lines[0] == ["wholly hidden", "target", "", "ours", "theirs"]
    table = {line[0]: line[1:] for line in lines}
    assert table["NAME"][:3] == [">= 97.0%", "too few to say", "1/1 = 100.0% (2.5% to 100.0%)"]
    assert table["NAME"][3].startswith("0/1")
    assert table["IP"][1:] == ["", "none to count", "none to count"]
    assert table["**words hidden that are no identifier**"][:2] == ["<= 2.5%", "missed"]
    assert [row.verdict for row in rows([bad, good]) if row.name == "NAME"] == ["too few to say"]


def test_messages_are_split_by_what_is_said_of_them() -> None:
    one = Labelled("1", Channel.EMAIL, "", BODY, PHI, writer="a", tags=frozenset({"x", "y"}))
    two = Labelled("2", Channel.EMAIL, "", BODY, PHI, writer="b", tags=frozenset({"y"}))
    done = [Redacted("", "", (span(0, 34, T.NAME),)), Redacted("", "")]
    tags = split([one, two], done, by="tag")
    assert {tag: score.all for tag, score in tags.items()} == {"x": Share(3, 3), "y": Share(3, 6)}
    assert set(split([one, two], done, by="writer")) == {"a", "b"}
    assert set(split([one, two], done, by="lang")) == {"none"}
    assert "| y " in parts(tags, by="tag")


def test_rows_without_a_route_and_of_any_channel_are_read(tmp_path: Path) -> None:
    row = {
        "id": "1",
        "channel": "voicemail",
        "body": "Ann",
        "phi": [{"field": "body", "start": 0, "end": 3, "type": "NAME"}],
        "writer": "w",
        "lang": "es",
        "tags": ["t"],
    }
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(row) + "\n\n" + json.dumps(row | {"id": "2", "channel": "portal"}))
    first, second = read_messages(path)
    assert (first.channel, second.channel) == (Channel.EMAIL, Channel.PORTAL)
    assert (first.writer, first.lang, first.tags) == ("w", "es", frozenset({"t"}))


@pytest.mark.parametrize(
    "change",
    [
        {"phi": [{"field": "body", "start": 0, "end": 40, "type": "NAME"}]},
        {"phi": [{"field": "body", "start": 2, "end": 2, "type": "NAME"}]},
        {"phi": [{"field": "header", "start": 0, "end": 1, "type": "NAME"}]},
        {"phi": [{"field": "body", "start": 0, "end": 1, "type": "Secretname"}]},
        {"phi": {"a": 1}},
        {"tags": "hard"},
        {"id": "first"},
    ],
)
def test_a_bad_row_is_named_without_its_text(tmp_path: Path, change: dict[str, object]) -> None:
    good = {"id": "first", "body": "Secretname", "phi": []}
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps(good | {"id": "second"} | change))
    with pytest.raises(BadRow, match=r"set\.jsonl line 2") as caught:
        read_messages(path)
    assert "Secretname" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match=r"gone\.jsonl"):
        read_messages(tmp_path / "gone.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b"\xe9\n")
    with pytest.raises(BadRow, match=r"latin\.jsonl"):
        read_messages(tmp_path / "latin.jsonl")
