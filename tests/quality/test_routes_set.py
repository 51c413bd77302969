"""The messages that teach routing: enough of them, each its own, the parts apart."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from triage.classifiers import dataset
from triage.classifiers.dataset import Row
from triage.domain import Urgency

PARTS = {
    "teaching": dataset.TEACHING,
    "choosing": dataset.CHOOSING,
    "setting": dataset.SETTING,
    "reporting": dataset.REPORTING,
    "fresh": dataset.FRESH,
}
#: So many words in a row that stand in two messages would be a pattern.
ALIKE = 14
#: How a danger may be told so that it is easily missed, and what is no kind of danger.
EASILY_MISSED = {"buried", "secondhand", "minimised", "lay"}
MANNERS = EASILY_MISSED | {
    "hard", "everyday", "typos", "nocaps", "dictation", "angry", "thanks", "thread", "signature",
    "idiom", "negated", "history", "family", "hypothetical", "form", "marketing", "other",
}  # fmt: skip


@pytest.fixture(scope="module")
def parts() -> dict[str, list[Row]]:
    return {name: dataset.read_part(files) for name, files in PARTS.items()}


def urgent(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.urgency > Urgency.ROUTINE]


def runs(row: Row) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"\w+", f"{row.subject} {row.body}".casefold())
    yield from zip(*(words[at:] for at in range(ALIKE)), strict=False)


def test_there_are_enough(parts: dict[str, list[Row]]) -> None:
    everything = [row for rows in parts.values() for row in rows]
    assert len(everything) >= 2400
    assert len(parts["fresh"]) == 100
    for name, least in (("teaching", 300), ("setting", 120), ("reporting", 330)):
        assert len(urgent(parts[name])) >= least
    assert sum("sounds_urgent" in row.tags for row in everything) >= 350


@pytest.mark.parametrize("name", PARTS)
def test_half_of_the_dangers_are_easily_missed(name: str, parts: dict[str, list[Row]]) -> None:
    dangers = urgent(parts[name])
    assert sum(bool(row.tags & EASILY_MISSED) for row in dangers) >= len(dangers) / 2


def test_there_are_many_kinds_of_danger(parts: dict[str, list[Row]]) -> None:
    for name in ("teaching", "reporting"):
        kinds = Counter(tag for row in urgent(parts[name]) for tag in row.tags - MANNERS)
        assert sum(count >= 4 for count in kinds.values()) >= 25


def test_no_writer_of_routes_stands_in_two_parts(parts: dict[str, list[Row]]) -> None:
    batches = {name: {row.id.partition("-")[0] for row in rows} for name, rows in parts.items()}
    # The older messages carry no batch in their ids; their files were written apart.
    everybody = Counter(who for names in batches.values() for who in names)
    shared = {who for who, count in everybody.items() if count > 1}
    assert not {who for who in shared if re.fullmatch(r"[a-z]\d\d", who)}
    assert len(batches["reporting"]) >= 8


def test_no_two_messages_are_built_alike(parts: dict[str, list[Row]]) -> None:
    seen: Counter[tuple[str, ...]] = Counter()
    for rows in parts.values():
        for row in rows:
            # Mail servers and answering machines say the same words everywhere.
            if not row.tags & {"bounce", "autoreply"} and row.writer != "machine":
                seen.update(set(runs(row)))
    assert [run for run, count in seen.items() if count > 1] == []
