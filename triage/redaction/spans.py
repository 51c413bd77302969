"""From many overlapping finds to the spans that are hidden.

Rule of the room: every character of a find ends up hidden; of two types that overlap the more
specific keeps its whole span and the other keeps the rest.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import replace

from triage.domain import IdentifierType as Type
from triage.redaction.finding import Found

#: More specific first: an address of a person says more than the name inside it.
_SPECIFIC = (
    Type.EMAIL,
    Type.URL,
    Type.IP,
    Type.SSN,
    Type.MEMBER_ID,
    Type.LICENSE,
    Type.DEVICE,
    Type.MRN,
    Type.ACCOUNT,
    Type.PHONE,
    Type.ADDRESS,
    Type.DATE,
    Type.OTHER_ID,
    Type.ORG,
    Type.NAME,
    Type.AGE,
)
_RANK = {type: rank for rank, type in enumerate(_SPECIFIC)}
_SOFT = frozenset({Type.NAME, Type.ORG})
_SURE = 0.5


def resolve(found: Iterable[Found], text: str) -> list[Found]:
    """Return finds that do not overlap, in order, covering all that `found` covers.

    Spaces and punctuation at the edges are left out, except where a find is nothing else.
    """
    chosen: list[Found] = []
    for find in sorted(_yielding(_merged(found)), key=_preference):
        for start, end in _free(find, _crossing(find, chosen)):
            part = _trimmed(replace(find, start=start, end=end), text)
            if part is not None:
                insort(chosen, part, key=_start)
    return chosen


def _start(find: Found) -> int:
    return find.start


def _crossing(find: Found, row: Sequence[Found], longest: int = 0) -> list[Found]:
    """Return what of `row`, in order of starts, crosses a find.

    `longest` is the length of the longest in a row whose members may lie in one another.
    """
    crossing: list[Found] = []
    at = bisect_left(row, find.end, key=_start) - 1
    while at >= 0 and (row[at].end > find.start or row[at].start + longest > find.start):
        crossing.append(row[at])
        at -= 1
    return [other for other in reversed(crossing) if other.end > find.start]


def _yielding(finds: Sequence[Found]) -> list[Found]:
    """Cut a name or employer where it runs into a number, so that the number stays whole.

    What the tagger took for a number yields to a pattern even inside itself.
    """
    firm = [
        find
        for find in finds
        if find.type not in _SOFT and find.score >= _SURE and find.found_by != "tagger"
    ]
    firm.sort(key=_start)
    longest = max((find.end - find.start for find in firm), default=0)
    cut: list[Found] = []
    for find in finds:
        beside = _crossing(find, firm, longest)
        crossing = [other for other in beside if _gives_way(find, other)]
        cut += [replace(find, start=low, end=high) for low, high in _free(find, crossing)]
    return cut


def _gives_way(find: Found, other: Found) -> bool:
    if other.end <= find.start or find.end <= other.start:
        return False
    if find.type in _SOFT:
        return not (find.start <= other.start and other.end <= find.end)
    return find.found_by == "tagger" and find.type not in (Type.ADDRESS, Type.DATE)


def _preference(find: Found) -> tuple[float, int, float, int, int]:
    # Sure finds before doubtful ones, then the longer, the surer, and the more specific.
    sure = 0 if find.score >= _SURE else 1
    return (sure, find.start - find.end, -round(find.score, 1), _RANK[find.type], find.start)


def _merged(found: Iterable[Found]) -> list[Found]:
    """Join overlapping finds of one type into one."""
    joined: dict[Type, list[Found]] = {}
    for find in sorted(found, key=lambda find: (find.start, -find.end, find.found_by)):
        row = joined.setdefault(find.type, [])
        if row and find.start < row[-1].end:
            best = max(row[-1], find, key=lambda one: one.score)
            row[-1] = replace(best, start=row[-1].start, end=max(row[-1].end, find.end))
        else:
            row.append(find)
    return [find for row in joined.values() for find in row]


def _free(find: Found, chosen: Sequence[Found]) -> list[tuple[int, int]]:
    """Return the parts of a find that nothing chosen covers yet."""
    parts = [(find.start, find.end)]
    for other in chosen:
        cut: list[tuple[int, int]] = []
        for start, end in parts:
            if other.end <= start or end <= other.start:
                cut.append((start, end))
                continue
            cut += [
                (low, high) for low, high in ((start, other.start), (other.end, end)) if low < high
            ]
        parts = cut
    return parts


def _trimmed(find: Found, text: str) -> Found | None:
    """Return the find without blanks and stops at its edges; None when no character is left."""
    start, end = find.start, find.end
    while start < end and not _solid(text[start], opening=True):
        start += 1
    while start < end and not _solid(text[end - 1], opening=False):
        end -= 1
    if start == end:
        return None
    return replace(find, start=start, end=end)


def _solid(letter: str, *, opening: bool) -> bool:
    return letter.isalnum() or letter in ("(+#@*<[•_" if opening else ")*>]•_")
