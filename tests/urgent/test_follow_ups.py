"""Safety-bar 32: a patient who writes again is linked, raised, and never put into a closed case."""

import random
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from tests.sizes import many
from tests.store.practice import Clock, ana, reading
from triage.domain import (
    NOTHING,
    CaseState,
    Clinic,
    Lane,
    Mark,
    Protected,
    Route,
    Urgency,
    gets_worse,
    new_id,
)
from triage.store import Keys, Store, open_store
from triage.store.follow_ups import WORSE

pytestmark = pytest.mark.bar(32)
SEED = 32
STORIES = many(12, long=100)
CLINIC = "c1"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_url: str, keys: Keys, clock: Clock) -> Iterator[Store]:
    opened = open_store(store_url, keys, clock=clock)
    opened.people.add_clinic(Clinic(CLINIC, "Harbour"))
    roster = [ana(CLINIC, number=number) for number in range(1, STORIES + 2)]
    opened.people.import_roster(roster, clinic=CLINIC, by="test")
    yield opened
    opened.close()


def write(store: Store, number: int, words: str = "Another question about it.") -> str:
    sender = Protected(f"ana{number}@patients.example")
    given = reading(
        store, CLINIC, uid=new_id(), route=Route.GENERAL, sender=sender,
        subject=Protected("Hello"), body=Protected(words), message_id=Protected(f"<{new_id()}@x>"),
    )  # fmt: skip
    return store.cases.file(given, clinic=CLINIC, by="worker")


def close(store: Store, case_id: str) -> None:
    for part in store.cases.get(case_id, clinic=CLINIC, by="x").case.requests:
        store.cases.tick(case_id, part.id, clinic=CLINIC, by="x")
    store.cases.close(case_id, "answered", NOTHING, clinic=CLINIC, by="x")


def test_every_second_message_is_linked_and_raised(
    store: Store, clock: Clock, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(SEED)
    control = write(store, STORIES + 1)
    for number in range(1, STORIES + 1):
        first, closed = write(store, number), chance.random() < 0.5
        if closed:
            close(store, first)
        clock.forward(timedelta(hours=chance.choice((1, 20, 30, 47))))
        worse = chance.random() < 0.4
        second = write(store, number, "It is getting worse." if worse else "One more thing.")
        assert second != first, "nothing is put into an earlier case without its conversation"
        file = store.cases.get(second, clinic=CLINIC, by="x")
        before = store.cases.get(first, clinic=CLINIC, by="x")
        assert before.case.state is (CaseState.CLOSED if closed else CaseState.OPEN)
        assert len(before.messages) == 1
        assert [one.case_id for one in file.chain.cases] == [first]
        assert [one.case_id for one in before.chain.cases] == [second]
        assert file.chain.messages == 2
        assert Mark.SECOND_MESSAGE in file.case.marks
        fresh = write(store, STORIES + 1) if number == 1 else control
        if worse:
            assert (file.case.urgency, file.case.lane) == (Urgency.TODAY, Lane.URGENT)
            assert file.messages[0].because[0] == WORSE
            assert file.suggestion is None
        elif number == 1:
            assert file.case.due_at < store.cases.get(fresh, clinic=CLINIC, by="x").case.due_at
        clock.forward(timedelta(days=3))
    record_property("tried", STORIES)


def test_twice_in_a_day_is_due_sooner_than_twice_in_two(store: Store, clock: Clock) -> None:
    def wait(gap: timedelta, number: int) -> timedelta:
        write(store, number)
        clock.forward(gap)
        case = store.cases.get(write(store, number), clinic=CLINIC, by="x").case
        assert case.due_at is not None
        return case.due_at - case.opened_at

    alone = store.cases.get(write(store, 1), clinic=CLINIC, by="x").case
    assert alone.due_at is not None
    longest = alone.due_at - alone.opened_at
    assert wait(timedelta(hours=2), 2) * 4 == wait(timedelta(hours=30), 3) * 2 == longest


def test_naming_the_patient_links_and_raises_too(store: Store, clock: Clock) -> None:
    first = write(store, 1)
    stranger = reading(store, CLINIC, uid="s", sender=Protected("new@x.example"))
    case_id = store.cases.file(stranger, clinic=CLINIC, by="worker")
    before = store.cases.get(case_id, clinic=CLINIC, by="x")
    assert before.chain.cases == ()
    store.cases.link(case_id, clinic=CLINIC, by="x", patient_id="patient-1", contact_id="contact-1")
    after = store.cases.get(case_id, clinic=CLINIC, by="x")
    assert [one.case_id for one in after.chain.cases] == [first]
    assert before.case.due_at is not None
    assert after.case.due_at is not None
    assert after.case.due_at < before.case.due_at


def test_long_ago_is_another_story(store: Store, clock: Clock) -> None:
    close(store, write(store, 1))
    clock.forward(timedelta(hours=49))
    file = store.cases.get(write(store, 1, "It is worse."), clinic=CLINIC, by="x")
    assert file.chain.cases == ()
    assert file.case.urgency is Urgency.ROUTINE


@pytest.mark.parametrize(
    "words",
    [
        "It is getting worse",
        "the rash has spread",
        "My cough is not getting better",
        "he deteriorated",
        "esta peor que ayer",
        "ha empeorado",
        "cada vez más débil",
        "still vomiting",
        "No fever but worse pain since last night",
        "No fever but worsening shortness of breath",
        "No fever, yet worse pain",
        "I have no appetite and worse pain",
        "not sleeping and worse cough",
        "Without fever, with worse pain",
        "no duermo y peor tos",
        "No tengo fiebre pero peor dolor",
        "ni duermo ni como, con peor tos",
        "no es fiebre sino peor tos",
        "no es sólo peor",
        "It is not only worse, it burns",
        "No doubt worse than yesterday",
        "I have never felt worse",
        "Fever: no fever\nWorse pain",
    ],
)
def test_words_that_say_it_got_worse(words: str) -> None:
    assert gets_worse(words)
    assert gets_worse(f"Thank you for yesterday. {words}!")


@pytest.mark.parametrize(
    "words",
    [
        "It is not worse",
        "no worse than before",
        "has not spread",
        "I feel better",
        "",
        "It is not getting any worse",
        "no new or worse pain",
        "The cough is not\nworse",
        "It never got worse",
        "without any worse pain",
        "no está peor",
        "no ha empeorado",
        "ni mejor ni peor",
        "no está mas peor que ayer",
    ],
)
def test_words_that_deny_it(words: str) -> None:
    assert not gets_worse(words)


def test_sabotage_a_desk_that_forgets_who_wrote_before(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triage.store.follow_ups.wrote_lately", lambda *_, **__: False)
    write(store, 1)
    clock.forward(timedelta(hours=1))
    file = store.cases.get(write(store, 1, "It is worse."), clinic=CLINIC, by="x")
    assert file.case.urgency is Urgency.ROUTINE
