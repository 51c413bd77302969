"""Placeholders, order, the way back, and closing when anything fails."""

import logging
import socket
import time
from collections.abc import Sequence

import pytest

from tests.redaction.redacting import FakeTagger, Patterns, message
from triage.domain import IdentifierType as T
from triage.domain import Message, Redacted
from triage.drafting import reidentify
from triage.encoder.texts import TaggedSpan
from triage.errors import MissingModel
from triage.redaction import presidio
from triage.redaction.finding import Found, Pattern, PatternFinder

LETTER = (
    "Good morning, this is Hal Brubaker. Born 3/14/61, MRN 00472913.\n"
    "Call (605) 555-0148 or 605 555 0148, not 605-555-0199.\n"
    "Dr. Fairbanks knows; HAL BRUBAKER is at 319 Juniper Loop, Apt 4C\nBellhaven, OH 43001"
)


def test_placeholders_are_typed_numbered_and_consistent(patterns: Patterns) -> None:
    done = patterns.one(LETTER, subject="Hal Brubaker, born 3/14/61")
    assert done.subject == "[NAME_1], born [DATE_1]"
    assert "this is [NAME_1]. Born [DATE_1], MRN [MRN_1]." in done.body
    assert "Call [PHONE_1] or [PHONE_1], not [PHONE_2]." in done.body
    assert "Dr. [NAME_2] knows; [NAME_1] is at [ADDRESS_1]" in done.body
    assert not done.withheld


def test_spans_point_into_the_original(patterns: Patterns) -> None:
    body = "\U0001f600 Me llamo José\u0301 Núñez 😀 tel. 605\u200b-555-0148"
    done = patterns.one(body)
    for span in done.spans:
        original = next(each for each in done.redactions if each.type is span.type).original
        assert body[span.start : span.end] == original.reveal()
    assert {span.type for span in done.spans} == {T.NAME, T.PHONE}
    assert all(0 <= span.score <= 1 and span.found_by for span in done.spans)


@pytest.mark.parametrize(
    "body",
    [
        LETTER.replace("HAL BRUBAKER", "Hal Brubaker").replace("605 555 0148", "(605) 555-0148"),
        "[NAME_1] typed by hand, and I am Hal Brubaker; [ name 2 ] and [PHONE_12], 605-555-0148",
        "see https://x.example/[NAME_1]?a=1 from Dr. Fairbanks",
        "",
        "nothing to hide here",
    ],
)
def test_the_way_back(patterns: Patterns, body: str) -> None:
    done = patterns.one(body)
    assert reidentify(done.body, done.redactions).reveal() == body


def test_a_typed_placeholder_is_never_taken_for_ours(patterns: Patterns) -> None:
    typed = ["[NAME_1]", "[ name_2 ]", "［NAME_3］", "[NA\u200bME_4]", "[MEMBER_ID_1]", "[Phone 7]"]
    done = patterns.one("I am Hal Brubaker. " + " and ".join(typed))
    ours = {each.placeholder: each.original.reveal() for each in done.redactions}
    assert ours["[NAME_1]"] == "Hal Brubaker"
    assert all(word not in done.body.replace("[NAME_1]", "") for word in typed)
    assert sorted(typed) == sorted(text for text in ours.values() if text != "Hal Brubaker")


def test_a_name_found_once_is_hidden_everywhere(patterns: Patterns) -> None:
    done = patterns.one("my son Theo Lindqvist has a fever. Theo slept.", subject="Theo: baby temp")
    assert "Theo" not in done.subject + done.body


def test_overlaps_hide_every_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = with_tagger(monkeypatch, FakeTagger(**{"Bev Stroud at 605": "NAME"}))
    done = redactor.redact([message("ask Bev Stroud at 605-555-0148 please")])[0]
    # Figures are no part of a name: the telephone keeps them all.
    assert done.body == "ask [NAME_1] at [PHONE_1] please"


def test_the_tagger_is_asked_once_per_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = FakeTagger(Camden="NAME", Duluth="ADDRESS", Aetna="ORG", Tylenol="NAME")
    redactor = with_tagger(monkeypatch, tagger)
    letters = [message("Camden is in Duluth"), message("Aetna, Tylenol", "Camden"), message("")]
    done = redactor.redact(letters)
    assert tagger.calls == [3]
    assert [each.body for each in done] == ["[NAME_1] is in [ADDRESS_1]", "Aetna, Tylenol", ""]
    assert done[1].subject == "[NAME_1]"
    assert done[0].redactor == "presidio/redactor-9"


def with_tagger(monkeypatch: pytest.MonkeyPatch, tagger: object) -> presidio.PresidioRedactor:
    monkeypatch.setattr(presidio, "checked", lambda _: presidio.Path("redactor-9"))
    monkeypatch.setattr(presidio, "load_tagger", lambda _: tagger)
    return presidio.PresidioRedactor({})


# --- closed when anything fails --------------------------------------------------------------


class Raises:
    name, types, context = "raises", (T.NAME,), ()

    def find(self, text: str) -> list[Found]:
        if "poison" in text:
            raise ValueError(text)
        return []


class Hangs(Raises):
    name = "hangs"

    def find(self, text: str) -> list[Found]:
        if "poison" in text:
            time.sleep(3)
        return []


class Lies(Raises):
    name = "lies"

    def find(self, text: str) -> list[Found]:
        return [Found(0, 10_000, T.NAME, 1.0)] if "poison" in text else []


SLOW = PatternFinder("slow", T.NAME, (Pattern(r"(?:p|p)+(?:p|p)+(?:p|p)+(?:p|p)+!"),), 0.9)


def check_closed(redactor: Patterns, poison: str = "poison") -> None:
    done = redactor.redact(
        [message("I am Hal Brubaker", "hi"), message(f"{poison} 605-555-0148", "MRN 00472913")]
    )
    assert done[0].body == "I am [NAME_1]"
    assert done[1].body == ""
    assert done[1].withheld == {"body"}
    assert done[1].subject == "MRN [MRN_1]"
    assert all(span.field == "subject" for span in done[1].spans)


@pytest.mark.parametrize("finder", [Raises(), Lies()])
def test_a_recogniser_that_fails_withholds_its_field(finder: Raises) -> None:
    check_closed(Patterns(more=[finder]))


def test_a_recogniser_that_hangs_withholds_its_field() -> None:
    redactor = Patterns(seconds=1.0, more=[Hangs()])
    redactor.load()
    check_closed(redactor)


def test_a_pattern_that_takes_too_long_withholds_its_field() -> None:
    check_closed(Patterns(more=[SLOW]), "p" * 40 + "?")


def test_a_recogniser_that_went_missing_withholds_everything() -> None:
    redactor = Patterns()
    redactor.load()
    registry = redactor._ready().analyzer.registry
    registry.recognizers = [row for row in registry.recognizers if row.name != "email"]
    assert redactor.one("me@example.org", "hello").withheld == {"subject", "body", "files"}


def test_presidio_itself_would_have_left_it_open() -> None:
    """The oracle: Presidio's own pattern recogniser says nothing when its time is up."""
    from presidio_analyzer import Pattern as PresidioPattern
    from presidio_analyzer import PatternRecognizer, pattern_recognizer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pattern_recognizer, "REGEX_TIMEOUT_SECONDS", 0.2)
        slow = PresidioPattern("slow", r"(?:p|p)+(?:p|p)+(?:p|p)+(?:p|p)+!", 0.9)
        recogniser = PatternRecognizer("NAME", patterns=[slow])
        assert recogniser.analyze("p" * 40 + "?", ["NAME"]) == []


def test_a_tagger_that_fails_on_one_message_withholds_that_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Picky(FakeTagger):
        def tag(self, texts: Sequence[str]) -> list[list[TaggedSpan]]:
            if any("poison" in text for text in texts):
                raise ValueError(texts[0])
            return super().tag(texts)

    redactor = with_tagger(monkeypatch, Picky(Camden="NAME"))
    done = redactor.redact([message("Camden"), message("poison Camden", "Camden")])
    assert done[0].body == "[NAME_1]"
    assert done[1] == Redacted(
        "", "", withheld=frozenset({"subject", "body", "files"}), redactor=redactor.name
    )


def test_without_its_tagger_it_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> object:
        raise MissingModel("redactor-9")

    redactor = with_tagger(monkeypatch, None)
    monkeypatch.setattr(presidio, "load_tagger", missing)
    assert redactor.redact([message("Camden", "hi")])[0].withheld == {"subject", "body", "files"}


def test_a_missing_model_is_named_at_once() -> None:
    with pytest.raises(MissingModel):
        presidio.PresidioRedactor({"model_dir": "nowhere/redactor-9"})


# --- nothing leaves ----------------------------------------------------------------------------


def test_no_network(patterns: Patterns, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a redactor went to the network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    done = patterns.one("me@example.org, www.example.co.uk, https://a.example/b, 605-555-0148")
    assert len(done.spans) == 4


def test_nothing_is_logged(patterns: Patterns, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        patterns.one(LETTER + " call 5550146 born 7 8 71", "Hal Brubaker")
        Patterns(more=[Raises()]).one("poison Hal Brubaker 605-555-0148")
    words = ("Brubaker", "brubaker", "555", "poison", "Juniper", "juniper", "born")
    for record in caplog.records:
        said = record.getMessage() + str(record.exc_info) + str(record.args)
        assert not any(word in said for word in words), record.name


def test_context_words_raise_a_doubtful_number(patterns: Patterns) -> None:
    assert patterns.one("text me on 5550146 ok").spans[0].type is T.PHONE
    assert patterns.one("dob 7 8 71").spans[0].type is T.DATE
    assert patterns.one("scores 7 8 71").spans == ()


def test_an_empty_batch(patterns: Patterns) -> None:
    nobody: list[Message] = []
    assert patterns.redact(nobody) == []
