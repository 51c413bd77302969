"""Working the queue: see it, open a case, claim, sort, identify, close."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from triage.desk.checking import Checker, suggested_of
from triage.desk.health import banners
from triage.desk.obstacles import answered, automatic, obstacle
from triage.desk.outcomes import words_of
from triage.desk.rights import Right, may, require
from triage.desk.teams import offered
from triage.desk.views import CaseView, Pulse, QueueView
from triage.domain import (
    ALL,
    UNDERWAY,
    Attachment,
    CaseFile,
    Filters,
    Label,
    Lane,
    Mark,
    Protected,
    RawMessage,
    Route,
    SavedView,
    Told,
    Urgency,
    User,
    new_id,
)
from triage.drafting import reidentify
from triage.errors import (
    AlreadyClaimed,
    ChangedUnderneath,
    NotAllowed,
    NotAnswerable,
    NotFound,
    NoWords,
)
from triage.store import Store
from triage.store.transaction import Within

#: How a case may be closed; a closed case always says which.
OUTCOMES = (
    "answered",
    "phoned",
    "sent_to_emergency_services",
    "handed_to_clinician",
    "entered_in_ehr",
    "passed_on",
    "no_reply_needed",
)
#: An urgent case leaves the queue only after somebody was reached.
URGENT_OUTCOMES = ("phoned", "sent_to_emergency_services", "handed_to_clinician")
#: Ranks a person's own sorting gives: by urgency, for routine work the middle of the queue.
RANKS = {Urgency.EMERGENCY: 95, Urgency.TODAY: 75, Urgency.ROUTINE: 45}


class QueueDesk:
    """The counter secretaries work at."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        clinical: Mapping[str, str],
        portal_only: bool = False,
        *,
        checker: Checker,
    ) -> None:
        self._store = store
        self._checker = checker
        self._portal_only = portal_only
        self._clock = clock
        self._clinical = clinical
        #: Person -> the queue and views they were counted for, and the counts.
        self._counted: dict[str, tuple[object, Mapping[str, int]]] = {}

    def view(
        self,
        actor: User,
        *,
        lane: Lane | None = None,
        saved: str = "",
        filters: Filters = ALL,
        limit: int = 100,
        offset: int = 0,
    ) -> QueueView:
        """Return one page of the queue, urgent first; audited as one row listing the cases.

        `saved` narrows it to a saved view. Raises NotFound for a view this person is not offered.
        """
        require(actor, Right.SEE_QUEUE)
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.snoozes.round(by="desk", now=self._clock(), clinic=actor.clinic)
        views = offered(self._store, actor)
        picked = next((view for view in views if view.id == saved), None)
        if saved and picked is None:
            raise NotFound("view")
        part: Any = {**who, "lane": lane, "view": picked}
        # Before the rows: what is filed between two readings makes the page ask again.
        version = self.version(actor)
        rows = self._store.cases.queue(filters=filters, **part, limit=limit, offset=offset)
        return QueueView(
            rows=tuple(rows),
            counts=dict(self._store.cases.counts(clinic=actor.clinic)),
            lane=lane,
            banners=banners(self._store, actor, self._clock(), self._clinical),
            version=version,
            saved=picked,
            views=views,
            in_views=self._counts_of(actor, views),
            filters=filters,
            passing=self._store.views.count(filters, **part) if filters else 0,
        )

    def version(self, actor: User) -> str:
        """Return a token that changes whenever the queue does; holds nothing about anybody."""
        require(actor, Right.SEE_QUEUE)
        return self._store.cases.version(clinic=actor.clinic)

    def pulse(self, actor: User) -> Pulse:
        """Return version, number of cases per lane and banners, for a page that stays open."""
        require(actor, Right.SEE_QUEUE)
        self._store.snoozes.round(by="desk", now=self._clock(), clinic=actor.clinic)
        version = self.version(actor)
        counts = dict(self._store.cases.counts(clinic=actor.clinic))
        found = banners(self._store, actor, self._clock(), self._clinical)
        in_views = self._counts_of(actor, offered(self._store, actor))
        return Pulse(version, counts, found, in_views)

    def _counts_of(self, actor: User, views: tuple[SavedView, ...]) -> Mapping[str, int]:
        """Return how full each view is; counted anew only when the queue or the views changed."""
        key = (self.version(actor), views)
        known = self._counted.get(actor.id)
        if known is None or known[0] != key:
            who = {"clinic": actor.clinic, "by": actor.id}
            self._counted[actor.id] = known = (key, self._store.views.counts(views, **who))
        return known[1]

    def open(self, actor: User, case_id: str) -> CaseView:
        """Return everything about one case."""
        until = self._emergency(actor, case_id)
        file = self._store.cases.get(case_id, clinic=actor.clinic, by=actor.id)
        subject, template = _suggestion(file)
        draft, trouble = file.draft, obstacle(file, portal_only=self._portal_only)
        writes = may(actor, Right.WRITE_REPLY) and not trouble
        holder = file.case.claimed_by
        staff = self._store.people.users(clinic=actor.clinic)
        return CaseView(
            file=file,
            suggested_subject=subject,
            suggested_body=self._checker.shown(actor, file, suggested_of(file, file.offered)),
            suggestion_template=template,
            draft=draft,
            replies=file.replies,
            obstacle=trouble,
            claimed_by=self._store.people.user(holder, clinic=actor.clinic) if holder else None,
            may_approve=may(actor, Right.APPROVE_REPLY),
            names={one.id: one.display_name for one in staff},
            automatic=automatic(file),
            glass_until=until,
            banners=banners(self._store, actor, self._clock(), self._clinical),
            checked=self._checker.look(actor, file, draft) if writes and draft else None,
            forms=self._store.forms.all(clinic=actor.clinic, by=actor.id) if writes else (),
        )

    def claim(self, actor: User, case_id: str) -> None:
        """Take a case so that nobody else works on it; raise AlreadyClaimed."""
        require(actor, Right.WORK_CASE)
        self._store.cases.claim(case_id, clinic=actor.clinic, by=actor.id, now=self._clock())

    def take_over(self, actor: User, case_id: str, *, reason: Protected) -> None:
        """Take a case that somebody else has, who reads why; raise NoWords without a reason."""
        require(actor, Right.TAKE_OVER)
        if not reason:
            raise NoWords(f"case {case_id}")
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.cases.take_over(case_id, **who, now=self._clock(), reason=reason)

    def release(self, actor: User, case_id: str) -> None:
        """Give a claimed case back: one's own, or anybody's for who may take over."""
        require(actor, Right.WORK_CASE)
        if not may(actor, Right.TAKE_OVER):
            self._work(actor, case_id)
        self._store.cases.release(case_id, clinic=actor.clinic, by=actor.id)

    def reroute(
        self,
        actor: User,
        case_id: str,
        *,
        route: Route,
        urgency: Urgency,
        also: frozenset[Route] = frozenset(),
        why: Protected,
        seen: str | None = None,
        was: str | None = None,
        source: str = "reroute",
    ) -> Label:
        """Sort a case by hand; the choice is kept as a Label for retraining.

        What cannot wait is urgent and keeps its topic beside that; raising and lowering tick no
        request off. `seen`, here and below, is the id of the newest message on the page the person
        decided from, `was` the case as the page showed it (`CaseFile.was`); both are None only
        where no page was shown. Raises ChangedUnderneath when another message has joined since, or
        a colleague has sorted, linked or closed the case.
        """
        file = self._work(actor, case_id)
        if urgency > Urgency.ROUTINE:
            route, also = Route.URGENT_CLINICAL, _beside_urgent(file, route, also)
        elif route is Route.URGENT_CLINICAL:
            raise NotAnswerable("Choose what it asks for, now that it can wait.")
        shown = file.messages[0].classification
        label = Label(
            id=new_id(),
            clinic=actor.clinic,
            case_id=case_id,
            model=shown.model,
            shown_route=file.case.route,
            shown_also=file.case.also,
            shown_urgency=file.case.urgency,
            route=route,
            also=also - {route},
            urgency=urgency,
            by=actor.id,
            at=self._clock(),
            why=why,
            source=source,
        )
        lane = Lane.URGENT if urgency > Urgency.ROUTINE else Lane.SORTED
        self._store.cases.reroute(
            case_id,
            label,
            clinic=actor.clinic,
            by=actor.id,
            score=RANKS[urgency],
            lane=lane,
            seen=seen,
            was=file.was if was is None else was,
        )
        return label

    def link(
        self,
        actor: User,
        case_id: str,
        *,
        patient_id: str,
        contact_id: str,
        seen: str | None = None,
        was: str | None = None,
    ) -> None:
        """Say whose case it is and which verified contact is answered."""
        require(actor, Right.IDENTIFY_PATIENT)
        self._work(actor, case_id)
        self._store.cases.link(
            case_id,
            clinic=actor.clinic,
            by=actor.id,
            patient_id=patient_id,
            contact_id=contact_id,
            seen=seen,
            was=was,
        )

    def unlink(
        self,
        actor: User,
        case_id: str,
        *,
        reason: Protected,
        seen: str | None = None,
        was: str | None = None,
    ) -> None:
        """Say that a case is not its patient's, but nobody's we know; raise NoWords without why."""
        require(actor, Right.IDENTIFY_PATIENT)
        if not reason:
            raise NoWords(f"case {case_id}")
        self._work(actor, case_id)
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.cases.unlink(case_id, reason, **who, seen=seen, was=was)

    def own_case(
        self,
        actor: User,
        case_id: str,
        message_id: str,
        *,
        reason: Protected,
        seen: str | None = None,
        was: str | None = None,
    ) -> None:
        """Give a message that joined the wrong case one of its own; raise NoWords without why."""
        require(actor, Right.IDENTIFY_PATIENT)
        if not reason:
            raise NoWords(f"case {case_id}")
        self._work(actor, case_id)
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.cases.own_case(case_id, message_id, reason, **who, seen=seen, was=was)

    def by_person(self, actor: User, case_id: str, *, seen: str | None = None) -> None:
        """Say that a person wrote what looks automatic, so that it can be answered."""
        self._work(actor, case_id)
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.cases.mark(case_id, Mark.BY_PERSON, **who, seen=seen)

    def tick(self, actor: User, case_id: str, request_id: str, *, seen: str | None = None) -> None:
        """Mark one request of the case as done."""
        self._work(actor, case_id)
        self._store.cases.tick(case_id, request_id, clinic=actor.clinic, by=actor.id, seen=seen)

    def close(
        self,
        actor: User,
        case_id: str,
        *,
        outcome: str,
        note: Protected,
        told: Told | None = None,
        seen: str | None = None,
        was: str | None = None,
        all_done: bool = False,
        within: Within | None = None,
    ) -> None:
        """Close a case with a named outcome; urgent ones only once somebody was reached.

        `told` are the fields a person filled in; raises OutcomeIncomplete where one is missing.
        `all_done` ticks off whatever was asked for; `within` is kept together with it or not.
        """
        file = self._work(actor, case_id)
        allowed = URGENT_OUTCOMES if file.case.urgency > Urgency.ROUTINE else OUTCOMES
        if outcome not in allowed:
            raise NotAnswerable(f"outcome {outcome}")
        note = words_of(outcome, told, note)
        if any(reply.state in UNDERWAY for reply in file.replies):
            raise ChangedUnderneath("a reply is still on its way")
        # The outcome is allowed for the case as it stood: not where somebody raised it since.
        shown = {"seen": seen, "was": file.was if was is None else was}
        who: Any = {"clinic": actor.clinic, "by": actor.id, "within": within, **shown}
        self._store.cases.close(case_id, outcome, note, **who, all_done=all_done)

    def attachment(self, actor: User, case_id: str, attachment_id: str) -> Attachment:
        """Return a stored file for download."""
        self._emergency(actor, case_id)
        return self._store.cases.attachment(
            case_id, attachment_id, clinic=actor.clinic, by=actor.id
        )

    def original(self, actor: User, case_id: str, message_id: str) -> RawMessage:
        """Return the bytes as they came, for a message that could not be read."""
        self._emergency(actor, case_id)
        return self._store.cases.original(
            message_id, clinic=actor.clinic, by=actor.id, case_id=case_id
        )

    def _emergency(self, actor: User, case_id: str) -> datetime | None:
        """Return None for whose work it is to see cases, else until when an emergency opens this
        one to them; raise NotAllowed where none does.
        """
        if may(actor, Right.SEE_QUEUE):
            return None
        require(actor, Right.BREAK_GLASS)
        until = self._store.glass.until(
            case_id, clinic=actor.clinic, by=actor.id, now=self._clock()
        )
        if until is None:
            raise NotAllowed(Right.SEE_QUEUE.value)
        return until

    def _work(self, actor: User, case_id: str) -> CaseFile:
        """Return the case if this person may change it now."""
        require(actor, Right.WORK_CASE)
        file = self._store.cases.get(case_id, clinic=actor.clinic, by=actor.id)
        if file.case.claimed_by not in (None, actor.id):
            raise AlreadyClaimed(case_id)
        return file


def _beside_urgent(file: CaseFile, route: Route, also: frozenset[Route]) -> frozenset[Route]:
    """Return what an urgent case asks for besides: the topic chosen, else the one it had."""
    topic = file.case.route if route is Route.URGENT_CLINICAL else route
    return (also | {topic}) - {Route.URGENT_CLINICAL, Route.NOT_FOR_US}


def _suggestion(file: CaseFile) -> tuple[Protected | None, str]:
    suggestion = file.offered
    if suggestion is None:
        return None, ""
    known = answered(file).redacted.redactions
    return reidentify(suggestion.subject, known), suggestion.template
