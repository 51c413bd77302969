"""Rows for retraining: a leak stops them, surrogates replace, and the audit knows of both."""

import json
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.store.practice import add_staff, ana, reading
from triage.classifiers.dataset import as_served, read_rows
from triage.desk import Desk
from triage.desk.desk import utcnow
from triage.desk.exporting import as_json, by_the_rules
from triage.desk.trained import ModelsDesk
from triage.domain import (
    Background,
    Channel,
    IdentifierType,
    LeakTally,
    Protected,
    Reading,
    Role,
    Route,
    TrainingRow,
    Urgency,
    User,
)
from triage.errors import LeakFound, NotAllowed
from triage.redaction.leaks import LeakMeter, Leaks
from triage.store import Store


class Blind(LeakMeter):
    """A meter that sees nothing."""

    def text(self, text: str, background: Background | None = None) -> Leaks:
        """Return nothing, whatever is there."""
        return {}


@pytest.fixture
def dora(store: Store, clinic: str) -> User:
    store.people.import_roster([ana(clinic)], clinic=clinic, by="test")
    return add_staff(store, clinic)


@pytest.fixture
def devi(store: Store, clinic: str) -> User:
    return replace(add_staff(store, clinic, "devi"), roles=frozenset({Role.DATA_SCIENTIST}))


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


def label(store: Store, dora: User, uid: str, **redacted: str) -> str:
    """File a message with these redacted words and label it; return its case."""
    given = reading(store, dora.clinic, uid=uid)
    return _labelled(store, dora, replace(given, redacted=replace(given.redacted, **redacted)))


def _labelled(store: Store, dora: User, given: Reading) -> str:
    case_id = store.cases.file(given, clinic=dora.clinic, by="worker")
    Desk(store).queue.reroute(
        dora, case_id, route=Route.REFERRAL, urgency=Urgency.ROUTINE, why=Protected("")
    )
    return case_id


@pytest.mark.parametrize(
    "redacted", [{"body": "renew it, Marula"}, {"subject": "Marula"}, {"files": "marula_form.pdf"}]
)
def test_a_known_name_in_one_row_stops_the_whole_export(
    store: Store, dora: User, devi: User, desk: Desk, redacted: dict[str, str]
) -> None:
    case_id = label(store, dora, "1", **redacted)
    label(store, dora, "2")
    with pytest.raises(LeakFound) as refused:
        desk.models.training_rows(devi)
    said = str(refused.value)
    assert case_id in said
    assert "NAME" in said
    assert "--without-leaking" in said
    assert "marula" not in said.lower()
    sam = replace(devi, roles=frozenset({Role.SUPERVISOR}))
    (event,) = desk.supervision.events(sam, action="label.export_refused")
    assert (event.actor, event.cases, event.detail["rows"]) == (devi.id, (case_id,), "1")
    assert desk.supervision.events(sam, action="label.exported") == ()


def test_with_a_blind_meter_the_leak_would_leave(store: Store, dora: User, devi: User) -> None:
    label(store, dora, "1", body="renew it, Marula")
    blind = ModelsDesk(store, None, utcnow, Blind())
    (row,) = blind.training_rows(devi)
    assert "Marula" in as_json(row)


def test_a_word_that_is_a_name_of_the_messages_own_patient_leaks_only_there(
    store: Store, clinic: str, dora: User, devi: User, desk: Desk
) -> None:
    grace, contacts = ana(clinic, number=7)
    grace = replace(grace, name=Protected("Grace Young"))
    store.people.import_roster([(grace, contacts)], clinic=clinic, by="test")
    label(store, dora, "1", body="so Grace wants a referral")
    assert len(desk.models.training_rows(devi)) == 1
    given = reading(store, clinic, uid="2", sender=contacts[0].address)
    words = replace(given.redacted, body="so Grace wants a referral")
    case_id = _labelled(store, dora, replace(given, redacted=words))
    with pytest.raises(LeakFound, match=case_id):
        desk.models.training_rows(devi)


def test_leaking_rows_can_be_left_out_and_are_counted(
    store: Store, dora: User, devi: User, desk: Desk
) -> None:
    label(store, dora, "1", body="call 605-555-0148")
    kept = label(store, dora, "2")
    found = desk.models.training_export(devi, without_leaking=True)
    assert ([row.case_id for row in found.rows], found.left_out) == ([kept], 1)
    sam = replace(devi, roles=frozenset({Role.SUPERVISOR}))
    (event,) = desk.supervision.events(sam, action="label.exported")
    assert (event.cases, event.detail["left_out"]) == ((kept,), "1")


def test_a_meter_that_fails_hands_out_nothing(store: Store, dora: User, devi: User) -> None:
    class Broken(LeakMeter):
        def text(self, text: str, background: Background | None = None) -> Leaks:
            raise RuntimeError

    label(store, dora, "1")
    with pytest.raises(RuntimeError):
        ModelsDesk(store, None, utcnow, Broken()).training_rows(devi)


def test_only_a_data_scientist_exports(dora: User, desk: Desk) -> None:
    with pytest.raises(NotAllowed):
        desk.models.training_export(dora, without_leaking=True)


def conversation(store: Store, dora: User) -> None:
    """Label both messages of one conversation, and one of another."""
    first = reading(store, dora.clinic, uid="1")
    body = "[NAME_1] asks Dr [NAME_2], call [PHONE_1] before [DATE_1]"
    words = replace(first.redacted, body=body, files="[NAME_1]_letter.pdf")
    _labelled(store, dora, replace(first, redacted=words))
    second = reading(store, dora.clinic, uid="2", references=(first.message.message_id,))
    words = replace(second.redacted, body="Again [NAME_2], [NAME_1]")
    _labelled(store, dora, replace(second, redacted=words))
    label(store, dora, "3")


def test_surrogates_are_one_person_in_a_conversation_and_train_a_redactor(
    store: Store, dora: User, devi: User, desk: Desk, tmp_path: Path
) -> None:
    conversation(store, dora)
    rows = desk.models.training_export(devi, surrogates=random.Random(3)).rows
    by_words = {row.body.partition(" ")[0]: row for row in rows}
    second, other = by_words.pop("Again"), by_words.pop("Could")
    (first,) = by_words.values()
    assert first.thread_id == second.thread_id != other.thread_id
    one, two = (first.body[span.start : span.end] for span in first.spans[:2])
    assert second.body == f"Again {two}, {one}"
    assert first.files == f"{one}_letter.pdf"
    assert one not in other.body
    assert "555-01" in first.body.replace(" ", "-").replace(".", "-")
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(f"{as_json(row)}\n" for row in rows), "utf-8")
    served = {row.id: as_served(row)[1] for row in read_rows(file)}
    assert served[first.id] == "[NAME_1] asks Dr [NAME_2], call [PHONE_1] before [DATE_1]"
    assert served[other.id] == "Could you renew my lisinopril? [NAME_1]"


def test_without_surrogates_the_rows_can_be_read_too(
    store: Store, dora: User, devi: User, desk: Desk, tmp_path: Path
) -> None:
    conversation(store, dora)
    file = tmp_path / "rows.jsonl"
    rows = desk.models.training_rows(devi)
    file.write_text("".join(f"{as_json(row)}\n" for row in rows), "utf-8")
    assert [row.body for row in read_rows(file)] == [row.body for row in rows]
    assert all(row.phi == () for row in read_rows(file))


def row(**changes: object) -> TrainingRow:
    plain = TrainingRow(
        "m", Channel.EMAIL, "s", "b", "refill", ("results",), "routine", "sorting", "m-1"
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # Tests change any field.


@pytest.mark.parametrize(
    ("changes", "route", "also", "urgency"),
    [
        ({}, "refill", ("results",), "routine"),
        ({"urgency": "today"}, "urgent_clinical", ("refill", "results"), "today"),
        ({"urgency": "today", "route": "general", "also": ()}, "urgent_clinical", (), "today"),
        ({"route": "urgent_clinical"}, "urgent_clinical", ("results",), "today"),
        ({"also": ("refill", "results")}, "refill", ("results",), "routine"),
    ],
)  # fmt: skip
def test_route_and_urgency_agree_as_training_wants_it(
    changes: dict[str, object], route: str, also: tuple[str, ...], urgency: str
) -> None:
    made = by_the_rules(row(**changes))
    assert (made.route, made.also, made.urgency) == (route, also, urgency)


def test_half_a_letter_is_written_as_one_sign() -> None:
    assert json.loads(as_json(row(body="a\ud83d b\u2028c")))["body"] == "a? b\u2028c"


def test_the_supervisor_sees_what_stayed_readable_lately(
    store: Store, dora: User, devi: User, desk: Desk
) -> None:
    for uid, leaks in {"1": {IdentifierType.NAME: 2}, "2": {}, "3": None}.items():
        given = replace(reading(store, dora.clinic, uid=uid), leaks=leaks)
        store.cases.file(given, clinic=dora.clinic, by="worker")
    sam = replace(devi, roles=frozenset({Role.SUPERVISOR}))
    assert desk.supervision.leaks(sam) == LeakTally(2, 1, 1, {IdentifierType.NAME: 2})
    later = Desk(store, clock=lambda: utcnow() + timedelta(days=8))
    assert later.supervision.leaks(sam, days=7) == LeakTally(0, 0, 0, {})
    with pytest.raises(NotAllowed):
        desk.supervision.leaks(devi)
