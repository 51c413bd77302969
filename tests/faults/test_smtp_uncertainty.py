"""Safety-bar 20, short form: the line breaks at every step of an SMTP conversation.

Before the final dot the reply is delivered by trying again; after it, nobody tries again. The
oracle is the loop most programs have: retry whenever the server disconnected.
"""

import smtplib

import pytest

from tests.connectors.approved import MESSAGE_ID, approve, outgoing
from tests.liars import BreakingSmtp
from tests.servers import PASSWORD, SmtpSink
from tests.sizes import many
from triage.connectors.smtp import SmtpOutbox
from triage.errors import SendPostponed, SendUncertain

pytestmark = pytest.mark.bar(20)

TIMES = many(3, long=50)
BEFORE = ["connect", "banner", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "body"]
#: A small body is gone before anybody can notice that the server no longer listens.
LATE = ("body", "silent")
WORDS = outgoing(body="line\n" * 50)


def outbox(port: int) -> SmtpOutbox:
    settings = {
        "name": "mail-out", "host": "127.0.0.1", "port": port, "security": "plain",
        "sender": "desk@clinic.example", "user": "desk",
        "timeout_seconds": 0.3, "answer_seconds": 0.3,
    }  # fmt: skip
    return SmtpOutbox(settings, PASSWORD)


def send_like_the_sender(port: int) -> str:
    """Postponed replies are tried again, uncertain ones never: what the sender process does."""
    for _ in range(TIMES + 1):
        try:
            outbox(port).send(approve(WORDS), WORDS, message_id=MESSAGE_ID)
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
def test_before_the_dot_it_is_tried_again_and_delivered_once(step: str, how: str) -> None:
    times = TIMES if how == "close" else 1
    with BreakingSmtp(step, breaks=times, how=how) as server:
        assert send_like_the_sender(server.port) == "sent"
        assert len(server.mails) == 1
        assert server.connections == times + 1


def test_a_server_that_stops_reading_unseen_is_uncertain() -> None:
    """The dot has left this machine; whether anybody read it, nobody here can know."""
    with BreakingSmtp("body", how="silent") as server:
        assert send_like_the_sender(server.port) == "uncertain"
        assert server.mails == []
        assert server.connections == 1


@pytest.mark.parametrize("how", ["close", "silent"])
@pytest.mark.parametrize("run", range(TIMES))
def test_after_the_dot_it_is_uncertain_and_never_sent_again(how: str, run: int) -> None:
    with BreakingSmtp("dot", how=how) as server:
        assert send_like_the_sender(server.port) == "uncertain"
        assert len(server.mails) == 1
        assert server.connections == 1


@pytest.mark.parametrize("run", range(TIMES))
def test_after_the_answer_it_is_sent_whatever_happens_to_the_line(run: int) -> None:
    with BreakingSmtp("sent") as server:
        assert send_like_the_sender(server.port) == "sent"
        assert len(server.mails) == 1


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
def test_postfix_hangs_up_before_the_dot(verb: str) -> None:
    with SmtpSink("-q", verb) as sink, pytest.raises(SendPostponed):
        quiet(sink.port).send(approve(WORDS), WORDS, message_id=MESSAGE_ID)


def test_postfix_hangs_up_after_the_dot() -> None:
    with SmtpSink("-q", ".") as sink:
        with pytest.raises(SendUncertain):
            quiet(sink.port).send(approve(WORDS), WORDS, message_id=MESSAGE_ID)
        assert len(sink.mails) == 1


def test_postfix_takes_too_long_after_the_dot() -> None:
    with SmtpSink("-W", ".:2") as sink, pytest.raises(SendUncertain):
        quiet(sink.port).send(approve(WORDS), WORDS, message_id=MESSAGE_ID)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_postfix_shuts_down_with_a_421(verb: str) -> None:
    with SmtpSink("-Q", verb) as sink, pytest.raises(SendPostponed, match="421"):
        quiet(sink.port).send(approve(WORDS), WORDS, message_id=MESSAGE_ID)


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
