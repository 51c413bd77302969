"""Redacted text as a perfect redactor would make it, to measure other models apart from ours.

Rule of the room: only texts whose identifiers were marked by hand and replaced by placeholders may
come here, which means invented messages; the path never calls this.
"""

from triage.domain import Channel, Redacted


def replaced(subject: str, body: str, channel: Channel) -> Redacted:
    """Return texts whose identifiers were already replaced by their labels."""
    return Redacted(subject, body, redactor="labels", channel=channel)
