"""What stands in the way of approving: unknown facts, other patients, open places, advice.

Safety-bar 23 (no other patient's words) and 33 (the approver is protected); every check is asked on
the server, whatever a page would have shown.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.proofs import unproven
from tests.sizes import many
from tests.web.practice import MORNING, NAMES, PEOPLE, Practice, open_copy, open_practice, roster
from triage.domain import IdentifierType, NoteKind, Patient, Protected, ReplyState, Route, User
from triage.drafting.drills import PLANTED
from triage.drafting.stated import clinic_words
from triage.errors import (
    NotAnswerable,
    NotFound,
    OutOfScope,
    PlantedError,
    TriageError,
    UnconfirmedFact,
    UnfilledPlace,
    WrongPatient,
)
from triage.store import Keys

DANA, NIA, SAM = PEOPLE["dana"], PEOPLE["nia"], PEOPLE["sam"]
KEYS = ("refill", "bill")


class Clock:
    """A clock that stands until somebody moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 4, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def practice(store_url: str, keys: Keys, tmp_path: Path, clock: Clock) -> Iterator[Practice]:
    letters = [letter for letter in MORNING if letter.key in KEYS]
    made = open_practice(tmp_path, letters=letters, url=store_url, keys=keys, clock=clock)
    made.desk.replies._clock = made.desk.replies._checker._clock = clock
    made.desk.supervision._clock = clock
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checking")
    letters = [letter for letter in MORNING if letter.key in KEYS]
    open_practice(folder, letters=letters).store.close()
    return folder


@pytest.fixture
def copied(morning: Path, tmp_path: Path) -> Iterator[Practice]:
    """The same practice for what the kind of database has no part in."""
    shutil.copytree(morning, tmp_path / "copy")
    made = open_copy(tmp_path / "copy", undo=timedelta(0))
    yield made
    made.store.close()


def save(practice: Practice, body: str, *, actor: User = DANA, subject: str = "Yours") -> str:
    words = {"subject": Protected(subject), "body": Protected(body)}
    draft = practice.desk.replies.save(actor, practice.cases["refill"], **words)
    return draft.outgoing.digest


def approve(
    practice: Practice, body: str, *, actor: User = DANA, confirmed: tuple[str, ...] = ()
) -> None:
    digest = save(practice, body, actor=actor)
    proof = f"{'0' * 64}:{'0' * 128}"
    try:
        practice.desk.replies.approve(
            actor, practice.cases["refill"], digest=digest, proof=proof, confirmed=confirmed
        )
    except TriageError as trouble:
        # Every check passed; only the signature is nobody's.
        if type(trouble).__name__ != "NoProofKey":
            raise


def look(practice: Practice, actor: User = DANA) -> Any:
    return practice.desk.queue.open(actor, practice.cases["refill"]).checked


@pytest.mark.bar(23, 33)
def test_what_a_draft_says_is_checked_before_anybody_may_approve_it(
    practice: Practice, clock: Clock
) -> None:
    patients, case_id = roster(), practice.cases["refill"]
    entry = patients[1][0]
    known = (
        (IdentifierType.PHONE, Protected("555-010-7788")),
        (IdentifierType.ADDRESS, Protected("44 Juniper Road, Springfield")),
    )
    patients[1] = (replace(entry, identifiers=known), patients[1][1])
    practice.store.people.import_roster(patients, clinic="c1", by="test")

    # Facts: from the message, and one that only the secretary knows, from the phone.
    body = "Your lisinopril 10 mg is ready. As we said by phone, come on Friday at 3:30 pm."
    with pytest.raises(UnconfirmedFact):
        approve(practice, body)
    with pytest.raises(UnconfirmedFact):
        approve(practice, body, confirmed=("time-1",))
    checked = look(practice)
    known_facts = {one.words.reveal() for one in checked.facts if one.source}
    assert known_facts == {"lisinopril", "10 mg"}
    assert [one.id for one in checked.unsupported] == ["date-1", "time-1"]
    approve(practice, body, confirmed=("date-1", "time-1"))

    # Other patients: hard signs, which no tick takes away.
    everything = tuple(f"{kind}-{n}" for kind in ("name", "date", "birth") for n in range(1, 5))
    for words in (
        "Dear Tobias,\nit is ready.",
        "We told tobias lindqvist already.",
        "Lindqvist, Tobias has the form.",
        "> On 3 March you wrote:\n> Tobias Lindqvist called",
        "He was born on January 30, 1983.",
        "DOB 1983-01-30",
        "The record is MRN 40002.",
        "The record is 40002.",
        "Call (555) 010-7788.",
        "It went to tobias.lindqvist@example.org.",
        "We sent it to 44 Juniper Road.",
    ):
        with pytest.raises(WrongPatient):
            approve(practice, words, confirmed=everything)
    # Softer ones ask by name: a surname alone, a birth date that may be any date.
    for words, asked in (
        ("We told the Lindqvists.", "name-1"),
        ("The visit was on 1983-01-30.", "date-1"),
    ):
        with pytest.raises(UnconfirmedFact):
            approve(practice, words)
        assert look(practice).unsupported[0].id == asked
    # And nobody stops at the patient's own, at staff, at a doctor elsewhere or at common words.
    for words in (
        "Dear Rosalind Keane,\nit is ready.",
        "Dear Ms. Keane, Dana Whitlock will call you.",
        "Dr. Lindqvist at the hospital has your record, MRN40001.",
        "Born on August 14, 1957: yes. Please park in the park.",
    ):
        approve(practice, words, confirmed=everything)

    # Open places, and advice by who may not give it.
    for words in ("Dear [NAME_2], it is ready.", "Call us at {phone}.", "It is ready on [...]."):
        with pytest.raises(UnfilledPlace):
            approve(practice, words)
    for words in ("You can stop taking the tablets.", "No es nada grave."):
        with pytest.raises(OutOfScope):
            approve(practice, words)
        with pytest.raises(OutOfScope):
            approve(practice, words, actor=SAM)
        approve(practice, words, actor=NIA)

    counts = practice.desk.supervision.approvals(SAM)
    assert counts.stopped == {
        "UnconfirmedFact": 4, "WrongPatient": 11, "UnfilledPlace": 3, "OutOfScope": 4
    }  # fmt: skip
    assert counts.approved == 0

    # A yes given two seconds after the look is counted; what was answered for is kept.
    digest = save(practice, body)
    clock.now += timedelta(seconds=5)
    practice.desk.queue.open(DANA, case_id)
    clock.now += timedelta(seconds=2)
    sitting = unproven(practice.store, DANA.id)
    practice.desk.replies.approve(
        DANA, case_id, digest=digest, proof=sitting, confirmed=("date-1", "time-1")
    )
    counts = practice.desk.supervision.approvals(SAM)
    assert (counts.approved, counts.quick, counts.confirmed) == (1, 1, 2)
    (reply,) = practice.desk.supervision.replies(SAM, case_id)
    assert reply.suggested is not None
    assert "passed your request" in reply.suggested.reveal()
    events = practice.desk.supervision.history(SAM, case_id)
    told = [e.detail for e in events if e.action == "reply.approved"]
    assert [(one["confirmed"], one["milliseconds"]) for one in told] == [("date-1 time-1", "2000")]
    assert not [e for e in events if "3:30" in str(e.detail) or "Friday" in str(e.detail)]


@pytest.mark.bar(23)
def test_no_draft_with_another_patients_words_can_be_approved(
    practice: Practice, record_property: Callable[[str, object], None]
) -> None:
    lot, tried = random.Random(23), many(60, long=1000)
    record_property("tried", tried)
    frames = (
        "Hello,\n\n{} is what we have.\n\nRegards",
        "Thank you.\n> {}\n> as you wrote",
        "We will call. ({})",
        "{}\n\nKind regards",
    )
    stopped = passed = 0
    save(practice, "Hello.")
    checker = practice.desk.replies._checker
    file = practice.desk.queue.open(DANA, practice.cases["refill"]).file
    assert file.draft is not None
    for number in range(tried):
        name, born = NAMES[1 + number % (len(NAMES) - 1)]
        mrn = 40002 + number % (len(NAMES) - 1)
        canaries = (
            name, name.upper(), f"born {born}", f"MRN{mrn}",
            name.lower().replace(" ", ".") + "@example.org", f"Dear {name.split()[0]}",
        )  # fmt: skip
        body = lot.choice(frames).format(lot.choice(canaries))
        answered = ("name-1", "name-2", "date-1", "email-1")
        if number % 20 == 0:
            with pytest.raises(WrongPatient):
                approve(practice, body, confirmed=answered)
        # What `approve` asks, with the same words as if they were saved.
        words = replace(file.draft.outgoing, body=Protected(body))
        with pytest.raises(WrongPatient):
            checker.require(DANA, file, replace(file.draft, outgoing=words), answered)
        stopped += 1
    for _ in range(tried // 20):
        approve(practice, "Dear Rosalind Keane, it is ready. MRN40001")
        passed += 1
    assert (stopped, passed) == (tried, tried // 20)


@pytest.mark.bar(23)
def test_a_name_a_number_or_an_address_that_is_somebodys_too_can_be_answered_for(
    copied: Practice,
) -> None:
    theirs = (
        (IdentifierType.PHONE, Protected("555-010-7788")),
        (IdentifierType.ADDRESS, Protected("44 Juniper Road, Springfield")),
    )
    born = Protected("1950-02-03")
    more = [
        Patient("p7", "c1", Protected("Rose Ames"), born, Protected("2026")),
        Patient(
            "p8", "c1", Protected("Maria Lopez Garcia"), born, Protected("62704"), "en", theirs
        ),
    ]
    copied.store.people.import_roster([(one, ()) for one in more], clinic="c1", by="test")
    checker = copied.desk.replies._checker

    # A bare number may be a year or a postal code; one that is called a record is not.
    for words in ("Your 2026 physical is booked.", "We are at Springfield IL 62704."):
        with pytest.raises(UnconfirmedFact):
            approve(copied, words)
        assert [one.id for one in look(copied).unsupported] == ["number-1"]
        approve(copied, words, confirmed=("number-1",))
    for words in ("Chart no. 62704 is closed.", "Expediente número 2026."):
        with pytest.raises(WrongPatient):
            approve(copied, words, confirmed=("number-1",))

    # A doctor of several names; another patient's whole name after one is still a stop.
    approve(copied, "Dr. Maria Garcia will see you.")
    for words in ("Dr. Vega will see Maria Garcia.", "The nurse told Maria Garcia."):
        with pytest.raises(WrongPatient):
            approve(copied, words)

    # "Dear Rose" stops, until the person who is answered writes so.
    with pytest.raises(WrongPatient):
        approve(copied, "Dear Rose,\nit is ready.", confirmed=("name-1",))
    save(copied, "Dear Rose,\nit is ready.")
    file = copied.desk.queue.open(DANA, copied.cases["refill"]).file
    newest = replace(file.messages[0], signature=Protected("Rose"))
    signed = replace(file, messages=(newest, *file.messages[1:]))
    assert signed.draft is not None
    with pytest.raises(UnconfirmedFact):
        checker.require(DANA, signed, signed.draft, ())
    checker.require(DANA, signed, signed.draft, ("name-1",))
    # A whole name stays a stop, whatever the message says: it may be linked wrongly.
    other = replace(signed.draft.outgoing, body=Protected("Dear Tobias Lindqvist, yes."))
    newest = replace(newest, signature=Protected("Tobias Lindqvist"))
    wrong = replace(file, messages=(newest, *file.messages[1:]))
    with pytest.raises(WrongPatient):
        checker.require(DANA, wrong, replace(signed.draft, outgoing=other), ("name-1",))

    # What is the clinic's own is nobody else's.
    body = "Call 555-010-7788. Come to 44 Juniper Road, 62704."
    with pytest.raises(WrongPatient):
        approve(copied, body)
    checker._clinic = clinic_words(
        {"phone": "(555) 010-7788", "address": "44 Juniper Road, Springfield 62704"}
    )
    approve(copied, body)
    with pytest.raises(WrongPatient):
        approve(copied, "Your record number is 62704.")


@pytest.mark.bar(23)
def test_a_name_that_begins_a_line_stops_and_one_that_begins_a_sentence_asks(
    copied: Practice,
) -> None:
    people = [
        Patient(f"q{n}", "c1", Protected(name), Protected("1950-02-03"), Protected(f"77{n}01"))
        for n, name in enumerate(("Grace Price", "Will May", "Hope Parks", "Eva Jackson"))
    ]
    copied.store.people.import_roster([(one, ()) for one in people], clinic="c1", by="test")
    save(copied, "Hello.")
    checker = copied.desk.replies._checker
    file = copied.desk.queue.open(DANA, copied.cases["refill"]).file
    assert file.draft is not None

    def said(words: str) -> str:
        assert file.draft is not None
        out = replace(file.draft.outgoing, body=Protected(words))
        checked = checker.look(DANA, file, replace(file.draft, outgoing=out))
        asked = any(one.kind.value == "name" for one in checked.unsupported)
        return "stops" if checked.strangers else "asks" if asked else "passes"

    got = {words: said(words) for words in (*OPENINGS, *CALLED)}
    assert got == OPENINGS | CALLED


#: How a reply begins, and a line or a sentence within one.
OPENINGS = {
    "Tobias,\nYour form is ready.": "stops",
    "Amina,\n\nYour refill is ready.": "stops",
    "tobias,\nyour form is ready.": "stops",
    "May,\nyour form is ready.": "stops",
    "Dear May,\nyour form is ready.": "stops",
    "Hello. In May, we are closed; or\nmay,\nwhich is rare, not.": "passes",
    "Tobias - your form": "stops",
    "Tobias – your form": "stops",
    "Tobias:\nready": "stops",
    "TOBIAS\n\nIt is ready.": "stops",
    "Thank you.\n> Tobias, yes": "stops",
    "Grace,\nyour form is ready.": "stops",
    "Dear T. Lindqvist, it is ready.": "stops",
    "Mr. T. Lindqvist called.": "stops",
    "Lindqvist's results are ready.": "asks",
    "Eva’s results are ready.": "asks",
    "Grace's results are ready.": "asks",
    "Tobias called. Your form is ready.": "asks",
    "Your form is ready. Lindqvist told us so.": "asks",
    "It is ready.\nLindqvist told us so.": "asks",
    "T. Lindqvist is due": "asks",
    "It is ready.\n\nRegards,\nTobias": "asks",
    "It is ready.\n\nTobias": "asks",
    "We are in\nJackson, OR 97301": "asks",
    "Price:\n$20 at the desk": "asks",
    "Rosalind,\nyour form is ready.": "passes",
    "Rosalind's form is ready.": "passes",
    "It is ready.\n\nDana": "passes",
    "Lindqvist Street is closed.": "passes",
    "Will you come? May we call? Grace periods end. Price lists are here.": "passes",
    "Hope this helps. Parks are open. Please, take a seat.": "passes",
}
#: What is called somebody's birth date or record.
CALLED = {
    "He was born 1983/01/30.": "stops",
    "DOB 1983.01.30": "stops",
    "DOB 01-30-1983": "stops",
    "Date of birth: 30-01-1983": "stops",
    "MRN: 40 002": "stops",
    "Record no. 40.002, of 2026-03-03": "stops",
    "Chart 40002 2 tablets": "stops",
    "MRN: 40 001": "passes",
    "Born 1957/08/14.": "passes",
}


@pytest.mark.bar(23)
def test_a_guard_that_asks_nobody_lets_them_all_through(
    copied: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: the roster answers that nobody is known."""
    monkeypatch.setattr("triage.store.bystanders._owners", lambda *_: {})
    approve(copied, "Dear Tobias Lindqvist, it is ready.")


@pytest.mark.bar(33)
def test_a_planted_error_is_shown_found_or_missed_and_never_leaves(copied: Practice) -> None:
    checker, case_id = copied.desk.replies._checker, copied.cases["refill"]
    checker._drills = 1
    shown = copied.desk.queue.open(DANA, case_id).suggested_body
    assert shown is not None
    (wrong,) = [one for one in PLANTED["en"] if one in shown.reveal()]
    # The sentence is known without the setting, too: a drill cannot outlive its own guard.
    checker._drills = 0
    with pytest.raises(PlantedError):
        approve(copied, shown.reveal(), confirmed=("date-1", "time-1"))
    checker._drills = 1
    counts = copied.desk.supervision.approvals(SAM)
    assert (counts.drills_caught, counts.drills_missed) == (0, 1)
    again = copied.desk.queue.open(DANA, case_id).suggested_body
    assert again is not None
    assert wrong not in again.reveal()


def test_shorter_drops_courtesies_only_and_asks_before_it_touches_own_words(
    copied: Practice,
) -> None:
    desk, case_id = copied.desk.rewriting, copied.cases["refill"]
    subject = Protected("Re: refill")
    suggested = copied.desk.queue.open(DANA, case_id).suggested_body
    assert suggested is not None
    short = desk.shorter(DANA, case_id, subject=subject, body=suggested).outgoing.body
    assert "passed your request" in short.reveal()
    own = Protected("Hello,\n\nThank you for writing. Come at 3 pm.\n\nRegards")
    with pytest.raises(NotAnswerable):
        desk.shorter(DANA, case_id, subject=subject, body=own)
    short = desk.shorter(DANA, case_id, subject=subject, body=own, agreed=True).outgoing.body
    assert short.reveal() == "Hello,\n\nCome at 3 pm.\n\nRegards"


def test_advice_becomes_an_acknowledgement_or_goes_to_a_nurse(copied: Practice) -> None:
    desk, case_id = copied.desk, copied.cases["refill"]
    save(copied, "You can stop taking it.")
    desk.rewriting.hand_over(DANA, case_id)
    case = desk.queue.open(NIA, case_id).file.case
    assert (case.route.value, case.claimed_by) == ("clinical_question", None)
    assert desk.queue.open(NIA, case_id).draft is not None
    ((mention, _),) = desk.together.mine(NIA).mentions
    assert mention.note.kind is NoteKind.HANDED_OVER
    store = copied.store
    assert case_id not in {one.case_id for one in store.labels.export_rows(clinic="c1", by="t")}
    team = desk.teams.put_team(SAM, called="Nurses", members=[NIA.id])
    desk.teams.put_team(SAM, called="Everybody", members=[NIA.id, DANA.id])
    desk.rewriting.hand_over(DANA, case_id)
    whose = desk.together.about(NIA, case_id).beside.assignment
    assert whose is not None
    assert whose.team_id == team.id
    draft = desk.rewriting.acknowledge(DANA, case_id)
    assert "a clinician has to answer it" in draft.outgoing.body.reveal()
    assert not look(copied).advice


def test_of_two_one_must_be_a_nurse_and_what_the_first_answered_for_is_kept(
    copied: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triage.store.checks.QUICK", timedelta(days=1))
    desk, store, case_id = copied.desk, copied.store, copied.cases["refill"]
    store.second.set_routes([Route.REFILL], clinic="c1", by=SAM.id)
    words = "You can stop taking it. As we said by phone, on Friday."

    def yes(actor: User, digest: str, **more: object) -> object:
        look(copied, actor)
        proof = unproven(store, actor.id)
        how = {"digest": digest, "proof": proof, "confirmed": ("date-1",)}
        return desk.replies.approve(actor, case_id, **how).state  # type: ignore[arg-type]  # Options of one call, by case.

    # A secretary's yes may be the first, never the last of two without a nurse.
    desk.queue.claim(DANA, case_id)
    digest = save(copied, words)
    assert look(copied).licensed is look(copied).out_of_scope is False
    assert yes(DANA, digest) is ReplyState.DRAFT
    (row,) = store.audit.events(clinic="c1", by="t", action="reply.first")
    assert row.detail["confirmed"] == "date-1"
    assert row.detail["milliseconds"].isdigit()
    assert store.audit.events(clinic="c1", by="t", action="approval.quick")
    # Her claim is gone with it: nobody is shut out.
    assert desk.queue.open(NIA, case_id).claimed_by is None
    assert look(copied, SAM).out_of_scope
    with pytest.raises(OutOfScope):
        yes(SAM, digest)
    assert yes(NIA, digest) is ReplyState.QUEUED


def test_a_nurse_first_lets_a_secretary_be_the_second(
    copied: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, store, case_id = copied.desk, copied.store, copied.cases["refill"]
    store.second.set_routes([Route.REFILL], clinic="c1", by=SAM.id)
    digest = save(copied, "You can stop taking it.")

    def yes(actor: User) -> object:
        proof = unproven(store, actor.id)
        return desk.replies.approve(actor, case_id, digest=digest, proof=proof).state

    assert yes(NIA) is ReplyState.DRAFT
    # Two who look at the same moment: each thinks to be the first. The store does not.
    with monkeypatch.context() as patch:
        patch.setattr(type(store.second), "said", lambda *_, **__: (True, frozenset()))
        with pytest.raises(OutOfScope):
            yes(DANA)
    assert yes(DANA) is ReplyState.QUEUED


def test_a_form_goes_into_the_digest_and_leaves_byte_for_byte(copied: Practice) -> None:
    desk, case_id = copied.desk, copied.cases["refill"]
    content = b"%PDF-1.4\nsign here\n%%EOF"
    form = desk.forms.add(SAM, Protected("Consent/of <care>.PDF"), content)
    assert form.name.reveal() == "Consent of care.pdf"
    for bad in (b"MZ", b"%PDF-1.4 /JavaScript (x) %%EOF", b"%PDF-" + b"0" * 5_000_001 + b"%%EOF"):
        with pytest.raises(TriageError):
            desk.forms.add(SAM, Protected("x.pdf"), bad)
    with pytest.raises(TriageError):
        desk.forms.add(DANA, Protected("x.pdf"), content)
    plain = save(copied, "The form is with this.")
    words = {"subject": Protected("Yours"), "body": Protected("The form is with this.")}
    draft = desk.replies.save(DANA, case_id, **words, forms=[form.id])
    assert draft.outgoing.digest != plain
    assert draft.outgoing.attachments == ((form.name.reveal(), form.digest),)
    # What was ticked stays with words made shorter, or replaced, by a button.
    again = desk.rewriting.shorter(DANA, case_id, **words, forms=[form.id], agreed=True)
    assert again.outgoing.attachments == draft.outgoing.attachments
    again = desk.rewriting.acknowledge(DANA, case_id)
    assert again.outgoing.attachments == draft.outgoing.attachments
    draft = desk.replies.save(DANA, case_id, **words, forms=[form.id])
    reply = desk.replies.approve(
        DANA, case_id, digest=draft.outgoing.digest, proof=unproven(copied.store, DANA.id)
    )
    desk.forms.retire(SAM, form.id)
    claimed = copied.store.replies.claim(reply.id, clinic="c1", by="sender")
    assert claimed is not None
    assert claimed.outgoing.files == (content,)


def test_a_form_off_the_list_is_never_left_out_unsaid(copied: Practice) -> None:
    desk, case_id = copied.desk, copied.cases["refill"]
    form = desk.forms.add(SAM, Protected("Consent.pdf"), b"%PDF-1.4\nsign\n%%EOF")
    words = {"subject": Protected("Yours"), "body": Protected("Thank you. The form is here.")}
    desk.replies.save(DANA, case_id, **words, forms=[form.id])
    desk.forms.retire(SAM, form.id)
    with pytest.raises(NotAnswerable):
        desk.rewriting.acknowledge(DANA, case_id)
    with pytest.raises(NotFound, match="not on the list any more"):
        desk.rewriting.shorter(DANA, case_id, **words, forms=[form.id], agreed=True)
    kept = desk.queue.open(DANA, case_id).draft
    assert kept is not None
    assert kept.outgoing.attachments
