"""Safety-bar 20: the line breaks at every step of an SMTP conversation.

Before the final dot the reply is delivered by trying again; after it, nobody tries again. The
oracle is the loop most programs have: retry whenever the server disconnected.
"""

import smtplib
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.connectors.approved import MESSAGE_ID, outgoing
from tests.connectors.approved import approve as approved
from tests.liars import BreakingSmtp
from tests.servers import PASSWORD, Certificates, SmtpSink
from tests.sizes import LONG, many
from tests.small_practice import MASTER, SECRETARY, approve, mail_from, move_in, receive
from triage.connectors.smtp import ANSWER, SmtpOutbox
from triage.desk import Desk
from triage.domain import Channel, Lane, ReplyState
from triage.engine import Sender
from triage.engine.sending import DISPATCH
from triage.errors import SendPostponed, SendUncertain
from triage.store import Store

pytestmark = [pytest.mark.bar(20), pytest.mark.timeout(1200 if LONG else 180)]

RUNS = {"close": many(2, long=50), "silent": many(1, long=50)}
SECURE = ["STARTTLS", "TLS"]
BEFORE = ["connect", "banner", "EHLO", *SECURE, "AUTH", "MAIL", "RCPT", "DATA", "body"]
#: A small body is gone before anybody can notice that the server no longer listens.
LATE = ("body", "silent")
WORDS = outgoing(body="line\n" * 50)
Count = Callable[[str, object], None]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


def outbox(port: int, seconds: float = 5, ca_file: Path | None = None) -> SmtpOutbox:
    settings = {
        "name": "mail-out", "host": "127.0.0.1", "port": port,
        "sender": "desk@clinic.example", "user": "desk",
        "timeout_seconds": seconds, "answer_seconds": seconds,
    }  # fmt: skip
    safe = {"security": "starttls", "ca_file": str(ca_file)} if ca_file else {"security": "plain"}
    return SmtpOutbox({**settings, **safe}, PASSWORD)


def send_like_the_sender(port: int, how: str, ca_file: Path | None = None) -> str:
    """Postponed replies are tried again, uncertain ones never: what the sender process does."""
    for seconds in (0.3 if how == "silent" else 5, 5):
        line = outbox(port, seconds, ca_file)
        try:
            line.send(approved(WORDS), WORDS, message_id=MESSAGE_ID)
        except SendPostponed:
            continue
        except SendUncertain:
            return "uncertain"
        return "sent"
    return "still waiting"


@pytest.mark.parametrize(
    ("step", "how"),
    [(step, how) for step in BEFORE for how in ("close", "silent") if (step, how) != LATE],
)
def test_before_the_dot_it_is_tried_again_and_delivered_once(
    step: str, how: str, certificates: Certificates, record_property: Count
) -> None:
    record_property("tried", RUNS[how])
    context, ca_file = None, None
    if step in SECURE:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.chain_file, certificates.key_file)
        ca_file = certificates.ca_file
    with BreakingSmtp(step, how=how, context=context) as server:
        for run in range(1, RUNS[how] + 1):
            server.breaks = 1
            assert send_like_the_sender(server.port, how, ca_file) == "sent"
            assert len(server.mails) == run
            assert server.connections == 2 * run


def test_a_server_that_stops_reading_unseen_is_uncertain(record_property: Count) -> None:
    """The dot has left this machine; whether anybody read it, nobody here can know."""
    record_property("tried", RUNS["silent"])
    with BreakingSmtp("body", how="silent") as server:
        for run in range(1, RUNS["silent"] + 1):
            server.breaks = 1
            assert send_like_the_sender(server.port, "silent") == "uncertain"
            assert server.mails == []
            assert server.connections == run


@pytest.mark.parametrize("how", ["close", "silent"])
def test_after_the_dot_it_is_uncertain_and_never_sent_again(
    how: str, record_property: Count
) -> None:
    record_property("tried", RUNS[how])
    with BreakingSmtp("dot", how=how) as server:
        for run in range(1, RUNS[how] + 1):
            server.breaks = 1
            assert send_like_the_sender(server.port, how) == "uncertain"
            assert len(server.mails) == run
            assert server.connections == run


def test_after_the_answer_it_is_sent_whatever_happens_to_the_line(record_property: Count) -> None:
    record_property("tried", RUNS["close"])
    with BreakingSmtp("sent") as server:
        for run in range(1, RUNS["close"] + 1):
            server.breaks = 1
            assert send_like_the_sender(server.port, "close") == "sent"
            assert len(server.mails) == run


@pytest.fixture
def desk(store: Store) -> Desk:
    move_in(store)
    return Desk(store, undo=timedelta(seconds=-1), mail_domain="clinic.example")


def test_an_uncertain_reply_is_in_front_of_a_person_with_what_to_look_for(
    store: Store, desk: Desk
) -> None:
    (case_id,) = receive(store, mail_from(1, "please refill"))
    reply_id = approve(desk, case_id)
    with BreakingSmtp("dot", breaks=1) as server:
        ways = {Channel.EMAIL: outbox(server.port)}
        assert Sender(store, ways, master=MASTER).once() == 1
        (row,) = desk.queue.view(SECRETARY, lane=Lane.OUTGOING).rows
        assert (row.case.id, row.reply) == (case_id, ReplyState.UNCERTAIN)
        (reply,) = desk.queue.open(SECRETARY, case_id).replies
        assert (reply.id, reply.state) == (reply_id, ReplyState.UNCERTAIN)
        assert f"Message-ID: {reply.message_id}\r\n".encode() in server.mails[0]
        # Whatever time goes by, no machine sends it again.
        for days in (0, 1, 400):
            clock = datetime.now(UTC) + timedelta(days=days)
            late = Sender(store, ways, master=MASTER, clock=lambda now=clock: now)
            assert late.once() == 0
        assert (len(server.mails), server.connections) == (1, 1)


def test_a_silent_server_keeps_nobody_in_the_dark_for_a_minute() -> None:
    """The longest silence after the dot, and the longest pause before it is looked for."""
    settings = {"name": "o", "host": "127.0.0.1", "security": "plain", "sender": "d@c.example"}
    assert SmtpOutbox(settings, "")._patience == ANSWER
    assert ANSWER + DISPATCH < 60


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
def test_postfix_hangs_up_before_the_dot(verb: str) -> None:
    with SmtpSink("-q", verb) as sink, pytest.raises(SendPostponed):
        quiet(sink.port).send(approved(WORDS), WORDS, message_id=MESSAGE_ID)


def test_postfix_hangs_up_after_the_dot() -> None:
    with SmtpSink("-q", ".") as sink:
        with pytest.raises(SendUncertain):
            quiet(sink.port).send(approved(WORDS), WORDS, message_id=MESSAGE_ID)
        assert len(sink.mails) == 1


def test_postfix_takes_too_long_after_the_dot() -> None:
    with SmtpSink("-W", ".:2") as sink, pytest.raises(SendUncertain):
        quiet(sink.port).send(approved(WORDS), WORDS, message_id=MESSAGE_ID)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_postfix_shuts_down_with_a_421(verb: str) -> None:
    with SmtpSink("-Q", verb) as sink, pytest.raises(SendPostponed, match="421"):
        quiet(sink.port).send(approved(WORDS), WORDS, message_id=MESSAGE_ID)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_postfix_says_not_now(verb: str) -> None:
    with SmtpSink("-r", verb) as sink, pytest.raises(SendPostponed, match="450"):
        quiet(sink.port).send(approved(WORDS), WORDS, message_id=MESSAGE_ID)


def quiet(port: int) -> SmtpOutbox:
    """An outbox that does not log in: smtp-sink knows no AUTH."""
    settings = {
        "name": "mail-out", "host": "127.0.0.1", "port": port, "security": "plain",
        "sender": "desk@clinic.example", "timeout_seconds": 1, "answer_seconds": 0.4,
    }  # fmt: skip
    return SmtpOutbox(settings, "")


def test_oracle_retrying_whenever_the_server_disconnected_sends_twice() -> None:
    with BreakingSmtp("dot") as server:
        for _ in range(2):
            try:
                with smtplib.SMTP("127.0.0.1", server.port, timeout=2) as line:
                    line.sendmail("desk@clinic.example", ["pat@example.org"], "Subject: x\r\n\r\nx")
            except smtplib.SMTPServerDisconnected:
                continue
            break
        assert len(server.mails) == 2, "the sabotaged loop must be seen to fail"
