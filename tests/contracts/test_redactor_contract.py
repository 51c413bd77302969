"""What every redactor promises, for each that is listed; a new row in BUILTIN is tested by it."""

from collections.abc import Mapping

import pytest

from triage.domain import Channel, Message, Protected
from triage.encoder import registry
from triage.plugins import load
from triage.redaction import BUILTIN, Redactor
from triage.testing import check_redactor

#: A redactor that needs something to run says so here.
SETTINGS: Mapping[str, Mapping[str, object]] = {"presidio": {"tagger": "none"}}


@pytest.fixture(params=sorted(BUILTIN), scope="module")
def redactor(request: pytest.FixtureRequest) -> Redactor:
    name = request.param
    made: Redactor = load("redaction", name, BUILTIN)(SETTINGS.get(name, {}))
    return made


def letter(number: int) -> Message:
    nobody = Protected("")
    body = Protected(f"call 605-555-01{number:02d}")
    return Message(
        f"m{number}", Channel.PORTAL, nobody, nobody, Protected(f"MRN 0047{number}"), body
    )


def test_check_redactor(redactor: Redactor) -> None:
    check_redactor(redactor)


def test_same_order_same_length(redactor: Redactor) -> None:
    for count in (0, 1, 7):
        done = redactor.redact([letter(number) for number in range(count)])
        assert len(done) == count
        for number, each in enumerate(done):
            originals = [one.original.reveal() for one in each.redactions]
            assert each.withheld or f"605-555-01{number:02d}" in originals


def test_a_withheld_field_is_empty_and_named(redactor: Redactor) -> None:
    nobody = Protected("")
    long = Message("m1", Channel.EMAIL, nobody, nobody, nobody, Protected("7" * 2_000_000))
    done = redactor.redact([long])[0]
    assert "body" in done.withheld
    assert done.body == ""
    assert all(span.field not in done.withheld for span in done.spans)


def test_it_has_a_name(redactor: Redactor) -> None:
    assert redactor.name
    assert redactor.redact([letter(1)])[0].redactor == redactor.name


def test_the_one_that_ships_is_there() -> None:
    """The presidio redactor serves with the tagger in models/, not only with patterns."""
    serving = registry.Registry(registry.SHIPPED.parent).serving("redactor")
    redactor = load("redaction", "presidio", BUILTIN)({})
    assert redactor.name == f"presidio/{serving}"
