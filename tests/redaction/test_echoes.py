"""What was found once is hidden wherever it stands by itself, in one pass."""

import random
import re
from collections.abc import Mapping

import pytest

from triage.domain import IdentifierType as T
from triage.redaction import echoes as module
from triage.redaction.echoes import echoes
from triage.redaction.finding import Found


def again(text: str, *surfaces: str, kind: T = T.OTHER_ID) -> list[tuple[int, int]]:
    """Return where `surfaces`, found in the subject, stand in the body `text`."""
    subject = "\n".join(surfaces)
    found, start = [], 0
    for surface in surfaces:
        found.append(Found(start, start + len(surface), kind, 0.9, "tagger"))
        start += len(surface) + 1
    body = echoes({"subject": subject, "body": text}, {"subject": found, "body": []})["body"]
    return sorted((find.start, find.end) for find in body)


def one_by_one(text: str, surfaces: Mapping[str, T]) -> list[tuple[int, int]]:
    """The oracle: one search per surface."""
    return sorted(
        match.span()
        for surface in surfaces
        if len(surface) >= 4
        for match in re.finditer(rf"(?<!\w){re.escape(surface)}(?!\w)", text)
    )


@pytest.mark.parametrize(
    ("text", "surface", "times"),
    [
        ("call (207) 555-0188 or (207) 555-0188.", "(207) 555-0188", 2),
        ("at 12 ELM street, 12 Elm Street", "12 Elm Street", 2),
        ("7712034 is not 77120 and 77120x is not", "77120", 1),
        ("x(207) 555 0188", "(207) 555 0188", 0),
        ("4471- 4471-a", "4471-", 1),
        ("1 2 3 4 1 2 3 4 1 2 3 4", "1 2 3 4 1 2 3 4", 1),
        ("9 " * 300, "9 " * 99 + "9", 3),
        ("x" + "9 " * 99 + "9", "9 " * 99 + "9", 0),
    ],
)
def test_a_copy_stands_by_itself(text: str, surface: str, times: int) -> None:
    assert len(again(text, surface, kind=T.ADDRESS)) == times


def test_the_pass_finds_what_one_search_per_surface_would() -> None:
    chance = random.Random(5)
    for longest in (2, module._LONGEST):
        for _ in range(300):
            text = "".join(chance.choices("1122 -(_a", k=chance.randint(0, 120)))
            surfaces = {
                "".join(chance.choices("1122 -(_a", k=chance.randint(1, 9))): T.ADDRESS
                for _ in range(9)
            }
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(module, "_LONGEST", longest)
                places = module._Copies(surfaces).find(text)
            assert sorted((find.start, find.end) for find in places) == one_by_one(text, surfaces)


class Counted(dict[str, object]):
    """A branch of the tree that counts how often it is looked at."""

    seen = 0

    def get(self, key: str, default: object = None) -> object:
        type(self).seen += 1
        return super().get(key, default)


def test_ten_times_the_numbers_are_no_more_work() -> None:
    numbers = [str(number) for number in range(10_000, 20_000)]
    text = " ".join(numbers)
    seen = []
    for many in (1_000, 10_000):
        copies = module._Copies(dict.fromkeys(numbers[:many], T.OTHER_ID))
        copies._tree = Counted(copies._tree)
        Counted.seen = 0
        assert len(copies.find(text)) == many
        seen.append(Counted.seen)
    assert seen[0] == seen[1] <= len(text)
