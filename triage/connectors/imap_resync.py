"""Asks a server with QRESYNC what changed in a mailbox, which the library has no words for.

Rule of the room: what is learned here saves time only; whoever uses it counts, and lists the
whole mailbox where the count is wrong.
"""

import imaplib
from dataclasses import dataclass
from typing import Any

#: A wrong answer may name a range of billions; no mailbox of ours has as many messages.
_MOST = 5_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What EXAMINE with QRESYNC said: the mailbox, and the UIDs that came, changed or went."""

    opened: dict[bytes, Any]
    touched: frozenset[int]
    vanished: frozenset[int]


def enable_resync(client: Any) -> bool:
    """Switch QRESYNC on where it is offered; say whether it is on."""
    if not (client.has_capability("QRESYNC") and client.has_capability("ENABLE")):
        return False
    return b"QRESYNC" in [bytes(word).upper() for word in client.enable("QRESYNC")]


def resync(client: Any, mailbox: str, epoch: str, modseq: int) -> Answer:
    """Open `mailbox` read-only and return what changed since `modseq` of `epoch`.

    Raises imaplib.IMAP4.error when the server refuses, ValueError when it makes no sense.
    """
    from imapclient.response_parser import parse_fetch_response

    # The library's own select, with the parameter it lacks.
    wire = client._imap
    wire.untagged_responses = {}
    wire.is_readonly = True
    box = client._normalise_folder(mailbox)
    verdict, _ = wire._simple_command("EXAMINE", box, f"(QRESYNC ({int(epoch)} {modseq}))")
    if verdict != "OK":
        wire.state = "AUTH"
        raise imaplib.IMAP4.error("EXAMINE refused")
    wire.state = "SELECTED"
    fetched = parse_fetch_response(wire.untagged_responses.pop("FETCH", []))
    gone = wire.untagged_responses.pop("VANISHED", [])
    vanished = frozenset(uid for line in gone for uid in _uids(bytes(line)))
    opened = client._process_select_response(wire.untagged_responses)
    return Answer(opened, frozenset(fetched) - vanished, vanished)


def _uids(line: bytes) -> list[int]:
    """Return the UIDs of `(EARLIER) 41,43:116,118`."""
    found: list[int] = []
    for part in line.decode("ascii").split()[-1].split(","):
        low, _, high = part.partition(":")
        ends = sorted((int(low), int(high or low)))
        if ends[1] - ends[0] + len(found) > _MOST:
            raise ValueError("more messages vanished than any mailbox holds")
        found += range(ends[0], ends[1] + 1)
    return found
