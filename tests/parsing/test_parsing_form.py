"""A form or a transcript: what is claimed, what is said, and every field nobody expected."""

import base64
import json

import pytest

from triage.domain import Channel, Mark
from triage.parsing.form import MOST_FIELDS, read_form
from triage.parsing.sheet import Sheet, to_message


def read(**fields: object) -> Sheet:
    return read_form(json.dumps(fields).encode())


def test_a_form_says_who_wrote_as_a_claim() -> None:
    sheet = read(
        kind="form", name=" Ana ", email="ana@example.org", phone="555", subject="Refill",
        topic="Medicine", text="I need my pills.", recorded_at="yesterday",
    )  # fmt: skip
    assert (sheet.sender, sheet.sender_name, sheet.subject) == ("ana@example.org", "Ana", "Refill")
    assert (sheet.body, sheet.topic) == ("I need my pills.", "Medicine")
    assert sheet.signature.splitlines() == [
        "Name: Ana",
        "Phone: 555",
        "E-mail: ana@example.org",
        "Recorded or sent at: yesterday",
    ]
    signs = (sheet.not_read, sheet.partly_read, sheet.ambiguous, sheet.transcript)
    assert not any(signs)


def test_a_voicemail_is_a_transcript_and_names_the_number() -> None:
    sheet = read(kind="voicemail", phone="555 0100", email="x@example.org", text="call me")
    assert (sheet.sender, sheet.subject, sheet.transcript) == ("555 0100", "Voicemail", True)
    marks = to_message(sheet, raw_id="r", channel=Channel.FORM).marks
    assert marks == {Mark.TRANSCRIPT}


def test_a_field_nobody_expected_is_shown_and_read_by_the_rules() -> None:
    sheet = read(
        kind="form", text="Hello", symptoms=["chest pain", {"since": 2}], agreed=True, no=False,
        phone=5550100, empty="", nothing=None,
    )  # fmt: skip
    assert sheet.body.splitlines() == [
        "Hello",
        "",
        "symptoms: chest pain",
        "symptoms since: 2",
        "agreed: yes",
        "no: no",
        "phone: 5550100",
    ]
    assert any("chest pain" in one for one in sheet.readings)
    assert not sheet.partly_read


@pytest.mark.parametrize("text", [None, "", " \n", "?!", 7, ["x"]])
def test_words_are_looked_for_everywhere_before_it_is_called_unread(text: object) -> None:
    assert read(kind="form", text=text).not_read == (text not in (7, ["x"]))
    assert not read(kind="form", text=text, message="I am here").not_read


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b'"words"', b"\xff{}", b'{"a":' * 3000, b"\0", b"{'a': 1}"],
)
def test_what_is_no_object_is_not_read_and_its_words_are_still_judged(content: bytes) -> None:
    sheet = read_form(content)
    assert sheet.not_read
    assert read_form(content + b" chest pain").readings != []


def test_an_object_that_can_be_read_in_two_ways_is_ambiguous() -> None:
    sheet = read_form(b'{"kind": "form", "text": "chest pain", "text": "all is well"}')
    assert (sheet.body, sheet.ambiguous) == ("all is well", True)
    assert "chest pain" in sheet.readings


def test_very_much_of_anything_is_cut_and_says_so() -> None:
    assert read(kind="form", text="x" * 300_000).partly_read
    assert read(kind="form", **{f"f{n}": "x" for n in range(MOST_FIELDS + 1)}).partly_read
    deep: object = "words"
    for _ in range(50):
        deep = {"in": deep}
    assert "words" in read(kind="form", deep=deep).body
    assert read(kind="fax", text="hello").partly_read


def test_files_come_as_bytes_or_by_their_name() -> None:
    good = base64.b64encode(b"I have chest pain").decode()
    files = [
        {"name": "a.txt", "media_type": "text/plain", "content": good},
        {"name": "b.pdf", "media_type": "application/pdf", "content": "no base64!"},
        "nonsense",
    ]
    sheet = read(kind="form", text="see the file", attachments=files)
    assert sheet.files == [
        ("a.txt", "text/plain"),
        ("b.pdf", "application/pdf"),
        ("file", "application/octet-stream"),
    ]
    assert sheet.blobs == [b"I have chest pain", b"", b""]
    assert sheet.partly_read
    assert "I have chest pain" in sheet.readings
    assert read(kind="form", text="x", attachments="many").partly_read
