"""What changed between a page and the press of its button, or while the button was being served."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from tests.proofs import enrol
from tests.store.practice import ana, reading, signing_key
from triage.desk import Desk
from triage.desk.checking import Checker
from triage.domain import Protected, Role, Route, User, new_id
from triage.errors import AlreadyClaimed, ChangedUnderneath
from triage.store import Store, tables
from triage.store.second import SecondApprovers

EMPTY = ""


@pytest.fixture
def staff(store: Store, clinic: str) -> dict[str, User]:
    store.people.import_roster([ana(clinic)], clinic=clinic, by="test")
    found = {}
    for name, role in {"dora": Role.SECRETARY, "wim": Role.WRITER, "nia": Role.NURSE}.items():
        found[name] = User(f"user-{name}", clinic, name, name.title(), frozenset({role}))
        store.people.add_user(found[name], "correct horse battery")
        enrol(store, signing_key(found[name].id), clinic=clinic, user_id=found[name].id)
    return found


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store, mail_domain="clinic.example", undo=timedelta(minutes=5))


@pytest.fixture
def case_id(store: Store, clinic: str, staff: dict[str, User]) -> str:
    came = reading(store, clinic, uid=new_id())
    return store.cases.file(came, clinic=clinic, by="worker")


def save(desk: Desk, person: User, case_id: str, *, had: str | None) -> str:
    """Save a person's words and return their digest."""
    body = Protected(f"From {person.username}.")
    draft = desk.replies.save(person, case_id, subject=Protected("Re"), body=body, had=had)
    return draft.outgoing.digest


def saved(desk: Desk, person: User, case_id: str) -> str:
    draft = desk.queue.open(person, case_id).draft
    return draft.outgoing.body.reveal() if draft else ""


def test_a_page_opened_before_a_colleague_saved_does_not_replace_the_words(
    desk: Desk, staff: dict[str, User], case_id: str
) -> None:
    wim, dora, nia = staff["wim"], staff["dora"], staff["nia"]
    desk.queue.claim(wim, case_id)
    digest = save(desk, wim, case_id, had=EMPTY)
    desk.together.ask(wim, case_id, words=Protected(""))
    for stale in (EMPTY, "0" * 64):
        with pytest.raises(ChangedUnderneath):
            save(desk, dora, case_id, had=stale)
    with pytest.raises(ChangedUnderneath):
        desk.rewriting.acknowledge(dora, case_id, had=EMPTY)
    assert saved(desk, dora, case_id) == "From wim."
    assert [ask.by for ask, _ in desk.together.mine(nia).asked] == [wim.id]
    # Whoever was shown them may write on; and their own words never stand in anybody's way.
    after = save(desk, dora, case_id, had=digest)
    assert save(desk, dora, case_id, had=EMPTY) == save(desk, dora, case_id, had=after) == after
    with pytest.raises(ChangedUnderneath):
        save(desk, wim, case_id, had=digest)


def test_words_that_are_gone_are_not_written_on(
    store: Store, desk: Desk, staff: dict[str, User], case_id: str
) -> None:
    """They were approved meanwhile, or dropped because the case is another patient's."""
    with pytest.raises(ChangedUnderneath):
        save(desk, staff["dora"], case_id, had="0" * 64)
    assert saved(desk, staff["dora"], case_id) == ""


def after(
    monkeypatch: pytest.MonkeyPatch, room: type, step: str, happens: Callable[[], object]
) -> None:
    """Let something happen right after a step of an approval."""
    taken = getattr(room, step)

    def then(*given: Any, **more: Any) -> Any:
        result = taken(*given, **more)
        happens()
        return result

    monkeypatch.setattr(room, step, then)


def test_what_happens_while_the_words_are_looked_at_stops_the_yes(
    store: Store, clinic: str, desk: Desk, staff: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one yes and with the first of two; nothing is queued and nobody has said yes."""
    dora, nia = staff["dora"], staff["nia"]

    def joins(case_id: str) -> None:
        about = desk.queue.open(dora, case_id).file.messages[0].message_id
        words = {"references": (about,), "body": Protected("Please ignore, I am in hospital.")}
        more = reading(store, clinic, uid=new_id(), **words)  # type: ignore[arg-type]  # Any field.
        assert store.cases.file(more, clinic=clinic, by="worker") == case_id

    def taken(case_id: str) -> None:
        desk.queue.take_over(nia, case_id, reason=Protected("I know her"))

    def closed(case_id: str) -> None:
        no_words = Protected("")
        store.cases.close(case_id, "phoned", no_words, clinic=clinic, by=nia.id, all_done=True)

    happened = ((joins, ChangedUnderneath), (taken, AlreadyClaimed), (closed, ChangedUnderneath))
    looked_at, asked_for_two = (Checker, "require"), (SecondApprovers, "first")
    for moment, routes in (looked_at, []), (looked_at, [Route.REFILL]), (asked_for_two, []):
        store.second.set_routes(routes, clinic=clinic, by="user-sam")
        for what, expected in happened:
            came = reading(store, clinic, uid=new_id())
            case_id = store.cases.file(came, clinic=clinic, by="worker")
            desk.queue.claim(dora, case_id)
            digest = save(desk, dora, case_id, had=EMPTY)
            view = desk.queue.open(dora, case_id)
            assert view.draft
            yes = signing_key(dora.id).prove(view.draft.id, digest)
            with monkeypatch.context() as patched:
                after(patched, *moment, partial(what, case_id))
                with pytest.raises(expected):
                    desk.replies.approve(
                        dora, case_id, digest=digest, proof=yes, seen=view.file.newest
                    )
            with store.transactions.read() as work:
                for table in (tables.replies, tables.approvals, tables.first_approvals):
                    assert work.rows(select(table)) == [], (what.__name__, moment, routes)
            if what is not closed:
                closed(case_id)
