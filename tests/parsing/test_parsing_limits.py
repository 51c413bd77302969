"""Safety-bar 6 and 11: poison among ordinary mails, limits that hold, and nothing ever skipped."""

import base64
import os
import resource
from itertools import cycle, islice
from pathlib import Path

import pytest
from parsing_mails import mail, nested, poisons, raw_of, typed

from tests.returned_mails import report
from tests.sizes import LONG, many
from tests.small_practice import rooms
from triage.domain import Lane, Mark, Message
from triage.parsing import child
from triage.parsing.sandbox import Sandbox
from triage.parsing.sheet import Sheet, to_message
from triage.pipeline import read

SEEN_BY_A_PERSON = {Mark.NOT_READ, Mark.PARTLY_READ}
MIB = 1 << 20
JOB = {"kind": "mail"}


def by(sandbox: Sandbox, content: bytes) -> Message:
    raw = raw_of(content)
    return to_message(sandbox.read(content, JOB), raw_id=raw.id, channel=raw.channel)


@pytest.mark.bar(6)
def test_poison_among_mails_costs_no_other_mail() -> None:
    """Long form: 1,000 mails, 50 of them poison."""
    count = many(40, long=1_000)
    evil = islice(cycle(content for _, content in poisons()), max(7, count // 20))
    poisoned = dict(zip(range(3, count, max(1, count // max(7, count // 20))), evil, strict=False))
    sandbox = Sandbox()
    try:
        for n in range(count):
            content = poisoned.get(n) or mail(
                f"From: a{n}@example.org\nSubject: {n}", f"refill {n}"
            )
            message = by(sandbox, content)
            if n in poisoned:
                assert message.marks & SEEN_BY_A_PERSON, n
            else:
                assert message.body.reveal() == f"refill {n}"
                assert not message.marks
    finally:
        sandbox.close()


@pytest.mark.bar(6)
def test_the_reading_child_is_held_to_its_limits() -> None:
    sandbox = Sandbox()
    try:
        sandbox.read(mail("From: a@example.org"), JOB)
        assert sandbox._child is not None
        pid = sandbox._child._process.pid
        memory, _ = resource.prlimit(pid, resource.RLIMIT_AS)
        seconds, _ = resource.prlimit(pid, resource.RLIMIT_CPU)
        written, _ = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        assert memory == child.MOST_MEMORY == 300_000_000
        assert 0 < seconds <= child.MOST_CPU_SECONDS + 3
        assert written == 0
    finally:
        sandbox.close()


@pytest.mark.bar(6)
def test_within_the_limits_the_largest_mail_is_read() -> None:
    """A full mailbox of photographs comes back whole; of a book the beginning is read."""
    photo = os.urandom(17 * MIB)
    body = (
        b"--b\nContent-Type: text/plain\n\nsee picture\n--b\nContent-Type: image/png\n"
        b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(photo) + b"--b--\n"
    )
    book = b"my chest hurts\n" + b"x y " * (5 * MIB)
    sandbox = Sandbox()
    try:
        message = by(sandbox, typed("Content-Type: multipart/mixed; boundary=b", body))
        assert message.body.reveal() == "see picture"
        assert message.attachments[0].content == photo
        assert not message.marks
        message = by(sandbox, typed("Content-Type: text/plain", book))
        assert message.body.reveal().startswith("my chest hurts")
        assert message.marks == {Mark.PARTLY_READ}
        assert sandbox.restarts == 0
    finally:
        sandbox.close()


@pytest.mark.bar(6)
def test_oracle_without_a_child_poison_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sabotage: the standard parser in this very process, as naive code would do it."""
    import email
    import email.policy

    def in_process(_: Sandbox, content: bytes, __: object) -> Sheet:
        email.message_from_bytes(content, policy=email.policy.default)
        return Sheet()

    monkeypatch.setattr(Sandbox, "read", in_process)
    with pytest.raises(RecursionError):
        Sandbox().read(nested(1_500), JOB)


SEALED = b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n"
CALENDAR = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:visit\nEND:VEVENT\nEND:VCALENDAR\n"
NO_WORDS = (
    ("Content-Type: application/ms-tnef; name=winmail.dat", b"\x78\x9f\x3e\x22"),
    ("Content-Type: application/octet-stream; name=WINMAIL.DAT", b"\x78\x9f\x3e\x22"),
    ("Content-Type: application/pkcs7-mime; smime-type=enveloped-data", b"MIAGCSqGSIb3"),
    ("Content-Type: application/pkcs7-mime; smime-type=signed-data", b"MIAGCSqGSIb3"),
    ("Content-Type: application/x-pkcs7-mime", b"MIAGCSqGSIb3"),
    ("Content-Type: text/plain", SEALED),
    (
        "Content-Type: multipart/encrypted; boundary=b",
        b"--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b\n\n" + SEALED + b"--b--",
    ),
    ("Content-Type: text/calendar; method=REQUEST", CALENDAR),
    ("Content-Type: application/ics", CALENDAR),
    ("Content-Type: text/plain", b""),
    ("Content-Type: text/html", b"<html><body>&nbsp;</body></html>"),
    ("Content-Type: multipart/mixed; boundary=b", b"--b--\n"),
    ("Content-Type: image/jpeg", b"\xff\xd8\xff"),
    ("Content-Type: text/html", b"<img src='cid:1'>"),
    ("Content-Type: audio/amr; name=voice.amr", b"#!AMR"),
    ("Content-Type: application/pdf; name=letter.pdf", b"%PDF-1.7"),
)


def large(size: int) -> bytes:
    """Return a mail of so many MiB with a little text in front of its file."""
    body = b"--b\nContent-Type: text/plain\n\nmy chest hurts\n--b\nContent-Type: video/mp4\n\n"
    return typed("Content-Type: multipart/mixed; boundary=b", body + b"x" * (size * MIB))


@pytest.mark.bar(11)
def test_what_no_machine_can_read_comes_before_what_is_sorted() -> None:
    """20 of 20 in the long form: four of them of 30 to 60 MB."""
    mails = [typed(head, body) for head, body in NO_WORDS]
    mails += [large(size) for size in (30, 40, 50, 60)[: many(1, long=4)]]
    readings = read([raw_of(content) for content in mails], rooms())
    assert [reading.priority.lane for reading in readings] == [Lane.UNREADABLE] * len(mails)
    assert all(Mark.NOT_READ in reading.marks for reading in readings)
    assert all(reading.suggestion is None for reading in readings)
    (sorted_one,) = read([raw_of(mail("From: a@example.org"))], rooms())
    assert sorted_one.priority.lane is Lane.SORTED
    assert all(one.priority.score > sorted_one.priority.score for one in readings)


@pytest.mark.bar(11)
def test_words_beside_a_seal_are_read() -> None:
    signed = (
        b"--b\nContent-Type: text/plain\n\nmy chest hurts\n--b\n"
        b"Content-Type: application/pkcs7-signature; name=smime.p7s\n\nMIAG\n--b--\n"
    )
    (reading,) = read(
        [raw_of(typed("Content-Type: multipart/signed; boundary=b", signed))], rooms()
    )
    assert reading.message.body.reveal() == "my chest hurts"
    assert Mark.NOT_READ not in reading.marks
    tnef = (
        b"--b\nContent-Type: text/plain\n\nplease refill\n--b\n"
        b"Content-Type: application/ms-tnef; name=winmail.dat\n\n\x78\x9f\n--b--\n"
    )
    (reading,) = read([raw_of(typed("Content-Type: multipart/mixed; boundary=b", tnef))], rooms())
    assert reading.message.body.reveal() == "please refill"
    assert Mark.PARTLY_READ in reading.marks


MACHINES = (
    "Auto-Submitted: auto-replied",
    "Auto-Submitted: auto-generated (rejected)",
    "Return-Path: <>",
    "Precedence: bulk",
    "Precedence: auto_reply",
    "List-Id: <news.example.org>",
    "List-Unsubscribe: <mailto:x@example.org>",
    "X-Autoreply: yes",
    "X-Auto-Response-Suppress: All\nAuto-Submitted: auto-replied",
    "X-Failed-Recipients: a@example.org",
    "Subject: Automatic reply: away",
    "Subject: Out of Office: back on Monday",
    "Subject: Respuesta automática: vacaciones",
    "Subject: Fuera de la oficina",
    "Subject: Undeliverable: hello",
)


def machines() -> list[bytes]:
    """Return mails of machines: our own few, and the public reports where they are at hand."""
    own = [mail(f"From: a@example.org\n{head}") for head in MACHINES]
    data = Path(os.environ.get("TRIAGE_PUBLIC_DATA") or Path(__file__).parents[3] / "shared/data")
    folder = data / "email_sisimai_bounces/maildir/bsd"
    paths = [path for path in sorted(folder.glob("*.eml")) if path.name not in BY_PEOPLE]
    step = 1 if LONG else 60
    return own + [path.read_bytes() for path in paths[::step]]


#: Reports that say nowhere that a machine wrote them, or that a person passed on.
BY_PEOPLE = frozenset(
    {
        "arf-22.eml",
        "arf-23.eml",
        "arf-24.eml",
        "lhost-apachejames-01.eml",
        "lhost-fml-02.eml",
        "lhost-fml-03.eml",
        "lhost-mcafee-04.eml",
        "lhost-sendmail-14.eml",
        "lhost-verizon-02.eml",
    }
)


@pytest.mark.bar(24)
def test_machines_get_no_words() -> None:
    """Long form: 200 and more; no suggestion, and nothing but a person's click could send."""
    mails = machines()
    assert not LONG or len(mails) >= 200 or len(mails) == len(MACHINES)
    readings = read([raw_of(content) for content in mails], rooms())
    assert [reading.suggestion for reading in readings] == [None] * len(mails)
    assert all(Mark.AUTOMATIC in reading.marks for reading in readings)
    (by_a_person,) = read([raw_of(mail("From: a@example.org\nAuto-Submitted: no"))], rooms())
    assert by_a_person.suggestion is not None


@pytest.mark.bar(24)
def test_a_report_that_is_poison_is_still_read_without_harm() -> None:
    spaces = b" " * 300_000
    content = report("<1@clinic.example>").replace(
        b"Message-ID: <1", b"Message-ID:" + spaces + b"<1"
    )
    sandbox = Sandbox()
    try:
        assert sandbox.read(content, JOB).automatic
        assert sandbox.restarts == 0
    finally:
        sandbox.close()
