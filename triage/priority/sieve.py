"""Which lists and patterns of the table can hold in a text: those all of whose words stand in it.

Rule of the room: it only rules out what could not hold; everything else is weighed as if nothing
had been sieved.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from triage.priority.table import Part, Pattern, Table

#: What a gate belongs to: a list, or one side of a rule.
Owner = tuple[str, str]
LIST, WHEN, UNLESS = "list", "when", "unless"


@dataclass(frozen=True, slots=True)
class Possible:
    """What may hold in one text."""

    #: Names of the lists that may have a hit.
    lists: frozenset[str]
    #: The patterns of each owner that may hold, in the order of the table.
    patterns: Mapping[Owner, Sequence[Pattern]]


class Sieve:
    """The patterns of a table by the parts they need; made once, holds no text."""

    def __init__(self, table: Table, longer: Mapping[str, Sequence[Pattern]]) -> None:
        #: One gate for each pattern: whose it is, and how many different parts it waits for.
        self._gates: list[tuple[Owner, Pattern]] = []
        self._waits: list[int] = []
        #: The gates that wait for a part, and the parts that a list lets through.
        self._needs: dict[str, list[int]] = {}
        self._named: dict[str, set[str]] = {}
        self._numbers: dict[str, Part] = {}
        for name, patterns in longer.items():
            self._add((LIST, name), patterns)
        for rule in table.rules:
            self._add((WHEN, rule.name), rule.when)
            self._add((UNLESS, rule.name), rule.unless)

    def _add(self, owner: Owner, patterns: Iterable[Pattern]) -> None:
        for pattern in patterns:
            parts = {part.key: part for part in pattern.parts}
            for key, part in parts.items():
                self._needs.setdefault(key, []).append(len(self._gates))
                for name in part.names:
                    self._named.setdefault(name, set()).add(key)
                if not part.names and not part.phrase:
                    self._numbers[key] = part
            self._gates.append((owner, pattern))
            self._waits.append(len(parts))

    def possible(
        self, phrases: Iterable[str], lists: Iterable[str], numbers: Collection[float]
    ) -> Possible:
        """Return what may hold where these phrases, lists hit by them and numbers were found."""
        waits, opened, found = self._waits.copy(), list[int](), set(lists)
        todo = [*phrases, *(key for name in found for key in self._named.get(name, ()))]
        if numbers:
            least, most = min(numbers), max(numbers)
            todo += [
                key
                for key, part in self._numbers.items()
                if part.low <= most and part.high >= least
            ]
        known = set(todo)
        todo = list(known)
        while todo:
            for gate in self._needs.get(todo.pop(), ()):
                waits[gate] -= 1
                if waits[gate]:
                    continue
                opened.append(gate)
                kind, name = self._gates[gate][0]
                if kind == LIST and name not in found:
                    found.add(name)
                    fresh = self._named.get(name, set()) - known
                    known |= fresh
                    todo += fresh
        patterns: dict[Owner, list[Pattern]] = {}
        for gate in sorted(opened):
            owner, pattern = self._gates[gate]
            patterns.setdefault(owner, []).append(pattern)
        return Possible(frozenset(found), patterns)
