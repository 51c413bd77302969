"""What every drafter in the BUILTIN table must do; a new row is tested by being there."""

import importlib
import inspect

import pytest

from triage.domain import (
    Channel,
    IdentifierType,
    Lane,
    Mark,
    Message,
    Priority,
    Protected,
    Redacted,
    Redaction,
    Route,
    Suggestion,
    Urgency,
)
from triage.drafting import BUILTIN, PLACEHOLDER

SETTINGS = {"name": "Test Valley Clinic", "phone": "(503) 555-0100"}
ROUTINE = [route for route in Route if route not in (Route.URGENT_CLINICAL, Route.NOT_FOR_US)]
SECRET = Protected("nobody may read this")


@pytest.fixture(params=sorted(BUILTIN))
def drafter(request, monkeypatch):
    def closed(self):
        raise AssertionError("a drafter read protected text")

    monkeypatch.setattr(Protected, "reveal", closed)
    module, _, name = BUILTIN[request.param].rpartition(".")
    made = getattr(importlib.import_module(module), name)(SETTINGS)
    assert made.name == request.param
    return made


def message(**more: object) -> Message:
    return Message("raw", Channel.EMAIL, SECRET, SECRET, SECRET, SECRET, **more)  # type: ignore[arg-type]  # Any field.


def redacted(body: str = "My name is [NAME_1]. When are you open?") -> Redacted:
    return Redacted("", body, redactions=(Redaction("[NAME_1]", IdentifierType.NAME, SECRET),))


def priority(route: Route, urgency: Urgency = Urgency.ROUTINE) -> Priority:
    lane = Lane.URGENT if urgency > Urgency.ROUTINE else Lane.SORTED
    return Priority(route, frozenset(), urgency, 40, lane, ())


@pytest.mark.parametrize("route", ROUTINE)
@pytest.mark.parametrize("language", ["en", "es", "xx"])
def test_a_suggestion_is_whole_and_invents_no_placeholder(drafter, route, language):
    found = drafter.draft(message(), redacted(), priority(route), language=language)
    if found is None:
        return
    assert isinstance(found, Suggestion)
    assert found.subject.strip()
    assert "\n" not in found.subject
    assert found.body.strip()
    assert found.template
    assert set(PLACEHOLDER.findall(found.subject + found.body)) <= {"[NAME_1]"}


@pytest.mark.parametrize("urgency", [Urgency.TODAY, Urgency.EMERGENCY])
def test_urgent_messages_get_nothing(drafter, urgency):
    for route in Route:
        urgent = priority(route, urgency)
        assert drafter.draft(message(), redacted(), urgent, language="en") is None


def test_machines_and_strangers_get_nothing(drafter):
    routine = priority(Route.GENERAL)
    marked = message(marks=frozenset({Mark.AUTOMATIC}))
    assert drafter.draft(marked, redacted(), routine, language="en") is None
    assert drafter.draft(message(automatic=True), redacted(), routine, language="en") is None
    not_for_us = priority(Route.NOT_FOR_US)
    assert drafter.draft(message(), redacted(), not_for_us, language="en") is None


def test_withheld_text_gets_nothing(drafter):
    withheld = Redacted("", "", withheld=frozenset({"subject", "body"}))
    assert drafter.draft(message(), withheld, priority(Route.REFILL), language="en") is None


def test_there_is_no_way_to_send(drafter):
    public = [name for name, _ in inspect.getmembers(drafter) if not name.startswith("_")]
    assert sorted(public) == ["draft", "name"]


@pytest.mark.parametrize("body", ["", "\0", "{name} {writer}", "[NAME_1]" * 500, "a" * 50_000])
def test_odd_text_never_raises(drafter, body):
    drafter.draft(message(), redacted(body), priority(Route.GENERAL), language="en")
