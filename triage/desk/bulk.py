"""A doctor is ill: one text in two languages, a draft for each patient, approved one by one.

Rule of the room: this counter saves words and approves none; there is no way here to approve two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triage.desk.queue import QueueDesk
from triage.desk.replies import ReplyDesk
from triage.desk.rights import Right, require
from triage.domain import NOTHING, CaseRow, Protected, User
from triage.drafting.filling import filled
from triage.drafting.wording import wordings
from triage.errors import NotAnswerable, TriageError
from triage.store import Store

#: So many at once; whoever reads more than this in a row reads none of them.
MOST = 60
#: The language of the first text, which must be there, and of the second, which may be missing.
FIRST, SECOND = "en", "es"

#: A language -> subject and words in it.
Texts = Mapping[str, tuple[Protected, Protected]]


@dataclass(frozen=True, slots=True)
class Picked:
    """What can be prepared in one go."""

    rows: tuple[CaseRow, ...]
    #: How many more fit, for the next go.
    more: int
    #: Case id -> the language of whoever is answered, where it is not that of the first text.
    languages: dict[str, str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of the picked cases."""

    ready: tuple[str, ...]
    #: Case id -> why there is no draft, in words.
    left: dict[str, str]
    #: Case id -> the language of whoever got the first text because there is none in theirs.
    other: dict[str, str]


def begun() -> dict[str, Protected]:
    """Return the shipped words that `prepare` takes, for a person to change."""
    first, second = (wordings()[0][language].away for language in (FIRST, SECOND))
    return {
        "subject": Protected(first.subject),
        "body": Protected(first.text.strip()),
        "subject_es": Protected(second.subject),
        "body_es": Protected(second.text.strip()),
    }


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
        found, more, spoken = self._store.picks.reschedules(words, **who, limit=MOST)
        others = {case: language for case, language in spoken.items() if language != FIRST}
        return Picked(tuple(found), more, others)

    def prepare(
        self,
        actor: User,
        cases: Sequence[str],
        *,
        subject: Protected,
        body: Protected,
        subject_es: Protected = NOTHING,
        body_es: Protected = NOTHING,
    ) -> Prepared:
        """Claim each case and save one draft in it, in its reader's language and for its patient.

        The second text is for those who read Spanish. Where it is empty, and for every other
        language, the first is taken and the case named with the language. A case that cannot be
        answered, or that holds somebody's words already, is left as it is and named with the
        reason. Raises NotAnswerable for too many at once and for half a second text.
        """
        require(actor, Right.WRITE_REPLY)
        if not 0 < len(cases) <= MOST:
            raise NotAnswerable(f"Choose between 1 and {MOST} cases.")
        if bool(subject_es) != bool(body_es):
            raise NotAnswerable("Write both subject and words in Spanish, or neither.")
        texts = {FIRST: (subject, body)} | ({SECOND: (subject_es, body_es)} if body_es else {})
        clinic = Protected(self._store.people.clinic(actor.clinic).name)
        ready, left, other = [], {}, {}
        for case_id in dict.fromkeys(cases):
            try:
                language = self._one(actor, case_id, clinic, texts)
            except TriageError as trouble:
                left[case_id] = str(trouble.args[0]) if trouble.args else ""
                continue
            ready.append(case_id)
            if language not in texts:
                other[case_id] = language
        return Prepared(tuple(ready), left, other)

    def next(self, actor: User, *, after: str = "") -> str | None:
        """Return the next case of this person's with words to approve; None behind the last."""
        require(actor, Right.WRITE_REPLY)
        who = {"clinic": actor.clinic, "by": actor.id}
        return self._store.picks.next_draft(**who, after=after)

    def _one(self, actor: User, case_id: str, clinic: Protected, texts: Texts) -> str:
        """Save one draft; return the language of whoever reads it."""
        view = self._queue.open(actor, case_id)
        if view.obstacle or view.file.contact is None:
            raise NotAnswerable(view.obstacle or "Nobody to answer yet.")
        if view.file.case.urgency:
            raise NotAnswerable("An urgent message is answered by voice.")
        if view.draft is not None:
            raise NotAnswerable("Somebody has saved words in it already.")
        # The draft goes to the contact, who may be a parent that reads another language.
        reader = view.file.contact
        subject, body = texts.get(reader.language, texts[FIRST])
        values = {"[NAME]": reader.name, "[CLINIC]": clinic}
        words = filled(subject, values), filled(body, values)
        if words[0] is None or words[1] is None:
            raise NotAnswerable("The text has a place nobody can fill.")
        self._queue.claim(actor, case_id)
        self._replies.save(actor, case_id, subject=words[0], body=words[1], had="")
        return reader.language
