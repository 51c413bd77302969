"""One portal message, a FHIR R4 Communication or a Task that carries one, is read.

Rule of the room: nothing a message points to is ever fetched; an attachment that is only a link
is listed by its name.
"""

import base64
import binascii
import json
from collections.abc import Mapping

from triage.parsing.charset import decode
from triage.parsing.html import html_to_text
from triage.parsing.newest import separate
from triage.parsing.purpose import Purpose, purpose_of
from triage.parsing.references import file_name, point, pointed
from triage.parsing.sheet import Sheet

LONGEST_BODY = 200_000
#: More texts than these are read as one.
_MOST_TEXTS = 100
#: What staff read above the words of a message that somebody took back.
RETRACTED = "The portal marks this message as entered in error."


def read_portal(content: bytes) -> Sheet:
    """Return everything that can be read from the bytes of one Communication; never raises."""
    sheet = Sheet()
    every: list[str] = []

    def remember(pairs: list[tuple[str, object]]) -> dict[str, object]:
        # Two equal keys in one object mean two readings; the dictionary keeps only the last.
        every.extend(v for key, v in pairs if key == "contentString" and isinstance(v, str))
        sheet.ambiguous |= len({key for key, _ in pairs}) != len(pairs)
        return dict(pairs)

    try:
        resource = json.loads(content.decode("utf-8-sig"), object_pairs_hook=remember)
    except (ValueError, RecursionError):
        sheet.not_read = True
        text, _ = decode(content[:LONGEST_BODY])
        sheet.add_reading(text)
        return sheet
    if _text(resource, "resourceType") == "Task":
        _read_task(sheet, resource)
    else:
        sheet.partly_read |= _text(resource, "resourceType") != "Communication"
        _read_people(sheet, resource)
        _read_thread(sheet, resource)
        _read_payload(sheet, resource)
    purpose = _purpose(sheet, resource)
    for text in every:
        new = separate(text[:LONGEST_BODY], purpose)
        sheet.add_reading(_together(new.body, new.signature))
    words = sheet.body or (sheet.subject if _is_header(resource) else "")
    sheet.not_read |= not any(one.isalnum() for one in words)
    if _text(resource, "status") == "entered-in-error":
        # Without this it would look like a second, equal request.
        sheet.body = _together(RETRACTED, sheet.body)
        sheet.partly_read = True
    return sheet


def _is_header(resource: object) -> bool:
    """Whether it only opens a conversation: a topic, and no message of its own."""
    return not any(_list(resource, key) for key in ("payload", "partOf", "inResponseTo"))


def _purpose(sheet: Sheet, resource: object) -> Purpose:
    """Return what a message is for; to be part of a conversation is not yet to answer."""
    return purpose_of(sheet.subject, names_another=bool(_list(resource, "inResponseTo")))


def _together(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)


def _read_people(sheet: Sheet, resource: object) -> None:
    _read_sender(sheet, _part(resource, "sender"), _part(resource, "subject"))


def _read_sender(sheet: Sheet, sender: Mapping[str, object], subject: Mapping[str, object]) -> None:
    writer = point(sender)
    sheet.sender, sheet.sender_name = writer.text, writer.name
    sheet.sender_doubtful = writer.doubtful
    # Who is written about is compared with who is known, where those are known: in the store.
    sheet.about = point(subject).text or ("?" if subject else "")


def _read_thread(sheet: Sheet, resource: object) -> None:
    own = _text(resource, "id")
    sheet.message_id = f"Communication/{own}" if own else ""
    named = [*pointed(_list(resource, "partOf")), *pointed(_list(resource, "inResponseTo"))]
    sheet.references = list(dict.fromkeys(named))
    sheet.portal_thread = next(iter(sheet.references), sheet.message_id)
    topic = _part(resource, "topic")
    codings = _list(topic, "coding")
    coded = _text(codings[0], "code") if codings else ""
    shown = _text(codings[0], "display") if codings else ""
    sheet.subject = _text(topic, "text") or shown
    sheet.topic = coded or shown or _text(topic, "text")
    sheet.add_reading(sheet.subject)
    # A machine's Communication says so in its category, as HL7's own example does.
    categories = [code for one in _list(resource, "category") for code in _list(one, "coding")]
    sheet.automatic = any(_text(code, "code") == "notification" for code in categories)


def _read_payload(sheet: Sheet, resource: object) -> None:
    texts: list[str] = []
    for payload in _list(resource, "payload"):
        words = _text(payload, "contentString")
        if words.lstrip().startswith("<") and "</" in words:
            # Some portals write layout into plain text; the rules still read it as it came.
            words, hidden = html_to_text(words)
            sheet.add_reading(hidden)
        if words:
            texts.append(words)
        attachment = _part(payload, "contentAttachment")
        if attachment:
            _read_attachment(sheet, attachment, texts)
        elsewhere = _part(payload, "contentReference")
        if elsewhere:
            # What was sent lies in the portal; from here nobody can say what it is.
            name = _text(elsewhere, "display") or _text(elsewhere, "reference")
            sheet.add_file(name, "application/octet-stream", b"")
            sheet.partly_read = True
    # Some portals put what a patient typed into another field than the message's own.
    texts += [_text(note, "text") for note in _list(resource, "note")]
    texts += [_text(reason, "text") for reason in _list(resource, "reasonCode")]
    _read_words(sheet, texts, _purpose(sheet, resource))


def _read_task(sheet: Sheet, task: object) -> None:
    """Read a task that stands for a message: who asks, about whom, and what it says."""
    _read_sender(sheet, _part(task, "requester"), _part(task, "for"))
    own = _text(task, "id")
    sheet.message_id = f"Task/{own}" if own else ""
    related = [_part(task, "focus"), *_list(task, "basedOn"), *_list(task, "partOf")]
    sheet.references = pointed(related)
    sheet.portal_thread = next(iter(sheet.references), sheet.message_id)
    code = _part(task, "code")
    codings = _list(code, "coding")
    sheet.subject = _text(code, "text") or (_text(codings[0], "display") if codings else "")
    sheet.add_reading(sheet.subject)
    texts = [_text(task, "description")]
    texts += [_text(note, "text") for note in _list(task, "note")]
    texts += [_text(one, "valueString") for one in _list(task, "input")]
    _read_words(sheet, texts, _purpose(sheet, task))
    # A task says more than we read; its message is elsewhere, or the task says so itself.
    sheet.partly_read |= bool(sheet.references or _list(task, "input"))


def _read_words(sheet: Sheet, texts: list[str], purpose: Purpose) -> None:
    said = list(dict.fromkeys(text for text in texts if text.strip()))
    said = [*said[:_MOST_TEXTS], _together(*said[_MOST_TEXTS:])]
    room, found = LONGEST_BODY, []
    for text in said:
        sheet.partly_read |= len(text) > room
        # Each for itself: what ends one text must not fold the next.
        found.append(separate(text[:room], purpose))
        room -= len(text[:room])
    sheet.body = _together(*(one.body for one in found))
    sheet.quoted = _together(*(one.quoted for one in found))
    sheet.signature = _together(*(one.signature for one in found))
    sheet.add_reading(_together(sheet.body, sheet.signature))


def _read_attachment(sheet: Sheet, attachment: Mapping[str, object], texts: list[str]) -> None:
    kind, _, rest = _text(attachment, "contentType").lower().partition(";")
    data = _text(attachment, "data")
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        sheet.partly_read = True
        content = b""
    name = _text(attachment, "title") or file_name(_text(attachment, "url"))
    # A link is never followed: its words, if it has any, are read in the portal.
    sheet.partly_read |= not content
    if kind.strip() not in {"text/plain", "text/html"} or not content:
        sheet.add_file(name, kind.strip() or "application/octet-stream", content)
        return
    declared = rest.partition("charset=")[2].split(";")[0]
    text, damaged = decode(content, declared)
    sheet.partly_read |= damaged
    if kind.strip() == "text/html":
        sheet.html = sheet.html or text
        text, hidden = html_to_text(text)
        sheet.add_reading(hidden)
    if name:
        sheet.add_file(name, kind.strip(), content)
        sheet.add_reading(text)
    else:
        texts.append(text)


def _part(resource: object, key: str) -> Mapping[str, object]:
    found = resource.get(key) if isinstance(resource, dict) else None
    return found if isinstance(found, dict) else {}


def _list(resource: object, key: str) -> list[object]:
    found = resource.get(key) if isinstance(resource, Mapping) else None
    return found if isinstance(found, list) else []


def _text(resource: object, key: str) -> str:
    found = resource.get(key) if isinstance(resource, Mapping) else None
    return found if isinstance(found, str) else ""
