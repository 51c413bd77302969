"""The scorecard: how much each rule and each weak sign counts, and at which sum a person is called.

Rule of the room: nothing counts against danger. Where a model reads the message as well, the sum
has to reach `raises_at`; where none answered, the rules listen harder: `alone_at` is enough, and
so is any one rule.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from triage.errors import BadRules

#: Rules of one message beyond this many add no more of the points any rule has.
MOST_RULES = 4


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Points, all at or above 0; without any, every rule that fires calls a person."""

    raises_at: int = 1
    alone_at: int = 1
    #: What each of the first MOST_RULES rules counts, whichever they are.
    any_rule: int = 1
    #: What a rule counts beyond that, and what a list of signs counts.
    rules: Mapping[str, int] = field(default_factory=dict)
    signs: Mapping[str, int] = field(default_factory=dict)

    def total(self, fired: Iterable[str], seen: Iterable[str]) -> int:
        """Return what these rules and lists of signs come to."""
        rules = frozenset(fired)
        own = sum(self.rules.get(name, 0) for name in rules)
        signs = sum(self.signs.get(name, 0) for name in frozenset(seen))
        return self.any_rule * min(len(rules), MOST_RULES) + own + signs


def read(content: Mapping[str, Any]) -> Scorecard:
    """Read the section `score` of the table; raise BadRules when it could miss a danger."""
    try:
        card = Scorecard(**content)
        points = [card.any_rule, *card.rules.values(), *card.signs.values()]
        if not all(isinstance(one, int) and one >= 0 for one in points):
            raise BadRules("score: a number below 0")
        if not 0 < card.alone_at <= card.raises_at < sum(points):
            raise BadRules("score: the sums")
        if card.signs and max(card.signs.values()) >= card.alone_at:
            raise BadRules("score: one weak sign alone would raise")
    except (TypeError, AttributeError):
        raise BadRules("score") from None
    return card
