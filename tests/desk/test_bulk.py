"""A day that must be moved: one text, one draft for each patient, one approval for each reply."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.practice import Clock, add_staff, ana, reading, signing_key
from tests.web.test_routes import routes
from triage.desk import Desk
from triage.domain import Protected, Route, Urgency, User, new_id
from triage.drafting.filling import filled
from triage.errors import NotAnswerable, TooSoon
from triage.store import Store
from triage.web.app import create_app

pytestmark = [
    pytest.mark.bar(33),
    pytest.mark.parametrize("store_url", ["sqlite"], indirect=True),
]
DAY = 5


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store, mail_domain="clinic.example")


@pytest.fixture
def dora(store: Store, clinic: str) -> User:
    people = [ana(clinic, number=number) for number in range(1, DAY + 1)]
    store.people.import_roster(people, clinic=clinic, by="test")
    return add_staff(store, clinic)


def wrote(store: Store, clinic: str, number: int, body: str, **more: object) -> str:
    came = reading(
        store,
        clinic,
        uid=new_id(),
        route=Route.RESCHEDULE,
        sender=Protected(f"ana{number}@patients.example"),
        body=Protected(body),
        **more,  # type: ignore[arg-type]  # Any field.
    )
    return store.cases.file(came, clinic=clinic, by="worker")


def test_each_reply_is_read_and_approved_by_itself(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    day = [wrote(store, clinic, n, f"Dr. Hale at {n}, please") for n in range(1, DAY + 1)]
    wrote(store, clinic, 1, "Dr. Other, tomorrow")
    stranger = wrote(store, clinic, 99, "Dr. Hale, I am new")
    urgent = wrote(store, clinic, 98, "Dr. Hale, chest pain", urgency=Urgency.TODAY)
    found = {row.case.id for row in desk.bulk.pick(dora, Protected("hale")).rows}
    assert found == {*day, stranger}
    text = {"subject": Protected("Your appointment"), "body": Protected("Dear [NAME], [CLINIC].")}
    done = desk.bulk.prepare(dora, [*day, stranger, urgent], **text)
    assert (done.ready, set(done.left)) == (tuple(day), {stranger, urgent})
    assert all(why.endswith(".") for why in done.left.values())
    # Nothing is approved by preparing; each is opened, seen with its original, and signed.
    approved, place = [], desk.bulk.next(dora)
    while place is not None:
        view = desk.queue.open(dora, place)
        assert view.replies == ()
        assert view.draft is not None
        body = view.draft.outgoing.body.reveal()
        assert view.file.patient is not None
        assert body == f"Dear {view.file.patient.name.reveal()}, Harbour Family Practice."
        assert view.file.messages[0].body.reveal().startswith("Dr. Hale")
        digest = view.draft.outgoing.digest
        proof = signing_key(dora.id).prove(view.draft.id, digest)
        desk.replies.approve(dora, place, digest=digest, proof=proof)
        approved.append(place)
        place = desk.bulk.next(dora, after=place)
    assert sorted(approved) == sorted(day)
    assert len(store.audit.events(clinic=clinic, by="t", action="reply.approved")) == DAY


def test_the_walk_passes_each_draft_once_whatever_becomes_of_it(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    day = [wrote(store, clinic, n, f"Dr. Hale at {n}") for n in range(1, 4)]
    text = {"subject": Protected("s"), "body": Protected("Dear [NAME].")}
    desk.bulk.prepare(dora, day, **text)
    first = desk.bulk.next(dora)
    assert first is not None
    # Left as it is, then changed: neither brings the walk back to it.
    second = desk.bulk.next(dora, after=first)
    assert second not in (None, first)
    assert second is not None
    desk.replies.save(dora, second, subject=Protected("s"), body=Protected("other words"))
    third = desk.bulk.next(dora, after=second)
    assert {first, second, third} == set(day)
    assert third is not None
    assert desk.bulk.next(dora, after=third) is None
    # The first of two yeses: the words wait for somebody else now.
    store.second.set_routes([Route.RESCHEDULE], clinic=clinic, by="test")
    draft = desk.queue.open(dora, first).draft
    assert draft is not None
    digest = draft.outgoing.digest
    proof = signing_key(dora.id).prove(draft.id, digest)
    desk.replies.approve(dora, first, digest=digest, proof=proof)
    assert desk.bulk.next(dora) == second


def test_each_reader_gets_their_own_language_and_who_does_not_is_named(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    # Whoever is answered decides: here the contacts' language, not the patients'.
    tongues = {2: "es", 3: "es", 4: "fr"}
    for number, language in tongues.items():
        patient, (contact,) = ana(clinic, number=number)
        entry = (patient, [replace(contact, language=language)])
        store.people.import_roster([entry], clinic=clinic, by="test")
    day = [wrote(store, clinic, n, f"Dr. Hale at {n}") for n in range(1, DAY)]
    by_case = {day[number - 1]: language for number, language in tongues.items()}
    assert desk.bulk.pick(dora, Protected("hale")).languages == by_case
    spanish = {"subject_es": Protected("Su cita"), "body_es": Protected("Hola, [NAME]. [CLINIC]")}
    text = {"subject": Protected("Yours"), "body": Protected("Dear [NAME], [CLINIC].")}
    # Half a text is a slip: nobody is prepared before it is mended.
    for half in spanish:
        with pytest.raises(NotAnswerable):
            desk.bulk.prepare(dora, day, **text, **{half: spanish[half]})
    done = desk.bulk.prepare(dora, day, **text, **spanish)
    assert (done.ready, done.left, done.other) == (tuple(day), {}, {day[3]: "fr"})
    for case_id in day:
        draft = desk.queue.open(dora, case_id).draft
        assert draft is not None
        own = by_case.get(case_id) == "es"
        name = f"Ana Marula {day.index(case_id) + 1}"
        words = (draft.outgoing.subject.reveal(), draft.outgoing.body.reveal())
        in_english = ("Yours", f"Dear {name}, Harbour Family Practice.")
        assert words == (
            ("Su cita", f"Hola, {name}. Harbour Family Practice") if own else in_english
        )
    # Without a second text everybody gets the first, and nobody silently.
    again = [wrote(store, clinic, n, f"Dr. Hale anew at {n}") for n in range(1, DAY)]
    told = {again[number - 1]: language for number, language in tongues.items()}
    assert desk.bulk.prepare(dora, again, **text).other == told


def test_nobody_s_words_are_overwritten_and_no_place_stays_open(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    case_id, other = (wrote(store, clinic, n, "Dr. Hale") for n in (1, 2))
    desk.replies.save(dora, case_id, subject=Protected("s"), body=Protected("mine"))
    plain = {"subject": Protected("s"), "body": Protected("b")}
    assert set(desk.bulk.prepare(dora, [case_id], **plain).left) == {case_id}
    open_place = plain | {"body": Protected("Come on [DATE]")}
    assert set(desk.bulk.prepare(dora, [other], **open_place).left) == {other}
    for many in ([], ["x"] * 61):
        with pytest.raises(NotAnswerable):
            desk.bulk.prepare(dora, many, **plain)
    values = {"[NAME]": Protected("[CLINIC]"), "[CLINIC]": Protected("c")}
    assert filled(Protected("[NAME]"), values) == Protected("[CLINIC]")


def test_no_more_is_offered_than_one_go_takes_and_the_next_go_takes_the_rest(
    store: Store, clinic: str, desk: Desk, dora: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triage.desk.bulk.MOST", 2)
    wrote(store, clinic, 99, "Dr. Hale, I am new")
    day = {wrote(store, clinic, n, "Dr. Hale") for n in range(1, DAY + 1)}
    wrote(store, clinic, 98, "Dr. Hale, I am new, too")
    ready, goes = set(), []
    while len(found := desk.bulk.pick(dora, Protected("hale")).rows) and found[0].patient:
        goes.append(desk.bulk.pick(dora, Protected("hale")).more)
        picked = [row.case.id for row in found if row.patient]
        text = {"subject": Protected("s"), "body": Protected("Dear [NAME].")}
        ready |= {*desk.bulk.prepare(dora, picked, **text).ready}
    # Whose patient nobody knows stands last, and keeps nobody from being prepared.
    assert (ready, goes) == (day, [DAY, DAY - 2, DAY - 4])


@pytest.mark.usefixtures("clinic")
def test_no_page_approves_two(desk: Desk) -> None:
    """Every page that approves names one case in its address and takes one digest."""
    pages = routes(create_app(desk, clinic_name="x"))
    approving = [path for method, path in pages if method == "POST" and "approv" in path]
    assert approving == ["/case/{case_id}/approve"]


def test_a_yes_in_the_first_second_of_the_next_case_was_meant_for_the_one_before(
    store: Store, clinic: str, dora: User
) -> None:
    """The page keeps a double press back; this is for one that does not."""
    clock = store._transactions.clock = Clock()
    desk = Desk(store, clock=clock, mail_domain="clinic.example")
    day = [wrote(store, clinic, n, f"Dr. Hale at {n}, please") for n in (1, 2)]
    other = wrote(store, clinic, 3, "Dr. Hale at 3, please")
    text = {"subject": Protected("Your appointment"), "body": Protected("Dear [NAME], [CLINIC].")}
    assert desk.bulk.prepare(dora, day, **text).ready == tuple(day)

    def approve(case_id: str, *, run: bool = True) -> None:
        draft = desk.queue.open(dora, case_id).draft
        assert draft is not None
        digest = draft.outgoing.digest
        proof = signing_key(dora.id).prove(draft.id, digest)
        desk.replies.approve(dora, case_id, digest=digest, proof=proof, run=run)

    # Words are saved, and then looked at.
    clock.forward(timedelta(minutes=1))
    for after in (timedelta(), timedelta(milliseconds=999)):
        desk.queue.open(dora, day[0])
        clock.forward(after)
        with pytest.raises(TooSoon):
            approve(day[0])
    (stopped, _) = store.audit.events(clinic=clinic, by="t", action="approval.stopped")
    assert stopped.detail["why"] == "TooSoon"
    clock.forward(timedelta(milliseconds=1))
    approve(day[0])
    # Outside a run nobody is kept waiting, nor by a clock that was set back.
    desk.queue.open(dora, day[1])
    clock.forward(-timedelta(hours=1))
    approve(day[1])
    desk.bulk.prepare(dora, [other], **text)
    clock.forward(timedelta(hours=2))
    approve(other, run=False)
