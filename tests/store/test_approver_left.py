"""What somebody approved who works here no more: taken back, or stopped where it would leave."""

from collections.abc import Callable

import pytest
from sqlalchemy import Select, select, update

from tests.store.practice import NOON, add_staff, approval, draft, queued, reading
from tests.store.test_second import RECORDS, asked, queue, staff, yes
from triage.desk import Desk
from triage.domain import CaseState, Lane, Protected, ReplyState, Role, User, new_id
from triage.errors import ChangedUnderneath, SecondApprover, StoreRefused
from triage.store import Keys, Store, second, tables
from triage.store.engine import connect

__all__ = ["staff"]
ADA = User("user-ada", "clinic-a", "ada", "Ada", frozenset({Role.ADMINISTRATOR}))

Leaves = Callable[[Store, str], None]
LEAVING: dict[str, Leaves] = {
    "shut_out": lambda store, who: Desk(store).people.set_active(ADA, who, False),
    "role_taken": lambda store, who: Desk(store).people.set_roles(ADA, who, [Role.WRITER]),
}


@pytest.mark.parametrize("why", LEAVING)
def test_what_somebody_approved_comes_back_when_they_are_shut_out(
    store: Store, clinic: str, why: str
) -> None:
    dora, milo = add_staff(store, clinic), add_staff(store, clinic, "milo")
    reply = queued(store, clinic)
    case_id = reply.outgoing.case_id
    other = store.cases.file(reading(store, clinic, uid=new_id()), clinic=clinic, by="worker")
    words = draft(store, clinic, other)
    stays = approval(words, approver=milo.id)
    store.replies.approve(stays, words, not_before=NOON, message_id="<m@x.example>")
    for part in store.cases.get(case_id, clinic=clinic, by="t").case.requests:
        store.cases.tick(case_id, part.id, clinic=clinic, by=dora.id)
    store.cases.close(case_id, "phoned", Protected("done"), clinic=clinic, by=dora.id)
    LEAVING[why](store, dora.id)
    assert store.replies.get(reply.id, clinic=clinic, by="t").state is ReplyState.RECALLED
    assert store.replies.claim(reply.id, clinic=clinic, by="sender") is None
    case = store.cases.get(case_id, clinic=clinic, by="t").case
    assert (case.state, case.lane) == (CaseState.OPEN, Lane.SORTED)
    again = store.replies.draft(case_id, clinic=clinic, by=milo.id)
    assert again is not None
    assert again.outgoing == reply.outgoing
    (event,) = store.audit.events(clinic=clinic, by="t", action="reply.recalled")
    said = {"reply": reply.id, "why": why, "user": dora.id}
    assert (event.actor, event.detail, event.cases) == (ADA.id, said, (case_id,))
    # What a colleague approved goes on, and a colleague approves what came back.
    assert store.replies.claim(stays.reply_id, clinic=clinic, by="sender") is not None
    fresh = approval(again, approver=milo.id)
    store.replies.approve(fresh, again, not_before=NOON, message_id="<n@x.example>")
    assert store.replies.claim(fresh.reply_id, clinic=clinic, by="sender") is not None


def test_another_role_that_approves_takes_nothing_back(store: Store, clinic: str) -> None:
    reply = queued(store, clinic)
    Desk(store).people.set_roles(ADA, "user-dora", [Role.NURSE, Role.WRITER])
    assert store.replies.claim(reply.id, clinic=clinic, by="sender") is not None


def test_what_was_being_sent_stays_and_is_stopped_when_it_comes_back(
    store: Store, clinic: str
) -> None:
    reply = queued(store, clinic)
    assert store.replies.claim(reply.id, clinic=clinic, by="sender") is not None
    LEAVING["shut_out"](store, "user-dora")
    assert store.replies.get(reply.id, clinic=clinic, by="t").state is ReplyState.SENDING
    store.replies.settle(reply.id, ReplyState.QUEUED, clinic=clinic, by="sender")
    assert store.replies.claim(reply.id, clinic=clinic, by="sender") is None
    found = store.replies.get(reply.id, clinic=clinic, by="t")
    assert (found.state, found.why) == (ReplyState.FAILED, Protected("approver_left"))
    assert store.cases.get(reply.outgoing.case_id, clinic=clinic, by="t").case.state == "open"


def test_words_that_do_not_open_keep_nobody_in(
    store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    reply, replies = queued(store, clinic), tables.replies
    engine = connect(store_url, keys, owner=True)
    with engine.connect() as connection:
        on = "" if engine.dialect.name == "sqlite" else " ON replies"
        connection.exec_driver_sql(f"DROP TRIGGER guard_replies_approved_words_stay_update{on}")
        mine = update(replies).where(replies.c.id == reply.id)
        connection.execute(mine.values(body=replies.c.subject))
        connection.commit()
    engine.dispose()
    LEAVING["shut_out"](store, "user-dora")
    assert not store.people.user("user-dora").active
    assert store.replies.claim(reply.id, clinic=clinic, by="sender") is None
    with store._transactions.read() as work:
        row = work.one(select(replies.c.state).where(replies.c.id == reply.id), "reply")
    assert row.state == ReplyState.FAILED.value


def everybody(clinic: str) -> Select[tuple[str]]:
    return select(tables.users.c.id).where(tables.users.c.clinic == clinic)


def test_a_first_yes_of_somebody_shut_out_since_counts_for_nobody(
    store: Store, clinic: str, staff: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    dora, milo = staff
    sam = add_staff(store, clinic, "sam")
    case_id, words = asked(store, clinic)
    assert store.second.first(yes(words, dora), words)
    # By whatever way: the page for it also gives the words a new id, as the next test says.
    with store.transactions.write() as work:
        work.run(update(tables.users).where(tables.users.c.id == dora.id).values(active=False))
    assert store.second.said(words, clinic=clinic, by=milo.id) == (True, frozenset())
    about = store.colleagues.about(case_id, clinic=clinic, by=milo.id, now=NOON)
    assert (about.needs_two, about.first) == (True, None)
    with pytest.raises(SecondApprover):
        queue(store, words, yes(words, milo))
    with monkeypatch.context() as blind:
        blind.setattr(second, "_staff", everybody)
        # The database asks for itself.
        with pytest.raises(StoreRefused, match="two must approve"):
            queue(store, words, yes(words, milo))
    assert store.second.first(yes(words, milo), words)
    assert queue(store, words, yes(words, sam)).state is ReplyState.QUEUED


@pytest.mark.parametrize("why", LEAVING)
def test_a_first_yes_is_asked_for_anew_when_who_said_it_may_not_any_more(
    store: Store, clinic: str, staff: tuple[User, User], why: str
) -> None:
    dora, milo = staff
    case_id, words = asked(store, clinic)
    assert store.second.first(yes(words, dora), words)
    LEAVING[why](store, dora.id)
    with pytest.raises(ChangedUnderneath):
        queue(store, words, yes(words, milo))
    again = store.replies.draft(case_id, clinic=clinic, by=milo.id)
    assert again is not None
    assert (again.outgoing, again.id != words.id) == (words.outgoing, True)
    with pytest.raises(SecondApprover):
        queue(store, again, yes(again, milo))
    assert store.second.first(yes(again, milo), again)


@pytest.mark.parametrize("leaves", [0, 1], ids=["the first", "the second"])
def test_what_two_approved_comes_back_whoever_of_them_leaves(
    store: Store, clinic: str, staff: tuple[User, User], leaves: int
) -> None:
    dora, milo = staff
    case_id, words = asked(store, clinic, route=RECORDS)
    assert store.second.first(yes(words, dora), words)
    reply = queue(store, words, yes(words, milo))
    LEAVING["shut_out"](store, staff[leaves].id)
    assert store.replies.get(reply.id, clinic=clinic, by="t").state is ReplyState.RECALLED
    again = store.replies.draft(case_id, clinic=clinic, by="t")
    assert again is not None
    # Neither yes counts for the words that came back.
    assert again.id != words.id
