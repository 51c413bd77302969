"""Who gets in, with what, and how long everybody else waits; on both engines, by a set clock."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from tests.small_practice import (
    CLINIC,
    NOW,
    NURSE,
    SCIENTIST,
    SECRETARY,
    STRANGER,
    SUPERVISOR,
    WRITER,
)
from triage.desk import Desk, needs_second_factor
from triage.desk.signing import Entry, neighbourhood
from triage.domain import Role, User, Vouched
from triage.errors import (
    CodeWanted,
    EnrolmentWanted,
    NotAllowed,
    NotFound,
    NotSignedIn,
    NotYourself,
    TooManyTries,
)
from triage.store import Store
from triage.store.totp import STEP, code_at, unspelled

PASSWORD = "correct horse battery staple"
ADMIN = User("u-adm", "c1", "ada", "Ada", frozenset({Role.ADMINISTRATOR}))
OTHER_ADMIN = User("u-ad2", "c1", "abe", "Abe", frozenset({Role.ADMINISTRATOR}))
STAFF = (SECRETARY, SUPERVISOR, SCIENTIST, NURSE, WRITER, ADMIN, OTHER_ADMIN)


@dataclass
class Door:
    """A desk with a clock of its own, and everybody's authenticator apps."""

    store: Store
    now: datetime = NOW
    apps: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.desk = Desk(self.store, clock=lambda: self.now)

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)

    def knock(self, user: User, password: str = PASSWORD, **where: str) -> Entry:
        return self.desk.signing.sign_in(user.username, password, **where)

    def fail(self, times: int, username: str = SECRETARY.username, **where: str) -> float:
        """Fail so often, as soon as one may, and return how long all of it took, in seconds."""
        began = self.now
        for _ in range(times):
            while True:
                try:
                    self.desk.signing.sign_in(username, "wrong", **where)
                except NotSignedIn:
                    break
                except TooManyTries as tries:
                    self.wait(seconds=tries.seconds)
        return (self.now - began).total_seconds()

    def code(self, user: User, *, late: int = 0) -> str:
        return code_at(unspelled(self.apps[user.id]), self.now + timedelta(seconds=STEP * late))

    def enrol(self, user: User) -> Entry:
        token = self.knock(user).token
        self.apps[user.id] = self.desk.signing.offer(token)
        return self.desk.signing.enrol(token, self.code(user))

    def enter(self, user: User, **where: str) -> Entry:
        """Sign in with a fresh code."""
        self.wait(seconds=STEP)
        entry = self.knock(user, **where)
        return self.desk.signing.give_code(
            entry.token, self.code(user), browser=where.get("browser", "")
        )

    def actions(self) -> list[str]:
        return [event.action for event in self.store.audit.events(clinic="c1", by="test")]


@pytest.fixture
def door(store: Store) -> Iterator[Door]:
    store.people.add_clinic(CLINIC)
    for user in STAFF:
        store.people.add_user(user, PASSWORD)
    return Door(store)


def test_who_approves_or_administers_needs_a_second_factor() -> None:
    need = {user.username for user in (*STAFF, STRANGER) if needs_second_factor(user)}
    assert need == {"dana", "sam", "nia", "ada", "abe", "eve"}


def test_without_an_app_one_can_do_nothing_but_enrol(door: Door) -> None:
    token = door.knock(SECRETARY).token
    with pytest.raises(EnrolmentWanted):
        door.desk.who(token)
    with pytest.raises(NotSignedIn):
        door.desk.signing.give_code(token, "000000")
    entry = door.enrol(SECRETARY)
    assert door.desk.who(entry.token) == SECRETARY
    assert door.desk.who(door.knock(WRITER).token) == WRITER
    assert {"factor.offered", "factor.enrolled", "session.opened"} <= set(door.actions())


def test_the_token_changes_at_each_step_and_the_old_one_is_dead(door: Door) -> None:
    door.enrol(SECRETARY)
    door.wait(seconds=STEP)
    half = door.knock(SECRETARY).token
    with pytest.raises(CodeWanted):
        door.desk.who(half)
    whole = door.desk.signing.give_code(half, door.code(SECRETARY)).token
    assert half != whole
    assert door.desk.who(whole) == SECRETARY
    with pytest.raises(NotSignedIn) as dead:
        door.desk.who(half)
    assert type(dead.value) is NotSignedIn


def test_a_code_works_once(door: Door) -> None:
    door.enrol(SECRETARY)
    used = door.code(SECRETARY)
    for _ in range(2):
        with pytest.raises(NotSignedIn):
            # Not even the code that enrolled.
            door.desk.signing.give_code(door.knock(SECRETARY).token, used)
        door.wait(seconds=STEP)
        used = door.code(SECRETARY)
        first, second = door.knock(SECRETARY).token, door.knock(SECRETARY).token
        door.desk.signing.give_code(first, used)
        with pytest.raises(NotSignedIn):
            door.desk.signing.give_code(second, used)


def test_a_store_that_forgets_the_step_would_be_noticed(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: without the newer-than check the same code opens twice."""
    from triage.store import totp

    real = totp.matching_step
    door.enrol(SECRETARY)
    monkeypatch.setattr(
        totp, "matching_step", lambda s, c, *, now, after: real(s, c, now=now, after=-1)
    )
    with pytest.raises(NotSignedIn):
        # The row itself still refuses a step that is not newer.
        door.desk.signing.give_code(door.knock(SECRETARY).token, door.code(SECRETARY))
    monkeypatch.setattr(totp, "matching_step", lambda s, c, *, now, after: after + 1)
    token = door.desk.signing.give_code(door.knock(SECRETARY).token, door.code(SECRETARY)).token
    assert door.desk.who(token) == SECRETARY


def test_each_session_is_offered_a_secret_of_its_own_and_only_one_is_kept(door: Door) -> None:
    mine, theirs = door.knock(SECRETARY).token, door.knock(SECRETARY).token
    offered = {token: door.desk.signing.offer(token) for token in (mine, theirs)}
    assert offered[mine] == door.desk.signing.offer(mine)
    assert offered[mine] != offered[theirs]
    now = {token: code_at(unspelled(secret), door.now) for token, secret in offered.items()}
    with pytest.raises(NotSignedIn):
        door.desk.signing.enrol(mine, now[theirs])
    door.desk.signing.enrol(mine, now[mine])
    for refused in (lambda: door.desk.signing.enrol(theirs, now[theirs]),
                    lambda: door.desk.signing.offer(theirs)):  # fmt: skip
        with pytest.raises(NotAllowed):
            refused()


def test_the_secret_is_sealed_in_the_store(door: Door) -> None:
    door.knock(NURSE)
    door.enrol(SECRETARY)
    raw = unspelled(door.apps[SECRETARY.id])
    with door.store._transactions.read() as work:
        from sqlalchemy import select

        from triage.store import tables

        rows = work.rows(select(tables.second_factors)) + work.rows(select(tables.sessions))
    assert rows
    kept = (
        b"".join(value.stored for row in rows for value in row if hasattr(value, "stored"))
        + repr(rows).encode()
    )
    assert raw not in kept
    assert door.apps[SECRETARY.id].encode() not in kept


def test_a_half_open_session_ends_after_ten_minutes(door: Door) -> None:
    token = door.knock(SECRETARY).token
    door.desk.signing.offer(token)
    door.wait(minutes=10)
    for attempt in (door.desk.who, door.desk.signing.arriving, door.desk.signing.offer):
        with pytest.raises(NotSignedIn) as ended:
            attempt(token)
        assert type(ended.value) is NotSignedIn


def test_only_another_administrator_replaces_a_lost_app(door: Door) -> None:
    token = door.enrol(SECRETARY).token
    door.enrol(ADMIN)
    for actor in (SECRETARY, SUPERVISOR, NURSE, WRITER, SCIENTIST):
        with pytest.raises(NotAllowed):
            door.desk.people.forget_authenticator(actor, SECRETARY.id)
    with pytest.raises(NotYourself):
        door.desk.people.forget_authenticator(ADMIN, ADMIN.id)
    with pytest.raises(NotFound):
        door.desk.people.forget_authenticator(STRANGER_ADMIN, SECRETARY.id)
    door.desk.people.forget_authenticator(ADMIN, SECRETARY.id)
    with pytest.raises(NotSignedIn):
        door.desk.who(token)
    assert "factor.forgotten" in door.actions()
    with pytest.raises(EnrolmentWanted):
        door.desk.who(door.knock(SECRETARY).token)


STRANGER_ADMIN = User("u-far", "c2", "far", "Far", frozenset({Role.ADMINISTRATOR}))


def test_a_disabled_person_is_out_at_once_at_every_step(door: Door) -> None:
    whole = door.enrol(SECRETARY).token
    door.wait(seconds=STEP)
    half = door.knock(SECRETARY).token
    door.desk.people.set_active(ADMIN, SECRETARY.id, False)
    code = door.code(SECRETARY)
    for attempt in (
        lambda: door.desk.who(whole),
        lambda: door.desk.who(whole, watching=True),
        lambda: door.desk.signing.give_code(half, code),
        lambda: door.knock(SECRETARY),
    ):
        with pytest.raises(NotSignedIn):
            attempt()


def test_watching_keeps_nobody_signed_in(door: Door) -> None:
    token = door.enrol(SECRETARY).token
    for _ in range(29):
        door.wait(seconds=30)
        assert door.desk.who(token, watching=True) == SECRETARY
    door.wait(seconds=30)
    with pytest.raises(NotSignedIn):
        door.desk.who(token, watching=True)
    # Sabotage: were a poll a sign of life, the same 15 minutes would not end the session.
    alive = door.enter(SECRETARY).token
    for _ in range(31):
        door.wait(seconds=30)
        assert door.desk.who(alive) == SECRETARY


def test_the_wait_doubles_and_ends_at_fifteen_minutes(door: Door) -> None:
    took = [door.fail(1, address="203.0.113.7") for _ in range(16)]
    # A try falls due one second after the wait, because nobody is told fractions.
    assert took[:5] == [0, 0, 0, 0, 0]
    assert [round(seconds - 1) for seconds in took[5:14]] == [2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert {round(seconds - 1) for seconds in took[14:]} == {900}


def test_waiting_people_are_refused_unseen_and_asking_costs_nothing(door: Door) -> None:
    door.fail(8, address="203.0.113.7")
    before = door.actions().count("session.refused")
    waits = []
    for _ in range(5):
        with pytest.raises(TooManyTries) as told:
            door.knock(SECRETARY, address="203.0.113.7")
        waits.append(told.value.seconds)
    assert waits == [17] * 5
    assert door.actions().count("session.refused") == before == 8
    door.wait(seconds=17)
    assert door.knock(SECRETARY, address="203.0.113.7").token


def test_one_address_never_makes_a_person_elsewhere_wait(door: Door) -> None:
    """A day of failing as fast as one may leaves the account open from every other address."""
    began = door.now
    while door.now - began < timedelta(hours=24):
        door.fail(1, address="203.0.113.7")
        assert door.knock(SECRETARY, address="198.51.100.9").token


def test_a_known_browser_waits_for_nobody_else(door: Door) -> None:
    browser = door.enrol(SECRETARY).browser
    assert browser
    for number in range(60):
        door.fail(1, address=f"198.51.100.{number}")
    with pytest.raises(TooManyTries):
        door.knock(SECRETARY, address="192.0.2.1")
    # A token somebody made up is no known browser, nor is this one for another person.
    for user, token in ((SECRETARY, "x" * 43), (SECRETARY, "")):
        with pytest.raises(TooManyTries):
            door.knock(user, address="192.0.2.1", browser=token)
    entry = door.enter(SECRETARY, address="192.0.2.1", browser=browser)
    assert door.desk.who(entry.token) == SECRETARY
    # It has patience of its own, so that whoever took the computer cannot guess for free.
    assert door.fail(6, browser=browser) > 0


def test_strangers_wait_five_minutes_at_most_however_many_they_are(door: Door) -> None:
    longest = 0
    for number in range(200):
        try:
            door.desk.signing.sign_in("dana", "wrong", address=f"10.0.{number}.1")
        except NotSignedIn:
            continue
        except TooManyTries as tries:
            longest = max(longest, tries.seconds)
            door.wait(seconds=tries.seconds)
    assert 240 < longest <= 301


def test_one_address_that_tries_many_names_waits(door: Door) -> None:
    waited = [
        door.fail(1, f"nobody-{number}", address=f"2001:db8:1:2::{number:x}")
        for number in range(24)
    ]
    assert waited[:21] == [0] * 21
    assert all(waited[21:])


def test_failures_are_forgiven_with_time(door: Door) -> None:
    door.fail(30, address="203.0.113.7")
    door.wait(hours=24)
    assert door.fail(5, address="203.0.113.7") == 0


def test_guessing_codes_waits_too_and_not_for_the_person_s_own_browser(door: Door) -> None:
    browser = door.enrol(SECRETARY).browser
    # Somebody has the password.
    token = door.knock(SECRETARY, address="203.0.113.7").token
    guesses, began = 0, door.now
    while door.now - began < timedelta(minutes=9):
        try:
            door.desk.signing.give_code(token, "000000")
        except TooManyTries as tries:
            door.wait(seconds=tries.seconds)
        except NotSignedIn:
            guesses += 1
    assert guesses <= 13
    assert door.actions().count("factor.refused") == guesses
    entry = door.enter(SECRETARY, address="203.0.113.8", browser=browser)
    assert door.desk.who(entry.token) == SECRETARY


def test_names_nobody_has_are_told_and_checked_like_those_somebody_has(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same answers, same waits, one hash and as many statements: nothing shows who exists."""
    from triage.store import passwords

    hashes: list[str] = []
    real = passwords._hasher()

    class Counting:
        def verify(self, hashed: str, password: str) -> bool:
            hashes.append(hashed)
            return real.verify(hashed, password)

    monkeypatch.setattr(passwords, "_hasher", Counting)
    door.desk.people.set_active(ADMIN, NURSE.id, False)
    seen = {
        name: (
            answers(door, name, f"203.0.113.{number}"),
            statements(door, name, f"192.0.2.{number}"),
        )
        for number, name in enumerate(("dana", "nobody", "nia", "", "\ud800", "da\0na"))
    }
    assert len({repr(what) for what in seen.values()}) == 1
    assert len(hashes) % len(seen) == 0


def answers(door: Door, name: str, address: str) -> list[str]:
    said = []
    for _ in range(9):
        try:
            door.desk.signing.sign_in(name, "wrong", address=address)
        except (NotSignedIn, TooManyTries) as refused:
            said.append(f"{type(refused).__name__} {refused}")
    return said


def statements(door: Door, name: str, address: str) -> int:
    from sqlalchemy import event

    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    engine = door.store._transactions._engine
    event.listen(engine, "before_cursor_execute", counted)
    with pytest.raises(NotSignedIn):
        door.desk.signing.sign_in(name, "wrong", address=address)
    event.remove(engine, "before_cursor_execute", counted)
    return count


def test_failed_log_ins_are_in_the_audit_and_the_typed_name_is_nowhere(door: Door) -> None:
    door.fail(1, "dana")
    door.fail(1, "my secret password")
    events = door.store.audit.events(clinic="c1", by="test", action="session.refused")
    assert [(event.actor, event.detail) for event in events] == [("stranger", {"user": "u-sec"})]
    everywhere = door.store.audit.events(clinic="", by="test", action="session.refused")
    assert [(event.actor, event.detail) for event in everywhere] == [("stranger", {})]
    with door.store._transactions.read() as work:
        from sqlalchemy import select

        from triage.store import tables

        assert "secret" not in repr(work.rows(select(tables.log_in_tries)))
    assert door.store.audit.verify().holds


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9%eth0", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_an_outsider_holds_one_place(address: str, place: str) -> None:
    assert neighbourhood(address) == place


NEW = "lavender otter brisk nine"


def left_open(door: Door, user: User) -> str:
    """Return a whole session through the organisation's log-in; its password was never used."""
    door.store.people.set_password(user.id, PASSWORD, clinic="c1", by=ADMIN.id)
    door.store.accounts.link(user.id, "https://idp.example", f"sub-{user.id}", clinic="c1", by="t")
    said = Vouched("https://idp.example", f"sub-{user.id}", factor=True)
    token = door.store.accounts.enter(said, clinic="c1", now=door.now)
    assert door.desk.who(token).id == user.id
    return token


def test_a_session_left_open_takes_no_password_without_the_present_one(door: Door) -> None:
    """It would open the door from anywhere, for good, with an app of whoever sat down at it."""
    token = left_open(door, SECRETARY)
    with pytest.raises(NotAllowed):
        door.desk.signing.choose_password(token, NEW)
    with pytest.raises(NotAllowed):
        # The store asks for itself.
        door.store.accounts.choose_password(token, NEW, old=None, now=door.now)
    with pytest.raises(NotSignedIn):
        door.desk.signing.change_password(token, "wrong", NEW)
    with pytest.raises(NotSignedIn):
        door.knock(SECRETARY, NEW)
    fresh = door.desk.signing.change_password(token, PASSWORD, NEW).token
    assert door.desk.who(fresh) == SECRETARY
    with pytest.raises(NotAllowed):
        door.desk.signing.choose_password(fresh, PASSWORD)


@pytest.mark.parametrize("who", [SECRETARY, WRITER], ids=["elsewhere", "password alone"])
def test_a_session_left_open_takes_no_app_of_whoever_sits_down_at_it(door: Door, who: User) -> None:
    token = left_open(door, who) if who is SECRETARY else door.knock(who).token
    assert door.desk.signing.wants_password(token)
    for password in ("", "wrong"):
        with pytest.raises(NotSignedIn):
            door.desk.signing.offer(token, password)
    with pytest.raises(NotSignedIn):
        door.desk.signing.enrol(token, "000000")
    assert "factor.offered" not in door.actions()
    assert "password.refused" in door.actions()
    door.apps[who.id] = door.desk.signing.offer(token, PASSWORD)
    whole = door.desk.signing.enrol(token, door.code(who)).token
    assert door.desk.who(whole).id == who.id
    assert not door.desk.signing.wants_password(whole)


def test_guessing_the_present_password_before_an_app_waits_like_on_one_s_own_page(
    door: Door,
) -> None:
    token = door.knock(WRITER).token
    for _ in range(5):
        with pytest.raises(NotSignedIn):
            door.desk.signing.offer(token, "wrong")
    with pytest.raises(TooManyTries):
        door.desk.signing.offer(token, PASSWORD)
