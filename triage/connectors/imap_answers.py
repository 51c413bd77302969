"""Asks for messages by UID and believes no answer that does not say whose it is.

Rule of the room: an answer counts for the UID it names. The library takes one without for the
message whose UID is that sequence number, which is another message.
"""

from collections.abc import Sequence
from typing import Any


def fetch_named(client: Any, uids: Sequence[int], what: str) -> dict[int, dict[bytes, Any]]:
    """Return uid -> what UID FETCH answered; raise as the library does where it is no answer."""
    # The library's own fetch, but for how its answers are read.
    wire = client._imap
    tag = wire._command("UID", "FETCH", ",".join(str(uid) for uid in uids), f"({what})")
    verdict, lines = wire._command_complete("FETCH", tag)
    client._checkok("fetch", verdict, lines)
    _, lines = wire._untagged_response(verdict, lines, "FETCH")
    return _by_uid([] if lines == [None] else lines)


def _by_uid(lines: list[Any]) -> dict[int, dict[bytes, Any]]:
    from imapclient.response_parser import gen_parsed_response

    found: dict[int, dict[bytes, Any]] = {}
    answers: Any = gen_parsed_response(lines)
    for number, said in zip(answers, answers, strict=True):
        if not isinstance(number, int) or not isinstance(said, tuple):
            raise ValueError("an answer that is no answer to FETCH")
        named = {key.upper(): value for key, value in zip(said[::2], said[1::2], strict=True)}
        uid = named.pop(b"UID", None)
        if isinstance(uid, int):
            found.setdefault(uid, {}).update(named)
    return found
