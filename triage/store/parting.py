"""A message that joined the wrong case gets one of its own.

Rule of the room: nothing moves. The case it joined keeps it and says so; its bytes are landed once
more, so that it is read, judged and filed like any message, and counted as waiting until it is.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, select

from triage.domain import Arrival, NoteKind, Protected, new_id
from triage.errors import NotAnswerable, NotFound
from triage.store import tables
from triage.store.case_decisions import changed
from triage.store.casefile import case_file
from triage.store.landing import open_raw
from triage.store.landing_rows import write_raw
from triage.store.notes import write_note
from triage.store.transaction import Work


def give_own_case(
    work: Work, case: Row[Any], message_id: str, reason: Protected, *, by: str
) -> None:
    """Land a message of a locked case once more, to be filed in a case of its own.

    Asked for again it changes nothing. Colleagues read the reason beside the case it joined. No
    ledger row is written: that is what servers listed. Raises NotFound, and NotAnswerable where no
    other message would stay or where it reports on a reply of this very case.
    """
    file, raws = case_file(work, case), tables.raw_messages
    message = next((one for one in file.messages if one.id == message_id), None)
    if message is None:
        raise NotFound(f"message {message_id}")
    if message.apart.own_case is not None:
        return
    if message_id not in file.can_part:
        raise NotAnswerable("This message stays: a case needs one, and a report its reply.")
    first = open_raw(work, message.raw_id, case.clinic)
    known = work.one(select(raws.c.digest).where(raws.c.id == first.id), f"raw {first.id}")
    copy = Arrival(first.position.copied(first.id), first.channel, first.media_type, first.content)
    # Never before the first, also where the clock was set back.
    at = max(work.now, first.received_at + timedelta(microseconds=1))
    raw_id = write_raw(work, copy, case.clinic, bytes(known.digest), new_id(), at=at)
    write_note(work, case.id, reason, kind=NoteKind.OWN_CASE, clinic=case.clinic, by=by)
    detail = {"message": message_id, "raw": raw_id}
    changed(work, "message.own_case", case.id, case.clinic, by, **detail)
