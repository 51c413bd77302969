"""Labelled messages are read strictly and shown the way serving sees them."""

import json
from pathlib import Path

import pytest

from triage.classifiers.dataset import (
    FRESH,
    REPORTING,
    as_served,
    read_material,
    read_part,
    read_rows,
)
from triage.domain import IdentifierType, Route, Urgency
from triage.errors import BadRow

LATER = (REPORTING, FRESH)

GOOD = {
    "id": "m1",
    "channel": "email",
    "subject": "From Zoë 😀",
    "body": "It is Zoë, and ZOË again; call Bob.",
    "route": "refill",
    "also": ["results"],
    "urgency": "routine",
    "phi": [
        {"field": "subject", "start": 5, "end": 8, "type": "NAME"},
        {"field": "body", "start": 6, "end": 9, "type": "NAME"},
        {"field": "body", "start": 15, "end": 18, "type": "NAME"},
        {"field": "body", "start": 31, "end": 34, "type": "NAME"},
    ],
}


def write(folder: Path, *rows: object) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", "utf-8")
    return path


def test_a_row_is_read(tmp_path: Path) -> None:
    (row,) = read_rows(write(tmp_path, GOOD))
    assert row.route is Route.REFILL
    assert row.also == {Route.RESULTS}
    assert row.urgency is Urgency.ROUTINE
    assert row.body[row.phi[1].start : row.phi[1].end] == "Zoë"


def test_placeholders_are_consistent_over_subject_and_body(tmp_path: Path) -> None:
    (row,) = read_rows(write(tmp_path, GOOD))
    subject, body = as_served(row)
    assert subject == "From [NAME_1] 😀"
    assert body == "It is [NAME_1], and [NAME_1] again; call [NAME_2]."


@pytest.mark.parametrize(
    "change",
    [
        {"route": "refills"},
        {"also": ["refill"]},
        {"also": ["elsewhere"]},
        {"urgency": "soon"},
        {"urgency": "today"},
        {"channel": "fax"},
        {"body": None},
        {"phi": [{"field": "body", "start": 3, "end": 3, "type": "NAME"}]},
        {"phi": [{"field": "body", "start": 3, "end": 400, "type": "NAME"}]},
        {"phi": [{"field": "footer", "start": 3, "end": 4, "type": "NAME"}]},
        {"phi": [{"field": "body", "start": 3, "end": 4, "type": "SHOE"}]},
        {"phi": [GOOD["phi"][1], {"field": "body", "start": 7, "end": 12, "type": "NAME"}]},
        {"phi": 7},
    ],
)
def test_a_bad_row_is_named_and_not_quoted(tmp_path: Path, change: dict[str, object]) -> None:
    path = write(tmp_path, GOOD, {**GOOD, "id": "m2", **change})
    with pytest.raises(BadRow, match="line 2") as caught:
        read_rows(path)
    assert "Zoë" not in str(caught.value)


def test_a_row_that_is_no_object_and_a_repeated_id(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match="line 1"):
        read_rows(write(tmp_path, [1, 2]))
    with pytest.raises(BadRow, match="id occurs twice"):
        read_rows(write(tmp_path, GOOD, GOOD))
    (tmp_path / "broken.jsonl").write_text("{'id'", "utf-8")
    with pytest.raises(BadRow, match="not JSON"):
        read_rows(tmp_path / "broken.jsonl")
    with pytest.raises(BadRow, match="FileNotFoundError"):
        read_rows(tmp_path / "nowhere.jsonl")


def test_the_shipped_messages_are_whole_and_apart() -> None:
    material = read_material()
    parts = (material.train, material.dev, material.calibration, *map(read_part, LATER))
    for part in parts:
        assert {row.route for row in part} == set(Route)
    rows = [row for part in parts for row in part]
    assert len({row.id for row in rows}) == len(rows)
    assert len({row.body for row in rows}) == len(rows)
    assert len({row.id.split("-")[0] for row in read_part(REPORTING)}) >= 8


def test_messages_without_a_part_for_thresholds_use_those_that_choose(tmp_path: Path) -> None:
    (tmp_path / "messages").mkdir()
    for name in ("train-a", "dev"):
        (tmp_path / "messages" / f"{name}.jsonl").write_text(json.dumps({**GOOD, "id": name}))
    material = read_material(tmp_path)
    assert material.calibration == material.dev
    (tmp_path / "messages" / "dev.jsonl").unlink()
    with pytest.raises(BadRow, match=r"dev\.jsonl"):
        read_material(tmp_path)


def test_every_identifier_is_gone_from_what_is_served() -> None:
    for row in read_material().train:
        served = "\n".join(as_served(row))
        for each in row.phi:
            original = row.text_of(each.field)[each.start : each.end]
            if each.type is IdentifierType.EMAIL:
                assert original not in served, row.id
