"""The SMTP outbox against real servers."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.connectors.approved import MESSAGE_ID, approve, outgoing
from tests.liars import BreakingSmtp
from tests.servers import PASSWORD, Certificates, SmtpKeeper, SmtpSink
from tests.small_practice import MASTER, SECRETARY, mail_from, move_in, receive
from tests.small_practice import approve as approve_words
from triage.connectors.smtp import SmtpOutbox
from triage.desk import Desk
from triage.domain import Channel, Protected, ReplyState
from triage.engine import Sender
from triage.errors import BadSettings, ProofRefused, SendPostponed, SendRefused, SendUncertain
from triage.store import Store


def outbox(port: int, **settings: object) -> SmtpOutbox:
    plain = {
        "name": "mail-out", "host": "127.0.0.1", "port": port, "security": "plain",
        "sender": "desk@clinic.example", "sender_name": "Willow Creek Clinic",
        "timeout_seconds": 5, "answer_seconds": 5,
    }  # fmt: skip
    secret = str(settings.pop("secret", PASSWORD))
    return SmtpOutbox({**plain, **settings}, secret)


@pytest.fixture
def keeper() -> Iterator[SmtpKeeper]:
    with SmtpKeeper() as server:
        yield server


def test_delivers_exactly_the_approved_words_to_one_person(keeper: SmtpKeeper) -> None:
    words = outgoing(subject="Su receta", body="Hola,\n.\nestá lista.\n")
    receipt = outbox(keeper.port).send(approve(words), words, message_id=MESSAGE_ID)
    ((recipients, content),) = keeper.mails
    read = message_from_bytes(content)
    assert recipients == ["pat@example.org"]
    assert (read["To"], read["Subject"]) == ("pat@example.org", "Su receta")
    assert read["From"] == "Willow Creek Clinic <desk@clinic.example>"
    assert read["Message-ID"] == MESSAGE_ID
    assert read["In-Reply-To"] == read["References"] == "<question@example.org>"
    assert "Auto-Submitted" not in read
    assert not {"Cc", "Bcc", "Reply-To", "Sender"} & set(read.keys())
    payload = read.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode() == "Hola,\r\n.\r\nestá lista.\r\n"
    assert receipt == "250 2.0.0 Ok: queued as 1 for", "the receipt repeats no address"


def test_what_was_copied_from_a_table_arrives_as_it_was_approved(
    store: Store, keeper: SmtpKeeper
) -> None:
    """Tabs of a table, and the line and page breaks of a word processor."""
    move_in(store)
    desk = Desk(store, undo=timedelta(seconds=-1), mail_domain="clinic.example")
    (case_id,) = receive(store, mail_from(1, "please refill"))
    copied = "Desk\tOpen\r\nFront\tin the morning\x0band later\x0cPage\t two\t"
    reply_id = approve_words(desk, case_id, body=copied)
    approved = store.replies.get(reply_id, clinic="c1", by="test").outgoing
    assert approved.body.reveal() == "Desk\tOpen\nFront\tin the morning\nand later\nPage\t two"
    assert Sender(store, {Channel.EMAIL: outbox(keeper.port)}, master=MASTER).once() == 1
    assert desk.replies.status(SECRETARY, reply_id).state is ReplyState.SENT
    ((_, content),) = keeper.mails
    payload = message_from_bytes(content).get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().split("\r\n") == [*approved.body.reveal().split("\n"), ""]


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_logs_in_over_verified_tls_only(tmp_path: Path, security: str) -> None:
    certificates, words = Certificates(tmp_path), outgoing()
    secure = {"security": security, "user": "desk", "host": "localhost"}
    with SmtpKeeper(certificates, at_once=security == "tls") as server:
        trusting = {**secure, "ca_file": str(certificates.ca_file)}
        assert "nothing was sent" in outbox(server.port, **trusting).check()[0]
        assert (
            outbox(server.port, **trusting)
            .send(approve(words), words, message_id=MESSAGE_ID)
            .startswith("250")
        )
        for wrong in (secure, {**trusting, "host": "127.0.0.2"}):
            with pytest.raises(SendPostponed, match=r"at (STARTTLS|connect)"):
                outbox(server.port, **wrong).send(approve(words), words, message_id=MESSAGE_ID)
        with pytest.raises(SendPostponed, match="at AUTH"):
            outbox(server.port, **trusting, secret="wrong", timeout_seconds=1).send(
                approve(words), words, message_id=MESSAGE_ID
            )
        assert len(server.mails) == 1


def test_a_server_without_starttls_gets_no_password(tmp_path: Path) -> None:
    words, certificates = outgoing(), Certificates(tmp_path)
    with BreakingSmtp("AUTH") as server:
        strict = outbox(
            server.port, security="starttls", ca_file=str(certificates.ca_file), user="desk"
        )
        with pytest.raises(SendPostponed, match="STARTTLS"):
            strict.send(approve(words), words, message_id=MESSAGE_ID)
        assert server.breaks == 0
        assert server.mails == []


def test_other_words_than_the_approved_ones_never_connect() -> None:
    words = outgoing()
    changed = [
        outgoing(body="Hello Pat,\n\nit is ready!\n"),
        outgoing(subject="your refill"),
        outgoing(to="eve@evil.example"),
        outgoing(in_reply_to=""),
        replace(words, case_id="case-2"),
        replace(words, channel=Channel.PORTAL),
        replace(words, attachments=(("form.pdf", "0" * 64),)),
    ]
    with BreakingSmtp("none") as server:
        for other in changed:
            with pytest.raises(ProofRefused):
                outbox(server.port).send(approve(words), other, message_id=MESSAGE_ID)
        wrong_way = replace(words, channel=Channel.PORTAL)
        with pytest.raises(ProofRefused):
            outbox(server.port).send(approve(wrong_way), wrong_way, message_id=MESSAGE_ID)
        with_form = changed[-1]
        with pytest.raises(SendRefused, match="attachments"):
            outbox(server.port).send(approve(with_form), with_form, message_id=MESSAGE_ID)
        unsafe = replace(words, subject=Protected("x\r\nBcc: eve@evil.example"))
        with pytest.raises(SendRefused, match="Subject cannot be written safely"):
            outbox(server.port).send(approve(unsafe), unsafe, message_id=MESSAGE_ID)
        assert server.connections == 0


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_a_no_for_good_is_refused(verb: str) -> None:
    words = outgoing()
    with SmtpSink("-f", verb) as sink, pytest.raises(SendRefused, match="500"):
        outbox(sink.port).send(approve(words), words, message_id=MESSAGE_ID)


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO,HELO", "MAIL", "RCPT", "DATA", "."])
def test_a_no_for_now_is_postponed(verb: str) -> None:
    words = outgoing()
    with SmtpSink("-r", verb) as sink, pytest.raises(SendPostponed, match="450"):
        outbox(sink.port).send(approve(words), words, message_id=MESSAGE_ID)


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO,HELO"])
def test_a_server_that_takes_nobody_is_not_about_this_reply(verb: str) -> None:
    words = outgoing()
    with SmtpSink("-f", verb) as sink, pytest.raises(SendPostponed):
        outbox(sink.port).send(approve(words), words, message_id=MESSAGE_ID)


@pytest.mark.parametrize("reply", ["999 what", "hello", "150 wait", "354 go on", "2", "25x ok"])
def test_an_unclear_answer_to_the_dot_is_uncertain(reply: str) -> None:
    words = outgoing()
    with BreakingSmtp("dot", reply=reply) as server, pytest.raises(SendUncertain):
        outbox(server.port).send(approve(words), words, message_id=MESSAGE_ID)


def test_errors_name_the_outbox_and_no_patient() -> None:
    words = outgoing(to="canary@example.org")
    server = BreakingSmtp("RCPT", reply="550 no such user canary@example.org")
    with server, pytest.raises(SendRefused) as caught:
        outbox(server.port).send(approve(words), words, message_id=MESSAGE_ID)
    assert str(caught.value).startswith("outbox mail-out, 550 at RCPT: ")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"host": "smtp.example.org"}, "security"),
        ({"sender": "Desk <desk@clinic.example>"}, "sender"),
        ({"sender": "desk@clinic.example\nx"}, "sender"),
        ({"cc": "boss@clinic.example"}, "cc (no such setting)"),
        ({"answer_seconds": -1}, "answer_seconds"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(BadSettings) as caught:
        outbox(25, **wrong)
    assert str(caught.value).startswith(f"outbox mail-out, {named}")
