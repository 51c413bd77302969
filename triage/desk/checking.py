"""Looks at a draft the way a careful colleague would, before anybody may approve it.

Rule of the room: it refuses or asks, and never writes a word; what it asked and what was answered
is in the audit as kinds and places.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from triage.desk.doubting import told_apart, with_births, with_names, with_numbers
from triage.desk.rights import Right, may
from triage.domain import (
    CaseFile,
    Check,
    Checked,
    Draft,
    PortalFacts,
    Protected,
    Reached,
    Suggestion,
    Urgency,
    User,
    newest_from_person,
)
from triage.drafting import reidentify
from triage.drafting.drills import has_planted, is_due, planted
from triage.drafting.legible import legible
from triage.drafting.naming import named
from triage.drafting.origins import message_words, sources_of
from triage.drafting.scope import advice_in
from triage.drafting.spots import not_said_by, spots_of, words_of_all
from triage.drafting.stated import clinic_words, facts_of
from triage.drafting.unfilled import unfilled
from triage.errors import (
    OutOfScope,
    PlantedError,
    TooSoon,
    TriageError,
    UncheckedWords,
    UnconfirmedFact,
    UnfilledPlace,
    WrongPatient,
    blame,
)
from triage.store import Store
from triage.store.checks import CAUGHT, MISSED

log = logging.getLogger(__name__)

#: What a portal said of a patient is believed so long, and of so many cases.
_FRESH, _MOST = timedelta(minutes=15), 200
#: In a run, what is approved sooner after it came up was meant for the reply before it.
AT_ONCE = timedelta(seconds=1)


class Checker:
    """Looks at drafts for the counters that ask it; no counter itself: they ask for the rights.

    What a portal said is remembered in memory for a quarter of an hour.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        facts: Mapping[str, object],
        drills: int = 0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._clinic = clinic_words(facts)
        self._drills = drills
        self._portal: OrderedDict[tuple[str, str], tuple[datetime, PortalFacts]] = OrderedDict()

    def remember(self, actor: User, case_id: str, facts: PortalFacts) -> None:
        """Keep what the portal said, as a source of facts for this case."""
        self._portal[actor.clinic, case_id] = (self._clock() + _FRESH, facts)
        self._portal.move_to_end((actor.clinic, case_id))
        while len(self._portal) > _MOST:
            self._portal.popitem(last=False)

    def look(self, actor: User, file: CaseFile, draft: Draft) -> Checked:
        """Return everything that was found in a draft; audited.

        Where looking itself fails nothing is known: the case is shown, and nobody can approve.
        """
        try:
            return self._found(actor, file, draft)
        except TriageError:
            # The store's own, such as a database that is busy: the page says so.
            raise
        except Exception as trouble:  # Whatever the words do to the checker, the case is seen.
            facts = blame(trouble, case=file.case.id)
            log.error("the draft of %(case)s could not be checked: %(error)s", facts)
            return Checked(unread=True)

    def _found(self, actor: User, file: CaseFile, draft: Draft) -> Checked:
        out, contact = draft.outgoing, file.contact
        known = self._portal.get((actor.clinic, file.case.id))
        portal = known[1] if known and known[0] > self._clock() else None
        sources = sources_of(file, self._clinic, portal, suggested_of(file, _begun(file, draft)))
        facts = facts_of(out.subject, out.body, sources, self._clock().date())
        patient = file.patient.id if file.patient else ""
        names = [Protected(name) for name, _ in out.attachments]
        strangers = self._store.bystanders.among(
            not_said_by(self._clinic, spots_of(out.subject, out.body, *names)),
            Reached(patient, out.channel, out.recipient),
            clinic=actor.clinic,
            by=actor.id,
            case_id=file.case.id,
        )
        said = words_of_all(*map(message_words, file.messages), self._clinic)
        stops, asked = told_apart(strangers, file)
        facts = with_numbers(with_births(facts, strangers), strangers)
        advice = advice_in(out.subject, out.body)
        licensed, out_of_scope = self._licensed(actor, draft, advice=bool(advice))
        return Checked(
            facts=with_names(facts, strangers, stops, asked, said),
            strangers=stops,
            advice=advice,
            licensed=licensed,
            out_of_scope=out_of_scope,
            unfilled=unfilled(out.subject, out.body),
            legible=legible(out.body, language=contact.language if contact else "en"),
            drill=has_planted(out.subject, out.body),
        )

    def require(
        self,
        actor: User,
        file: CaseFile,
        draft: Draft,
        confirmed: Collection[str],
        *,
        run: bool = False,
    ) -> Check:
        """Return what is kept beside the yes; raise what stands in its way.

        Raises UncheckedWords, PlantedError, UnfilledPlace, WrongPatient, OutOfScope or
        UnconfirmedFact, and in a `run` TooSoon, each of which is in the audit too.
        """
        where = {"clinic": actor.clinic, "by": actor.id}
        shown = self._store.checks.first_look(file.case.id, since=draft.edited_at, **where)
        passed = None if shown is None else self._clock() - shown
        # A clock that was set back does not say how long anybody looked.
        soon = run and passed is not None and timedelta() <= passed < AT_ONCE
        checked = self.look(actor, file, draft)
        self._stop_at(actor, file, draft, checked, confirmed, soon=soon)
        if self._drilling(actor, file) and draft.suggested:
            self._note(CAUGHT, actor, file, draft)
        asked = tuple(fact.id for fact in checked.unsupported)
        whole = None if passed is None else max(passed, timedelta())
        milliseconds = None if whole is None else int(whole / timedelta(milliseconds=1))
        begun = _begun(file, draft)
        template = named(begun) if begun is not None and draft.suggested else ""
        return Check(suggested_of(file, begun), asked, milliseconds, checked.licensed, template)

    def shown(self, actor: User, file: CaseFile, suggested: Protected | None) -> Protected | None:
        """Return a suggestion as it is shown: where a drill is due, with an error in it."""
        if suggested is None or not self._drilling(actor, file):
            return suggested
        return planted(suggested, file.case.id)

    def _stop_at(
        self,
        actor: User,
        file: CaseFile,
        draft: Draft,
        checked: Checked,
        confirmed: Collection[str],
        *,
        soon: bool,
    ) -> None:
        open_facts = {fact.id for fact in checked.unsupported} - set(confirmed)
        reasons: tuple[tuple[bool, type[TriageError]], ...] = (
            (checked.unread, UncheckedWords),
            (soon, TooSoon),
            (checked.drill, PlantedError),
            (bool(checked.unfilled), UnfilledPlace),
            (bool(checked.strangers), WrongPatient),
            (checked.out_of_scope, OutOfScope),
            (bool(open_facts), UnconfirmedFact),
        )
        for holds, trouble in reasons:
            if holds:
                if trouble is PlantedError and not self._over(actor, file):
                    self._note(MISSED, actor, file, draft)
                self._store.checks.stopped(
                    file.case.id,
                    trouble.__name__,
                    clinic=actor.clinic,
                    by=actor.id,
                    draft=draft.id,
                )
                raise trouble(f"draft {draft.id}")

    def _licensed(self, actor: User, draft: Draft, *, advice: bool) -> tuple[bool, bool]:
        """Return whether who may advise says yes to advice, and whether this yes is worth nothing.

        Where two must approve either of them may be the one; the first says yes in good faith, and
        `SecondApprovers.first` keeps it from being the last.
        """
        if not advice or may(actor, Right.ADVISE):
            return True, False
        due, others = self._store.second.said(draft, clinic=actor.clinic, by=actor.id)
        if not due:
            return False, True
        people = [self._store.people.user(one, clinic=actor.clinic) for one in others]
        licensed = any(may(one, Right.ADVISE) for one in people)
        return licensed, bool(others) and not licensed

    def _drilling(self, actor: User, file: CaseFile) -> bool:
        calm = file.case.urgency is Urgency.ROUTINE and file.offered is not None
        return calm and is_due(file.case.id, self._drills) and not self._over(actor, file)

    def _over(self, actor: User, file: CaseFile) -> bool:
        return self._store.checks.drilled(file.case.id, clinic=actor.clinic)

    def _note(self, action: str, actor: User, file: CaseFile, draft: Draft) -> None:
        self._store.checks.note(
            action, file.case.id, clinic=actor.clinic, by=actor.id, detail={"draft": draft.id}
        )


def _begun(file: CaseFile, draft: Draft) -> Suggestion | None:
    """Return the suggestion that whoever wrote a draft was shown: a case may be raised since."""
    return file.suggestion if draft.suggested else file.offered


def suggested_of(file: CaseFile, suggestion: Suggestion | None) -> Protected | None:
    """Return a suggestion for a case, its placeholders filled; None where there is none."""
    if suggestion is None:
        return None
    # Only the answered message's originals: another message's [NAME_1] may be someone else.
    known = newest_from_person(file.messages).redacted.redactions
    return reidentify(suggestion.body, known)
