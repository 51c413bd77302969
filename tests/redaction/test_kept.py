"""What was worked out of the patterns may be kept, and is believed only when it is whole."""

import hashlib
from pathlib import Path

import pytest

from triage.redaction import kept, table
from triage.redaction.finding import Pattern, PatternFinder
from triage.redaction.signs import Needs, needs

ROWS = [(r"\bMRN\W{0,3}\d{6}", False), (r"[A-Z]{2}\d{4}", True)]


def work_out(expression: str, case: bool) -> Needs:
    return needs(expression, case=case)


def never(expression: str, case: bool) -> Needs:
    raise AssertionError("it was kept and is worked out again")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIAGE_CACHE", str(tmp_path))
    return tmp_path


def kept_file(cache: Path) -> Path:
    (found,) = cache.glob("signs-*.json")
    return found


def lines(found: list[Needs]) -> list[object]:
    return [one.line() for one in found]


def test_a_second_process_works_nothing_out_again() -> None:
    first = kept.kept_needs(ROWS, work_out)

    assert (
        lines(kept.kept_needs(ROWS, never)) == lines(first) == lines(kept.kept_needs(ROWS, never))
    )
    assert kept.kept_needs(ROWS, never)[0].met("MRN: 123456")
    assert not kept.kept_needs(ROWS, never)[0].met("no number here")


def test_another_pattern_is_worked_out() -> None:
    kept.kept_needs(ROWS, work_out)

    with pytest.raises(AssertionError):
        kept.kept_needs([*ROWS, ("x", False)], never)
    with pytest.raises(AssertionError):
        kept.kept_needs([(ROWS[0][0], True), ROWS[1]], never)


def test_a_changed_file_is_not_believed(cache: Path) -> None:
    right = lines(kept.kept_needs(ROWS, work_out))
    file = kept_file(cache)
    digest, _, written = file.read_text("utf-8").partition("\n")

    # A need that no text meets would hide nothing from then on.
    for forged in (f"{digest}\n{written.replace('6', '9')}", digest, "", "\udcff", "[]"):
        file.write_text(forged, encoding="utf-8", errors="surrogateescape")

        assert lines(kept.kept_needs(ROWS, work_out)) == right


def test_rubbish_under_a_right_hash_is_not_believed(cache: Path) -> None:
    right = lines(kept.kept_needs(ROWS, work_out))
    file = kept_file(cache)
    for rubbish in ("{}", "[]", "[[1, []]]", '[["many", []], [1, 2]]'):
        digest = hashlib.sha256(rubbish.encode()).hexdigest()
        file.write_text(f"{digest}\n{rubbish}", encoding="utf-8")

        assert lines(kept.kept_needs(ROWS, work_out)) == right


def test_a_cache_that_cannot_be_written_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("TRIAGE_CACHE", str(blocked / "below"))

    assert lines(kept.kept_needs(ROWS, work_out)) == [work_out(*row).line() for row in ROWS]


def test_the_shipped_table_is_kept_as_it_is_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    table.finders.cache_clear()
    fresh = table.finders()
    monkeypatch.setattr(table, "_proved", never)
    table.finders.cache_clear()
    again = table.finders()
    table.finders.cache_clear()

    for one, other in zip(fresh, again, strict=True):
        if isinstance(one, PatternFinder) and isinstance(other, PatternFinder):
            assert [p.expression for p in one.patterns] == [p.expression for p in other.patterns]
            assert [p.needs.line() for p in one.patterns] == [
                p.needs.line() for p in other.patterns
            ]


def test_a_pattern_that_does_not_compile_is_never_kept(cache: Path) -> None:
    with pytest.raises(Exception, match="missing"):
        kept.kept_needs([("(", False)], table._proved)

    assert not list(cache.glob("signs-*"))
    with pytest.raises(Exception, match="missing"):
        Pattern("(").compile()
