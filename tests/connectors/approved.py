"""Approved replies for the outbox tests."""

from dataclasses import replace
from datetime import UTC, datetime

from triage.domain import NOTHING, Approval, Channel, Outgoing, Protected

MESSAGE_ID = "<0123456789abcdef@clinic.example>"


def outgoing(
    *,
    to: str = "pat@example.org",
    subject: str = "Your refill",
    body: str = "Hello Pat,\n\nit is ready.\n",
    in_reply_to: str = "<question@example.org>",
) -> Outgoing:
    words = [Protected(text) if text else NOTHING for text in (to, in_reply_to, subject, body)]
    return Outgoing("case-1", Channel.EMAIL, *words)


def portal(**words: str) -> Outgoing:
    defaults = {"to": "Patient/p1", "in_reply_to": "Communication/c1"}
    return replace(outgoing(**{**defaults, **words}), channel=Channel.PORTAL)


def approve(what: Outgoing) -> Approval:
    when = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    return Approval("a1", "c1", "r1", what.digest, "sam", when, "0" * 64)
