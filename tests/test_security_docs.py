"""What the security documents cite exists, and no requirement of ASVS level 2 is left out."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = [ROOT / "docs" / f"{name}.md" for name in ("security", "threats", "hazards", "asvs")]
#: OWASP ASVS 5.0.0: section -> numbers of its requirements of levels 1 and 2, in its CSV edition.
ASVS = """
1.1 1-2; 1.2 1-9; 1.3 1-11; 1.4 1-3; 1.5 1-2; 2.1 1-3; 2.2 1-3; 2.3 1-4; 2.4 1; 3.2 1-2; 3.3 1-4;
3.4 1-6; 3.5 1-5; 3.7 1-2; 4.1 1-3; 4.2 1; 4.3 1-2; 4.4 1-4; 5.1 1; 5.2 1-3; 5.3 1-2; 5.4 1-3;
6.1 1-3; 6.2 1-12; 6.3 1-4; 6.4 1-4; 6.5 1-5; 6.6 1-3; 6.8 1-4; 7.1 1-3; 7.2 1-4; 7.3 1-2; 7.4 1-5;
7.5 1-2; 7.6 1-2; 8.1 1-2; 8.2 1-3; 8.3 1; 8.4 1; 9.1 1-3; 9.2 1-4; 10.1 1-2; 10.2 1-2; 10.3 1-4;
10.4 1-11; 10.5 1-5; 10.6 1-2; 10.7 1-3; 11.1 1-2; 11.2 1-3; 11.3 1-3; 11.4 1-4; 11.5 1; 11.6 1;
12.1 1-3; 12.2 1-2; 12.3 1-4; 13.1 1; 13.2 1-5; 13.3 1-2; 13.4 1-5; 14.1 1-2; 14.2 1-4; 14.3 1-3;
15.1 1-3; 15.2 1-3; 15.3 1-7; 16.1 1; 16.2 1-5; 16.3 1-4; 16.4 1-3; 16.5 1-3; 17.1 1; 17.2 1-4;
17.3 1-2
"""
STATES = {"tested", "built", "part", "not yet", "n/a"}


def required() -> list[str]:
    found = []
    for part in ASVS.replace("\n", " ").split(";"):
        section, numbers = part.split()
        first, _, last = numbers.partition("-")
        found += [f"{section}.{at}" for at in range(int(first), int(last or first) + 1)]
    return found


def rows(text: str) -> Iterator[tuple[list[str], str, str, str]]:
    """Yield the numbers, state, words and tests of every row of the ASVS tables."""
    for line in text.splitlines():
        if re.match(r"\| \d+\.\d+\.\d+", line):
            number, state, words, tests = (one.strip() for one in line.strip("|").split("|"))
            first, _, last = number.partition("–")
            section, at = first.rsplit(".", 1)
            end = int(last.rsplit(".", 1)[1]) if last else int(at)
            assert not last or last.startswith(section + "."), number
            yield [f"{section}.{one}" for one in range(int(at), end + 1)], state, words, tests


def known_tests() -> set[str]:
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return {name for text in sources for name in re.findall(r"def (test_\w+)", text)}


def missing(text: str) -> list[str]:
    """Return the tests and paths a document cites that are not there."""
    there = known_tests()
    cited = re.findall(r"`([^`\n]+)`", text)
    tests = [one for one in cited if re.fullmatch(r"test_\w+", one) and one not in there]
    paths = [
        one
        for one in cited
        if re.fullmatch(r"(triage|tests|docs|models|\.ci)/[\w./-]*|[\w-]+\.(lock|md)", one)
        and not (ROOT / one).exists()
    ]
    return tests + paths


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.stem)
def test_everything_cited_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert missing(text) == []
    assert len(re.findall(r"`test_\w+`", text)) >= 15


def test_a_citation_of_nothing_is_seen() -> None:
    """Sabotage: a renamed test or a moved file is noticed."""
    assert missing("`test_nobody_wrote_this` and `triage/gone.py`") == [
        "test_nobody_wrote_this",
        "triage/gone.py",
    ]


def test_every_requirement_of_level_2_has_one_row() -> None:
    assert len(required()) == 253
    listed = [one for numbers, *_ in rows(DOCS[3].read_text("utf-8")) for one in numbers]
    assert sorted(listed) == sorted(required())


def test_a_row_says_tested_only_with_a_test() -> None:
    for numbers, state, words, tests in rows(DOCS[3].read_text("utf-8")):
        assert state in STATES, numbers
        assert words, numbers
        assert state != "tested" or "`test_" in tests, numbers


def test_the_hazard_log_is_whole_and_claims_no_signature() -> None:
    text = DOCS[2].read_text("utf-8")
    listed = [line.split("|") for line in text.splitlines() if line.startswith("| H")]
    assert [row[1].strip() for row in listed] == [f"H{at:02}" for at in range(1, 19)]
    assert all("`test_" in row[5] and re.search(r": [1-5]\b", row[6]) for row in listed)
    assert "No clinician has scored, reviewed or signed this page" in text
