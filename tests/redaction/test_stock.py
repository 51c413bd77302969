"""Stock Presidio as a yardstick: as it comes, without a model and without the network."""

import socket
from collections.abc import Iterator

import pytest

from tests.redaction.redacting import message
from triage.domain import IdentifierType as T
from triage.redaction import BUILTIN
from triage.redaction.stock import OURS, StockPresidio


@pytest.fixture(scope="module")
def stock() -> Iterator[StockPresidio]:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield StockPresidio()


def test_every_entity_of_the_defaults_has_our_name(stock: StockPresidio) -> None:
    assert set(stock.analyzer.get_supported_entities("en")) == set(OURS)


def test_it_hides_what_it_knows_without_the_network(stock: StockPresidio) -> None:
    body = "I am Ann Lee, ann@mail.example, ssn 536-22-1234, see https://a.example/b?c=d ok"
    (found,) = stock.redact([message(body, "call 212-555-0142")])
    assert found.subject == "call <PHONE_NUMBER>"
    assert "ann@" not in found.body
    assert "a.example" not in found.body
    # A blank pipeline finds no names, and says so by leaving them.
    assert "Ann Lee" in found.body
    kinds = {body[one.start : one.end]: one.type for one in found.spans if one.field == "body"}
    assert kinds["ann@mail.example"] is T.EMAIL
    assert kinds["https://a.example/b?c=d"] is T.URL
    assert kinds["536-22-1234"] is T.SSN
    assert found.withheld == frozenset()


def test_context_words_count(stock: StockPresidio) -> None:
    def score(body: str) -> float:
        (found,) = stock.redact([message(body)])
        return max(one.score for one in found.spans if one.type is T.SSN)

    assert score("my ssn is 536-22-1234") > score("see 536-22-1234")


def test_what_raises_withholds(stock: StockPresidio, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError

    monkeypatch.setattr(stock.analyzer, "analyze", fail)
    (found,) = stock.redact([message("ann@mail.example")])
    assert found.withheld == {"subject", "body"}
    assert found.body == ""


def test_a_yardstick_cannot_be_chosen_to_serve() -> None:
    assert not any("stock" in path for path in BUILTIN.values())
