"""Safety-bar 42: no cell of a table that leaves is a formula, whatever the spreadsheet splits at.

Both forms run 150 payloads. LibreOffice is not asked here: a stricter reader stands in for it,
which splits at every separator any country uses and ignores quotes.
"""

import csv
import io
import re
from pathlib import Path

import pytest

from triage.desk.spreadsheet import as_csv, harmless

pytestmark = pytest.mark.bar(42)

HOUSE = Path(__file__).resolve().parents[2] / "triage"
COMMANDS = (
    "=1+1", "+1+1", "-1+1", "@SUM(1,1)", "=cmd|' /C calc'!A0", '=HYPERLINK("http://evil.example")',
    '=WEBSERVICE("http://evil.example")', '=IMPORTXML("http://evil.example","//a")', "|calc",
    "%0A=1",
)  # fmt: skip
BEFORE = (
    "", " ", "\t", "\r", "\n", "\r\n", "\x00", "\ufeff", '"', "'", "x;", "x,", "x\t", "x|", 'x";"',
)  # fmt: skip
PAYLOADS = [before + command for before in BEFORE for command in COMMANDS]
FULL_WIDTH = ("＝1+1", "＋1", "－1", "＠SUM(1)")


def formulas(table: str) -> list[str]:
    """Return everything in a CSV that some spreadsheet would take for a formula."""
    pieces = re.split(r"[;,\t\r\n|]", table)
    return [piece for piece in pieces if re.match(r"[\s\"\x00\ufeff]*[=+\-@%＝＋－＠]", piece)]


@pytest.mark.parametrize("payload", [*PAYLOADS, *FULL_WIDTH], ids=ascii)
def test_no_part_of_a_cell_starts_a_formula(payload: str) -> None:
    table = as_csv([["safe", payload, payload]])
    assert formulas(table) == []
    ((_, cell, again),) = csv.reader(io.StringIO(table))
    assert cell == again == harmless(payload)


def test_there_are_enough_payloads_and_plain_csv_is_seen_to_fail() -> None:
    assert len(PAYLOADS) >= 150
    table = io.StringIO()
    csv.writer(table).writerows([[payload] for payload in PAYLOADS])
    assert len(formulas(table.getvalue())) >= 100


@pytest.mark.parametrize(
    "cell", ["", "plain", "12", "2026-01-02T03:04:05+00:00", "a-b", "x: 5", "é"]
)
def test_an_honest_cell_stays_as_it_is(cell: str) -> None:
    assert harmless(cell) == cell


def test_every_table_of_the_house_is_written_by_the_one_guarded_writer() -> None:
    writers = [
        str(path.relative_to(HOUSE))
        for path in sorted(HOUSE.rglob("*.py"))
        if re.search(
            r"csv\.(?:Dict)?[wW]riter|openpyxl|xlsxwriter|to_csv|to_excel", path.read_text()
        )
    ]
    assert writers == ["desk/spreadsheet.py"]
