"""A small practice as Hypothesis drives it: mail, people, crashes and bad lines in any order.

The store, the path, the desk and the sender are the real ones; the mail server, the SMTP server
and the clock are doubles that remember what really happened. After every step what the store says
is compared with that memory.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from tests.proofs import proof_of
from tests.small_practice import MASTER, NOW, NURSE, SECRETARY, Keyword, mail_from, rooms
from triage import pipeline
from triage.desk import Desk
from triage.domain import (
    Approval,
    CaseState,
    Channel,
    Cursor,
    Delivery,
    Outgoing,
    Protected,
    ReplyState,
    Urgency,
    User,
)
from triage.engine import Sender, sending
from triage.errors import (
    AlreadyClaimed,
    ChangedUnderneath,
    SendPostponed,
    SendRefused,
    SendUncertain,
    TriageError,
)
from triage.store import Store, tables
from triage.testing import arrival

CLINIC = "c1"
PEOPLE = st.sampled_from([SECRETARY, NURSE])
#: Where a process may die: around each step that leaves a trace somewhere.
DEATHS = ("landed", "cursor moved", "filed", "claimed", "sent", "settled")
LINES = ("works", "cut before the dot", "cut after the dot", "refuses")


class Died(BaseException):
    """The process is gone, as by kill -9: nothing may catch it."""


@dataclass
class MailServer:
    """An inbox whose server may renumber or lose its mailbox."""

    mails: list[bytes] = field(default_factory=list)
    epoch: int = 1
    name: str = "front-desk"
    channel: Channel = Channel.EMAIL

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]:
        cursor = cursors.get("INBOX")
        start = int(cursor.uid) if cursor and cursor.epoch == str(self.epoch) else 0
        for uid, content in enumerate(self.mails[start:], start + 1):
            found = arrival(content, uid=uid, inbox=self.name, epoch=str(self.epoch))
            yield Delivery((found,), Cursor("INBOX", str(self.epoch), str(uid)))

    def wait(self, seconds: float) -> bool:
        return False

    def check(self) -> tuple[str, ...]:
        return ("A double.",)

    def close(self) -> None:
        pass


@dataclass
class MailLine:
    """An SMTP server: what it holds has reached the patient, whatever the line did then."""

    held: list[tuple[str, str]] = field(default_factory=list)
    state: str = "works"
    channel: Channel = Channel.EMAIL
    name: str = "line"

    def send(self, approval: Approval, outgoing: Outgoing, *, message_id: str) -> str:
        if self.state == "cut before the dot":
            raise SendPostponed("cut")
        if self.state == "refuses":
            raise SendRefused("no such mailbox")
        self.held.append((message_id.strip("<>").partition("@")[0], outgoing.digest))
        if self.state == "cut after the dot":
            raise SendUncertain("cut")
        return "250 kept"


class Broken(Keyword):
    """A classifier whose model cannot answer."""

    def classify(self, texts: object) -> Any:
        raise RuntimeError("no model")


def no_leaks(redacted: object, background: object) -> dict[Any, int]:
    """Count nothing: with a roster of its own for every run the real meter is most of the time."""
    return {}


class Practice(RuleBasedStateMachine):
    """Each rule is one thing that happens; each invariant holds after every one."""

    def __init__(self, open_one: Callable[[Callable[[], datetime]], Store]) -> None:
        super().__init__()
        self.now = NOW
        # Everything that asks for the time asks this clock, and replies leave one by one: a run
        # that failed must fail the same way when it is played again.
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(sending, "LINES", 1)
        self._open_one = open_one
        self.server, self.line = MailServer(), MailLine()
        self.death: str | None = None
        self.model_up = True
        self.steps = self.mails = 0
        #: What ever reached the mailbox, by its bytes.
        self.came: Counter[str] = Counter()
        #: Reply -> the digest a person approved with their own key; and those taken back.
        self.approved: dict[str, str] = {}
        self.recalled: set[str] = set()
        self.forged: set[str] = set()
        self.refused: set[str] = set()
        #: Replies whose fate nobody can know for certain.
        self.doubtful: set[str] = set()
        self.highest: dict[str, Urgency] = {}
        #: Messages that were in a case when a person closed it.
        self.seen_at_closing: set[str] = set()
        self.open_store()

    def moment(self) -> datetime:
        """Return the time; no two moments are the same, so that what came first is known."""
        self.now += timedelta(microseconds=1)
        return self.now

    def open_store(self) -> None:
        self.store = self._open_one(self.moment)
        self.desk = Desk(self.store, mail_domain="clinic.example", clock=self.moment)
        self.sender = Sender(
            self.store,
            {Channel.EMAIL: self.line},
            master=MASTER,
            clock=self.moment,
            steady=lambda: self.now.timestamp(),
        )
        self.sender.recover(self.now)
        for owner, name, point in (
            (self.store.landing, "land", "landed"),
            (self.store.landing, "move_cursor", "cursor moved"),
            (self.store.cases, "file", "filed"),
            (self.store.replies, "claim", "claimed"),
            (self.store.replies, "settle", "settled"),
        ):
            setattr(owner, name, self.mortal(getattr(owner, name), point))

    def mortal(self, real: Callable[..., Any], point: str) -> Callable[..., Any]:
        """Let the process die right after a step, once."""

        def step(*given: Any, **named: Any) -> Any:
            if point == "settled" and self.death == "sent":
                self.death = None
                raise Died
            done = real(*given, **named)
            if self.death == point:
                self.death = None
                raise Died
            return done

        return step

    def alive(self, work: Callable[[], object]) -> None:
        """Do a process's work; when it dies, another one is started."""
        try:
            work()
        except Died:
            self.store.close()
            # A process that died on the wire leaves replies of which nobody knows.
            self.open_store()

    # --- what happens ---

    @initialize()
    def begin(self) -> None:
        self.arrive(1, urgent=False)

    @rule(patient=st.integers(1, 3), urgent=st.booleans())
    def arrive(self, patient: int, *, urgent: bool) -> None:
        """A mail comes in; patient 3 is nobody the clinic knows."""
        self.mails += 1
        words = "I have chest pain" if urgent else "please refill my pills"
        content = mail_from(
            patient, f"{words}, number {self.mails}", message_id=f"<{self.mails}@example.org>"
        )
        self.put(content)

    def put(self, content: bytes) -> None:
        self.server.mails.append(content)
        self.came[hashlib.sha256(content).hexdigest()] += 1

    @rule(patient=st.integers(1, 2))
    def arrive_and_be_read(self, patient: int) -> None:
        """An ordinary mail on an ordinary day."""
        self.arrive(patient, urgent=False)
        self.fetch()
        self.file()

    @precondition(lambda self: self.server.mails)
    @rule(data=st.data())
    def duplicate(self, data: st.DataObject) -> None:
        """The same bytes come once more: shown once more, never dropped."""
        self.put(data.draw(st.sampled_from(self.server.mails)))

    @rule(number=st.integers(1, 5))
    def bounce(self, number: int) -> None:
        """A robot writes, as if one of our replies had not arrived."""
        self.mails += 1
        self.put(
            b"From: MAILER-DAEMON@example.org\r\nTo: desk@clinic.example\r\n"
            b"Subject: Undelivered Mail\r\nAuto-Submitted: auto-replied\r\n"
            b"Return-Path: <>\r\nMessage-ID: <b%d@example.org>\r\n"
            b"\r\nCould not be delivered, number %d.\r\n" % (self.mails, self.mails)
        )

    @rule()
    def uid_validity(self) -> None:
        """The server lists everything anew under new numbers."""
        self.server.epoch += 1

    @rule()
    def mailbox_recreated(self) -> None:
        """The mailbox is made anew: other mails will get the old numbers."""
        # All that came before must be in: what a server loses unread is not ours. One may die.
        self.fetch()
        self.fetch()
        self.server.epoch += 1
        self.server.mails = []
        self.arrive(1, urgent=False)

    @rule()
    def fetch(self) -> None:
        self.alive(lambda: pipeline.land(self.server, self.store, clinic=CLINIC))

    @rule()
    def file(self) -> None:
        def work() -> None:
            found = [raw for _, raw in self.store.landing.waiting(limit=50)]
            parts = rooms(meter=no_leaks, classifier=Keyword() if self.model_up else Broken())
            with suppress(TriageError):
                pipeline.file(found, parts, self.store, clinic=CLINIC, by="worker")

        self.alive(work)

    @rule(up=st.booleans())
    def model(self, *, up: bool) -> None:
        self.model_up = up

    @rule(point=st.sampled_from(DEATHS))
    def crash_soon(self, point: str) -> None:
        self.death = point

    @rule(state=st.sampled_from(LINES))
    def smtp(self, state: str) -> None:
        self.line.state = state

    @rule(minutes=st.sampled_from([-60, -1, 1, 5, 60, 1440]))
    def clock_jump(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(data=st.data(), who=PEOPLE)
    def claim(self, data: st.DataObject, who: User) -> None:
        """One visible owner: while a claim holds, nobody else gets the case."""
        for case in self.some_case(data):
            other = case.claimed_by not in (None, who.id)
            held = other and case.claimed_at > self.now - timedelta(minutes=1)
            try:
                self.desk.queue.claim(who, case.id)
            except AlreadyClaimed:
                assert other, "a free case was refused"
            else:
                assert not held, "two people own one case"

    @rule(data=st.data(), who=PEOPLE)
    def release(self, data: st.DataObject, who: User) -> None:
        for case in self.some_case(data):
            with suppress(TriageError):
                self.desk.queue.release(who, case.id)

    @rule(data=st.data(), who=PEOPLE)
    def edit(self, data: st.DataObject, who: User) -> None:
        for case in self.some_case(data):
            with suppress(TriageError):
                self.words(who, case.id, data.draw(st.sampled_from(["Yes.", "No."])))

    def words(self, who: User, case_id: str, body: str) -> Any:
        return self.desk.replies.save(
            who, case_id, subject=Protected("Re: hello"), body=Protected(body)
        )

    @rule(patient=st.integers(1, 2))
    def arrive_and_be_answered(self, patient: int) -> None:
        """An ordinary mail, read and answered at once."""
        before = {row.case.id for row in self.queue()}
        self.arrive_and_be_read(patient)
        fresh = [row.case for row in self.queue() if row.case.id not in before]
        self.answer(fresh[:1], stale=False, forged=False)

    @rule(data=st.data(), stale=st.booleans(), forged=st.booleans())
    def approve(self, data: st.DataObject, *, stale: bool, forged: bool) -> None:
        """Somebody approves what they saw; sometimes it changed, or the key is not theirs."""
        self.answer(self.some_case(data), stale=stale, forged=forged)

    def answer(self, cases: list[Any], *, stale: bool, forged: bool) -> None:
        for case in cases:
            try:
                shown = self.words(SECRETARY, case.id, "All right.")
                if stale:
                    self.words(SECRETARY, case.id, "Something else.")
                digest = shown.outgoing.digest
                master = b"x" * 32 if forged else MASTER
                proof = proof_of(
                    self.desk._store, master, SECRETARY.id, shown.id, digest, clinic=case.clinic
                )
                reply = self.desk.replies.approve(SECRETARY, case.id, digest=digest, proof=proof)
            except ChangedUnderneath:
                assert stale
            except TriageError:
                pass
            else:
                assert not stale, "words nobody saw were approved"
                self.approved[reply.id] = digest
                self.forged |= {reply.id} if forged else set()

    @precondition(lambda self: self.approved)
    @rule(data=st.data())
    def recall(self, data: st.DataObject) -> None:
        reply_id = data.draw(st.sampled_from(list(self.approved)))
        with suppress(TriageError):
            self.desk.replies.recall(SECRETARY, reply_id)
            self.recalled.add(reply_id)

    @rule()
    def send(self) -> None:
        dying = self.death in ("claimed", "sent", "settled")
        due = {reply for _, reply in self.store.replies.due(self.now, limit=50)}
        if dying or self.line.state == "cut after the dot":
            self.doubtful |= due
        if self.line.state == "refuses":
            self.refused |= due
        self.alive(self.sender.once)

    @rule()
    def wait_and_send(self) -> None:
        """The undo window passes, and the sender looks."""
        self.now += timedelta(minutes=1)
        self.send()

    @rule(patient=st.integers(1, 2), line=st.sampled_from(LINES))
    def answer_and_send(self, patient: int, line: str) -> None:
        """A mail is answered, and the line is as it is when the reply leaves."""
        self.arrive_and_be_answered(patient)
        self.line.state = line
        self.wait_and_send()

    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        """A person calls the patient and closes the case, with all they have read in it."""
        for case in self.some_case(data):
            with suppress(TriageError):
                file = self.store.cases.get(case.id, clinic=CLINIC, by="test")
                for request in file.case.requests:
                    if not request.done:
                        self.desk.queue.tick(SECRETARY, case.id, request.id)
                self.desk.queue.close(
                    SECRETARY, case.id, outcome="phoned", note=Protected("Called.")
                )
                self.seen_at_closing |= {message.raw_id for message in file.messages}

    def some_case(self, data: st.DataObject) -> list[Any]:
        """Return one open case, or none where there is none."""
        rows = sorted(self.queue(), key=lambda row: row.case.opened_at)
        return [data.draw(st.sampled_from(rows)).case] if rows else []

    def queue(self) -> list[Any]:
        return self.store.cases.queue(clinic=CLINIC, by="test", limit=1000)

    # --- what always holds ---

    @invariant()
    def nothing_is_doubled_and_nothing_leaves_unapproved(self) -> None:
        assert len(self.rows(tables.raw_messages)) <= self.came.total(), "a mail was doubled"
        assert len(set(self.line.held)) == len(self.line.held), "a patient got two copies"
        for reply_id, digest in self.line.held:
            assert self.approved.get(reply_id) == digest, "sent without approval of these words"
            assert reply_id not in self.forged, "sent on a forged approval"
            assert reply_id not in self.recalled, "sent although it was recalled"
        copies = Counter(reply_id for reply_id, _ in self.line.held)
        for row in self.rows(tables.replies):
            state = ReplyState(row.state)
            assert state is not ReplyState.SENT or copies[row.id] == 1, "sent, but it never left"
            if state in (ReplyState.QUEUED, ReplyState.RECALLED, ReplyState.FAILED):
                assert not copies[row.id], f"{row.state}, but it left"

    @invariant()
    def urgent_is_on_top_and_every_case_is_seen_once(self) -> None:
        cases = [row.case for row in self.queue()]
        kept = {row.id: row for row in self.rows(tables.cases)}
        found = [kept[case.id] for case in cases]
        ranks = [(-row.urgency, -row.tier, row.due_at, row.opened_at) for row in found]
        assert ranks == sorted(ranks), "the queue is out of order"
        opened = [row for row in self.rows(tables.cases) if row.state == CaseState.OPEN.value]
        assert sorted(case.id for case in cases) == sorted(row.id for row in opened)
        assert sum(self.store.cases.counts(clinic=CLINIC).values()) == len(cases)
        for case in cases:
            assert case.urgency >= self.highest.get(case.id, case.urgency), "an urgent case fell"
            self.highest[case.id] = case.urgency

    @invariant()
    def what_nobody_read_is_in_no_closed_case(self) -> None:
        closed = {row.id for row in self.rows(tables.cases) if row.state != CaseState.OPEN.value}
        for row in self.rows(tables.messages):
            assert row.case_id not in closed or row.raw_id in self.seen_at_closing, "out of sight"

    @invariant()
    def the_chain_holds(self) -> None:
        self.steps += 1
        if self.steps % 10 == 0:
            assert self.store.audit.verify().holds, "the audit chain is broken"

    def rows(self, table: Any) -> list[Any]:
        with self.store.transactions.read() as work:
            return list(work.rows(select(table)))

    def teardown(self) -> None:
        """In the end all is well again: what waits is done, and nothing is missing."""
        try:
            self.settle_down()
        finally:
            self.store.close()
            self._patch.undo()

    def settle_down(self) -> None:
        self.death, self.model_up, self.line.state = None, True, "works"
        self.alive(self.sender.once)
        self.fetch()
        self.file()
        self.now = max(self.now, NOW) + timedelta(days=90)
        for _ in range(2):
            self.send()
        found: Counter[str] = Counter()
        urgent: dict[str, bool] = {}
        messages = {row.raw_id: row.case_id for row in self.rows(tables.messages)}
        for row in self.rows(tables.raw_messages):
            assert row.id in messages, "a mail landed and nobody will see it"
            content = self.store.landing.raw(row.id, clinic=CLINIC, by="test").content
            found[hashlib.sha256(content).hexdigest()] += 1
            case_id = messages[row.id]
            urgent[case_id] = urgent.get(case_id, False) or b"chest pain" in content
        assert found == self.came, "a mail was lost"
        for row in self.rows(tables.cases):
            if urgent[row.id]:
                assert row.urgency == int(Urgency.EMERGENCY), "an urgent mail is not on top"
        for row in self.rows(tables.replies):
            state = ReplyState(row.state)
            good = row.id not in self.forged | self.refused | self.doubtful | self.recalled
            assert not good or state is ReplyState.SENT, f"{row.state}: approved and never sent"
        self.nothing_is_doubled_and_nothing_leaves_unapproved()
        assert self.store.audit.verify().holds, "the audit chain is broken"
