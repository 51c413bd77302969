"""Sends approved replies to a portal over FHIR R4.

Rule of the room: a reply is asked for by our own identifier before it is created, created with a
condition on that identifier, and never created again by itself once it may stand in the portal: a
reply that waits can be taken back and written anew, and the patient would have both.

For administrators. Settings: those of the connection (see `fhir`), and `sender` (a reference such
as `Organization/clinic`). The server should support conditional create for Communication, and let
us search it by `identifier`: with that, a reply whose line breaks is found instead of looked for by
a person. The log-in then needs more than the right to create: `scope = "system/Communication.cs"`.
"""

import base64
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from triage.connectors import Leaving
from triage.connectors.enclosure import PDF, Enclosure, enclosures
from triage.connectors.fhir_auth import read_credentials
from triage.connectors.fhir_check import explain_replies
from triage.connectors.fhir_client import (
    REPLY_SYSTEM,
    Answer,
    FhirClient,
    Nonsense,
    Refused,
    Unreachable,
)
from triage.connectors.options import Options
from triage.connectors.proof import require_approval
from triage.domain import Approval, Channel, Outgoing
from triage.errors import SendPostponed, SendRefused, SendUncertain, TriageError

_REFERENCE = re.compile(r"(?:Patient|RelatedPerson|Practitioner|Group)/[A-Za-z0-9.-]{1,64}")
_ANSWERED = re.compile(r"(?:Communication|Task)/[A-Za-z0-9.-]{1,64}")
_PATIENT = re.compile(r"Patient/[A-Za-z0-9.-]{1,64}")
#: How a reply points at what it answers, and where that says whom it is about.
_POINTS = {"Communication": ("inResponseTo", "subject"), "Task": ("basedOn", "for")}
#: Answers to our question that mean that the portal is down, so that nothing is sent to it now.
_DOWN = {"408", "425", "429", "502", "503", "504"}
#: Seconds before each look for a reply that may have been created, and after which none begins.
_LOOKS, _ENOUGH = (0.0, 1.0, 3.0), 10.0
_REPLY_ID = re.compile(r"<[A-Za-z0-9._+-]{1,200}@[A-Za-z0-9.-]{1,200}>")


class FhirOutbox:
    """Creates Communications on a FHIR R4 server; see the module for its settings."""

    def __init__(
        self,
        settings: Mapping[str, object],
        secret: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        options = Options(settings, "outbox")
        self.name = options.name
        self.channel = Channel.PORTAL
        self._who = options.who
        self._sender = options.text("sender", "")
        credentials = read_credentials(options, secret, scope="system/Communication.c")
        self._client = FhirClient(options, credentials, once=True)
        self._sleep = sleep
        options.done()

    def send(self, approval: Approval, outgoing: Outgoing, *, message_id: str) -> str:
        """Create the reply, or find it already created, and return `Communication/<id>`.

        SendPostponed means that nothing was created. After a broken line or a fault of the server
        the reply is looked for; where it is not found it is SendUncertain, and a person decides.
        """
        return self.send_shown(approval, outgoing, message_id=message_id, leaving=lambda _: None)

    def send_shown(
        self, approval: Approval, outgoing: Outgoing, *, message_id: str, leaving: Leaving
    ) -> str:
        """Do as `send` does; `leaving` is shown the body when the line is up."""
        require_approval(approval, outgoing, channel=self.channel, who=self._who, encloses=True)
        resource = self._compose(approval, outgoing, message_id)
        if there := self._before(message_id):
            return there
        if about := self._about(outgoing.in_reply_to.reveal()):
            resource["subject"] = {"reference": about}
        token = quote(f"{REPLY_SYSTEM}|{message_id}", safe="")
        try:
            answer = self._client.post(
                "Communication", resource, {"If-None-Exist": f"identifier={token}"}, leaving
            )
        except Unreachable as trouble:
            if not trouble.sent:
                raise SendPostponed(f"{self._who} ({trouble})") from None
            return self._after_doubt(message_id, str(trouble))
        except Refused as trouble:
            raise self._refusal(str(trouble)) from None
        except Nonsense as trouble:
            return self._after_doubt(message_id, str(trouble))
        return self._judge(answer, message_id)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def check(self) -> tuple[str, ...]:
        """Say whether replies can leave here, and be found again; nothing is created."""
        lines = list(explain_replies(self._client, self.name))
        try:
            # Nobody's identifier: only whether we may ask is of interest.
            self._found("<nothing@triage.invalid>")
        except Unreachable as trouble:
            found = f"the search for our replies fails ({trouble}); check address and line."
        except (Refused, Nonsense, SendUncertain) as trouble:
            found = (
                f"we may not search Communication by identifier ({trouble}). A reply whose line "
                "breaks stays uncertain until a person looked; give the log-in this right, too "
                "(`scope`)."
            )
        else:
            found = "logged in, and our replies can be looked for. Nothing was created."
        return (*lines, f"{self.name}: {found}")

    def _judge(self, answer: Answer, message_id: str) -> str:
        who = f"{self._who}, {answer.status}"
        if answer.status in (200, 201):
            return _receipt(answer)
        if answer.status in (408, 425, 429):
            raise SendPostponed(who)
        if 400 <= answer.status < 500 and answer.status not in (409, 412):
            raise SendRefused(who)
        return self._after_doubt(message_id, str(answer.status))

    def _before(self, message_id: str) -> str:
        """Return the reply if it stands in the portal; raise SendPostponed when that is down."""
        try:
            return self._found(message_id)
        except Unreachable as trouble:
            self._unless_down(trouble)
        except (Refused, Nonsense):
            # It does not let us look: the condition on our identifier is left.
            pass
        return ""

    def _unless_down(self, trouble: Unreachable) -> None:
        # A fault of the search alone is no reason to keep a patient waiting.
        if str(trouble) in _DOWN or not str(trouble).isdigit():
            raise SendPostponed(f"{self._who} ({trouble})") from None

    def _about(self, answered: str) -> str:
        """Return the patient whom the answered message is about, in whose record a reply belongs.

        That is never guessed from who gets the reply: a parent writes for a child from the parent's
        own account, and the child's words would stand in the parent's record.
        """
        kind, _, number = answered.partition("/")
        if not number:
            return ""
        try:
            answer = self._client.get(kind, {"_id": number})
        except Unreachable as trouble:
            self._unless_down(trouble)
            return ""
        except (Refused, Nonsense):
            return ""
        found = [one for one in _resources(answer.resource, kind) if one.get("id") == number]
        about = found[0].get(_POINTS[kind][1]) if len(found) == 1 else None
        reference = about.get("reference") if isinstance(about, dict) else None
        # An absolute reference to another server's patient is nobody here.
        here = str(reference).removeprefix(self._client.base)
        return here if _PATIENT.fullmatch(here) else ""

    def _after_doubt(self, message_id: str, why: str) -> str:
        """Return the reply if the portal has it after all; else raise SendUncertain."""
        began = time.monotonic()
        for pause in _LOOKS:
            if time.monotonic() - began > _ENOUGH:
                break
            self._sleep(pause)
            try:
                if there := self._found(message_id):
                    return there
            except (Unreachable, Refused, Nonsense):
                continue
        raise SendUncertain(f"{self._who} ({why})")

    def _found(self, message_id: str) -> str:
        """Return `Communication/<id>` of the one with our identifier, or an empty receipt."""
        asked = {"identifier": f"{REPLY_SYSTEM}|{message_id}"}
        answer = self._client.get("Communication", asked)
        if answer.status != 200:
            raise Nonsense(str(answer.status))
        numbers = _ours(answer.resource, message_id)
        if len(numbers) > 1:
            raise SendUncertain(f"{self._who}: the portal has it {len(numbers)} times")
        return f"Communication/{numbers[0]}" if numbers else ""

    def _refusal(self, why: str) -> TriageError:
        """401 and a refused token are about us, not about the reply: it can still leave later."""
        kind = SendRefused if why == "403" else SendPostponed
        return kind(f"{self._who}, {why}")

    def _compose(self, approval: Approval, outgoing: Outgoing, message_id: str) -> dict[str, Any]:
        recipient = outgoing.recipient.reveal()
        answered = outgoing.in_reply_to.reveal()
        fields = (
            ("recipient", bool(_REFERENCE.fullmatch(recipient))),
            ("in_reply_to", not answered or bool(_ANSWERED.fullmatch(answered))),
            ("message_id", bool(_REPLY_ID.fullmatch(message_id))),
            ("body", bool(outgoing.body.reveal().strip())),
        )
        for field, good in fields:
            if not good:
                raise SendRefused(f"{self._who}, {field} is not one this server understands")
        resource: dict[str, Any] = {
            "resourceType": "Communication",
            "identifier": [{"system": REPLY_SYSTEM, "value": message_id}],
            "status": "completed",
            "recipient": [{"reference": recipient}],
            # The same at every try, so that what is kept of one is kept of all.
            "sent": approval.approved_at.isoformat(timespec="seconds"),
            "payload": [
                {"contentString": outgoing.body.reveal()},
                *map(_attached, enclosures(outgoing, who=self._who)),
            ],
        }
        if answered:
            points, _ = _POINTS[answered.partition("/")[0]]
            resource[points] = [{"reference": answered}]
        if outgoing.subject:
            resource["topic"] = {"text": outgoing.subject.reveal()}
        if self._sender:
            resource["sender"] = {"reference": self._sender}
        return resource


def _attached(file: Enclosure) -> dict[str, Any]:
    """Return a file as FHIR carries it; the SHA-1 is the standard's, the approval has SHA-256."""
    sha1 = hashlib.sha1(file.content, usedforsecurity=False).digest()
    return {
        "contentAttachment": {
            "contentType": PDF,
            "title": file.name,
            "size": len(file.content),
            "hash": base64.b64encode(sha1).decode("ascii"),
            "data": base64.b64encode(file.content).decode("ascii"),
        }
    }


def _ours(bundle: dict[str, Any] | None, message_id: str) -> list[str]:
    """Return the ids of a search's Communications that carry our identifier, whatever else came."""
    mine = {"system": REPLY_SYSTEM, "value": message_id}
    return [
        str(one.get("id", ""))
        for one in _resources(bundle, "Communication")
        if any(mine.items() <= name.items() for name in _dicts(one.get("identifier")))
    ]


def _resources(bundle: dict[str, Any] | None, kind: str) -> list[dict[str, Any]]:
    entries = _dicts((bundle or {}).get("entry"))
    inside = _dicts([entry.get("resource") for entry in entries])
    return [one for one in inside if one.get("resourceType") == kind]


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _receipt(answer: Answer) -> str:
    """Return `Communication/<id>` from Location or the body, or an empty receipt."""
    found = re.search(r"Communication/[A-Za-z0-9.-]{1,64}", answer.location)
    if found:
        return found.group()
    number = (answer.resource or {}).get("id", "")
    return f"Communication/{number}" if isinstance(number, str) and number else ""
