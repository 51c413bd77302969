"""One mail is read, part by part, with a guard around every header and every part.

Rule of the room: this runs in the reading child; whatever is wrong with a mail ends as a mark
on the sheet, and the words that could be read are kept.
"""

import contextlib
import re
from collections.abc import Callable, Sequence

from triage.parsing import loose, texts
from triage.parsing.automatic import is_automatic
from triage.parsing.bounces import gives_back, is_from_a_mailer, read_report
from triage.parsing.charset import decode
from triage.parsing.headers import Sender, clean, message_ids, read_sender, readable
from triage.parsing.newest import separate
from triage.parsing.parts import Part, Troubles, decoded, take_apart, value_of, values_of
from triage.parsing.purpose import Purpose, purpose_of
from triage.parsing.sheet import Sheet
from triage.parsing.verdicts import doubted, unproven

#: Of a larger mail only the beginning is read; a person opens the original.
LARGEST = 25_000_000
BEGINNING = 2_000_000
LONGEST_BODY = 200_000
#: Of the mails that came as files so many are shown; all are listed.
MOST_ENCLOSED = 20
#: All readings of one mail together, in characters.
LONGEST_READINGS = 600_000

_FROM_LINE = re.compile(rb"(?:^|[\r\n])[ \t\0]*from[ \t\0]*:", re.I)
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n|\r\r")
_SEALED = frozenset(
    {"application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted"}
    | {"application/pgp-encrypted"}
)
_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})


def read_mail(content: bytes, trusted_authserv_id: str | None = None) -> Sheet:
    """Return everything that can be read from the bytes of one mail; never raises on content."""
    sheet = Sheet()
    if len(content) > LARGEST:
        content, sheet.not_read = content[:BEGINNING], True
    troubles = Troubles()
    try:
        tree = take_apart(content, troubles)
    except Exception:
        sheet.not_read = True
        sheet.add_reading(decode(content[:LONGEST_BODY])[0])
        return sheet
    steps: tuple[Callable[[], None], ...] = (
        lambda: _read_head(sheet, tree, content, trusted_authserv_id),
        lambda: _read_texts(sheet, tree, troubles),
        lambda: _read_report(sheet, tree),
        lambda: _list_files(sheet, tree, troubles),
        lambda: _read_loosely(sheet, tree, content),
    )
    for step in steps:
        try:
            step()
        except Exception:
            # One step that fails must not cost what the others can read.
            sheet.partly_read = True
    _judge(sheet, tree, troubles)
    return sheet


def skim_mail(content: bytes, trusted_authserv_id: str | None = None) -> Sheet:
    """Return subject and sender only, for a mail whose reading killed the child."""
    head = _END_OF_HEADERS.split(content[:64_000], maxsplit=1)[0]
    sheet = Sheet(not_read=True, sender_doubtful=True)
    tree = take_apart(head + b"\n\n", Troubles())
    with contextlib.suppress(Exception):
        _read_head(sheet, tree, head, trusted_authserv_id)
    return sheet


def _read_head(sheet: Sheet, tree: Part, content: bytes, trusted: str | None) -> None:
    headers = tree.headers
    subjects = values_of(headers, "subject")
    decoded_subjects = [readable(value) for value in subjects]
    sheet.subject = decoded_subjects[0][0] if subjects else ""
    sheet.partly_read |= any(damaged for _, damaged in decoded_subjects)
    sheet.ambiguous |= len({shown for shown, _ in decoded_subjects}) > 1
    for raw, (shown, _) in zip(subjects, decoded_subjects, strict=True):
        sheet.add_reading(shown)
        sheet.add_reading(clean(raw.encode("ascii", "replace").decode("ascii")))
        other = loose.other_subject(raw)
        sheet.ambiguous |= other.isascii() and other != shown
        sheet.add_reading(other)
    head = _END_OF_HEADERS.split(content[:300_000], maxsplit=1)[0]
    sender = _guarded_sender(tree, from_lines=len(_FROM_LINE.findall(head)))
    said = values_of(headers, "authentication-results")
    address = sender.address
    unvouched = unproven(said, trusted, address) if trusted else doubted(said, address)
    sheet.sender_doubtful = sender.doubtful or unvouched
    sheet.sender, sheet.sender_name = sender.address, sender.name
    sheet.message_id = next(iter(message_ids(value_of(headers, "message-id"))), "")
    older = [
        one
        for name in ("references", "in-reply-to")
        for value in values_of(headers, name)
        for one in message_ids(value)
    ]
    sheet.references = list(dict.fromkeys(older))[-100:]
    single = {name.lower(): clean(str(value)) for name, value in reversed(headers.items())}
    sheet.automatic = is_automatic(
        single, kind=tree.kind, sender=sheet.sender, subject=sheet.subject
    )


def _guarded_sender(tree: Part, *, from_lines: int) -> Sender:
    try:
        return read_sender(
            values_of(tree.headers, "from"),
            sender_values=values_of(tree.headers, "sender"),
            from_lines=from_lines,
        )
    except Exception:
        return Sender()


def _read_texts(sheet: Sheet, tree: Part, troubles: Troubles) -> None:
    shown, source = texts.shown(tree, troubles)
    wordless = not any(one.isalnum() for text in shown for one in text)
    if wordless:
        shown = [texts.attached_words(tree, troubles)]
        sheet.partly_read |= any(shown)
    purpose = _purpose(sheet, tree)
    _add_shown(sheet, shown, purpose)
    sheet.html = source
    if not (wordless or is_from_a_mailer(tree, sheet.sender)):
        _add_enclosed(sheet, tree)
    room = LONGEST_READINGS
    for text in texts.readings(tree, troubles):
        new = separate(text, purpose)
        reading = "\n\n".join(one for one in (new.body, new.signature) if one)
        if len(reading) > room:
            reading, sheet.partly_read = reading[:room], True
        room -= len(reading)
        sheet.add_reading(reading)


def _add_shown(sheet: Sheet, shown: Sequence[str], purpose: Purpose) -> None:
    """Show these texts one below the other; what one of them quotes hides nothing of the next."""
    room = LONGEST_BODY
    for text in shown:
        sheet.partly_read |= len(text) > room
        newest = separate(text[:room], purpose)
        room = max(0, room - len(text))
        sheet.body = f"{sheet.body}\n\n{newest.body}".strip()
        sheet.quoted = f"{sheet.quoted}\n\n{newest.quoted}".strip()
        sheet.signature = f"{sheet.signature}\n\n{newest.signature}".strip()


def _add_enclosed(sheet: Sheet, tree: Part) -> None:
    """Show what was passed on as a file, below the words it came with."""
    for number, text in enumerate(texts.enclosed(tree)):
        words = separate(text, Purpose.PASSES_ON).body
        if number >= MOST_ENCLOSED or len(sheet.body) + len(words) > LONGEST_BODY:
            sheet.partly_read = True
            return
        sheet.body = f"{sheet.body}\n\n{words}".strip()


def _purpose(sheet: Sheet, tree: Part) -> Purpose:
    """Return whether the mail begins something, answers something or passes something on."""
    named = any(
        value.strip()
        for name in ("in-reply-to", "references")
        for value in values_of(tree.headers, name)
    )
    # What a mail server gives back repeats what we wrote, and need not name it.
    return purpose_of(sheet.subject, names_another=named or gives_back(tree, sheet.sender))


def _read_loosely(sheet: Sheet, tree: Part, content: bytes) -> None:
    """Add what only a careless reader would see; careful ones saw something else."""
    leaves = (part for part in tree.walk() if not part.kind.startswith("multipart/"))
    unpacked = [part.raw for part in leaves if part.encoding == "base64"]
    for text in loose.packed_words(content, besides=unpacked):
        if loose.is_new(text, [*sheet.readings, sheet.quoted]):
            sheet.add_reading(text[:LONGEST_BODY])
            sheet.ambiguous = True


def _read_report(sheet: Sheet, tree: Part) -> None:
    # Old letters carry what came back below their words, where it may count as quoted.
    words = "\n".join((sheet.body, sheet.signature, sheet.quoted))
    report = read_report(
        tree,
        sender=sheet.sender,
        subject=sheet.subject,
        body=words,
        automatic=sheet.automatic,
    )
    if report is not None:
        sheet.undelivered, sheet.status = report.why.value, report.status
        sheet.gives_back, sheet.automatic = list(report.about), True


def _list_files(sheet: Sheet, tree: Part, troubles: Troubles) -> None:
    left_out = {id(part) for part in texts.left_out(tree)}
    sheet.partly_read |= bool(left_out)
    for part in tree.walk():
        is_text = part.kind.startswith("multipart/") or texts.is_shown(part)
        if is_text and id(part) not in left_out:
            continue
        sheet.add_file(part.filename, part.kind, decoded(part, troubles))
        if part.kind in _TNEF or part.filename.lower() == "winmail.dat":
            sheet.partly_read = True


def _judge(sheet: Sheet, tree: Part, troubles: Troubles) -> None:
    sealed = any(part.kind in _SEALED for part in tree.walk())
    sealed = sealed or "-----BEGIN PGP MESSAGE-----" in sheet.body
    wordless = not any(one.isalnum() for one in sheet.body)
    sheet.not_read |= sealed or wordless or troubles.over_limit
    sheet.partly_read |= troubles.damaged
    sheet.ambiguous |= troubles.ambiguous
