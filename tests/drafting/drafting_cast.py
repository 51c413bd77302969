"""A clinic, a few messages and a fake model server for the tests of drafting."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from triage.domain import (
    Channel,
    IdentifierType,
    Lane,
    Mark,
    Message,
    Priority,
    Protected,
    Redacted,
    Redaction,
    Route,
    Urgency,
)

CLINIC: dict[str, object] = {
    "name": "Test Valley Clinic",
    "contact": {
        "phone": "(503) 555-0100",
        "nurse_line": "(503) 555-0101",
        "billing_phone": "(503) 555-0102",
        "fax": "(503) 555-0103",
        "after_hours_phone": "(503) 555-0105",
        "crisis_line": "988",
        "records_email": "records@testvalley.example",
        "portal_url": "https://portal.testvalley.example",
    },
    "address": {
        "street": "12 Long Road",
        "city": "Fairhaven",
        "state": "OR",
        "zip": "97398",
        "parking": "behind the house.",
    },
    "hours": {
        "monday": "8:00-17:00",
        "tuesday": "8:00-17:00",
        "wednesday": "8:00-17:00",
        "thursday": "8:00-19:00",
        "friday": "8:00-16:00",
        "saturday": "closed",
        "sunday": "closed",
    },
    "policies": {
        "message_turnaround": "1 business day",
        "refill_turnaround": "2 business days",
        "results_turnaround": "3 business days",
        "forms_turnaround": "5 business days",
        "referral_turnaround": "3 business days",
        "billing_turnaround": "2 business days",
        "authorization_turnaround": "plans answer within 14 days",
        "cancellation_policy": "please tell us 24 hours ahead",
        "payment_options": ["card", "check"],
        "financial_help": "ask at the desk",
    },
    "policies_es": {
        "parking_es": "detrás de la casa",
        "message_turnaround_es": "1 día hábil",
        "refill_turnaround_es": "2 días hábiles",
        "results_turnaround_es": "3 días hábiles",
        "forms_turnaround_es": "5 días hábiles",
        "referral_turnaround_es": "3 días hábiles",
        "billing_turnaround_es": "2 días hábiles",
        "authorization_turnaround_es": "los planes contestan en 14 días",
        "cancellation_policy_es": "avísenos 24 horas antes",
        "payment_options_es": ["tarjeta", "cheque"],
        "financial_help_es": "pregunte en la recepción",
    },
}
CANARY = "Canary-Q7-Original"
ENGLISH = "Could you please tell me when the office can do this for my daughter? Thank you."
SPANISH = "Buenas tardes, ¿me puede decir cuándo está lista la receta de mi hija? Muchas gracias."


def message(*, marks: frozenset[Mark] = frozenset(), automatic: bool = False) -> Message:
    """Return a message whose every text is a canary that must never be read."""
    secret = Protected(CANARY)
    return Message(
        raw_id="raw-1",
        channel=Channel.EMAIL,
        sender=secret,
        sender_name=secret,
        subject=secret,
        body=secret,
        quoted=secret,
        signature=secret,
        html=secret,
        readings=(secret,),
        message_id=secret,
        automatic=automatic,
        marks=marks,
    )


def redacted(body: str, *, subject: str = "", names: int = 3) -> Redacted:
    """Return redacted text with `names` known placeholders whose originals are canaries."""
    return Redacted(
        subject,
        body,
        redactions=tuple(
            Redaction(f"[NAME_{at}]", IdentifierType.NAME, Protected(f"{CANARY} {at}"))
            for at in range(1, names + 1)
        ),
        redactor="test",
    )


def priority(
    route: Route,
    *,
    urgency: Urgency = Urgency.ROUTINE,
    also: frozenset[Route] = frozenset(),
    lane: Lane | None = None,
) -> Priority:
    urgent = urgency > Urgency.ROUTINE
    lane = lane or (Lane.URGENT if urgent else Lane.SORTED)
    return Priority(route, also, urgency, 95 if urgent else 40, lane, ())


class ModelServer:
    """Remembers what it was asked and answers what a test tells it to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[str], str | bytes] = lambda _: "The front desk has your message."
        self.status = 200
        self.location = ""
        self.url = ""


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """Run a chat-completions server on loopback."""
    state = ModelServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"])).decode("utf-8")
            state.asked.append(asked)
            state.headers.append(dict(self.headers))
            words = state.answer(asked)
            content = words if isinstance(words, bytes) else completion(words)
            self.send_response(state.status)
            if state.location:
                self.send_header("Location", state.location)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def completion(words: str) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": words}}]}).encode()
