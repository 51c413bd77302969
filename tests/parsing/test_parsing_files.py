"""What a mail carries beside its words: every part is shown or listed, whatever its name."""

import pytest
from parsing_mails import typed

from triage.domain import Channel, Mark, Message
from triage.parsing.mail import read_mail
from triage.parsing.sheet import to_message
from triage.priority.redflags import RedFlags


def read(head: str, *parts: bytes) -> Message:
    whole = b"".join(b"--b\n" + part + b"\n" for part in parts) + b"--b--\n"
    content = typed(f"Content-Type: {head}; boundary=b", whole)
    return to_message(read_mail(content), raw_id="r", channel=Channel.EMAIL)


def names(message: Message) -> list[str]:
    return [one.name.reveal() for one in message.attachments]


WORDS = b"Content-Type: text/plain\n\nsee letter"


@pytest.mark.parametrize(
    ("named", "name"),
    [
        (b"filename*=utf-8''%e2%82%ac%20se%c3%b1ora.pdf", "€ señora.pdf"),
        (b"filename*=iso-8859-1'es'se%f1ora.pdf", "señora.pdf"),
        ("filename*=utf-8''señora €.pdf".encode(), "señora €.pdf"),
        ("filename*=utf-8''señora.pdf".encode(), "señora.pdf"),
        (b"filename*0*=utf-8''se%c3%b1;\n filename*1=ora.pdf", "señora.pdf"),
        ('filename="señora.pdf"'.encode(), "señora.pdf"),
        ('filename="señora.pdf"'.encode("latin-1"), "señora.pdf"),
        (b'filename="=?utf-8?q?se=C3=B1ora=2Epdf?="', "señora.pdf"),
        # Charsets that hide letters are never used, in names neither.
        (b"filename*=utf-7''a+AGI-c.pdf", "a+AGI-c.pdf"),
    ],
)
def test_a_file_is_listed_whatever_letters_its_name_has(named: bytes, name: str) -> None:
    letter = (
        b"Content-Type: application/pdf\nContent-Disposition: attachment; " + named + b"\n\n%PDF"
    )
    message = read("multipart/mixed", WORDS, letter, letter.replace(named, b"filename=b.pdf"))
    assert message.body.reveal() == "see letter"
    assert names(message) == [name, "b.pdf"]
    assert not message.marks


def test_words_in_a_named_part_are_shown() -> None:
    head = "Content-Type: text/plain\nContent-Disposition: inline; filename*=utf-8''se%c3%b1ora.txt"
    message = to_message(
        read_mail(typed(head, b"my chest hurts")), raw_id="r", channel=Channel.EMAIL
    )
    assert message.body.reveal() == "my chest hurts"
    assert Mark.NOT_READ not in message.marks


def test_a_text_file_whose_name_is_bare_bytes_is_read() -> None:
    head = "application/octet-stream\nContent-Disposition: attachment; filename*=utf-8''痛い.txt"
    note = f"Content-Type: {head}\n\nI cannot breathe".encode()
    message = read("multipart/mixed", WORDS, note)
    assert names(message) == ["痛い.txt"]
    assert any("I cannot breathe" in one.reveal() for one in message.readings)


DANGER = "I have crushing chest pain and cannot breathe."
DANGEROUS = f"Content-Type: text/plain\n\n{DANGER}".encode()
SEAL = b"Content-Type: application/pgp-signature; name=a.asc\n\nx"
RETURNED = b"Content-Type: message/rfc822\n\nSubject: visit\n\ncall if you have chest pain"


def test_every_line_of_a_picture_message_is_shown() -> None:
    smil = b"Content-Type: application/smil; name=a.smil\n\n<smil/>"
    sheet = b"Content-Type: text/css\n\np { margin: 0 }"
    message = read("multipart/related", smil, WORDS, sheet, DANGEROUS)
    assert message.body.reveal() == f"see letter\n\n{DANGER}"
    assert [one.media_type for one in message.attachments] == ["application/smil", "text/css"]
    assert not message.marks


@pytest.mark.parametrize(
    ("head", "parts"),
    [
        ("multipart/signed", (WORDS, SEAL, DANGEROUS)),
        ("multipart/related", (WORDS, DANGEROUS.replace(b"plain", b"html"))),
        ("multipart/report", (WORDS, RETURNED, DANGEROUS)),
        ("multipart/report", (WORDS, b"Content-Type: text/rfc822-headers\n\nTo: a", DANGEROUS)),
    ],
    ids=["signed", "related", "report", "report of headers"],
)
def test_words_that_are_not_shown_are_listed(head: str, parts: tuple[bytes, ...]) -> None:
    message = read(head, *parts)
    assert message.body.reveal() == "see letter"
    assert DANGER.encode() in [one.content for one in message.attachments]
    assert Mark.PARTLY_READ in message.marks
    flags = RedFlags().flags(message)
    assert "cannot breathe" in " ".join(flag.quote.reveal() for flag in flags)


def test_words_inside_a_listed_mail_are_listed_once() -> None:
    message = read("multipart/report", WORDS, RETURNED)
    assert [one.media_type for one in message.attachments] == ["message/rfc822"]
    assert Mark.PARTLY_READ not in message.marks
    assert all("chest pain" not in text.reveal() for text in message.readings)
