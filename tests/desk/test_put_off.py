"""A case that is put off while its reply is on the way never sinks for good."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.small_practice import SECRETARY, approve, mail_from, move_in, receive
from triage.desk import Desk
from triage.domain import Lane, ReplyState, Waiting
from triage.errors import NotAnswerable
from triage.store import Store, snoozes, tables

pytestmark = pytest.mark.bar(31)


def tier(store: Store, case_id: str) -> int:
    with store.transactions.read() as work:
        query = select(tables.cases.c.tier).where(tables.cases.c.id == case_id)
        return int(work.one(query, "case").tier)


@pytest.mark.parametrize("how", [ReplyState.FAILED, ReplyState.UNCERTAIN, ReplyState.SENT])
def test_a_case_is_put_off_only_after_its_reply(
    store: Store, monkeypatch: pytest.MonkeyPatch, how: ReplyState
) -> None:
    move_in(store)
    now = store.transactions.clock()
    desk = Desk(store, undo=timedelta(seconds=-1), mail_domain="c.example")
    (case_id,) = receive(store, mail_from(1, "refill", message_id="<1@patients.example>"))
    reply_id = approve(desk, case_id)
    more = b"References: <1@patients.example>\r\n" + mail_from(1, "and one thing more")
    assert receive(store, more) == [case_id]
    until = now + timedelta(days=3)
    with pytest.raises(NotAnswerable):
        desk.together.snooze(SECRETARY, case_id, until=until)
    with monkeypatch.context() as patch:
        # Put off all the same, as before a reply was asked about: it comes back at once.
        patch.setattr(snoozes, "_UNSETTLED", frozenset())
        desk.together.snooze(SECRETARY, case_id, until=until)
    store.replies.claim(reply_id, clinic="c1", by="sender")
    store.replies.settle(reply_id, how, clinic="c1", by="sender", why="x")
    assert tier(store, case_id) < 0
    store.snoozes.round(by="worker", now=now)
    assert tier(store, case_id) >= 0
    lane = Lane.SORTED if how is ReplyState.SENT else Lane.OUTGOING
    assert desk.queue.view(SECRETARY, lane=lane).rows[0].case.id == case_id
    if how is ReplyState.FAILED:
        assert Waiting.FAILED in store.counts.oldest(clinic="c1")
    elif how is ReplyState.SENT:
        desk.together.snooze(SECRETARY, case_id, until=until)
        assert store.snoozes.round(by="worker", now=now) == 0
        assert tier(store, case_id) < 0, "and it sleeps like any other now"
