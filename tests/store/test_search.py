"""Cases are found by what they say and whose they are, by nobody else, and not once erased."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.store.practice import NOON, Clock, ana, reading
from triage.domain import (
    Case,
    CaseState,
    Clinic,
    Hits,
    IdentifierType,
    Lane,
    Protected,
    Route,
    Urgency,
    Wanted,
)
from triage.store import Keys, Store, open_store, searches


def file(store: Store, clinic: str, body: str, *, uid: str, **more: Any) -> str:
    """File one message whose redacted body is this; return its case."""
    made = reading(store, clinic, uid=uid, **more)
    redacted = replace(made.redacted, subject="About it", body=body, spans=(), redactions=())
    return store.cases.file(replace(made, redacted=redacted), clinic=clinic, by="worker")


def find(store: Store, clinic: str, words: str = "", **more: Any) -> Hits:
    wanted = Wanted(Protected(words), **more)
    return store.search.find(wanted, clinic=clinic, by="user-dora")


def ids(hits: Hits) -> list[str]:
    return [row.case.id for row in hits.rows]


def cases_of(hits: Hits) -> list[Case]:
    return [row.case for row in hits.rows]


@pytest.fixture
def three(store: Store, clinic: str) -> list[str]:
    """Ana's two cases, and a stranger's; the last is the newest."""
    patient, contacts = ana(clinic)
    phone = ((IdentifierType.PHONE, Protected("+1 (555) 010-0199")),)
    entry = (replace(patient, identifiers=phone), contacts)
    store.people.import_roster([entry], clinic=clinic, by="t")
    stranger = {"sender": Protected("Office@Lawyers.example"), "sender_name": Protected("Office")}
    return [
        file(store, clinic, "My lisinopril runs out, [NAME_1] says", uid="1"),
        file(store, clinic, "Niña con fiebre, covid-19?", uid="2", urgency=Urgency.TODAY,
             route=Route.URGENT_CLINICAL, also=frozenset({Route.REFILL}), lane=Lane.URGENT),
        file(store, clinic, "The lisinopril invoices of a client", uid="3", **stranger),
    ]  # fmt: skip


def test_words_find_cases_whatever_their_case_accent_and_number(
    store: Store, clinic: str, three: list[str]
) -> None:
    first, fever, office = three
    assert ids(find(store, clinic, "LISINOPRIL")) == [office, first]
    assert ids(find(store, clinic, "nina FIEBRE")) == [fever]
    assert ids(find(store, clinic, "the invoice")) == [office]
    assert ids(find(store, clinic, "covid-19")) == [fever]
    assert ids(find(store, clinic, "lisinopril fiebre")) == []
    # Whole words only, and a placeholder is none.
    assert ids(find(store, clinic, "lisino")) == []
    assert ids(find(store, clinic, "name")) == []
    assert find(store, clinic, "?! a").wordless


@pytest.mark.parametrize(
    "words",
    ["marula", "Ana MARULA", "1971-03-09", "3/9/1971", "9.3.1971", "mrn-00001", "555 010 0199",
     "15550100199", "(555) 010-0199", "marula lisinopril", "ana1@patients.example lisinopril"],
)  # fmt: skip
def test_a_patient_s_cases_are_found_by_what_identifies_them(
    store: Store, clinic: str, three: list[str], words: str
) -> None:
    both = [three[0]] if "lisinopril" in words else [three[1], three[0]]
    assert ids(find(store, clinic, words)) == both


def test_all_cases_of_a_patient_are_found_however_far_back(
    store: Store, clinic: str, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, "STEP", 1)
    monkeypatch.setattr(searches, "STEPS", 1)
    mine = store.cases.get(three[0], clinic=clinic, by="t").case.patient_id
    found = find(store, clinic, patient=mine)
    assert (ids(found), found.further) == ([three[1], three[0]], None)
    first = store.search.find(Wanted(patient=mine), clinic=clinic, by="t", limit=1)
    assert ids(first) == [three[1]]
    rest = store.search.find(Wanted(patient=mine), clinic=clinic, by="t", before=first.further)
    assert ids(rest) == [three[0]]
    assert ids(find(store, clinic, patient="nobody")) == []
    assert ids(store.search.find(Wanted(patient=mine), clinic="another", by="t")) == []
    assert store.search.lines(three, clinic="another", by="t") == {}
    assert set(store.search.lines(three[:2], clinic=clinic, by="t")) == set(three[:2])


def test_a_sender_is_found_by_the_exact_address(
    store: Store, clinic: str, three: list[str]
) -> None:
    assert ids(find(store, clinic, "office@lawyers.example")) == [three[2]]
    assert ids(find(store, clinic, "office@lawyers.example.org")) == []
    assert ids(find(store, clinic, "555 010 0198")) == []


def test_what_is_found_is_narrowed_down(store: Store, clinic: str, three: list[str]) -> None:
    first, fever, office = three
    now = store.transactions.clock()
    store.cases.claim(office, clinic=clinic, by="user-dora", now=now)
    requests = store.cases.get(first, clinic=clinic, by="t").case.requests
    for part in requests:
        store.cases.tick(first, part.id, clinic=clinic, by="t")
    store.cases.close(first, "answered", Protected(""), clinic=clinic, by="t")
    assert ids(find(store, clinic, "lisinopril", state=CaseState.CLOSED)) == [first]
    assert ids(find(store, clinic, "lisinopril", state=CaseState.OPEN)) == [office]
    assert ids(find(store, clinic, lane=Lane.URGENT)) == [fever]
    assert ids(find(store, clinic, lane=Lane.SORTED)) == [office]
    # By the first route or a further one.
    assert ids(find(store, clinic, route=Route.REFILL)) == [office, fever, first]
    assert ids(find(store, clinic, route=Route.URGENT_CLINICAL)) == [fever]
    assert ids(find(store, clinic, held_by="user-dora")) == [office]
    assert ids(find(store, clinic, held_by="")) == [fever, first]
    assert ids(find(store, clinic, "lisinopril", days=1)) == [office, first]


def test_age_and_paging_go_by_when_a_case_was_opened(
    store_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    store = open_store(store_url, keys, clock=clock)
    store.people.add_clinic(Clinic("a", "A"))
    monkeypatch.setattr(searches, "STEP", 3)
    monkeypatch.setattr(searches, "STEPS", 2)
    # Two at each moment: also they have an order.
    made = []
    for at in range(14):
        clock.now = NOON + timedelta(hours=at // 2)
        made.append(file(store, "a", "rash" if at % 2 else "rash itch", uid=str(at)))
    made.reverse()
    pages: list[list[str]] = []
    before: int | None = None
    while True:
        wanted = Wanted(Protected("rash"))
        hits = store.search.find(wanted, clinic="a", by="t", before=before, limit=4)
        pages.append(ids(hits))
        if hits.further is None:
            break
        before = hits.further
    assert [len(page) for page in pages] == [4, 4, 4, 2]
    assert [one for page in pages for one in page] == made
    # One page looks at six cases at most and says that there are more.
    short = find(store, "a", "rash", lane=Lane.URGENT)
    assert (short.rows, short.further is not None) == ((), True)
    assert len(find(store, "a", "rash", days=1).rows) == 6
    clock.now += timedelta(hours=20)
    recent = find(store, "a", "rash", days=1)
    assert ids(recent) == made[: len(recent.rows)]
    assert {row.case.opened_at > clock.now - timedelta(days=1) for row in recent.rows} == {True}
    store.close()
