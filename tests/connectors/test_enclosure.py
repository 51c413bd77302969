"""A form leaves with its reply byte for byte; one byte changed and nothing does."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes

import pytest

from tests.connectors.approved import MESSAGE_ID, approve, outgoing
from triage.connectors.enclosure import enclosures
from triage.connectors.fhir_outbox import _attached
from triage.connectors.letter import Letter, Unwritable, compose, prove
from triage.connectors.proof import require_approval
from triage.domain import Channel, Outgoing
from triage.errors import ProofRefused, SendRefused

CONTENT = b"%PDF-1.4\r\n" + bytes(range(256)) * 20 + b"\n%%EOF"
NAMES = ("Consent form.pdf", "Autorización de tratamiento médico para menores de edad.pdf", "ñ.pdf")


def enclosing(*names: str, content: bytes = CONTENT) -> Outgoing:
    digest = hashlib.sha256(CONTENT).hexdigest()
    named = tuple((name, digest) for name in names)
    return replace(outgoing(), attachments=named, files=tuple(content for _ in names))


def letter(words: Outgoing) -> Letter:
    return Letter(
        "Alder", "desk@clinic.example", words.recipient, words.subject, words.body, MESSAGE_ID,
        words.in_reply_to, datetime(2026, 3, 4, tzinfo=UTC), enclosures(words, who="out"),
    )  # fmt: skip


@pytest.mark.parametrize("names", [NAMES[:1], NAMES])
def test_a_mail_carries_exactly_the_approved_files(names: tuple[str, ...]) -> None:
    message = compose(letter(enclosing(*names)))
    words, *files = message_from_bytes(message).get_payload()
    assert words.get_payload(decode=True).startswith(b"Hello Pat")
    assert [one.get_filename() for one in files] == list(names)
    assert {one.get_payload(decode=True) for one in files} == {CONTENT}
    for cut in (message.replace(b"MS40", b"MS41"), message.replace(b"JVBERi", b"JVBERj", 1)):
        if cut != message:
            with pytest.raises(Unwritable):
                prove(cut, letter(enclosing(*names)))


@pytest.mark.bar(19)
def test_one_byte_changed_or_a_file_missing_stops_the_whole_reply() -> None:
    words = enclosing(NAMES[0])
    approval = approve(words)
    require_approval(approval, words, channel=Channel.EMAIL, who="out", encloses=True)
    for at in (0, 9, len(CONTENT) - 1):
        changed = CONTENT[:at] + bytes([CONTENT[at] ^ 1]) + CONTENT[at + 1 :]
        with pytest.raises(ProofRefused):
            enclosures(enclosing(NAMES[0], content=changed), who="out")
    with pytest.raises(SendRefused):
        enclosures(replace(words, files=()), who="out")
    with pytest.raises(SendRefused):
        enclosures(enclosing('a"\r\nBcc: x.pdf'), who="out")
    other = replace(words, attachments=((NAMES[0], "0" * 64),))
    with pytest.raises(ProofRefused):
        require_approval(approval, other, channel=Channel.EMAIL, who="out", encloses=True)
    with pytest.raises(SendRefused, match="attachments"):
        require_approval(approval, words, channel=Channel.EMAIL, who="out")


def test_a_portal_gets_the_same_bytes() -> None:
    import base64

    (file,) = enclosures(enclosing(NAMES[1]), who="out")
    said = _attached(file)["contentAttachment"]
    assert base64.b64decode(said["data"]) == CONTENT
    assert (said["title"], said["size"]) == (NAMES[1], len(CONTENT))
