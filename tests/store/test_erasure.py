"""Erasing is destroying a key: audited, final, and refused while a legal hold stands."""

from pathlib import Path

import pytest

from tests.store.practice import ana, arrival, queued, reading
from triage.domain import NOTHING, Protected, ReplyState
from triage.errors import Erased, NotFound, OnHold
from triage.store import Keys, Life, Store, open_life
from triage.store.erasures import ErasureList
from triage.store.keystore import KeyStore


@pytest.fixture
def life(store: Store, store_url: str, keys: Keys, tmp_path: Path) -> Life:
    return open_life(store_url, keys, store, lists=[tmp_path / "erasures.list"])


def test_an_erased_case_opens_no_more_and_the_audit_keeps_its_id(
    store: Store, life: Life, clinic: str, keys: Keys, tmp_path: Path
) -> None:
    reply = queued(store, clinic)
    case_id = reply.outgoing.case_id
    (message,) = store.cases.get(case_id, clinic=clinic, by="t").messages
    life.erase("case", case_id, clinic=clinic, by="user-dora")
    for attempt in (
        lambda: store.cases.get(case_id, clinic=clinic, by="t"),
        lambda: store.cases.original(message.id, clinic=clinic, by="t"),
        lambda: store.landing.raw(message.raw_id, clinic=clinic, by="t"),
        lambda: life.erase("case", case_id, clinic=clinic, by="t"),
    ):
        with pytest.raises(Erased):
            attempt()
    assert store.cases.queue(clinic=clinic, by="t") == []
    assert store.replies.due(store.transactions.clock(), limit=9) == []
    said = [event.action for event in store.cases.history(case_id, clinic=clinic, by="t")]
    assert "case.erased" in said
    assert "Marula" not in repr(store.audit.events(clinic=clinic, by="t"))
    assert store.audit.verify().holds
    (listed,) = ErasureList([tmp_path / "erasures.list"], keys.audit).read()
    assert listed.subject == case_id
    # The server lists the same mail again: it is known, and does not come back.
    assert store.landing.land([arrival("raw words " + "x", uid="fresh")], clinic=clinic)


def test_an_erased_patient_takes_every_case_along_and_stays_away(
    store: Store, life: Life, clinic: str
) -> None:
    store.people.import_roster([ana(clinic, number=2)], clinic=clinic, by="t")
    first, second = (queued(store, clinic).outgoing.case_id for _ in range(2))
    life.erase("patient", "patient-1", clinic=clinic, by="user-dora")
    for case_id in (first, second):
        with pytest.raises(Erased):
            store.cases.get(case_id, clinic=clinic, by="t")
    with pytest.raises(Erased):
        store.people.patient("patient-1", clinic=clinic, by="t")
    found = store.people.find_patients(Protected("marula"), clinic=clinic, by="t")
    assert [one.id for one in found] == ["patient-2"]
    assert store.people.import_roster([ana(clinic)], clinic=clinic, by="t") == 0
    after = store.cases.file(reading(store, clinic, uid="later"), clinic=clinic, by="worker")
    assert store.cases.get(after, clinic=clinic, by="t").patient is None
    assert store.backgrounds.known(clinic=clinic, by="t") is not None
    assert all(label.why == NOTHING for label in store.labels.all(clinic=clinic, by="t"))


@pytest.mark.parametrize("held", ["case", "patient"])
@pytest.mark.parametrize("erased", ["case", "patient"])
def test_a_legal_hold_blocks_erasure_until_it_is_lifted(
    store: Store, life: Life, clinic: str, held: str, erased: str
) -> None:
    case_id = queued(store, clinic).outgoing.case_id
    names = {"case": case_id, "patient": "patient-1"}
    life.hold(held, names[held], Protected("a claim"), clinic=clinic, by="t")
    with pytest.raises(OnHold):
        life.erase(erased, names[erased], clinic=clinic, by="t")
    assert store.cases.get(case_id, clinic=clinic, by="t").messages
    assert store.replies.due(store.transactions.clock(), limit=9)
    life.lift(held, names[held], clinic=clinic, by="t")
    life.erase(erased, names[erased], clinic=clinic, by="t")
    with pytest.raises(NotFound):
        life.erase("case", "nobody's", clinic=clinic, by="t")


def test_an_erasure_cut_off_half_way_is_finished_later(
    store: Store, life: Life, clinic: str, store_url: str, keys: Keys, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    case_id = queued(store, clinic).outgoing.case_id
    (message,) = store.cases.get(case_id, clinic=clinic, by="t").messages
    with monkeypatch.context() as patch:
        patch.setattr(KeyStore, "destroy", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            life.erase("case", case_id, clinic=clinic, by="t")
    # The oracle: the key is still there.
    assert store.landing.raw(message.raw_id, clinic=clinic, by="t").content
    open_life(store_url, keys, store, lists=[tmp_path / "erasures.list"]).close()
    with pytest.raises(Erased):
        store.landing.raw(message.raw_id, clinic=clinic, by="t")


def test_a_reply_on_the_wire_and_a_forged_line_erase_nothing(
    store: Store, life: Life, clinic: str, keys: Keys, tmp_path: Path
) -> None:
    from triage.errors import TooLate

    reply = queued(store, clinic)
    store.replies.claim(reply.id, clinic=clinic, by="sender")
    with pytest.raises(TooLate):
        life.erase("case", reply.outgoing.case_id, clinic=clinic, by="t")
    store.replies.settle(reply.id, ReplyState.SENT, clinic=clinic, by="sender")
    life.erase("case", reply.outgoing.case_id, clinic=clinic, by="t")
    path = tmp_path / "erasures.list"
    path.write_bytes(path.read_bytes() * 2 + b'{"id": "x"} 00\ncut')
    assert len(ErasureList([path], keys.audit).read()) == 1


def test_a_patient_gets_a_copy_of_what_is_theirs_and_the_audit_says_so(
    store: Store, life: Life, clinic: str
) -> None:
    store.people.import_roster([ana(clinic, number=2)], clinic=clinic, by="t")
    case_id = queued(store, clinic).outgoing.case_id
    copy = store.copy_of("patient-1", clinic=clinic, by="sam")
    assert "lisinopril" in copy["messages"][0]["body"]
    assert "Marula 2" not in repr(copy)
    events = store.audit.events(clinic=clinic, by="t", action="patient.exported")
    assert [(one.actor, one.cases) for one in events] == [("sam", (case_id,))]
    life.erase("patient", "patient-1", clinic=clinic, by="sam")
    with pytest.raises(Erased):
        store.copy_of("patient-1", clinic=clinic, by="sam")
