"""Writes the evidence of one case into a zip that anybody can check without this program.

Rule of the room: patient text is in it on purpose, and the first file in it says so; nothing is
decided here.
"""

import base64
import difflib
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from triage.desk.views import EvidenceView
from triage.domain import (
    Approval,
    AuditEvent,
    Departure,
    Head,
    Label,
    ProofKey,
    Protected,
    Reply,
    StoredMessage,
    User,
)

FORMAT = "triage evidence 4"
CHECKER = Path(__file__).parent / "check_pack.py"
README = """\
This is everything one case is made of: what the patient wrote, what was suggested and answered,
who saw it and when. IT HOLDS PATIENT TEXT IN THE OPEN, on purpose; keep it like the record itself.

  evidence.json    all of it, with this case's part of the audit's chains
  originals/       each message, byte for byte as it came
  left/            each reply as it was handed to the mail server or portal, byte for byte
  check.py         checks all of it offline; needs Python 3.9 or later and nothing else

  python3 check.py .                                   checks what holds by itself
  python3 check.py . --anchor audit.anchor             and that the clinic anchored these chains

A reply's "bytes" are what its approver saw and signed: every field, each with its length before it.
check.py verifies the signature of the approver's browser over their digest, with the public key
whose name stands in the audit chain. "left" names what was handed over under its "message_id",
once for each attempt, kept before its first byte left: check.py compares its SHA-256 with the one
in the chain, reads it as a stranger would and compares it with the approved words. A reply from
before these bytes were kept, or through an outbox that does not show them, has none. Where a
clinic wants two approvers, "firsts" holds who said yes first, when, and to which digest; check.py
verifies it in the same way, and that the second yes names that person. That a key was its person's
own is what the sender checked before anything left, with a key nobody else has.

A pack proves no more than the anchor it is compared with: ask the clinic for its anchor file, or
for the line it wrote down on paper, from somebody other than who gave you the pack. Take check.py
from the program's own source when you do not trust the copy in here. The keys in evidence.json
open the events of this case and no others; with them anybody could write these events anew, but
not the digests the anchor holds. When the case was erased, evidence.json says when, and holds who
saw it and did what, but no words any more.
"""


def pack(view: EvidenceView, *, by: User, at: datetime) -> bytes:
    """Return the zip: what happened, each message as it came, and the script that checks it."""
    found = view.evidence
    content = json.dumps(_content(view, by, at), indent=1, ensure_ascii=True)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("README.txt", README)
        bundle.writestr("evidence.json", content)
        bundle.writestr("check.py", CHECKER.read_text(encoding="utf-8"))
        for raw in found.originals.values():
            bundle.writestr(f"originals/{raw.id}", raw.content)
        for departure in found.left:
            bundle.writestr(_place(departure), departure.content)
    return stream.getvalue()


def _content(view: EvidenceView, by: User, at: datetime) -> dict[str, Any]:
    found, file = view.evidence, view.evidence.file
    return {
        "format": FORMAT,
        "notice": "This file holds patient text on purpose.",
        "made": {"by": by.id, "name": by.display_name, "at": at.isoformat()},
        "case": {
            "id": file.case.id,
            "clinic": file.case.clinic,
            "state": file.case.state.value,
            "route": file.case.route.value,
            "urgency": file.case.urgency.word,
            "opened_at": file.case.opened_at.isoformat(),
            "patient": _patient(view),
            "outcome": file.case.outcome,
            "note": file.outcome_note.reveal(),
        },
        "erased": found.erased_at.isoformat() if found.erased_at else None,
        "names": dict(view.names),
        "seen": [_seen(event, view) for event in found.events if event.cases],
        "messages": [_message(message) for message in file.messages],
        "suggestion": _suggestion(view),
        "labels": [_label(label) for label in file.labels],
        "draft": _words(file.draft.outgoing.body) if file.draft else None,
        "replies": [
            {**_reply(reply, view.suggested), "left": list(_left(reply, found.left))}
            for reply in file.replies
        ],
        "firsts": [{"reply": one.reply_id, **_approval(one)} for one in found.firsts],
        "chain": _chain(view),
    }


def _patient(view: EvidenceView) -> dict[str, str] | None:
    who = view.evidence.file.patient
    if who is None:
        return None
    return {"id": who.id, "name": who.name.reveal(), "born": who.birth_date.reveal()}


def _seen(event: AuditEvent, view: EvidenceView) -> dict[str, Any]:
    name = view.names.get(event.actor, event.actor)
    at = event.at.isoformat()
    return {"seq": event.seq, "at": at, "who": event.actor, "name": name, "what": event.action}


def _message(message: StoredMessage) -> dict[str, Any]:
    found = message.classification
    return {
        "id": message.id,
        "raw": message.raw_id,
        "channel": message.channel.value,
        "received_at": message.received_at.isoformat(),
        "sender": message.sender.reveal(),
        "sender_name": message.sender_name.reveal(),
        "subject": message.subject.reveal(),
        "body": message.body.reveal(),
        "redacted_body": message.redacted.body,
        "redactor": message.redacted.redactor,
        "model": found.model,
        "route": found.route.value,
        "also": sorted(route.value for route in found.also),
        "confidence": found.confidence,
        "abstained": found.abstained,
        "scores": {route.value: score for route, score in found.scores.items()},
        "rules": [
            {"rule": flag.rule, "urgency": flag.urgency.word, "quote": flag.quote.reveal()}
            for flag in message.flags
        ],
        "because": list(message.because),
    }


def _suggestion(view: EvidenceView) -> dict[str, str] | None:
    suggestion = view.evidence.file.suggestion
    if suggestion is None or view.suggested is None:
        return None
    shown = view.suggested.reveal()
    return {"template": suggestion.template, "written": suggestion.body, "shown": shown}


def _label(label: Label) -> dict[str, Any]:
    return {
        "by": label.by,
        "at": label.at.isoformat(),
        "model": label.model,
        "shown": [label.shown_route.value, label.shown_urgency.word],
        "chosen": [label.route.value, label.urgency.word],
        "why": label.why.reveal(),
    }


def _words(text: Protected) -> str:
    return text.reveal()


def _reply(reply: Reply, suggested: Protected | None) -> dict[str, Any]:
    outgoing = reply.outgoing
    return {
        "id": reply.id,
        "state": reply.state.value,
        "message_id": reply.message_id,
        "channel": outgoing.channel.value,
        "recipient": outgoing.recipient.reveal(),
        "in_reply_to": outgoing.in_reply_to.reveal(),
        "subject": outgoing.subject.reveal(),
        "body": outgoing.body.reveal(),
        "attachments": [list(each) for each in outgoing.attachments],
        # The very bytes that the approval's digest is of.
        "bytes": base64.b64encode(outgoing.content).decode("ascii"),
        "diff": list(changes(reply.suggested or suggested, outgoing.body)),
        "approval": _approval(reply.approval),
        "receipt": reply.receipt.reveal(),
        "why": reply.why.reveal(),
        "undelivered": reply.undelivered.value if reply.undelivered else None,
        "settled_at": reply.settled_at.isoformat() if reply.settled_at else None,
    }


def _approval(approval: Approval) -> dict[str, Any]:
    return {
        "id": approval.id,
        "by": approval.approver,
        "at": approval.approved_at.isoformat(),
        "digest": approval.digest,
        "proof": approval.proof,
        "key": _key(approval.key),
    }


def _left(reply: Reply, left: Sequence[Departure]) -> Iterator[dict[str, str]]:
    """Yield where in the pack the bytes of one reply lie, attempt by attempt."""
    for each in left:
        if each.reply_id == reply.id:
            digest = hashlib.sha256(each.content).hexdigest()
            yield {"file": _place(each), "sha256": digest, "at": each.at.isoformat()}


def _place(departure: Departure) -> str:
    return f"left/{departure.id}"


def _key(key: ProofKey | None) -> dict[str, str] | None:
    """Return the public half of what signed; its certificate is for the sender's eyes."""
    if key is None:
        return None
    return {"public": key.public, "user": key.user_id, "until": key.until.isoformat()}


def changes(suggested: Protected | None, said: Protected) -> Iterator[str]:
    """Yield what a person changed in the suggestion, line by line."""
    before: Sequence[str] = suggested.reveal().splitlines() if suggested else ()
    after = said.reveal().splitlines()
    return difflib.unified_diff(before, after, "suggested", "approved", lineterm="")


def _chain(view: EvidenceView) -> dict[str, Any]:
    found = view.evidence
    return {
        "events": [
            {
                "chain": event.chain,
                "number": event.number,
                "seq": event.seq,
                "clinic": event.clinic,
                "at": event.at.isoformat(),
                "actor": event.actor,
                "action": event.action,
                "cases": list(event.cases),
                "detail": dict(event.detail),
                "previous": event.previous,
                "digest": event.digest,
                "key": found.keys[event.seq],
            }
            for event in found.events
        ],
        "stretches": [
            {
                "chain": each.chain,
                "first": each.first,
                "previous": each.previous,
                "contents": list(each.contents),
            }
            for each in found.stretches
        ],
        "anchors": [_head(head) for head in found.anchored],
        "heads": [_head(head) for head in found.heads],
    }


def _head(head: Head) -> dict[str, Any]:
    return {"chain": head.chain, "number": head.number, "digest": head.digest}
