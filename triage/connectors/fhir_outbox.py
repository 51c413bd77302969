"""Sends approved replies to a portal over FHIR R4.

Rule of the room: an answer is created with a condition on our own identifier, so that a repetition
cannot become a second message; where the server does not promise that, a person decides.

For administrators. Settings: those of the connection (see `fhir`), and `sender` (a reference such
as `Organization/clinic`). The server should support conditional create for Communication; `check`
says whether it does.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from triage.connectors import Leaving
from triage.connectors.enclosure import PDF, Enclosure, enclosures
from triage.connectors.fhir_auth import read_credentials
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
_ANSWERED = re.compile(r"Communication/[A-Za-z0-9.-]{1,64}")
_REPLY_ID = re.compile(r"<[A-Za-z0-9._+-]{1,200}@[A-Za-z0-9.-]{1,200}>")


class FhirOutbox:
    """Creates Communications on a FHIR R4 server; see the module for its settings."""

    def __init__(self, settings: Mapping[str, object], secret: str) -> None:
        options = Options(settings, "outbox")
        self.name = options.name
        self.channel = Channel.PORTAL
        self._who = options.who
        self._sender = options.text("sender", "")
        credentials = read_credentials(options, secret, scope="system/Communication.c")
        self._client = FhirClient(options, credentials, once=True)
        options.done()
        self._conditional: bool | None = None

    def send(self, approval: Approval, outgoing: Outgoing, *, message_id: str) -> str:
        """Create the reply, or find it already created, and return `Communication/<id>`.

        A broken line is SendPostponed only where the server's CapabilityStatement promises
        conditional create, which makes trying again harmless; anywhere else it is SendUncertain.
        """
        return self.send_shown(approval, outgoing, message_id=message_id, leaving=lambda _: None)

    def send_shown(
        self, approval: Approval, outgoing: Outgoing, *, message_id: str, leaving: Leaving
    ) -> str:
        """Do as `send` does; `leaving` is shown the body when the line is up."""
        require_approval(approval, outgoing, channel=self.channel, who=self._who, encloses=True)
        resource = self._compose(approval, outgoing, message_id)
        harmless = self._repeating_is_harmless()
        token = quote(f"{REPLY_SYSTEM}|{message_id}", safe="")
        try:
            answer = self._client.post(
                "Communication", resource, {"If-None-Exist": f"identifier={token}"}, leaving
            )
        except Unreachable as trouble:
            if trouble.sent and not harmless:
                raise SendUncertain(f"{self._who} ({trouble})") from None
            raise SendPostponed(f"{self._who} ({trouble})") from None
        except Refused as trouble:
            raise self._refusal(str(trouble)) from None
        except Nonsense as trouble:
            raise SendUncertain(f"{self._who} ({trouble})") from None
        return self._judge(answer, harmless)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def check(self) -> tuple[str, ...]:
        """Read the CapabilityStatement and say whether repeating a reply would be harmless."""
        try:
            harmless = self._repeating_is_harmless()
        except TriageError as trouble:
            return (str(trouble),)
        if harmless:
            return (f"{self.name}: {self._client.base} answers and knows conditional create.",)
        return (
            f"{self.name}: {self._client.base} answers without conditional create; a person "
            "decides whenever the line breaks during a reply.",
        )

    def _judge(self, answer: Answer, harmless: bool) -> str:
        who = f"{self._who}, {answer.status}"
        if answer.status in (200, 201):
            return _receipt(answer)
        if answer.status in (409, 412):
            raise SendUncertain(who)
        if answer.status in (408, 425, 429):
            raise SendPostponed(who)
        if 400 <= answer.status < 500:
            raise SendRefused(who)
        if answer.status >= 500 and harmless:
            raise SendPostponed(who)
        raise SendUncertain(who)

    def _refusal(self, why: str) -> TriageError:
        """401 and a refused token are about us, not about the reply: it can still leave later."""
        kind = SendRefused if why == "403" else SendPostponed
        return kind(f"{self._who}, {why}")

    def _repeating_is_harmless(self) -> bool:
        """Whether the server promises conditional create for Communication; asked once."""
        if self._conditional is None:
            try:
                answer = self._client.get("metadata")
            except (Unreachable, Refused) as trouble:
                raise SendPostponed(f"{self._who} ({trouble})") from None
            except Nonsense:
                return False
            self._conditional = answer.status == 200 and _promises(answer.resource)
        return self._conditional

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
        if recipient.startswith("Patient/"):
            resource["subject"] = {"reference": recipient}
        if answered:
            resource["inResponseTo"] = [{"reference": answered}]
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


def _promises(statement: dict[str, Any] | None) -> bool:
    try:
        return any(
            resource.get("type") == "Communication" and resource.get("conditionalCreate") is True
            for rest in (statement or {}).get("rest", [])
            for resource in rest.get("resource", [])
        )
    except (AttributeError, TypeError):
        return False


def _receipt(answer: Answer) -> str:
    """Return `Communication/<id>` from Location or the body, or an empty receipt."""
    found = re.search(r"Communication/[A-Za-z0-9.-]{1,64}", answer.location)
    if found:
        return found.group()
    number = (answer.resource or {}).get("id", "")
    return f"Communication/{number}" if isinstance(number, str) and number else ""
