"""Safety-bar 42, long form only: LibreOffice itself opens what we export and computes nothing.

The short form's stricter reader is in `test_tables`. Needs Debian's `libreoffice-calc-nogui`.
"""

import csv
import io
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.test_tables import FULL_WIDTH, PAYLOADS
from tests.sizes import LONG
from triage.desk.spreadsheet import as_csv

#: Separators a country's LibreOffice would split at, as its import filter numbers them.
SEPARATORS = {"comma": 44, "semicolon": 59, "tab": 9}


def computed(folder: Path, table: str, separator: int) -> int:
    """Return how many cells LibreOffice takes for a formula in a table it opens."""
    source = folder / f"table-{separator}.csv"
    source.write_text(table, encoding="utf-8", newline="")
    subprocess.run(
        [
            "soffice",
            f"-env:UserInstallation=file://{folder}/profile",
            "--headless",
            # Separator, quote, UTF-8, from line 1, no types of columns, English, cells evaluated.
            f"--infilter=CSV:{separator},34,76,1,,1033,false,true,false,false,false,-1,true",
            *("--convert-to", "fods", "--outdir", str(folder), str(source)),
        ],
        check=True,
        capture_output=True,
        timeout=300,
    )
    found = (folder / f"table-{separator}.fods").read_text(encoding="utf-8")
    assert "table:table-cell" in found
    return len(re.findall(r"table:formula=", found))


if LONG:

    @pytest.mark.bar(42)
    @pytest.mark.timeout(1200)
    def test_libreoffice_computes_nothing_of_what_we_export(
        tmp_path: Path, record_property: Callable[[str, object], None]
    ) -> None:
        rows = [["safe", payload, payload] for payload in [*PAYLOADS, *FULL_WIDTH]]
        open_table = io.StringIO()
        csv.writer(open_table).writerows(rows)
        for separator in SEPARATORS.values():
            assert computed(tmp_path, as_csv(rows), separator) == 0
        # The oracle: the same cells unguarded are computed.
        assert computed(tmp_path, open_table.getvalue(), SEPARATORS["comma"]) >= 10
        record_property("tried", len(rows))
