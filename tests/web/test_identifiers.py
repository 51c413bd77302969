"""What redaction hid is marked in the message as it came; the marks change no word of it."""

import html
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.web.conftest import Visit
from tests.web.practice import PEOPLE, Practice
from triage.domain import (
    IdentifierType,
    Protected,
    Redacted,
    Redaction,
    Span,
    StoredMessage,
)
from triage.web import wording
from triage.web.identifiers import any_found, identified

Visits = Callable[[str], Visit]
NAME, PHONE = IdentifierType.NAME, IdentifierType.PHONE
HOSTILE = 'Call <img src=x onerror=alert(1)> or "Ann" O\'Neil & Ann\u200b, Annabel, </mark><b>Ann'


@pytest.fixture
def message(practice: Practice) -> StoredMessage:
    return practice.desk.queue.open(PEOPLE["dana"], practice.cases["refill"]).file.messages[0]


def known(*originals: tuple[str, IdentifierType]) -> tuple[Redaction, ...]:
    return tuple(
        Redaction(f"[{kind}_{at}]", kind, Protected(words))
        for at, (words, kind) in enumerate(originals, 1)
    )


def shown(message: StoredMessage, field: str = "body") -> str:
    return str(identified(message, field, wording.IDENTIFIERS))


def marked(page: str) -> list[tuple[str, str]]:
    """Return the kind and the words of each mark; a mark within a mark is none of them."""
    found = re.findall(r'<mark class="identifier" role="none" title="([^"]*)">(.*?)</mark>', page)
    assert page.count("<mark") == page.count("</mark>") == len(found)
    return found


def read(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", page))


def test_a_case_marks_what_was_hidden_and_says_what_the_mark_means(
    practice: Practice, visit: Visits
) -> None:
    page = visit("dana").get(f"/case/{practice.cases['refill']}").text
    # Once in the words and once in the folded signature.
    assert marked(page) == [("Names", "Rosalind Keane")] * 2
    assert "what no model was shown." in page
    broken = visit("dana").get(f"/case/{practice.cases['broken']}").text
    assert (marked(broken), "what no model was shown." in broken) == ([], False)


def test_places_come_from_redaction_and_the_longest_stays(message: StoredMessage) -> None:
    text = "Ann Lee, 555 0199. Ann the other"
    spans = (
        Span("body", 0, 7, NAME, "tagger", 1.0),
        Span("body", 0, 3, NAME, "tagger", 1.0),
        Span("body", 9, 17, PHONE, "row", 1.0),
        Span("subject", 1, 2, NAME, "row", 1.0),
        Span("body", 30, 99, NAME, "row", 1.0),
    )
    redacted = Redacted("", "", spans, known(("Ann Lee", NAME), ("Ann", NAME)))
    one = replace(message, body=Protected(text), quoted=Protected(text), redacted=redacted)
    assert marked(shown(one)) == [("Names", "Ann Lee"), ("Telephone numbers", "555 0199")]
    # Redaction did not read what is folded; the same words are marked there, the longest first.
    assert marked(shown(one, "quoted")) == [("Names", "Ann Lee"), ("Names", "Ann")]
    assert read(shown(one)) == read(shown(one, "quoted")) == text


@pytest.mark.parametrize("placed", [True, False])
def test_hostile_text_stays_text_with_marks_in_it(message: StoredMessage, placed: bool) -> None:
    places = [at.span() for at in re.finditer(r"Ann\b|<img src=x", HOSTILE)]
    spans = tuple(Span("body", *place, NAME, "row", 1.0) for place in places) if placed else ()
    redacted = Redacted("", "", spans, known(("Ann", NAME), ("<img src=x", NAME), ("e", NAME)))
    one = replace(message, body=Protected(HOSTILE), redacted=redacted)
    page = shown(one)
    assert [words for _, words in marked(page)] == ["&lt;img src=x", "Ann", "Ann", "Ann"]
    assert set(re.findall(r"</?(\w+)", page)) == {"mark", "span"}
    assert read(page) == HOSTILE


def test_what_redaction_withheld_has_no_marks(message: StoredMessage) -> None:
    assert any_found(message)
    withheld = replace(message.redacted, withheld=frozenset({"subject", "body"}))
    one = replace(message, redacted=withheld, quoted=Protected(""), signature=Protected(""))
    assert (marked(shown(one)), any_found(one)) == ([], False)
    assert read(shown(one)) == message.body.reveal()
    failed = replace(one, redacted=Redacted("", ""))
    assert (marked(shown(failed)), any_found(failed)) == ([], False)
