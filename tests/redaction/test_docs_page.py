"""docs/redaction.md says of every stock recogniser what became of it, and names real rows."""

import re
from collections.abc import Iterator
from pathlib import Path

import presidio_analyzer
import pytest
import yaml
from presidio_analyzer import predefined_recognizers

from tests.redaction.redacting import Patterns
from triage import redaction
from triage.redaction.table import spoken, structures

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "redaction.md").read_text("utf-8")
ROOM = Path(redaction.__file__).parent
SECTION = TEXT.partition("## Presidio's own recognisers")[2].partition("\n## ")[0]


def table() -> Iterator[tuple[list[str], str, list[str], str]]:
    for line in SECTION.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and "`" in cells[0]:
            yield (
                re.findall(r"`(\w+)`", cells[0]),
                cells[1],
                re.findall("`([^`]+)`", cells[2]),
                cells[3],
            )


ROWS = list(table())


def installed() -> set[str]:
    conf = Path(presidio_analyzer.__file__).parent / "conf" / "default_recognizers.yaml"
    listed = {row["name"] for row in yaml.safe_load(conf.read_text("utf-8"))["recognizers"]}
    return listed | {name for name in predefined_recognizers.__all__ if name.endswith("Recognizer")}


def ours() -> set[str]:
    rows = yaml.safe_load((ROOM / "recognizers.yaml").read_text("utf-8"))["rows"]
    labels = yaml.safe_load((ROOM / "labels.yaml").read_text("utf-8"))["labels"]
    by_code = {spoken().name, *(structure.name for structure in structures())}
    return (
        by_code | {row["name"] for row in rows} | {f"labels:{name}" for name in labels} | {"tagger"}
    )


def test_every_stock_recogniser_is_in_the_table_once() -> None:
    names = [name for row in ROWS for name in row[0]]
    assert sorted(names) == sorted(installed())


def test_each_is_used_replaced_or_off_with_a_reason() -> None:
    for names, state, by, why in ROWS:
        assert state in {"used", "replaced", "off"}, names
        assert (state == "replaced") == bool(by), names
        assert why, names


def test_what_replaces_them_exists() -> None:
    assert {name for row in ROWS for name in row[2]} <= ours()


def test_a_missing_row_is_seen() -> None:
    assert "not_a_row" not in ours()
    assert "EmailRecognizer" in installed()


@pytest.mark.parametrize(
    "text",
    [
        "send it to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa please",
        "the number 9434765919 is mine",
        "DNI 12345678Z",
        "PESEL 44051401359",
        "codice RSSMRA85T10A562S",
    ],
)
def test_long_numbers_of_other_countries_are_hidden_all_the_same(
    patterns: Patterns, text: str
) -> None:
    assert "[" in patterns.one(text).body


@pytest.mark.parametrize("text", ["aadhaar 2345 6789 0123", "postcode SW1A 1AA"])
def test_what_the_page_says_stays_readable_does(patterns: Patterns, text: str) -> None:
    assert patterns.one(text).body == text


def test_the_figures_have_their_place() -> None:
    assert "<!-- figures:" in TEXT
