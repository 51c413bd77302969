"""Colleagues at the desk: one claim, one reply, notes that tell, cases that sleep and wake."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from threading import Barrier
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from tests.proofs import enrol
from tests.sizes import many
from tests.store.practice import Clock, add_staff, ana, reading, signing_key
from triage.desk import Desk
from triage.desk.teams import MINE, TEAMS
from triage.domain import (
    Assigned,
    Lane,
    NoteKind,
    OpeningHours,
    Protected,
    ReplyState,
    Role,
    Route,
    Setting,
    Urgency,
    User,
    Waiting,
    new_id,
)
from triage.errors import (
    AlreadyClaimed,
    NotAllowed,
    NotAnswerable,
    NotFound,
    NoWords,
    TriageError,
)
from triage.store import Keys, Store, open_store, tables

WHY = Protected("because")
#: For what the engine makes no difference to.
ONE_ENGINE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_url: str, keys: Keys, clock: Clock) -> Iterator[Store]:
    found = open_store(store_url, keys, clock=clock)
    yield found
    found.close()


@pytest.fixture
def desk(store: Store, clock: Clock) -> Desk:
    return Desk(store, clock=clock, mail_domain="clinic.example")


@pytest.fixture
def staff(store: Store, clinic: str) -> dict[str, User]:
    store.people.import_roster([ana(clinic), ana(clinic, number=2)], clinic=clinic, by="test")
    roles = {"dora": Role.SECRETARY, "milo": Role.SECRETARY, "wim": Role.WRITER}
    roles |= {"nia": Role.NURSE, "sam": Role.SUPERVISOR, "ada": Role.ADMINISTRATOR}
    found = {}
    for name, role in roles.items():
        found[name] = User(f"user-{name}", clinic, name, name.title(), frozenset({role}))
        store.people.add_user(found[name], "correct horse battery")
        enrol(store, signing_key(found[name].id), clinic=clinic, user_id=found[name].id)
    return found


def wrote(store: Store, clinic: str, **more: object) -> str:
    made = reading(store, clinic, uid=new_id(), **more)  # type: ignore[arg-type]  # Any field.
    return store.cases.file(made, clinic=clinic, by="worker")


def lane(desk: Desk, user: User, case_id: str) -> Lane:
    return desk.queue.open(user, case_id).file.case.lane


def test_two_desks_at_the_same_moment_make_one_claim_and_one_reply(
    store: Store, store_url: str, keys: Keys, clinic: str, record_property: object
) -> None:
    """Each desk has a store of its own, as two web processes do; whoever claims may answer."""
    store.people.import_roster([ana(clinic)], clinic=clinic, by="test")
    people = [add_staff(store, clinic), add_staff(store, clinic, "milo")]
    stores = [open_store(store_url, keys) for _ in people]
    desks = [Desk(one, mail_domain="clinic.example") for one in stores]
    tries, both = many(4, long=1000), Barrier(2)
    claims = replies = 0
    # A session's key is of that day; proofs here are good for ever.
    keys_of = [signing_key(person.id) for person in people]

    def attempt(place: int, case_id: str) -> tuple[bool, bool]:
        desk, person = desks[place], people[place]
        both.wait()
        try:
            desk.queue.claim(person, case_id)
            claimed = True
        except AlreadyClaimed:
            claimed = False
        try:
            words = {"subject": Protected("Re"), "body": Protected(f"From {person.username}.")}
            saved = desk.replies.save(person, case_id, **words)
            digest = saved.outgoing.digest
            proof = keys_of[place].prove(saved.id, digest)
            desk.replies.approve(person, case_id, digest=digest, proof=proof)
        except TriageError:
            return claimed, False
        return claimed, True

    with ThreadPoolExecutor(2) as pool:
        for _ in range(tries):
            case_id = wrote(store, clinic)
            done = list(pool.map(attempt, (0, 1), (case_id, case_id)))
            assert [claimed for claimed, _ in done].count(True) == 1
            assert all(claimed for claimed, answered in done if answered)
            file = store.cases.get(case_id, clinic=clinic, by="test")
            claims += 1
            replies += len(file.replies)
            store.replies.recall(
                file.replies[0].id, clinic=clinic, by="test", now=store.transactions.clock()
            )
            store.cases.release(case_id, clinic=clinic, by="test")
            close(store, clinic, case_id)
    assert (claims, replies) == (tries, tries)
    record_property("tried", tries)  # type: ignore[operator]  # A fixture of pytest.
    for one in stores:
        one.close()


def close(store: Store, clinic: str, case_id: str) -> None:
    """Close a case, so that the next message of the patient is a case of its own."""
    file = store.cases.get(case_id, clinic=clinic, by="test")
    for part in file.case.requests:
        store.cases.tick(case_id, part.id, clinic=clinic, by="test")
    store.cases.close(case_id, "passed_on", Protected(""), clinic=clinic, by="test")


@ONE_ENGINE
def test_a_claim_that_does_not_look_is_found(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: with a claim that asks nobody, both have it."""
    case_id = wrote(store, clinic)
    monkeypatch.setattr(type(store.cases), "claim", type(store.cases).take_over)
    desk.queue.claim(staff["dora"], case_id)
    desk.queue.claim(staff["milo"], case_id)


@ONE_ENGINE
def test_who_reads_is_shown_for_a_minute_and_claims_nothing(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User], clock: Clock
) -> None:
    case_id, dora, milo = wrote(store, clinic), staff["dora"], staff["milo"]
    assert desk.together.about(dora, case_id).here == ()
    assert desk.together.about(milo, case_id).here == (dora.id,)
    assert desk.together.here(dora, case_id) == (milo.id,)
    assert desk.queue.open(milo, case_id).claimed_by is None
    clock.forward(timedelta(seconds=61))
    assert desk.together.here(milo, case_id) == ()
    with pytest.raises(NotFound):
        desk.together.here(dora, "nothing")


@ONE_ENGINE
def test_taking_over_needs_a_reason_and_the_former_holder_reads_it(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User]
) -> None:
    case_id, dora, nia = wrote(store, clinic), staff["dora"], staff["nia"]
    desk.queue.claim(dora, case_id)
    with pytest.raises(NoWords):
        desk.queue.take_over(nia, case_id, reason=Protected(""))
    desk.queue.take_over(nia, case_id, reason=Protected("You are at lunch"))
    ((mention, row),) = desk.together.mine(dora).mentions
    assert (mention.note.kind, mention.note.by) == (NoteKind.TAKEN_OVER, nia.id)
    assert (mention.note.words, row.case.id) == (Protected("You are at lunch"), case_id)
    with pytest.raises(NotFound):
        desk.together.tick_off(nia, mention.id)
    assert desk.together.unseen(dora) == 1
    desk.together.tick_off(dora, mention.id)
    assert (desk.together.unseen(dora), desk.together.mine(dora).mentions) == (0, ())
    desk.together.write(nia, case_id, words=Protected("@dora call me"))
    assert desk.together.unseen(dora) == 1
    table = tables.cases
    with store.transactions.write() as work:
        gone = update(table).where(table.c.id == case_id)
        work.run(gone.values(state="closed", erased_at=work.now))
    assert (desk.together.unseen(dora), desk.together.mine(dora).mentions) == (0, ())


@ONE_ENGINE
def test_a_note_tells_whom_it_names_and_nobody_else(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User]
) -> None:
    case_id = wrote(store, clinic)
    words = Protected("@Milo, ask (@nia). Not dora@example.org, not @nobody; @ada has no queue.")
    desk.together.write(staff["dora"], case_id, words=words, told=[staff["sam"].id])
    told = {name for name in staff if name != "ada" and desk.together.unseen(staff[name])}
    assert told == {"milo", "nia", "sam"}
    with pytest.raises(NotFound):
        desk.together.write(staff["dora"], case_id, words=words, told=["a stranger"])
    with pytest.raises(NoWords):
        desk.together.write(staff["dora"], case_id, words=Protected(""))
    with pytest.raises(NotAllowed):
        desk.together.about(staff["ada"], case_id)


def test_a_case_is_handed_to_a_person_or_a_team_who_see_why(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User]
) -> None:
    case_id, dora, milo, sam = wrote(store, clinic), staff["dora"], staff["milo"], staff["sam"]
    other = wrote(store, clinic, sender=Protected("ana2@patients.example"))
    desk.queue.claim(dora, case_id)
    with pytest.raises(NoWords):
        desk.together.assign(dora, case_id, to=f"user:{milo.id}", reason=Protected(""))
    with pytest.raises(AlreadyClaimed):
        desk.together.assign(milo, case_id, to=f"user:{milo.id}", reason=WHY)
    with pytest.raises(NotAnswerable):
        desk.together.assign(dora, case_id, to=f"user:{staff['ada'].id}", reason=WHY)
    desk.together.assign(dora, case_id, to=f"user:{milo.id}", reason=Protected("He asked for you"))
    ((mention, _),) = desk.together.mine(milo).mentions
    assert mention.note.words == Protected("He asked for you")
    assert desk.queue.open(milo, case_id).claimed_by is None
    view = desk.queue.view(milo, saved=MINE)
    assert ([row.case.id for row in view.rows], view.in_views[MINE]) == ([case_id], 1)
    team = desk.teams.put_team(sam, called="Records", members=[dora.id])
    desk.together.assign(milo, other, to=f"team:{team.id}", reason=WHY)
    assert [row.case.id for row in desk.queue.view(dora, saved=TEAMS).rows] == [other]
    assert desk.queue.view(dora).in_views == {MINE: 0, TEAMS: 1}
    with pytest.raises(NotFound):
        desk.queue.view(milo, saved=TEAMS)
    desk.together.assign(milo, case_id, to="", reason=WHY)
    assert desk.queue.view(milo, saved=MINE).rows == ()


@pytest.mark.parametrize("how", ["shut out", "another role", "emptied team"])
@pytest.mark.bar(31)
def test_whoever_leaves_takes_no_case_along(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User], how: str
) -> None:
    case_id, milo, ada = wrote(store, clinic), staff["milo"], staff["ada"]
    of_team = wrote(store, clinic, sender=Protected("ana2@patients.example"))
    team = desk.teams.put_team(staff["sam"], called="Bills", members=[milo.id])
    desk.together.assign(staff["dora"], case_id, to=f"user:{milo.id}", reason=WHY)
    desk.together.assign(staff["dora"], of_team, to=f"team:{team.id}", reason=WHY)
    back = {case_id, of_team}
    if how == "shut out":
        desk.people.set_active(ada, milo.id, False)
    elif how == "another role":
        desk.people.set_roles(ada, milo.id, [Role.DATA_SCIENTIST])
    else:
        desk.teams.put_team(staff["sam"], called="Bills", members=[], team_id=team.id)
        back = {of_team}
    view = desk.teams.put_view(staff["sam"], called="Nobody's", assigned=Assigned.NOBODY)
    rows = {row.case.id for row in desk.queue.view(staff["sam"], saved=view.id).rows}
    assert rows == back
    events = store.audit.events(clinic=clinic, by="test", action="case.unassigned")
    assert {case for event in events for case in event.cases} == back


def test_a_sleeping_case_wakes_by_its_time_a_message_and_a_hand(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User], clock: Clock
) -> None:
    dora = staff["dora"]
    case_id = wrote(store, clinic)
    soon = clock() + timedelta(hours=20)
    desk.queue.claim(dora, case_id)
    desk.together.snooze(dora, case_id, until=soon)
    view = desk.queue.view(dora, lane=Lane.SNOOZED)
    assert (view.counts[Lane.SNOOZED], view.counts[Lane.SORTED]) == (1, 0)
    (row,) = view.rows
    assert row.beside.snooze is not None
    assert (row.beside.snooze.until, row.case.claimed_by) == (soon, None)
    bill = Route.BILLING_DISPUTE
    others = [
        store.cases.file(
            reading(store, clinic, uid=new_id(), route=bill, sender=Protected(f"{n}@x.example")),
            clinic=clinic,
            by="worker",
        )
        for n in range(2)
    ]
    order = [one.case.id for one in desk.queue.view(dora).rows]
    assert order == [*others, case_id], "what was put off stands last, and is seen"
    store.due.again(clinic=clinic, by="x")
    assert [one.case.id for one in desk.queue.view(dora).rows] == order
    clock.forward(timedelta(hours=20))
    assert desk.queue.pulse(dora).counts[Lane.SORTED] == 3
    assert desk.queue.view(dora).rows[0].case.id == case_id, "awake it stands where it stood"
    assert store.counts.oldest(clinic=clinic)[Waiting.SNOOZED] == soon
    desk.queue.claim(dora, case_id)
    assert Waiting.SNOOZED not in store.counts.oldest(clinic=clinic)
    # A message in another thread of the same patient.
    desk.together.snooze(dora, case_id, until=clock() + timedelta(days=3))
    assert wrote(store, clinic) != case_id
    assert lane(desk, dora, case_id) is Lane.SORTED
    # Somebody's hand.
    desk.together.snooze(dora, case_id, until=clock() + timedelta(days=3))
    desk.together.wake(dora, case_id)
    assert lane(desk, dora, case_id) is Lane.SORTED
    desk.together.snooze(dora, case_id, until=clock() + timedelta(days=3))
    again = {"route": Route.URGENT_CLINICAL, "urgency": Urgency.TODAY, "why": WHY}
    desk.queue.reroute(dora, case_id, **again)  # type: ignore[arg-type]  # As named.
    assert lane(desk, dora, case_id) is Lane.URGENT


@ONE_ENGINE
def test_the_worker_wakes_what_no_page_asks_for(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User], clock: Clock
) -> None:
    case_id = wrote(store, clinic)
    desk.together.snooze(staff["dora"], case_id, until=clock() + timedelta(hours=1))
    assert store.snoozes.round(by="worker") == 0
    clock.forward(timedelta(hours=1))
    assert store.counts.oldest(clinic=clinic).keys() >= {Waiting.SNOOZED}
    assert store.snoozes.round(by="worker") == 1
    assert store.cases.counts(clinic=clinic)[Lane.SNOOZED] == 0


@ONE_ENGINE
def test_urgent_unread_and_outgoing_cases_never_sleep(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User], clock: Clock
) -> None:
    dora, soon = staff["dora"], clock() + timedelta(hours=1)
    urgent = wrote(store, clinic, urgency=Urgency.TODAY, score=80, lane=Lane.URGENT)
    unread = wrote(store, clinic, lane=Lane.UNREADABLE, sender=Protected("x@y.example"))
    calm = wrote(store, clinic, sender=Protected("ana2@patients.example"))
    for case_id in (urgent, unread):
        with pytest.raises(NotAnswerable):
            desk.together.snooze(dora, case_id, until=soon)
    with pytest.raises(NotAnswerable):
        desk.together.snooze(dora, calm, until=clock() + timedelta(days=15))
    with pytest.raises(NotAnswerable):
        desk.together.snooze(dora, calm, until=clock())
    desk.queue.claim(staff["milo"], calm)
    with pytest.raises(AlreadyClaimed):
        desk.together.snooze(dora, calm, until=soon)
    assert store.cases.counts(clinic=clinic)[Lane.SNOOZED] == 0


def answered(desk: Desk, user: User, case_id: str) -> str:
    saved = desk.replies.save(user, case_id, subject=Protected("s"), body=Protected("b"))
    digest = saved.outgoing.digest
    proof = signing_key(user.id).prove(saved.id, digest)
    return desk.replies.approve(user, case_id, digest=digest, proof=proof).id


def test_a_reminder_sleeps_once_the_reply_has_left_and_comes_back_unanswered(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User], clock: Clock
) -> None:
    dora, case_id = staff["dora"], wrote(store, clinic)
    with pytest.raises(NotAnswerable):
        desk.together.remind(dora, case_id, days=3)
    reply_id = answered(desk, dora, case_id)
    until = desk.together.remind(dora, case_id, days=3)
    # Monday noon, so Thursday at eight.
    assert until == datetime(2026, 11, 5, 8, tzinfo=UTC)
    assert desk.queue.view(dora).counts[Lane.OUTGOING] == 1
    clock.forward(timedelta(minutes=1))
    store.replies.claim(reply_id, clinic=clinic, by="sender")
    store.replies.settle(reply_id, ReplyState.SENT, clinic=clinic, by="sender")
    assert desk.queue.view(dora).counts[Lane.SNOOZED] == 1
    clock.now = until
    (row,) = desk.queue.view(dora, lane=Lane.SORTED).rows
    assert row.beside.snooze is not None
    assert row.beside.snooze.woken_at == until
    desk.queue.claim(dora, case_id)
    desk.together.remind(dora, case_id, days=1)
    assert desk.queue.view(dora).counts[Lane.SNOOZED] == 1
    wrote(store, clinic)
    assert desk.queue.view(dora).counts[Lane.SNOOZED] == 0


@ONE_ENGINE
def test_a_reply_that_failed_never_sleeps(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User], clock: Clock
) -> None:
    dora, case_id = staff["dora"], wrote(store, clinic)
    reply_id = answered(desk, dora, case_id)
    desk.together.remind(dora, case_id, days=3)
    clock.forward(timedelta(minutes=1))
    store.replies.claim(reply_id, clinic=clinic, by="sender")
    store.replies.settle(reply_id, ReplyState.UNCERTAIN, clinic=clinic, by="sender")
    clock.forward(timedelta(days=9))
    assert desk.queue.view(dora).counts[Lane.OUTGOING] == 1


def test_working_days_leave_out_weekends_and_keep_the_clinic_s_clock() -> None:
    hours = OpeningHours({}, ZoneInfo("America/New_York"))
    friday = datetime(2026, 10, 30, 21, tzinfo=UTC)
    # The clocks go back on Sunday: eight in New York is thirteen in UTC.
    assert hours.morning_after(friday, 1) == datetime(2026, 11, 2, 13, tzinfo=UTC)
    assert hours.morning_after(friday, 5) == datetime(2026, 11, 6, 13, tzinfo=UTC)


def test_working_days_are_those_on_which_the_practice_opens() -> None:
    half_past, two, ten = time(7, 30), time(14), time(10)
    days = {0: (half_past, two), 2: (ten, two), 5: (ten, two)}
    zone, friday = ZoneInfo("America/New_York"), datetime(2026, 10, 30, 21, tzinfo=UTC)
    monday = date(2026, 11, 2)
    for holidays, expected in (
        # Saturday, before the clocks go back; then Monday, Wednesday and Saturday after it.
        (
            (),
            (datetime(2026, 10, 31, 14), datetime(2026, 11, 2, 12, 30), datetime(2026, 11, 4, 15)),
        ),
        (
            (monday,),
            (datetime(2026, 10, 31, 14), datetime(2026, 11, 4, 15), datetime(2026, 11, 7, 15)),
        ),
    ):
        hours = OpeningHours(days, zone, frozenset(holidays))
        found = tuple(hours.morning_after(friday, count) for count in (1, 2, 3))
        assert found == tuple(one.replace(tzinfo=UTC) for one in expected)
    # Once a week is twenty weeks; a practice that is shut for good still gets its reminder.
    weekly = OpeningHours({0: (half_past, two)}, zone)
    assert weekly.morning_after(friday, 20) == datetime(2027, 3, 15, 11, 30, tzinfo=UTC)
    shut = frozenset(monday + timedelta(days=count) for count in range(-9, 400))
    for hours in (OpeningHours(days, zone, shut), OpeningHours({}, zone, shut)):
        assert hours.morning_after(friday, 1) == datetime(2026, 11, 2, 13, tzinfo=UTC)


@ONE_ENGINE
def test_a_reminder_counts_the_hours_and_holidays_of_the_practice(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User]
) -> None:
    dora, case_id = staff["dora"], wrote(store, clinic)
    answered(desk, dora, case_id)
    # Monday noon: Tuesday is a holiday, and on Wednesdays nobody is there.
    days = dict.fromkeys(("monday", "tuesday", "thursday", "friday"), "09:15-17:00")
    value = {"days": days, "holidays": ["2026-11-03"]}
    store.practice.change(Setting.HOURS, value, seen=0, clinic=clinic, by=dora.id)
    until = desk.together.remind(dora, case_id, days=1)
    assert until == datetime(2026, 11, 5, 9, 15, tzinfo=UTC)


@ONE_ENGINE
def test_a_writer_asks_and_the_words_come_back_with_a_remark(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User], clock: Clock
) -> None:
    wim, nia, case_id = staff["wim"], staff["nia"], wrote(store, clinic)
    with pytest.raises(TriageError):
        desk.together.ask(wim, case_id, words=Protected(""))
    desk.replies.save(wim, case_id, subject=Protected("s"), body=Protected("b"))
    clock.forward(timedelta(minutes=1))
    desk.queue.claim(wim, case_id)
    desk.together.ask(wim, case_id, words=Protected("is this right?"))
    assert desk.queue.open(nia, case_id).claimed_by is None, "the approver is shut out"
    ((ask, row),) = desk.together.mine(nia).asked
    assert (ask.by, row.case.id) == (wim.id, case_id)
    assert desk.together.mine(wim).asked == ()
    desk.together.give_back(nia, case_id, words=Protected("say when"))
    assert desk.together.mine(nia).asked == ()
    ((mention, _),) = desk.together.mine(wim).mentions
    assert mention.note.kind is NoteKind.REMARK
    desk.together.ask(wim, case_id, words=Protected(""))
    clock.forward(timedelta(minutes=1))
    # Other words are not the ones that were asked for.
    desk.replies.save(wim, case_id, subject=Protected("s"), body=Protected("other"))
    assert desk.together.mine(nia).asked == ()
    desk.together.ask(wim, case_id, words=Protected(""))
    answered(desk, staff["dora"], case_id)
    assert desk.together.mine(nia).asked == ()


def test_a_saved_view_counts_what_it_shows(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User]
) -> None:
    sam, dora = staff["sam"], staff["dora"]
    for number, route in enumerate((Route.REFILL, Route.RESULTS, Route.GENERAL, Route.RESULTS)):
        also = frozenset({Route.REFILL}) if number == 1 else frozenset[Route]()
        sorted_in = Lane.UNSORTED if number == 3 else Lane.SORTED
        wrote(
            store, clinic, route=route, also=also, lane=sorted_in, sender=Protected("x@y.example")
        )
    team = desk.teams.put_team(sam, called="Pharmacy", members=[dora.id])
    refills = desk.teams.put_view(sam, called="Refills", team_id=team.id, routes=[Route.REFILL])
    unsorted = desk.teams.put_view(
        sam, called="Results to sort", routes=[Route.RESULTS], lanes=[Lane.UNSORTED]
    )
    for view, count in ((refills, 2), (unsorted, 1)):
        shown = desk.queue.view(dora, saved=view.id)
        assert (len(shown.rows), shown.in_views[view.id]) == (count, count)
    assert sum(desk.queue.view(dora).counts.values()) == 4
    with pytest.raises(NotFound):
        desk.queue.view(staff["milo"], saved=refills.id)
    desk.teams.remove_view(sam, refills.id)
    with pytest.raises(NotFound):
        desk.queue.view(dora, saved=refills.id)
    with pytest.raises(NotAllowed):
        desk.teams.put_view(dora, called="Mine")
