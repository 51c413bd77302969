"""Safety-bar 10: two workers started by mistake tear no conversation apart.

Both engines. Whatever order they file a conversation in, it is one case; and what joins a case
late, below what answers it, is seen before anybody decides. Each oracle is the store as it was.
"""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import select

from tests.sizes import many
from tests.small_practice import mail_from, move_in, rooms
from triage.domain import Message, Protected, RawMessage
from triage.engine import Jobs
from triage.errors import ChangedUnderneath
from triage.parsing import parse
from triage.pipeline import file, land
from triage.store import Keys, Store, case_row, casefile, open_store, senders, tables
from triage.store.transaction import Work
from triage.testing import MemoryInbox

pytestmark = pytest.mark.bar(10)

#: Answers to answers in one conversation.
LONG_TALK = many(4, long=40)
ROUNDS = many(1, long=20)
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def stores(store: Store, store_url: str, keys: Keys) -> Iterator[list[Store]]:
    """The same database, opened by two workers."""
    move_in(store)
    with closing(open_store(store_url, keys)) as other:
        yield [store, other]


def talk(number: int, name: str) -> list[bytes]:
    """Return mails of one patient, each an answer to the one before.

    They name all mails before them, as RFC 5322 (3.6.4) has mail programs do.
    """
    ids = [f"<{name}-{n}@example.org>" for n in range(LONG_TALK)]
    return [
        mail_from(
            number,
            f"part {n} of {name}",
            message_id=ids[n],
            headers=f"References: {' '.join(ids[:n])}\r\n" if n else "",
        )
        for n in range(LONG_TALK)
    ]


def landed(store: Store, mails: list[bytes]) -> list[str]:
    return list(land(MemoryInbox(mails, name=f"memory-{random.random()}"), store, clinic="c1"))


def in_the_wrong_order(stores: list[Store]) -> set[str]:
    """One worker has the question and is slow; the other files the answers. Return the cases."""
    question, *answers = landed(stores[0], talk(1, "a")[:3])
    cases = file(answers, rooms(), stores[1], clinic="c1", by="second")
    return {*file([question], rooms(), stores[0], clinic="c1", by="first"), *cases}


def test_an_answer_that_is_filed_first_takes_its_question_in(stores: list[Store]) -> None:
    (case_id,) = in_the_wrong_order(stores)
    found = stores[0].cases.get(case_id, clinic="c1", by="test")
    bodies = [one.body.reveal().strip() for one in found.messages]
    assert bodies == [f"part {n} of a" for n in (2, 1, 0)]


@ON_SQLITE
def test_who_names_only_the_last_mail_may_get_two_cases_that_name_each_other(
    stores: list[Store],
) -> None:
    mails = [
        mail_from(
            1,
            f"part {n}",
            message_id=f"<{n}@example.org>",
            headers=f"In-Reply-To: <{n - 1}@example.org>\r\n" if n else "",
        )
        for n in range(3)
    ]
    first, between, last = landed(stores[0], mails)
    who = {"clinic": "c1", "by": "test"}
    (begun,) = file([first], rooms(), stores[0], **who)
    (other,) = file([last], rooms(), stores[1], **who)
    # What lies between answers one and is answered by the other: nothing moves to another case.
    assert file([between], rooms(), stores[0], **who) == [begun]
    for case_id, beside in ((begun, other), (other, begun)):
        chain = stores[0].cases.get(case_id, **who).chain
        assert [one.case_id for one in chain.cases] == [beside]


@ON_SQLITE
def test_oracle_who_looks_only_back_tears_it_apart(
    stores: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "_thread_of_answers", lambda *_, **__: None)
    assert len(in_the_wrong_order(stores)) > 1


@ON_SQLITE
def test_a_stranger_who_names_the_same_mail_joins_nothing(stores: list[Store]) -> None:
    question = mail_from(1, "question", message_id="<q@example.org>")
    forged = mail_from(
        2, "mine, too", message_id="<f@x.org>", headers="In-Reply-To: <q@example.org>\r\n"
    )
    first, second = landed(stores[0], [question, forged])
    cases = file([second], rooms(), stores[0], clinic="c1", by="second")
    assert file([first], rooms(), stores[0], clinic="c1", by="first") != cases


def late(stores: list[Store]) -> None:
    """Decide on a page made before the question of the case came in."""
    question, answer = landed(stores[0], talk(1, "late")[:2])
    (case_id,) = file([answer], rooms(), stores[1], clinic="c1", by="second")
    shown = stores[0].cases.get(case_id, clinic="c1", by="u-sec").newest
    assert file([question], rooms(), stores[0], clinic="c1", by="first") == [case_id]
    who = {"clinic": "c1", "by": "u-sec"}
    stores[0].cases.close(case_id, "done", Protected(""), **who, seen=shown, all_done=True)


@ON_SQLITE
def test_nobody_decides_without_what_joined_late(
    stores: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ChangedUnderneath):
        late(stores)

    def youngest(work: Work, case_id: str) -> str:
        table = tables.messages
        query = select(table.c.id).where(table.c.case_id == case_id)
        return str(work.one(query.order_by(table.c.received_at.desc()), case_id).id)

    # The oracle: the newest is the one that landed last.
    for room in (casefile, case_row):
        monkeypatch.setattr(room, "newest_message", youngest)
    late(stores)


def slowly(chance: random.Random) -> Callable[[RawMessage], Message]:
    def read(raw: RawMessage) -> Message:
        time.sleep(chance.choice((0.0, 0.0, 0.002)))
        return parse(raw)

    return read


def test_two_workers_at_once_keep_every_conversation_together(
    stores: list[Store], record_property: Callable[[str, object], None]
) -> None:
    record_property("tried", ROUNDS)
    seen: set[str] = set()
    for number in range(ROUNDS):
        seed = random.randrange(10**6)
        chance = random.Random(seed)
        one, two = talk(1, f"one{number}"), talk(2, f"two{number}")
        mails = [mail for pair in zip(one, two, strict=True) for mail in pair]
        ids = landed(stores[0], mails)
        # Some were looked at ahead by both; that counts as tries, and they are walked alone.
        for raw_id in chance.sample(ids, len(ids) // 3):
            for store in stores:
                store.landing.glance([raw_id], clinic="c1", by="test")

        def work(store: Store, chance: random.Random = chance) -> None:
            jobs = Jobs(store, rooms(parse=slowly(chance)), None, clinic="c1")
            while waiting := store.landing.waiting(limit=chance.choice((3, 5, 9)), clinic="c1"):
                jobs._file("c1", [raw_id for _, raw_id in waiting])

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, stores))
        rows = stores[0].cases.queue(clinic="c1", by="test", limit=999)
        new = {row.case.id for row in rows} - seen
        seen |= new
        files = [stores[0].cases.get(case_id, clinic="c1", by="test") for case_id in new]
        for name in (f"one{number}", f"two{number}"):
            words = [
                [message.body.reveal().split()[-1] for message in one.messages] for one in files
            ]
            assert [found for found in words if name in found] == [[name] * LONG_TALK], f"{seed}"
