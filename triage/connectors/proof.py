"""The last look before anything leaves: is this what a person approved, and for this way out?

Rule of the room: every outbox calls `require_approval` first, before it opens a connection.
"""

import hmac

from triage.domain import Approval, Channel, Outgoing
from triage.errors import ProofRefused, SendRefused


def require_approval(
    approval: Approval,
    outgoing: Outgoing,
    *,
    channel: Channel,
    who: str,
    encloses: bool = False,
) -> None:
    """Raise ProofRefused unless `approval` is for exactly `outgoing`, and it fits this outbox.

    Attachments raise SendRefused unless the outbox `encloses` them: leaving one out silently would
    send something else than was approved.
    """
    if not hmac.compare_digest(approval.digest.encode(), outgoing.digest.encode()):
        raise ProofRefused(f"{who}, reply {approval.reply_id}")
    if outgoing.channel is not channel:
        raise ProofRefused(f"{who}, reply {approval.reply_id}, channel")
    if outgoing.attachments and not encloses:
        raise SendRefused(f"{who}, reply {approval.reply_id}, attachments cannot be sent yet")
