"""What a text must hold before a pattern is worth a search: ten digits, `@`, one of some words.

Rule of the room: signs are derived from the pattern itself, so nobody can forget or misstate one,
and they may only ask for too little: a piece of a pattern that is not understood asks for nothing.
Most patterns find nothing in most texts; this says so in a microsecond.
"""

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from re import _constants as op  # type: ignore[attr-defined]  # What `re` itself reads with
from re import _parser as parser  # type: ignore[attr-defined]  # has no public door.
from typing import Any

import regex  # type: ignore[import-untyped]  # It has no type information.

#: More strings than this are not spelled out for one place of a pattern.
MOST = 64
#: Strings are looked up by so many letters first.
_GRAM = 3
#: Stands before the first letter of every word, in the texts and in the strings of a choice.
_MARK = "\x01"
#: Strings that stand in nearly every text are no sign.
_EVERYWHERE = frozenset([" ", "\n", ".", ",", "0", *(_MARK + letter for letter in "aiy")])
#: What a pattern that ignores case takes for these letters, beyond what `lower` does.
_ALIKE = {ord("İ"): "i", ord("ı"): "i", ord("ſ"): "s"}
#: What `regex` reads otherwise than `re`: named sets, and braces that allow for errors.
_ELSE = re.compile(r"\[\[:|\{[\w<=+, ]*[a-z<][\w<=+:, ]*\}")
_DIGIT, _WORD = regex.compile(r"\d"), regex.compile(r"\p{L}+")

Items = Iterable[tuple[Any, Any]]
Strings = frozenset[str]


def fold(text: str) -> str:
    """Return `text` without capitals, of the same length; what patterns take for alike is alike."""
    return text.translate(_ALIKE).lower()


def _shown(text: str) -> str:
    """Return `text` with every digit as 0 and a mark before every word."""
    return str(_WORD.sub(_MARK + r"\g<0>", _DIGIT.sub("0", text)))


class Choice:
    """Strings of which every match holds at least one; `case` says whether capitals matter."""

    def __init__(self, strings: tuple[str, ...], *, case: bool) -> None:
        self.strings, self.case = strings, case
        self.short = tuple(string for string in strings if len(string) < _GRAM)
        #: The longer ones by their first letters, to be looked up all at once.
        self.long: dict[str, list[str]] = {}
        for string in set(strings).difference(self.short):
            self.long.setdefault(string[:_GRAM], []).append(string)
        self.grams = frozenset(self.long)

    def among(self, text: str, grams: Set[str]) -> bool:
        """Whether `text`, which is made of `grams`, holds one of the strings."""
        if any(map(text.__contains__, self.short)):
            return True
        near = self.grams & grams
        return any(any(map(text.__contains__, self.long[gram])) for gram in near)


@lru_cache(maxsize=1024)
def _choice(strings: tuple[str, ...], case: bool) -> Choice:
    """Return one and the same choice for the same strings, so that each is looked up once."""
    return Choice(strings, case=case)


class Signs:
    """One text at a glance."""

    def __init__(self, text: str) -> None:
        self.digits = len(_DIGIT.findall(text))
        self._cased, self._folded = _shown(text), _shown(fold(text))
        self._cased_grams, self._folded_grams = _grams(self._cased), _grams(self._folded)
        self._known: dict[Choice, bool] = {}

    def show(self, choice: Choice) -> bool:
        """Whether the text holds one of the strings."""
        known = self._known.get(choice)
        if known is None:
            if choice.case:
                known = choice.among(self._cased, self._cased_grams)
            else:
                known = choice.among(self._folded, self._folded_grams)
            self._known[choice] = known
        return known


def _grams(text: str) -> Set[str]:
    return {text[place : place + _GRAM] for place in range(len(text) - _GRAM + 1)}


#: The last texts, since every pattern of the table asks about the same one.
signs = lru_cache(maxsize=2)(Signs)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a text holds if a pattern matches somewhere in it."""

    #: So many digits in all.
    digits: int = 0
    choices: tuple[Choice, ...] = ()

    def met(self, text: str) -> bool:
        """Whether the pattern may match; False only where it cannot."""
        seen = signs(text)
        if self.digits > seen.digits:
            return False
        return all(map(seen.show, self.choices))

    def line(self) -> list[Any]:
        """Return it in plain values, to be kept."""
        return [self.digits, [[choice.case, *choice.strings] for choice in self.choices]]

    @classmethod
    def of(cls, line: Any) -> "Needs":
        """Return what `line` wrote; raise ValueError or TypeError for anything else."""
        digits, choices = line
        made = tuple(_choice(tuple(map(str, strings)), bool(case)) for case, *strings in choices)
        return cls(int(digits), made)


NOTHING = Needs()


def needs(expression: str, *, case: bool) -> Needs:
    """Return what a text must hold for `expression` to match; nothing when that is not clear."""
    # `re` knows no letter classes. No other class may stand in for "no letter before".
    known = re.sub(r"\\p\{\w+\}", r"\\S", expression.replace(r"\p{L}", r"\w"))
    try:
        tree = None if _ELSE.search(known) else parser.parse(known)
    except re.error:
        tree = None
    if tree is None:
        return NOTHING
    return _Walk(tree, case=case and not tree.state.flags & re.IGNORECASE).needs()


class _Walk:
    """Goes along a sequence and gathers what no match of it can do without."""

    def __init__(self, items: Items, *, case: bool) -> None:
        self.digits = 0
        self.choices: set[Choice] = set()
        # What stands just before the next item, letter by letter, and whether capitals matter.
        self._strings: Strings = frozenset([""])
        self._case = True
        for kind, value, inner in _flat(items, case=case):
            self._step(kind, value, case=inner)
        self._cut()

    def needs(self) -> Needs:
        """Return all of it, the choices of fewest strings first."""
        order = sorted(self.choices, key=lambda choice: (len(choice.strings), choice.strings))
        return Needs(self.digits, tuple(order))

    def best(self) -> Choice | None:
        """Return the choice that says most."""
        return max(self.choices, key=_weight, default=None)

    def _step(self, kind: Any, value: Any, *, case: bool) -> None:
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            self._repeat(*value, case=case)
            return
        spelled = _spelled(kind, value, case=case)
        if kind is op.BRANCH:
            self._branch(value[1], case=case, spelled=spelled is not None)
        elif kind is op.ASSERT:
            beside = _Walk(value[1], case=case)
            self.choices |= beside.choices
        elif _is_digit(kind, value):
            self.digits += 1
        self._append(spelled)

    def _repeat(self, least: int, most: int, inner: Items, *, case: bool) -> None:
        spelled = _spelled_all(inner, case=case)
        if least:
            once = _Walk(inner, case=case)
            self.digits += least * once.digits
            if spelled is None:
                self.choices |= once.choices
        if spelled is None or (least == 0 and most != 1):
            self._cut()
        elif least == 0:
            self._append((spelled[0] | {""}, spelled[1]))
        else:
            for _ in range(min(int(least), 20)):
                self._append(spelled)
            if least != most or least > 20:
                # The last time stands beside what follows, wherever the first one stood.
                self._cut()
                self._append(spelled)

    def _branch(self, ways: Sequence[Items], *, case: bool, spelled: bool) -> None:
        walks = [_Walk(way, case=case) for way in ways]
        self.digits += min(walk.digits for walk in walks)
        best = [walk.best() for walk in walks]
        if not spelled and all(best):
            chosen = [choice for choice in best if choice]
            self._add(
                frozenset(string for choice in chosen for string in choice.strings),
                case=all(choice.case for choice in chosen),
            )

    def _append(self, spelled: tuple[Strings, bool] | None) -> None:
        """Put a piece behind what stands there already; cut when that makes too many strings."""
        if spelled is None:
            self._cut()
            return
        strings, case = spelled
        if len(self._strings) * len(strings) > MOST:
            self._cut()
        self._case = self._case and case
        joined = frozenset(_join(a, b) for a, b in product(self._strings, strings))
        self._strings = _shortest(joined)

    def _cut(self) -> None:
        """Keep what was gathered; what follows need not stand beside it."""
        self._add(self._strings, case=self._case)
        self._strings, self._case = frozenset([""]), True

    def _add(self, strings: Strings, *, case: bool) -> None:
        kept = {string.rstrip(_MARK) for string in strings}
        kept = kept if case else set(map(fold, kept))
        if any(map(_says_nothing, kept)):
            return
        least = sorted(a for a in kept if not any(b != a and b in a for b in kept))
        self.choices.add(_choice(tuple(least), case))


def _flat(items: Items, *, case: bool) -> Iterator[tuple[Any, Any, bool]]:
    """Yield the items of a sequence, groups opened, each with whether capitals matter there."""
    for kind, value in items:
        if kind is op.SUBPATTERN:
            _, on, off, inner = value
            sharp = bool(off & re.IGNORECASE) or (case and not on & re.IGNORECASE)
            yield from _flat(inner, case=sharp)
        else:
            yield kind, value, case


def _spelled(kind: Any, value: Any, *, case: bool) -> tuple[Strings, bool] | None:
    """Return every string an item can match, and whether capitals matter; None if unclear."""
    if kind is op.BRANCH:
        return _spelled_ways(value[1], case=case)
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
        least, most, inner = value
        once = _spelled_all(inner, case=case) if most == 1 else None
        return (once[0] | {""}, once[1]) if once and least == 0 else once
    letters: Strings | None = None
    if kind is op.LITERAL:
        letters = frozenset(_zero(chr(value)))
    elif kind is op.IN:
        letters = _letters(value)
    elif kind in (op.AT, op.ASSERT, op.ASSERT_NOT):
        letters = frozenset([_MARK if _no_letter_before(kind, value) else ""])
    if letters is None:
        return None
    return letters, case or not any(map(str.isalpha, letters))


def _spelled_ways(ways: Sequence[Items], *, case: bool) -> tuple[Strings, bool] | None:
    spelled = [_spelled_all(way, case=case) for way in ways]
    known = [way for way in spelled if way is not None]
    strings = frozenset(string for way, _ in known for string in way)
    if len(known) < len(spelled) or len(strings) > MOST:
        return None
    return strings, all(sharp for _, sharp in known)


def _spelled_all(items: Items, *, case: bool) -> tuple[Strings, bool] | None:
    strings, sharp = frozenset([""]), True
    for kind, value, inner in _flat(items, case=case):
        spelled = _spelled(kind, value, case=inner)
        if spelled is None or len(strings) * len(spelled[0]) > MOST:
            return None
        strings = frozenset(_join(a, b) for a, b in product(strings, spelled[0]))
        sharp = sharp and spelled[1]
    return strings, sharp


def _letters(members: Sequence[tuple[Any, Any]]) -> Strings | None:
    """Return the characters of a set of single ones; None when it has classes or long ranges."""
    letters: set[str] = set()
    for kind, value in members:
        if kind is op.LITERAL:
            letters.add(_zero(chr(value)))
        elif kind is op.RANGE and value[1] - value[0] < 10:
            letters |= {_zero(chr(code)) for code in range(value[0], value[1] + 1)}
        elif kind is op.CATEGORY and value is op.CATEGORY_DIGIT:
            letters.add("0")
        else:
            return None
    return frozenset(letters)


def _zero(letter: str) -> str:
    return "0" if letter.isdecimal() else letter


def _is_digit(kind: Any, value: Any) -> bool:
    """Whether an item is one character and that a digit."""
    if kind is op.LITERAL:
        return chr(value).isdecimal()
    return kind is op.IN and _letters(value) == frozenset("0")


def _no_letter_before(kind: Any, value: Any) -> bool:
    """Whether an item says that no letter stands before: the word after it is marked there."""
    if kind is op.AT:
        return value in (op.AT_BEGINNING, op.AT_BEGINNING_STRING, op.AT_BOUNDARY)
    if kind is not op.ASSERT_NOT or value[0] != -1 or len(value[1]) != 1:
        return False
    inside, members = value[1][0]
    return (
        inside is op.IN
        and (op.CATEGORY, op.CATEGORY_WORD) in members
        and (op.NEGATE, None) not in members
    )


def _join(left: str, right: str) -> str:
    """Put strings side by side as they stand in a shown text."""
    if not left or not right:
        return left + right
    right = right.lstrip(_MARK)
    left = left if left == _MARK else left.rstrip(_MARK)
    if left == _MARK:
        return left + right if right[:1].isalpha() else right or left
    return left + _MARK + right if right[:1].isalpha() and not left[-1].isalpha() else left + right


def _shortest(strings: Strings) -> Strings:
    """Leave out strings that end in another: whatever ends in them ends in the other."""
    return frozenset(a for a in strings if not any(a != b and a.endswith(b) for b in strings))


def _says_nothing(string: str) -> bool:
    return string in _EVERYWHERE or (len(string) < 2 and (not string or string.isalnum()))


def _weight(choice: Choice) -> tuple[int, int]:
    return min(len(string.lstrip(_MARK)) for string in choice.strings), -len(choice.strings)
