"""Safety-bar 37, short form: nothing put into a field can become another header or message.

The oracle is Python's own composer, which turns an encoded line feed in a subject into a Bcc.
"""

import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.connectors.letter import Letter, Unwritable, compose, prove
from triage.domain import NOTHING, Channel, Outgoing, Protected

pytestmark = pytest.mark.bar(37)

GOOD = Letter(
    from_name="Willow Creek Clinic",
    from_address="desk@clinic.example",
    to=Protected("pat@example.org"),
    subject=Protected("Your refill"),
    body=Protected("Hello Pat,\n\nit is ready.\n"),
    message_id="<1@clinic.example>",
    in_reply_to=Protected("<question@example.org>"),
    date=datetime(2026, 3, 4, 5, 6, tzinfo=UTC),
)
NAMES = [
    "Date", "From", "To", "Message-ID", "Subject", "In-Reply-To", "References", "MIME-Version",
    "Content-Type", "Content-Transfer-Encoding",
]  # fmt: skip

EVIL = "Bcc: eve@evil.example"
BREAKS = [
    "\r\n", "\n", "\r", "\x00", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029",
]  # fmt: skip
ENCODED = [
    "=?utf-8?q?x=0ABcc=3A_eve=40evil=2Eexample?=",
    "=?utf-8?q?x=0D=0ABcc=3A_eve=40evil=2Eexample?=",
    "=?utf-8?b?eApCY2M6IGV2ZUBldmlsLmV4YW1wbGU=?=",
    "=?utf-8?b?eA0KQmNjOiBldmVAZXZpbC5leGFtcGxl?=",
    "=?iso-8859-1?Q?a=0D?= =?iso-8859-1?Q?=0ABcc:_eve@evil.example?=",
    "=?utf-8*en?q?x=0ABcc=3A_eve?=",
    "=?unknown?q?x?=",
    "=?utf-8?q?never closed",
    "=?=?=",
]
#: Payloads for a one-line field.
LINES = [
    *(f"x{lf}{EVIL}" for lf in BREAKS),
    *(f"{lf}{EVIL}" for lf in BREAKS),
    *(f"x{lf} {EVIL}" for lf in BREAKS),
    *(f"x{lf}{lf}a whole new body" for lf in BREAKS),
    *ENCODED,
    "x" * 5000,
    "é" * 3000,
    "word " * 800,
    " " * 200 + "x",
    "x\t" + EVIL,
    "\ud800",
    "ends in a backslash\\",
    '"quoted" <eve@evil.example>',
]
#: Payloads for the body, where line ends are fine and must stay inside the message.
BODIES = [
    ".", "..", ".\n.\n", "a\n.\nMAIL FROM:<eve@evil.example>\n", "a\r\n.\r\nRSET\r\n",
    "a\n.\r\nQUIT", "a\r.\rDATA\r", "\n.\n", ".\r\n", "From eve\nFrom you", "=2E\n=0A.", "x=\n.\n",
    "=" * 200, "." * 500, ("x" * 75 + ".") * 10, "trailing   \nspaces\t\n", "é" * 400,
    "\u2028.\u2029.", "\x85.", "--boundary\nContent-Type: text/html\n\n<b>x</b>", f"\n\n{EVIL}\n\n",
    "", "\n\n\n", "\U0001f600" * 100, "a\tb", "\t", "x\t" * 200, "\t.\t\n.\t", "é\t" * 60,
]  # fmt: skip


def parsed_names(message: bytes) -> list[str]:
    return message_from_bytes(message, policy=policy.default).keys()


def assert_harmless(letter: Letter) -> None:
    """Either the letter is refused, or its bytes are one message with exactly our headers."""
    try:
        message = compose(letter)
    except Unwritable:
        return
    assert "evil" not in letter.to.reveal() + letter.message_id
    assert parsed_names(message) == NAMES
    assert message_from_bytes(message).keys() == NAMES
    assert not re.search(rb"[^\x20-\x7e\r\n]", message)
    assert b"\n" not in message.replace(b"\r\n", b"")
    assert b"\r" not in message.replace(b"\r\n", b"")
    # SMTP smuggling needs a line that is a dot, however a server counts line ends.
    assert b"\n." not in message
    assert max(len(line) for line in message.split(b"\r\n")) <= 998
    read = message_from_bytes(message, policy=policy.default)
    assert read["To"] == letter.to.reveal()
    assert read["Message-ID"] == letter.message_id
    wanted = letter.body.reveal().replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    payload = message_from_bytes(message).get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().replace("\r\n", "\n").removesuffix("\n") == wanted


def test_there_are_enough_payloads() -> None:
    assert len(LINES) + len(BODIES) >= 60


@pytest.mark.parametrize("payload", LINES)
def test_no_payload_in_a_line_becomes_a_header(payload: str) -> None:
    assert_harmless(replace(GOOD, subject=Protected(payload)))
    assert_harmless(replace(GOOD, from_name=payload))
    for letter in (
        replace(GOOD, to=Protected(f"pat@example.org{payload}")),
        replace(GOOD, to=Protected(f"{payload}@example.org")),
        replace(GOOD, message_id=f"<1@clinic.example>{payload}"),
        replace(GOOD, message_id=f"<{payload}@clinic.example>"),
        replace(GOOD, from_address=f"desk@clinic.example{payload}"),
    ):
        assert_harmless(letter)


@pytest.mark.parametrize("payload", LINES)
def test_a_strangers_message_id_is_written_whole_or_not_at_all(payload: str) -> None:
    letter = replace(GOOD, in_reply_to=Protected(f"<q@example.org>{payload}"))
    try:
        message = compose(letter)
    except Unwritable:
        return
    assert parsed_names(message) == [name for name in NAMES if name not in NAMES[5:7]]


@pytest.mark.parametrize("payload", BODIES)
def test_no_body_ends_the_message_early(payload: str) -> None:
    assert_harmless(replace(GOOD, body=Protected(payload)))


@pytest.mark.parametrize("break_", BREAKS)
def test_what_breaks_lines_is_refused_not_repaired(break_: str) -> None:
    with pytest.raises(Unwritable, match="Subject"):
        compose(replace(GOOD, subject=Protected(f"a{break_}b")))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.text(max_size=600))
def test_any_text_arrives_as_it_is_or_is_refused(subject: str, body: str) -> None:
    letter = replace(GOOD, subject=Protected(subject), body=Protected(body))
    assert_harmless(letter)


def test_a_tab_arrives_and_no_line_is_longer_for_it() -> None:
    words = Protected("Name\tDose\n" + "10 mg\t" * 100 + "end")
    message = compose(replace(GOOD, body=words))
    payload = message_from_bytes(message).get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().replace("\r\n", "\n") == words.reveal() + "\n"
    assert max(len(line) for line in message.split(b"\r\n")) <= 78


@pytest.mark.parametrize("place", ["subject", "body"])
def test_what_nobody_could_write_is_known_before_anybody_approves_it(place: str) -> None:
    """Every sign that may break a line: what is said to be writable is, and nothing else is."""
    known = {"in_reply_to": NOTHING, "recipient": GOOD.to, "case_id": "c", "channel": Channel.EMAIL}
    refused = set()
    for number in [*range(0xA1), 0x2028, 0x2029, 0xD800, 0x1F600]:
        words = {"subject": Protected("a b"), "body": Protected("a b")}
        words[place] = Protected(f"a{chr(number)}b")
        out = Outgoing.of(**known, **words)  # type: ignore[arg-type]  # Put together above.
        try:
            compose(replace(GOOD, subject=out.subject, body=out.body))
        except Unwritable:
            refused.add(number)
        assert out.writable is (number not in refused), number
    assert not {0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028} & refused
    assert {0x00, 0x01, 0x1B, 0x7F, 0xD800} <= refused


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("Your refill", "Willow Creek Clinic"),
        ("", ""),
        ("Su receta está lista", "Clínica Álamo"),
        ("=?utf-8?q?not_decoded?=", '"Dr." Smith, MD'),
        ("ünïcödé " * 40, "李小龍診所"),
        (" two  spaces ", "Tail "),
        ("Re: =?x", "a=?b"),
    ],
)
def test_subjects_and_names_arrive_to_the_letter(subject: str, name: str) -> None:
    letter = replace(GOOD, subject=Protected(subject), from_name=name)
    read = message_from_bytes(compose(letter), policy=policy.default)
    assert read["From"].addresses[0].addr_spec == "desk@clinic.example"
    assert read["From"].addresses[0].display_name.strip() == name.strip()
    assert str(read["Subject"]).strip() == subject.strip()


@pytest.mark.parametrize(
    "address",
    [
        "", "pat", "pat@", "@example.org", "pat@exa mple.org", "pat@example.org, eve@evil.example",
        "pat@example.org;eve@evil.example", "<pat@example.org>", "Pat <pat@example.org>",
        "pat@example.org>", '"pat eve"@example.org', "pat@[127.0.0.1]", "pat@example..org",
        ".pat@example.org", "pat.@example.org", "pät@example.org", "pat@exämple.org",
        "pat@-example.org", "pat@example.org\u200b", "undisclosed:;", "a" * 250 + "@example.org",
        "@a.example:pat@example.org",
    ],
)  # fmt: skip
def test_an_address_that_is_not_one_plain_address_is_refused(address: str) -> None:
    with pytest.raises(Unwritable, match="To"):
        compose(replace(GOOD, to=Protected(address)))


def test_refusals_name_the_field_and_never_its_content() -> None:
    with pytest.raises(Unwritable) as caught:
        compose(replace(GOOD, subject=Protected("canary\n")))
    assert str(caught.value) == "Subject"


def test_a_letter_without_a_question_has_no_thread_headers() -> None:
    names = parsed_names(compose(replace(GOOD, in_reply_to=NOTHING)))
    assert "In-Reply-To" not in names
    assert "References" not in names


TALK = "<a@example.org> <r1@clinic.example> <b@example.org>"


def test_the_conversation_is_named_oldest_first_and_the_answered_one_last() -> None:
    read = message_from_bytes(compose(replace(GOOD, in_reply_to=Protected(TALK))))
    assert read["In-Reply-To"] == "<b@example.org>"
    assert read["References"].split() == TALK.split()
    long = " ".join(f"<{number:0>300}@example.org>" for number in range(20))
    read = message_from_bytes(compose(replace(GOOD, in_reply_to=Protected(long))))
    assert read["References"].split() == long.split()


@pytest.mark.parametrize(
    ("talk", "written"),
    [
        ("<a@example.org> <a@example.org>", "<a@example.org>"),
        ("<a b@example.org> <b@example.org>", None),
        ("<a@(x)> <b@example.org>", "<b@example.org>"),
        ("<b@example.org> <a@(x)>", None),
        ("  <b@example.org>", None),
    ],
)
def test_what_is_no_message_id_is_left_out(talk: str, written: str | None) -> None:
    read = message_from_bytes(compose(replace(GOOD, in_reply_to=Protected(talk))))
    assert read["References"] == written
    assert read["In-Reply-To"] == (written and written.split()[-1])


# The oracle: composers that do what most programs do must be caught by the same proof.


def by_hand(letter: Letter) -> bytes:
    return (
        f"To: {letter.to.reveal()}\r\nSubject: {letter.subject.reveal()}\r\n\r\n"
        f"{letter.body.reveal()}\r\n"
    ).encode()


def by_python(letter: Letter) -> bytes:
    message = EmailMessage(policy=policy.SMTP)
    message["To"] = letter.to.reveal()
    message["Subject"] = letter.subject.reveal()
    message.set_content(letter.body.reveal())
    return message.as_bytes()


def test_oracle_a_composer_by_hand_lets_a_bcc_through() -> None:
    evil = replace(GOOD, subject=Protected(f"x\r\n{EVIL}"))
    assert "Bcc" in parsed_names(by_hand(evil))
    with pytest.raises(Unwritable):
        prove(by_hand(evil), evil)


@pytest.mark.skipif(sys.version_info[:3] > (3, 11, 7), reason="later releases may be mended")
def test_oracle_pythons_composer_lets_an_encoded_bcc_through() -> None:
    evil = replace(GOOD, subject=Protected(ENCODED[0]))
    assert "Bcc" in parsed_names(by_python(evil))
    with pytest.raises(Unwritable):
        prove(by_python(evil), evil)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"To: pat@example.org", b"To: eve@evil.example"),
        (b"To: pat@example.org", b"To: pat@example.org, eve@evil.example"),
        (b"Subject: Your refill", b"Subject: Your refund"),
        (b"it is ready", b"it is redy"),
        (b"Date: ", b"Bcc: eve@evil.example\r\nDate: "),
        (b"MIME-Version: 1.0\r\n", b""),
        (b"<1@clinic", b"<2@clinic"),
        (b"In-Reply-To: <question@", b"In-Reply-To: <other@"),
        (b"References: <question@", b"References: <other@"),
        (b"References: ", b"References: <eve@evil.example> "),
        (b"Willow Creek", b"Willow Croak"),
        (b"desk@clinic.example", b"eve@clinic.example"),
        (b"\r\n\r\n", b"\n\n"),
        (b"it is ready.", b"it is ready.\n"),
        (b"Hello", b"He\xc3\xa9llo"),
    ],
)
def test_oracle_one_changed_byte_is_noticed(old: bytes, new: bytes) -> None:
    message = compose(GOOD)
    assert old in message
    with pytest.raises(Unwritable):
        prove(message.replace(old, new, 1), GOOD)
