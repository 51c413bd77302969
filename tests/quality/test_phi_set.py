"""The messages that are hard to redact: enough of them, each its own, the halves apart."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from triage.domain import IdentifierType
from triage.redaction.measure import Labelled, read_messages

PHI = Path(__file__).resolve().parents[2] / "data" / "phi"
#: So many words in a row that stand in two messages would be a pattern; what mail servers and
#: laboratories say in their own fixed words is shorter.
ALIKE = 14


@pytest.fixture(scope="module")
def sets() -> dict[str, list[Labelled]]:
    return {name: read_messages(PHI / f"{name}.jsonl") for name in ("train", "dev", "report")}


def writers(messages: list[Labelled]) -> set[str]:
    """Return who wrote: the part of the id before the number."""
    return {message.id.partition("-")[0] for message in messages}


def runs(message: Labelled) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"\w+", f"{message.subject} {message.body}".casefold())
    yield from zip(*(words[at:] for at in range(ALIKE)), strict=False)


def test_both_halves_are_large_and_hold_every_type(sets: dict[str, list[Labelled]]) -> None:
    assert len(sets["dev"]) + len(sets["report"]) >= 600
    for name in ("dev", "report"):
        assert len(sets[name]) >= 300
        kinds = {kind for message in sets[name] for *_, kind in message.phi}
        assert kinds == set(IdentifierType)


def test_no_writer_stands_in_two_sets(sets: dict[str, list[Labelled]]) -> None:
    everybody = Counter(who for messages in sets.values() for who in writers(messages))
    assert max(everybody.values()) == 1
    assert min(len(writers(messages)) for messages in sets.values()) >= 6


def test_no_two_messages_are_built_alike(sets: dict[str, list[Labelled]]) -> None:
    messages = [message for part in sets.values() for message in part]
    seen = Counter(run for message in messages for run in set(runs(message)))
    assert [run for run, count in seen.items() if count > 1] == []


def test_a_copied_sentence_would_be_seen(sets: dict[str, list[Labelled]]) -> None:
    longest = max(sets["dev"], key=lambda message: len(message.body))
    assert len(Counter([*runs(longest), *runs(longest)])) < 2 * len(list(runs(longest)))
    assert set(runs(longest))
