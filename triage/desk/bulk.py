"""A doctor is ill: one text becomes a draft for each patient of the day, approved one by one.

Rule of the room: this counter saves words and approves none; there is no way here to approve two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from triage.desk.queue import QueueDesk
from triage.desk.replies import ReplyDesk
from triage.desk.rights import Right, require
from triage.domain import CaseRow, Protected, User
from triage.drafting.filling import filled
from triage.errors import NotAnswerable, TriageError
from triage.store import Store

#: So many at once; whoever reads more than this in a row reads none of them.
MOST = 60


@dataclass(frozen=True, slots=True)
class Picked:
    """What can be prepared in one go."""

    rows: tuple[CaseRow, ...]
    #: How many more fit, for the next go.
    more: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of the picked cases."""

    ready: tuple[str, ...]
    #: Case id -> why there is no draft, in words.
    left: dict[str, str]


class BulkDesk:
    """The counter for a day that has to be moved."""

    def __init__(self, store: Store, queue: QueueDesk, replies: ReplyDesk) -> None:
        self._store = store
        self._queue = queue
        self._replies = replies

    def pick(self, actor: User, words: Protected) -> Picked:
        """Return open calm cases about an appointment whose messages hold every word.

        No more than `prepare` takes; words that somebody saved take a case off the list.
        """
        require(actor, Right.WRITE_REPLY)
        who = {"clinic": actor.clinic, "by": actor.id}
        found, more = self._store.picks.reschedules(words, **who, limit=MOST)
        return Picked(tuple(found), more)

    def prepare(
        self, actor: User, cases: Sequence[str], *, subject: Protected, body: Protected
    ) -> Prepared:
        """Claim each case and save one draft in it, filled for its patient.

        A case that cannot be answered, or that holds somebody's words already, is left as it is
        and named with the reason. Raises NotAnswerable for too many at once.
        """
        require(actor, Right.WRITE_REPLY)
        if not 0 < len(cases) <= MOST:
            raise NotAnswerable(f"Choose between 1 and {MOST} cases.")
        clinic = Protected(self._store.people.clinic(actor.clinic).name)
        ready, left = [], {}
        for case_id in dict.fromkeys(cases):
            try:
                self._one(actor, case_id, clinic, subject, body)
            except TriageError as trouble:
                left[case_id] = str(trouble.args[0]) if trouble.args else ""
            else:
                ready.append(case_id)
        return Prepared(tuple(ready), left)

    def next(self, actor: User, *, after: str = "") -> str | None:
        """Return the next case of this person's with words to approve; None behind the last."""
        require(actor, Right.WRITE_REPLY)
        who = {"clinic": actor.clinic, "by": actor.id}
        return self._store.picks.next_draft(**who, after=after)

    def _one(
        self, actor: User, case_id: str, clinic: Protected, subject: Protected, body: Protected
    ) -> None:
        view = self._queue.open(actor, case_id)
        if view.obstacle or view.file.contact is None:
            raise NotAnswerable(view.obstacle or "Nobody to answer yet.")
        if view.file.case.urgency:
            raise NotAnswerable("An urgent message is answered by voice.")
        if view.draft is not None:
            raise NotAnswerable("Somebody has saved words in it already.")
        values = {"[NAME]": view.file.contact.name, "[CLINIC]": clinic}
        words = filled(subject, values), filled(body, values)
        if words[0] is None or words[1] is None:
            raise NotAnswerable("The text has a place nobody can fill.")
        self._queue.claim(actor, case_id)
        self._replies.save(actor, case_id, subject=words[0], body=words[1], had="")
