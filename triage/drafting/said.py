"""Whether words stand in a reply, however they are spaced and spelled large or small."""

import unicodedata
from collections.abc import Iterable

from triage.domain import Outgoing


def said_in(outgoing: Outgoing, phrases: Iterable[str]) -> tuple[str, ...]:
    """Return those phrases that a reply says in its subject or body."""
    text = _plain(f"{outgoing.subject.reveal()}\n{outgoing.body.reveal()}")
    return tuple(phrase for phrase in phrases if _plain(phrase) in text)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
