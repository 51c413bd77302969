"""One delivery from a web form or a voicemail service is read: a JSON object of a few fields.

Rule of the room: who wrote and how to reach them is a claim; what we do not know the meaning of is
shown with its name, because a patient may have typed it; no link is ever followed.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping

from triage.parsing.charset import decode
from triage.parsing.sheet import Sheet

LONGEST_BODY = 200_000
#: More fields, or deeper ones, no form has.
MOST_FIELDS, DEEPEST = 500, 6
#: What a field is called -> what a person calls it, for those that say who wrote.
_CLAIMS = {
    "name": "Name",
    "phone": "Phone",
    "email": "E-mail",
    "recorded_at": "Recorded or sent at",
}
_KNOWN = frozenset({*_CLAIMS, "kind", "subject", "topic", "text", "attachments"})


def read_form(content: bytes) -> Sheet:
    """Return everything that can be read from the bytes of one delivery; never raises."""
    sheet = Sheet()
    every: list[str] = []

    def remember(pairs: list[tuple[str, object]]) -> dict[str, object]:
        # Two equal keys in one object mean two readings; the dictionary keeps only the last.
        every.extend(value for _, value in pairs if isinstance(value, str))
        sheet.ambiguous |= len({key for key, _ in pairs}) != len(pairs)
        return dict(pairs)

    try:
        fields = json.loads(content.decode("utf-8-sig"), object_pairs_hook=remember)
        if not isinstance(fields, dict):
            raise ValueError
    except (ValueError, RecursionError):
        sheet.not_read = True
        sheet.add_reading(decode(content[:LONGEST_BODY])[0])
        return sheet
    _read_claims(sheet, fields)
    _read_words(sheet, fields)
    _read_files(sheet, fields.get("attachments"))
    if sheet.ambiguous:
        for text in every[:MOST_FIELDS]:
            sheet.add_reading(text[:LONGEST_BODY])
    sheet.not_read |= not any(one.isalnum() for one in sheet.body)
    return sheet


def _read_claims(sheet: Sheet, fields: Mapping[str, object]) -> None:
    said = {key: _text(fields, key) for key in _CLAIMS}
    spoken = fields.get("kind") == "voicemail"
    sheet.transcript = spoken
    # Which form it was filled into, or that it was spoken, is all that `kind` may say.
    sheet.partly_read |= fields.get("kind") not in ("form", "voicemail")
    sheet.sender_name = said["name"]
    sheet.sender = said["phone"] if spoken else said["email"] or said["phone"]
    sheet.subject = _text(fields, "subject") or ("Voicemail" if spoken else "")
    sheet.topic = _text(fields, "topic")
    claims = [f"{_CLAIMS[key]}: {text}" for key, text in said.items() if text]
    # A service that puts something else there than text has it shown with the unknown fields.
    sheet.signature = "\n".join(claims)
    sheet.add_reading(sheet.subject)
    sheet.add_reading(sheet.topic)


def _read_words(sheet: Sheet, fields: Mapping[str, object]) -> None:
    texts = [_text(fields, "text")]
    unknown = {
        key: value
        for key, value in fields.items()
        if key not in _KNOWN or (key != "attachments" and not isinstance(value, str | None))
    }
    lines = list(_shown(unknown, "", 0))
    sheet.partly_read |= len(lines) > MOST_FIELDS
    texts.append("\n".join(lines[:MOST_FIELDS]))
    whole = "\n\n".join(text for text in texts if text.strip())
    if len(whole) > LONGEST_BODY:
        whole, sheet.partly_read = whole[:LONGEST_BODY], True
    sheet.body = whole
    sheet.add_reading(whole)


def _shown(value: object, name: str, depth: int) -> Iterator[str]:
    """Yield `name: value` for everything inside a field, however it is nested."""
    if depth > DEEPEST:
        yield f"{name}: {json.dumps(value, ensure_ascii=False)[:1000]}"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _shown(inner, f"{name} {key}".strip(), depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _shown(inner, name, depth + 1)
    elif value is not None and value != "":
        said = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        yield f"{name}: {said}"


def _read_files(sheet: Sheet, attachments: object) -> None:
    if attachments is None:
        return
    if not isinstance(attachments, list):
        sheet.partly_read = True
        return
    for one in attachments:
        name, kind, data = (_text(one, key) for key in ("name", "media_type", "content"))
        try:
            found = base64.b64decode("".join(data.split()), validate=True)
        except (binascii.Error, ValueError):
            found = b""
        # A file we cannot unpack is listed by its name; its bytes are in the original.
        sheet.partly_read |= not found
        sheet.add_file(name or "file", kind.lower() or "application/octet-stream", found)
        if found and kind.lower().partition(";")[0].strip() == "text/plain":
            sheet.add_reading(decode(found[:LONGEST_BODY])[0])


def _text(fields: object, key: str) -> str:
    found = fields.get(key) if isinstance(fields, Mapping) else None
    return found.strip() if isinstance(found, str) else ""
