"""Safety-bar 6, 7 and 11: whatever the bytes are, a Message comes back."""

import base64
import email
import email.policy
import signal
import time
from collections.abc import Callable
from email.header import decode_header, make_header

import pytest
from parsing_mails import mail, nested, poisons, public_mails, raw_of, read, typed

from tests.sizes import many
from triage.domain import Mark
from triage.parsing import failing, parse
from triage.parsing.newest import separate
from triage.parsing.sandbox import TOO_MANY, ChildGone, Sandbox
from triage.parsing.sheet import Sheet

pytestmark = pytest.mark.timeout(many(180, long=1200))
SEEN_BY_A_PERSON = {Mark.NOT_READ, Mark.PARTLY_READ}


@pytest.mark.bar(6)
@pytest.mark.parametrize(("name", "content"), list(poisons()), ids=lambda one: str(one)[:20])
def test_poison_is_marked_and_never_blocks(name: str, content: bytes) -> None:
    began = time.monotonic()
    message = read(content)
    assert time.monotonic() - began < 10
    assert message.marks & SEEN_BY_A_PERSON


@pytest.mark.bar(6)
def test_oracle_the_standard_parser_in_process_raises() -> None:
    content = nested(1_500)
    with pytest.raises(RecursionError):
        email.message_from_bytes(content, policy=email.policy.default)
    assert Mark.NOT_READ in read(content).marks


@pytest.mark.bar(7)
def test_every_public_mail_gives_text_or_a_mark(
    record_property: Callable[[str, object], None],
) -> None:
    mails = public_mails()
    record_property("tried", len(mails))
    assert mails
    for path in mails:
        message = read(path.read_bytes())
        assert message.body.reveal().strip() or Mark.NOT_READ in message.marks, path.name


def naive_text(content: bytes) -> str:
    """Read a mail as most programs do: what it says of itself is taken for the truth."""
    message = email.message_from_bytes(content)
    subject = str(make_header(decode_header(message["Subject"] or "")))
    for part in message.walk():
        if part.get_content_type() == "text/plain":
            content = part.get_payload(decode=True)
            return f"{subject}\n{content.decode(part.get_content_charset() or 'utf-8')}"
    return ""


@pytest.mark.bar(7)
def test_oracle_a_naive_parser_raises_and_yields_nothing(
    record_property: Callable[[str, object], None],
) -> None:
    """The same mails: a reader without our care fails on some and is silent about others."""
    mails = public_mails()
    raised = silent = 0
    for path in mails:
        try:
            silent += not naive_text(path.read_bytes()).strip()
        except (LookupError, ValueError):
            raised += 1
    for name, value in (("tried", len(mails)), ("raised", raised), ("silent", silent)):
        record_property(name, value)
    assert raised >= len(mails) // 100
    assert silent >= len(mails) // 100


@pytest.mark.bar(11)
@pytest.mark.parametrize(
    ("name", "head", "body"),
    [
        ("empty", "Content-Type: text/plain", b""),
        ("only spaces", "Content-Type: text/plain", b" \n\xc2\xa0\n"),
        ("image", "Content-Type: image/png\nContent-Transfer-Encoding: base64", b"iVBORw0KGgo="),
        ("html image", "Content-Type: text/html", b"<p><img src='cid:1'></p>"),
        ("calendar", "Content-Type: text/calendar", b"BEGIN:VCALENDAR\nEND:VCALENDAR"),
        ("S/MIME", "Content-Type: application/pkcs7-mime; name=smime.p7m", b"MIAGCSqGSIb3"),
        ("TNEF", "Content-Type: application/ms-tnef; name=winmail.dat", b"\x78\x9f\x3e\x22"),
        ("PGP", "Content-Type: text/plain", b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n"),
        (
            "PGP/MIME",
            'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b',
            b"--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b\n"
            b"Content-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----\n--b--\n",
        ),
        ("phone signature only", "Content-Type: text/plain", b"Sent from my iPhone\n"),
    ],
)
def test_what_has_no_words_is_not_read(name: str, head: str, body: bytes) -> None:
    assert Mark.NOT_READ in read(typed(head, body)).marks


@pytest.mark.bar(11)
def test_a_huge_mail_is_not_read_but_its_beginning_is_searched() -> None:
    content = typed("Content-Type: text/plain", b"my chest hurts\n" + b"x" * 26_000_000)
    message = read(content)
    assert Mark.NOT_READ in message.marks
    assert any("chest" in reading.reveal() for reading in message.readings)


@pytest.mark.parametrize("ended", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("kind", ["mail", "portal"])
def test_a_child_that_is_ended_between_two_messages_costs_none(
    kind: str, ended: signal.Signals
) -> None:
    """A service manager asks the whole group to end; the worker goes on with what it began."""
    words = "my chest hurts"
    content = {
        "mail": mail("From: a@example.org\nSubject: one", words),
        "portal": PORTAL % words.encode(),
    }[kind]
    sandbox = Sandbox(patience=5)
    try:
        assert sandbox.read(content, {"kind": kind}).body.strip() == words
        assert sandbox._child is not None
        sandbox._child._process.send_signal(ended)
        assert sandbox.read(content, {"kind": kind}).body.strip() == words
        assert (sandbox.restarts, sandbox.lost) == (1 if ended is signal.SIGKILL else 0, 0)
    finally:
        sandbox.close()


PORTAL = b'{"resourceType": "Communication", "payload": [{"contentString": "%s"}]}'


@pytest.mark.parametrize("kind", ["mail", "portal", "form"])
def test_what_no_child_can_read_is_searched_as_it_lies(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise OSError("no processes left")

    monkeypatch.setattr("triage.parsing.sandbox.Child", none)
    sandbox = Sandbox()
    for number in range(TOO_MANY):
        assert sandbox.lost == number
        sheet = sandbox.read(PORTAL % b"my chest hurts" + b"x" * 100, {"kind": kind})
        assert sheet.not_read
        assert ["my chest hurts" in one and "xxx" not in one for one in sheet.readings] == [True]
    monkeypatch.setattr("triage.parsing.door._sandbox", lambda: sandbox)
    assert failing()


def test_a_message_that_ends_its_child_at_once_is_not_read_twice_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    class Fragile:
        answered = 0

        def ask(self, content: bytes, job: dict[str, str], patience: float) -> Sheet:
            asked.append(job["kind"])
            if job["kind"] == "skim":
                return Sheet(not_read=True, subject="two")
            raise ChildGone

        def kill(self) -> None:
            """Nothing is there to end."""

    monkeypatch.setattr("triage.parsing.sandbox.Child", Fragile)
    sheet = Sandbox().read(mail("From: a@example.org\nSubject: two"), {"kind": "mail"})
    assert asked == ["mail", "mail", "skim"]
    assert (sheet.not_read, sheet.subject) == (True, "two")


def test_a_late_child_is_replaced() -> None:
    sandbox = Sandbox(patience=5)
    try:
        sandbox.read(mail("From: a@example.org"), {"kind": "mail"})
        sandbox._patience = 0.0
        assert sandbox.read(mail("From: a@example.org"), {"kind": "mail"}).not_read
        assert sandbox._child is None
        sandbox._patience = 5
        assert not sandbox.read(mail("From: a@example.org"), {"kind": "mail"}).not_read
    finally:
        sandbox.close()


def test_parse_survives_when_no_child_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_child() -> Sandbox:
        raise OSError("no processes left")

    monkeypatch.setattr("triage.parsing.door._sandbox", no_child)
    message = parse(raw_of(mail("From: a@example.org")))
    assert Mark.NOT_READ in message.marks
    assert message.sender_doubtful
    assert message.readings


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "punycode", "idna", "rot13", "hex"])
def test_trick_charsets_are_never_used(charset: str) -> None:
    hidden = rb"\u0063hest +AGMAaABlAHMAdA-"
    message = read(typed(f"Content-Type: text/plain; charset={charset}", hidden))
    assert message.body.reveal() == hidden.decode()
    assert Mark.PARTLY_READ in message.marks


@pytest.mark.parametrize(
    "line",
    [
        "On ",
        "On 1:00 2:00@ wrote\n",
        "1 10:30 2025 <a@b.c> x\n",
        "De: x\nA: y\n",
        "> ",
        "From: x\n",
        "On a wrote:\n",
        "--\n",
        "-- \n> x\n",
        "El x escribió:\n",
        "a:\n>",
        "forwarded message from" + " " * 200 + "x\n",
        "- * _ = " * 30 + "\n",
    ],
)
def test_separating_hostile_text_is_quick(line: str) -> None:
    began = time.monotonic()
    # As many lines as are separated at all, and one text of the greatest length.
    separate((line * 4_900)[:190_000])
    separate(line * (190_000 // len(line)))
    assert time.monotonic() - began < 5


def test_large_attachments_come_back_whole() -> None:
    picture = bytes(range(256)) * 20_000
    body = (
        b"--b\nContent-Type: text/plain\n\nsee picture\n--b\n"
        b'Content-Type: image/png; name="../../etc/rash.png"\n'
        b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(picture) + b"--b--\n"
    )
    message = read(typed("Content-Type: multipart/mixed; boundary=b", body))
    assert message.body.reveal() == "see picture"
    assert [one.name.reveal() for one in message.attachments] == ["rash.png"]
    assert message.attachments[0].content == picture
    assert not message.marks
