"""Safety-bar 41: the rules read the union of all readings, and the case says that it is ambiguous.

Both forms run more than 100 mails: every way to be ambiguous with two dangers.
"""

import codecs
import email
import pkgutil
from encodings import aliases

import pytest
from parsing_ambiguous import UNAMBIGUOUS, ambiguous
from parsing_mails import public_mails, typed

from triage.domain import Channel, Mark, Message, Urgency
from triage.parsing import charset, loose
from triage.parsing.mail import read_mail
from triage.parsing.parts import Part, take_apart
from triage.parsing.sheet import to_message
from triage.priority.redflags import RedFlags

pytestmark = pytest.mark.bar(41)

DANGERS = (
    b"I cannot breathe and my chest hurts, it feels crushed",
    b"I took all of the pills because I want to die today",
)
CASES = [case for danger in DANGERS for case in ambiguous(danger)]


@pytest.fixture(scope="module")
def rules() -> RedFlags:
    return RedFlags()


def judged(content: bytes) -> Message:
    """Read a mail as the reading child does, without its clock."""
    return to_message(read_mail(content), raw_id="r", channel=Channel.EMAIL)


def test_there_are_enough_ambiguous_mails() -> None:
    assert len(CASES) >= 100


@pytest.mark.parametrize(("name", "content"), CASES, ids=lambda one: str(one)[:24])
def test_the_rules_find_the_danger_in_every_reading(
    rules: RedFlags, name: str, content: bytes
) -> None:
    message = judged(content)
    urgency = max((flag.urgency for flag in rules.flags(message)), default=Urgency.ROUTINE)
    assert urgency > Urgency.ROUTINE
    if name not in UNAMBIGUOUS:
        assert message.marks & {Mark.AMBIGUOUS, Mark.NOT_READ, Mark.PARTLY_READ}


def test_a_single_reading_is_seen_to_miss_many(
    rules: RedFlags, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle: what Python's own parser takes for the text misses the danger in many."""
    missed = 0
    for _, content in CASES:
        parts = email.message_from_bytes(content).walk()
        texts = [part.get_payload(decode=True) or b"" for part in parts]
        shown = b" ".join(text for text in texts if isinstance(text, bytes))
        missed += not rules.fires(shown.decode("utf-8", "replace"))
    assert missed > 20


def test_without_the_loose_reading_dangers_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loose, "packed_words", lambda _, **__: iter(()))
    texts = [" ".join(read_mail(content).readings).encode() for _, content in CASES]
    assert sum(b"breathe" not in text and b"pills" not in text for text in texts) > 5


def test_honest_mails_are_not_called_ambiguous() -> None:
    mails = public_mails()
    called = [path for path in mails if read_mail(path.read_bytes()).ambiguous]
    # The public mails are themselves collections of broken ones.
    assert len(called) < max(2, 0.2 * len(mails))


def every_charset() -> list[str]:
    """Return every name under which Python knows a codec."""
    import encodings

    modules = {module.name for module in pkgutil.iter_modules(encodings.__path__)}
    return sorted({*aliases.aliases, *aliases.aliases.values(), *modules})


def test_only_charsets_on_the_list_are_ever_used() -> None:
    names = every_charset()
    used = {name: found for name in names if (found := charset.allowed(name))}
    for tricky in ("utf_7", "unicode_escape", "raw_unicode_escape", "punycode", "idna", "rot_13"):
        assert tricky in names
        assert tricky not in used
    for name in used:
        # A charset of mail turns bytes into text, by itself, without a state that hides letters.
        info = codecs.lookup(name)
        assert info._is_text_encoding
        assert info.name not in {"utf-7", "hz", "undefined", "cp037", "cp500"}


@pytest.mark.parametrize(
    "name", ["utf-7", "unicode_escape", "punycode", "cp037", "hz", "undefined"]
)
def test_a_refused_charset_is_said_everywhere_it_may_be_declared(name: str) -> None:
    body = typed(f"Content-Type: text/plain; charset={name}", b"+AEkAJw-m fine")
    subject = f"From: a@example.org\nSubject: =?{name}?q?+AEkAJw-m?=\n\nhello there\n".encode()
    for content in (body, subject):
        message = judged(content)
        assert Mark.PARTLY_READ in message.marks
        assert "I'm" not in message.body.reveal() + message.subject.reveal()


def test_parts_are_found_by_their_own_boundary_only() -> None:
    from triage.parsing.parts import Troubles

    troubles = Troubles()
    tree: Part = take_apart(
        typed("Content-Type: multipart/mixed; boundary=a", b"--a\n\nx\n--ab\n\ny\n--a--\n"),
        troubles,
    )
    assert len(tree.children) == 1
    assert troubles.ambiguous
