"""A name is hidden whole: particles, initials, Jr. and the words inside it."""

import pytest

from triage.domain import IdentifierType as Type
from triage.redaction.finding import Found
from triage.redaction.spans import resolve
from triage.redaction.whole import whole_names, whole_places


def hidden(text: str, *words: str) -> list[str]:
    found = resolve(
        [Found(text.index(w), text.index(w) + len(w), Type.NAME, 0.9, "tagger") for w in words],
        text,
    )
    return [text[one.start : one.end] for one in resolve([*found, *whole_names(found, text)], text)]


@pytest.mark.parametrize(
    ("text", "words", "whole"),
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
def test_what_belongs_to_the_name_is_hidden(text: str, words: tuple[str, ...], whole: str) -> None:
    assert hidden(text, *words) == [whole]


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
    ("text", "kind", "words", "whole"),
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
    text: str, kind: Type, words: tuple[str, ...], whole: str | None
) -> None:
    assert len(placed(text, kind, *words)) == 1
    if whole is not None:
        assert placed(text, kind, *words) == [whole]


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
