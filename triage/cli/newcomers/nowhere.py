"""The only way out of a practice for training: it leads nowhere.

Rule of the room: it opens no connection and writes nothing down; it is in no table of outboxes, so
that no clinic can choose it for its patients.
"""

from triage.domain import Approval, Channel, Outgoing
from triage.errors import ProofRefused


class Nowhere:
    """Takes a reply as a server would, and lets go of it."""

    name = "nowhere"

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def send(self, approval: Approval, outgoing: Outgoing, *, message_id: str) -> str:
        """Return a receipt that says that nothing left."""
        if approval.digest != outgoing.digest:
            raise ProofRefused(message_id)
        return "practised; nothing left this computer"
