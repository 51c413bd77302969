"""A name is hidden whole: particles, initials, Jr. and the words inside it."""

import re
from collections.abc import Sequence
from typing import overload

import pytest

from triage.domain import IdentifierType as Type
from triage.redaction import whole
from triage.redaction.finding import Found
from triage.redaction.spans import resolve
from triage.redaction.whole import _BEGINS, _DOOR, _ORG_HEAD, whole_names, whole_places


def hidden(text: str, *words: str) -> list[str]:
    found = resolve(
        [Found(text.index(w), text.index(w) + len(w), Type.NAME, 0.9, "tagger") for w in words],
        text,
    )
    return [text[one.start : one.end] for one in resolve([*found, *whole_names(found, text)], text)]


@pytest.mark.parametrize(
    ("text", "words", "entire"),
    [
        ("for Inês Tavares da Rocha please", ("Inês Tavares", "Rocha"), "Inês Tavares da Rocha"),
        ("Lot van der Meulen, born", ("Lot", "Meulen"), "Lot van der Meulen"),
        ("Bora Sky Nhem called", ("Bora", "Nhem"), "Bora Sky Nhem"),
        ("Abel Kiplagat Sr., room 4", ("Abel Kiplagat",), "Abel Kiplagat Sr"),
        ("Abel Kiplagat III came", ("Abel Kiplagat",), "Abel Kiplagat III"),
        ("Okoro T. | 4 vials", ("Okoro",), "Okoro T"),
        ("this is umm Nadia writing", ("Nadia",), "umm Nadia"),
        ("Moe Hope here, room", ("Moe",), "Moe Hope"),
        ("see zielinska_k_consent.pdf", ("zielinska",), "zielinska_k"),
        ("see labs_ferreira_quintal.pdf", ("ferreira",), "ferreira_quintal"),
    ],
)
def test_what_belongs_to_the_name_is_hidden(text: str, words: tuple[str, ...], entire: str) -> None:
    assert hidden(text, *words) == [entire]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Maria I need a refill", ("Maria",)),
        ("ask Maria and Pedro", ("Maria", "Pedro")),
        ("la mamá de Thiago", ("Thiago",)),
        ("Maria Cardiology, floor 2", ("Maria",)),
        ("see consent_moreno_signed.pdf", ("moreno",)),
        ("Maria took Tylenol Pedro did not", ("Maria", "Pedro")),
    ],
)
def test_what_stands_beside_it_stays(text: str, words: tuple[str, ...]) -> None:
    assert hidden(text, *words) == list(words)


def placed(text: str, kind: Type, *words: str) -> list[str]:
    found = resolve(
        [Found(text.index(w), text.index(w) + len(w), kind, 0.9, "tagger") for w in words], text
    )
    return [
        text[one.start : one.end] for one in resolve([*found, *whole_places(found, text)], text)
    ]


@pytest.mark.parametrize(
    ("text", "kind", "words", "entire"),
    [
        ("they stay in Room 7 of the Anchor Inn", Type.ADDRESS, ("Anchor Inn",), None),
        ("mail it to Lot 14, Cedar Park", Type.ADDRESS, ("Cedar Park",), "Lot 14, Cedar Park"),
        ("at Heron Creek\nFairhaven", Type.ADDRESS, ("Heron Creek", "Fairhaven"), None),
        ("works at Camp Tamarack", Type.ORG, ("Tamarack",), "Camp Tamarack"),
        ("goes to Alder Grove Elementary", Type.ORG, ("Alder Grove",), "Alder Grove Elementary"),
        ("Quill & Daughter called", Type.ORG, ("Quill",), "Quill & Daughter"),
        ("at Ardis of the Pines", Type.ORG, ("Ardis", "Pines"), "Ardis of the Pines"),
    ],
)
def test_a_place_is_hidden_whole(
    text: str, kind: Type, words: tuple[str, ...], entire: str | None
) -> None:
    assert len(placed(text, kind, *words)) == 1
    if entire is not None:
        assert placed(text, kind, *words) == [entire]


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("come to Room 7. I live in Salem", Type.ADDRESS, ("Salem",)),
        ("from Salem to Albany", Type.ADDRESS, ("Salem", "Albany")),
        ("Ferrow Mills wants a note", Type.ORG, ("Ferrow Mills",)),
    ],
)
def test_words_beside_a_place_stay(text: str, kind: Type, words: tuple[str, ...]) -> None:
    assert placed(text, kind, *words) == list(words)


class Counted(Sequence[Found]):
    """Finds that count how often one of them is looked at."""

    def __init__(self, finds: Sequence[Found]) -> None:
        self.finds, self.seen = finds, 0

    def __len__(self) -> int:
        return len(self.finds)

    @overload
    def __getitem__(self, place: int) -> Found: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Found]: ...
    def __getitem__(self, place: int | slice) -> Found | Sequence[Found]:
        some = self.finds[place]
        self.seen += 1 if isinstance(some, Found) else len(some)
        return some


def test_every_file_looks_at_its_own_names_only() -> None:
    many = 1_000
    line = "see zielinska_k_consent.pdf "
    finds = [
        Found(at, at + 9, Type.NAME, 0.9, "tagger") for at in range(4, many * len(line), len(line))
    ]
    counted = Counted(finds)
    more = list(whole._in_files(counted, line * many))
    assert [one.end - one.start for one in more] == [len("zielinska_k")] * many
    assert counted.seen < 40 * many


@pytest.mark.parametrize(
    ("pattern", "before"),
    [(_BEGINS, "van der "), (_DOOR, "Room 7 of the "), (_ORG_HEAD, "at Camp ")],
)
def test_what_stands_before_is_looked_for_in_a_window(
    pattern: re.Pattern[str], before: str
) -> None:
    """Where a search is told to end, `$` is, too; where it begins, letters before still count."""
    text = f"{before}Meulen, {before}Meulen and more"
    place = text.rindex("Meulen")
    found = pattern.search(text, max(place - 36, 0), place)
    assert found is not None
    assert found.end() == place
    assert not pattern.search(text, place, place + 4)
    assert not pattern.search("xvan xRoom 7 xCamp ", 1, 4)
