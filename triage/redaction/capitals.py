"""Takes ordinary words out of names that were found by a cue and by their capitals.

Rule of the room: where everything is in capitals, or a sentence or a label begins, a capital is no
sign of a name. A word the dictionary does not know stays hidden; so does an ordinary word that is
also a name beside one, or right after a title.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, cached_property

from triage.domain import IdentifierType as Type
from triage.domain import fold
from triage.redaction.finding import Found
from triage.redaction.known import dictionary
from triage.redaction.table import text_lists, word_list

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*\.?")
#: A line in which so many of the letters are capitals says nothing by them.
_SHOUTED, _LEAST = 0.8, 12
#: The finders that go by capitals, and the one that looks for what they found.
_BY_CAPITALS = (
    "name_self",
    "name_signature",
    "name_beside_id",
    "name_kin",
    "name_title",
    "name_greeting",
)
_NO_NAMES = ("labels", "nobody", "function")
_ECHO, _TAGGER = "echo", "tagger"
#: What stands right before a name, even one that is a word.
_TITLE = re.compile(
    r"(?i:\b(?:dr|doctor|mr|mrs|ms|miss|prof|nurse|dra|sra?|srta|doctora|señor(?:it)?a?|rev|sir|aunt"
    r"|uncle|sister|coach|don|doña|this is|name is|names|i am|i['’]m|it['’]s|me llamo|soy|named"
    r"|called|habla|escribe|for|thanks|regards|sincerely)\b[.,]? {0,2})$"
)
#: What ends a name, and so makes the last word before it one more part.
_ENDS = re.compile(r" ?(?:[,.;:)/]|\n|$)")


def sober(found: Sequence[Found], text: str) -> list[Found]:
    """Return the finds; names are cut to what can be one, or left out."""
    loud = Loud(text)
    return [part for find in found for part in _sober(find, text, loud)]


class Loud:
    """Which lines of a text are written in capitals; each is read once, and so is the whole."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[tuple[int, int], bool] = {}

    def at(self, start: int, end: int) -> bool:
        """Whether the lines around a place are written in capitals."""
        before, after = bisect_left(self._ends, start), bisect_left(self._ends, end)
        low = self._ends[before - 1] + 1 if before else 0
        high = self._ends[after] if after < len(self._ends) else len(self._text)
        line = (low, high)
        if line not in self._lines:
            letters = self._letters(low, high)
            # A short line is what the whole text is.
            self._lines[line] = self._whole if len(letters) < _LEAST else _shouted(letters)
        return self._lines[line]

    @cached_property
    def _whole(self) -> bool:
        return _shouted(self._letters(0, len(self._text)))

    def _letters(self, low: int, high: int) -> str:
        return "".join(filter(str.isalpha, self._text[low:high]))


def _shouted(letters: str) -> bool:
    return sum(map(str.isupper, letters)) > _SHOUTED * len(letters)


def _sober(find: Found, text: str, loud: Loud) -> Iterator[Found]:
    if find.type is not Type.NAME or find.score >= 1.0:
        yield find
    elif find.found_by == _TAGGER:
        yield from _edges_off(find, text)
    elif find.found_by != _ECHO and find.found_by not in _BY_CAPITALS:
        yield find
    elif loud.at(find.start, find.end):
        yield from _names_among(find, text)
    elif find.found_by in (_ECHO, "name_greeting") or not _ordinary(find, text):
        yield find


def _ordinary(find: Found, text: str) -> bool:
    """Whether nothing but ordinary words was taken for a name because of capitals."""
    if _TITLE.search(text, max(0, find.start - 12), find.start):
        return False
    words = [match[0] for match in _WORD.finditer(text, find.start, find.end)]
    return bool(words) and all(_is_word(word) and _plain(word) not in _names() for word in words)


def _names_among(find: Found, text: str) -> Iterator[Found]:
    """Yield the runs of words that are no ordinary words, with names that are words beside them."""
    titled = _TITLE.search(text, max(0, find.start - 12), find.start) is not None
    run: list[re.Match[str]] = []
    for match in _WORD.finditer(text, find.start, find.end):
        if not _is_word(match[0]) or _plain(match[0]) in _names() or _last(match, run, text):
            run.append(match)
        else:
            yield from _run(find, run, titled=titled)
            run = []
    yield from _run(find, run, titled=titled)


def _last(match: re.Match[str], run: Sequence[re.Match[str]], text: str) -> bool:
    """Whether an ordinary word ends a name: it follows one, and nothing follows it."""
    word = _plain(match[0])
    return (
        len(run) in (1, 2)
        and len(word) > 2
        and word not in _never()
        and (not _is_word(run[0][0]) or _plain(run[0][0]) in _names())
        and text[run[-1].end() : match.start()] in (" ", ", ")
        and _ENDS.match(text, match.end()) is not None
    )


def _run(find: Found, run: Sequence[re.Match[str]], *, titled: bool) -> Iterator[Found]:
    """Yield a run of words where one of them can be nothing but a name, or two of them names."""
    full = [match[0] for match in run if len(_plain(match[0])) > 1]
    after_title = titled and bool(run) and run[0].start() == find.start
    if len(full) > 1 or after_title or any(not _is_word(word) for word in full):
        yield replace(find, start=run[0].start(), end=run[-1].end())


def _edges_off(find: Found, text: str) -> Iterator[Found]:
    """Yield a find of the tagger without words at its edges that nobody is called."""
    words = list(_WORD.finditer(text, find.start, find.end))
    low, high = find.start, find.end
    first, last = 0, len(words) - 1
    while first <= last and _is_nobody(words[first][0]) and words[first].start() == low:
        low = words[first + 1].start() if first < last else high
        first += 1
    while first <= last and _is_nobody(words[last][0]) and words[last].end() == high:
        high = words[last - 1].end() if first < last else low
        last -= 1
    if low < high:
        yield replace(find, start=low, end=high)


def _is_nobody(word: str) -> bool:
    """Whether nobody is called so; people called Oh or An are written with a capital."""
    plain = _plain(word)
    if plain in _function():
        return word[0].islower()
    return plain in _nobody() and (len(plain) > 2 or word[0].islower())


def _plain(word: str) -> str:
    return fold(re.sub(r"['’]s?$", "", word, flags=re.IGNORECASE))


def _is_word(word: str) -> bool:
    """Whether a word, or every part of one with hyphens, is ordinary."""
    bare = re.sub(r"['’]s?$", "", word, flags=re.IGNORECASE)
    return all(fold(part) in _words() for part in re.split(r"[-]", bare) if part)


@cache
def _words() -> frozenset[str]:
    lists = word_list("readable.yaml")
    more = {fold(word) for table in ("ordinary", "drugs", *_NO_NAMES) for word in lists[table]}
    return dictionary() | more


@cache
def _names() -> frozenset[str]:
    """Words that are also names."""
    both = {fold(word) for word in word_list("readable.yaml")["words_and_names"]}
    given = {fold(word) for word in text_lists()["given"]}
    family = {fold(word) for word in text_lists()["family"]}
    ordinary = {fold(word) for word in word_list("readable.yaml")["ordinary"]}
    return frozenset((both | given | family) - ordinary)


@cache
def _never() -> frozenset[str]:
    """Words that end no name."""
    lists = word_list("readable.yaml")
    return frozenset(fold(word) for table in ("ordinary", *_NO_NAMES) for word in lists[table])


@cache
def _function() -> frozenset[str]:
    return frozenset(map(fold, word_list("readable.yaml")["function"]))


@cache
def _nobody() -> frozenset[str]:
    return frozenset(map(fold, word_list("readable.yaml")["nobody"]))
