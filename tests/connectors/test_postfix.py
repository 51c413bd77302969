"""Safety-bar 20: replies leave through a real Postfix, once, and it may say no in every way.

Verified TLS, a log-in it checks with Dovecot, nothing relayed for whoever has not logged in.
"""

import time
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from tests.connectors.approved import approve as approved
from tests.connectors.approved import outgoing
from tests.postfix import PATIENCE, PostfixServer
from tests.sizes import many
from tests.small_practice import MASTER, SECRETARY, approve, mail_from, move_in, receive
from triage.connectors import smtp
from triage.connectors.smtp import SmtpOutbox
from triage.desk import Desk
from triage.domain import Channel, Lane, ReplyState
from triage.engine import Sender
from triage.errors import SendPostponed, SendRefused, SendUncertain
from triage.pipeline import AGAIN
from triage.store import Store
from triage.store.transaction import utcnow

pytestmark = [pytest.mark.bar(20), pytest.mark.timeout(many(120, long=1200))]
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)

RUNS = many(1, long=50)


@pytest.fixture(scope="module")
def server() -> Iterator[PostfixServer]:
    with PostfixServer() as running:
        yield running


@pytest.fixture(autouse=True)
def as_new(server: PostfixServer) -> Iterator[None]:
    """Every test begins with an empty mailbox and leaves the settings as they were."""
    server.empty()
    yield
    if server.changed or not server.running:
        server.configure()
        server.reload()


def arrived(server: PostfixServer, count: int) -> list[bytes]:
    """Wait until the queue is empty; return the mails, which must be `count`."""
    end = time.monotonic() + PATIENCE
    while (server.queued() or len(server.delivered) < count) and time.monotonic() < end:
        time.sleep(0.02)
    assert (server.queued(), len(server.delivered)) == (0, count)
    return server.delivered


def message_id(number: int) -> str:
    return f"<{number:032}@clinic.example>"


def test_a_reply_arrives_once_with_the_approved_words(server: PostfixServer) -> None:
    words = outgoing(subject="Übermorgen", body="Hello Pät,\n\n.\n.dot\nFrom here on\n\nbye\n")
    for run in range(RUNS):
        receipt = server.outbox().send(approved(words), words, message_id=message_id(run))
        assert receipt.startswith("250 2.0.0 Ok: queued as")
    for content in arrived(server, RUNS):
        mail = message_from_bytes(content, policy=default)
        assert mail.get_content() == words.body.reveal()
        assert mail["Subject"] == "Übermorgen"
        assert (mail["To"], mail["Cc"], mail["Bcc"]) == ("pat@example.org", None, None)
        # What the server itself saw: a log-in over TLS.
        assert "with ESMTPSA" in mail["Received"]


def test_a_certificate_nobody_vouches_for_is_not_trusted(
    server: PostfixServer, tmp_path: Path
) -> None:
    from tests.servers import Certificates

    strange = server.outbox(ca_file=str(Certificates(tmp_path).ca_file))
    with pytest.raises(SendPostponed, match="STARTTLS"):
        strange.send(approved(outgoing()), outgoing(), message_id=message_id(1))
    assert (server.queued(), server.delivered) == (0, [])


def test_whoever_has_not_logged_in_is_refused(server: PostfixServer) -> None:
    with pytest.raises(SendRefused, match="554 at RCPT"):
        server.outbox(user="").send(approved(outgoing()), outgoing(), message_id=message_id(1))
    wrong = SmtpOutbox({**server.settings}, "wrong")
    with pytest.raises(SendPostponed, match="AUTH"):
        wrong.send(approved(outgoing()), outgoing(), message_id=message_id(1))
    assert (server.queued(), server.delivered) == (0, [])


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        ({"access": "pat@example.org 450 4.2.0 Not now\n"}, "450 at RCPT"),
        ({"more": "queue_minfree = 9000000000000000000\n"}, "452 at MAIL"),
    ],
    ids=["greylisted", "queue full"],
)
def test_not_now_is_tried_again_and_delivered_once(
    server: PostfixServer, settings: dict[str, str], answer: str
) -> None:
    words, outbox = outgoing(), server.outbox()
    for run in range(RUNS):
        server.configure(**settings)
        server.reload()
        with pytest.raises(SendPostponed, match=answer):
            outbox.send(approved(words), words, message_id=message_id(run))
        assert len(server.delivered) == run
        server.configure()
        server.reload()
        outbox.send(approved(words), words, message_id=message_id(run))
        arrived(server, run + 1)


@ON_SQLITE
def test_no_for_good_is_in_front_of_a_person_and_not_now_is_not(
    server: PostfixServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_in(store)
    desk = Desk(store, undo=timedelta(seconds=-1), mail_domain="clinic.example")
    (no, later) = receive(store, mail_from(1, "please refill"), mail_from(2, "please refill"))
    refused, postponed = approve(desk, no), approve(desk, later)
    server.configure(
        access="pat1@example.org 550 5.1.1 No such person\npat2@example.org 450 4.2.0 Not now\n"
    )
    server.reload()
    ways = {Channel.EMAIL: server.outbox()}
    assert Sender(store, ways, master=MASTER).once() == 2
    (reply,) = desk.queue.open(SECRETARY, no).replies
    assert (reply.id, reply.state) == (refused, ReplyState.FAILED)
    rows = desk.queue.view(SECRETARY, lane=Lane.OUTGOING).rows
    assert {row.case.id: row.reply for row in rows} == {
        no: ReplyState.FAILED,
        later: ReplyState.QUEUED,
    }
    server.configure()
    server.reload()
    later_on = utcnow() + AGAIN + timedelta(seconds=5)
    monkeypatch.setattr(store.replies._transactions, "clock", lambda: later_on)
    assert Sender(store, ways, master=MASTER, clock=lambda: later_on).once() == 1
    (reply,) = desk.queue.open(SECRETARY, later).replies
    assert (reply.id, reply.state) == (postponed, ReplyState.SENT)
    (content,) = arrived(server, 1)
    assert reply.message_id.encode() in content


@pytest.mark.parametrize("step", ["pour", "final_dot"])
def test_a_server_that_stops_in_the_middle(
    server: PostfixServer, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the body nothing has left; before the dot nobody can know that nothing has."""
    words, whole, reached = outgoing(), getattr(smtp._Talk, step), 0

    def stopping(talk: smtp._Talk, *arguments: object, **options: object) -> object:
        nonlocal reached
        reached += 1
        server.stop()
        return whole(talk, *arguments, **options)

    for run in range(RUNS):
        with monkeypatch.context() as patch:
            patch.setattr(smtp._Talk, step, stopping)
            with pytest.raises((SendPostponed, SendUncertain)) as trouble:
                server.outbox().send(approved(words), words, message_id=message_id(run))
        assert reached == run + 1
        assert trouble.type is (SendPostponed if step == "pour" else SendUncertain)
        assert trouble.match("at the body" if step == "pour" else "after the end")
        server.start()
        if step == "pour":
            server.outbox().send(approved(words), words, message_id=message_id(run))
        arrived(server, run + 1 if step == "pour" else 0)
