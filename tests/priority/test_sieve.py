"""The sieve before the red-flag rules rules out nothing that holds: without it all is the same."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

from tests.sizes import many
from triage.priority.redflags import RedFlags
from triage.priority.sieve import LIST, Owner, Possible, Sieve
from triage.priority.table import Pattern

EVERY = many(60, long=1)
rules = RedFlags()


def examples() -> list[str]:
    """Return what the table itself says fires or not, each with the next: more hits in one text."""
    texts = [text for rule in rules.rules for text in (*rule.fires, *rule.silent)]
    pairs = [f"{one}\n\n{other}" for one, other in zip(texts, texts[7:], strict=False)]
    return [*texts[::EVERY], *pairs[::EVERY]]


def found() -> list[tuple[dict[str, str], frozenset[str]]]:
    """Return the rules that fire on every example, and the lists with a sign."""
    from triage.domain import Channel
    from triage.parsing import plain

    made = [plain(id="m", channel=Channel.EMAIL, subject="", body=text) for text in examples()]
    return [
        (rules.fires(text), rules.evidence(message)[1])
        for text, message in zip(examples(), made, strict=True)
    ]


def everything(
    self: Sieve, phrases: Iterable[str], lists: Iterable[str], numbers: Collection[float]
) -> Possible:
    """Let every pattern through, as there was no sieve once."""
    patterns: dict[Owner, list[Pattern]] = {}
    for owner, pattern in self._gates:
        patterns.setdefault(owner, []).append(pattern)
    return Possible(frozenset(rules._finder.table.lists), patterns)


def test_what_is_found_is_the_same_without_the_sieve(monkeypatch: pytest.MonkeyPatch) -> None:
    sieved = found()
    assert sum(bool(fired) for fired, _ in sieved) > len(sieved) // 4
    monkeypatch.setattr(Sieve, "possible", everything)
    assert found() == sieved


def test_oracle_a_sieve_that_rules_out_too_much_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    sieved, real = found(), Sieve.possible

    def narrow(self: Sieve, *told: Any) -> Possible:
        given = real(self, *told)
        kept = {owner: all for owner, all in given.patterns.items() if owner[0] != LIST}
        return Possible(given.lists, kept)

    monkeypatch.setattr(Sieve, "possible", narrow)
    assert found() != sieved, "the sabotage must be seen to fail"
