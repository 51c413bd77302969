"""A name is hidden whole: particles, initials, Jr. and the words inside it."""

import pytest

from triage.domain import IdentifierType as Type
from triage.redaction.finding import Found
from triage.redaction.spans import resolve
from triage.redaction.whole import whole_names


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
