"""Words the desk offers instead of a person's own: a shorter text, or an acknowledgement.

Rule of the room: what it offers is a draft like any other; it changes no fact and sends nothing.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from triage.desk.queue import QueueDesk
from triage.desk.replies import ReplyDesk
from triage.desk.rights import Right, may, require
from triage.domain import CaseFile, Draft, Protected, Route, User
from triage.drafting.acknowledgement import acknowledgement
from triage.drafting.shorter import is_same, shortened
from triage.errors import NotAnswerable
from triage.store import Store
from triage.store.labels import HAND_OVER

#: Kept with the case as the reason it was sorted anew, and read by the nurses.
HANDED_OVER = Protected("Handed to a nurse: the answer would be clinical advice.")


class RewritingDesk:
    """The counter that makes words shorter, or plain."""

    def __init__(
        self, store: Store, queue: QueueDesk, replies: ReplyDesk, facts: Mapping[str, object]
    ) -> None:
        self._store = store
        self._queue = queue
        self._replies = replies
        self._facts = facts

    def shorter(
        self,
        actor: User,
        case_id: str,
        *,
        subject: Protected,
        body: Protected,
        forms: Sequence[str] = (),
        agreed: bool = False,
        had: str | None = None,
    ) -> Draft:
        """Save the words without their courtesies, with these forms of the clinic.

        A person's own words are shortened only where they agreed to it; raise NotAnswerable.
        `had`, here and below, is what `ReplyDesk.save` compares.
        """
        require(actor, Right.WRITE_REPLY)
        view = self._queue.open(actor, case_id)
        if not agreed and not is_same(body, view.suggested_body):
            raise NotAnswerable("These are your own words. Tick that they may be shortened.")
        short = shortened(body)
        words = {"subject": subject, "body": short}
        return self._replies.save(actor, case_id, **words, forms=forms, had=had)

    def acknowledge(self, actor: User, case_id: str, *, had: str | None = None) -> Draft:
        """Save the clinic's acknowledgement in place of words that give clinical advice."""
        require(actor, Right.WRITE_REPLY)
        file = self._store.cases.get(case_id, clinic=actor.clinic, by=actor.id)
        language = file.contact.language if file.contact else "en"
        name = file.contact.name if file.contact else Protected("")
        own = partial(self._store.templates.serving, clinic=actor.clinic)
        facts = {**self._facts, "own_templates": own}
        subject, body = acknowledgement(facts, language=language, name=name)
        forms = self._enclosed(actor, file)
        words = {"subject": subject, "body": body}
        return self._replies.save(actor, case_id, **words, forms=forms, had=had)

    def hand_over(
        self, actor: User, case_id: str, *, seen: str | None = None, was: str | None = None
    ) -> None:
        """Sort a case as a question for a clinician, who reads why; its draft stays for them.

        It goes to a team of nurses where there is one, and a note names every nurse. That says
        who works on it now, not what the message was: retraining sees nothing of it. Raises
        NotAnswerable where nobody here may give advice.
        """
        require(actor, Right.WORK_CASE)
        nurses, team_id = self._nurses(actor)
        file = self._store.cases.get(case_id, clinic=actor.clinic, by=actor.id)
        case = file.case
        self._queue.reroute(
            actor,
            case_id,
            route=Route.CLINICAL_QUESTION,
            urgency=case.urgency,
            also=case.also | {case.route},
            why=HANDED_OVER,
            seen=seen,
            # The urgency above was read before the case is locked: it must be the same then.
            was=file.was if was is None else was,
            source=HAND_OVER,
        )
        self._store.assignments.assign(
            case_id,
            user_id=None,
            team_id=team_id,
            reason=HANDED_OVER,
            told=nurses,
            clinic=actor.clinic,
            by=actor.id,
        )

    def _nurses(self, actor: User) -> tuple[frozenset[str], str | None]:
        """Return who may give advice here, and the first team that is made of them."""
        staff = self._store.people.users(clinic=actor.clinic)
        nurses = frozenset(one.id for one in staff if may(one, Right.ADVISE))
        if not nurses:
            raise NotAnswerable("Nobody here may give clinical advice. Ask a supervisor.")
        working = {one.id for one in staff if one.active}
        teams = self._store.assignments.members(clinic=actor.clinic)
        made = [team for team, people in teams.items() if people & working]
        fit = sorted(team for team in made if teams[team] & working <= nurses)
        return nurses, next(iter(fit), None)

    def _enclosed(self, actor: User, file: CaseFile) -> list[str]:
        """Return the forms the draft has; raise NotAnswerable where one is off the list."""
        kept = [digest for _, digest in file.draft.outgoing.attachments] if file.draft else []
        forms = self._store.forms.all(clinic=actor.clinic, by=actor.id) if kept else ()
        known = {form.digest: form.id for form in forms}
        if not known.keys() >= set(kept):
            raise NotAnswerable(
                "A form in this reply was taken off the list. Save the words again without it."
            )
        return [known[digest] for digest in kept]
