"""Supervision: the audit, the daily re-reading, signatures of clinicians."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from triage.audit import Verdict
from triage.desk.queue import RANKS
from triage.desk.rights import Right, require
from triage.desk.spreadsheet import as_csv
from triage.desk.views import EvidenceView, MissRate
from triage.domain import (
    Anchor,
    AuditEvent,
    CaseFile,
    CheckCounts,
    Label,
    LeakTally,
    Patient,
    Protected,
    Reply,
    Route,
    SampleItem,
    Share,
    StoredMessage,
    Urgency,
    User,
    new_id,
    newest_from_person,
)
from triage.drafting import reidentify
from triage.errors import Erased, NotFound
from triage.store import Store

#: Routes that name no request of their own, so none remains beside an urgent one.
NO_REQUESTS = frozenset({Route.GENERAL, Route.NOT_FOR_US})
#: The head of a table of events.
HEAD = ("seq", "at", "actor", "action", "cases", "detail", "digest")


class SupervisionDesk:
    """The counter of those who answer for the others."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        clinical: Mapping[str, str],
        anchors: Callable[[], Sequence[Anchor]] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        #: What a clinician signs (redflags, urgent_texts) -> digest of it as it is now.
        self._clinical = clinical
        #: Reads the lines of the anchor file; None where there is none.
        self._anchors = anchors

    def history(self, actor: User, case_id: str) -> tuple[AuditEvent, ...]:
        """Return everything that ever happened to one case, oldest first."""
        require(actor, Right.SEE_AUDIT)
        return tuple(self._store.cases.history(case_id, clinic=actor.clinic, by=actor.id))

    def events(
        self,
        actor: User,
        *,
        case_id: str | None = None,
        who: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        limit: int = 200,
        offset: int = 0,
    ) -> tuple[AuditEvent, ...]:
        """Return audit events, newest first, that match every filter given."""
        require(actor, Right.SEE_AUDIT)
        return tuple(
            self._store.audit.events(
                clinic=actor.clinic,
                by=actor.id,
                case_id=case_id,
                actor=who,
                action=action,
                since=since,
                limit=limit,
                offset=offset,
            )
        )

    def patients(self, actor: User, words: Protected) -> tuple[Patient, ...]:
        """Return at most 20 patients that match every word, to ask who saw one of them."""
        require(actor, Right.SEE_AUDIT)
        found = self._store.people.find_patients(words, clinic=actor.clinic, by=actor.id, limit=20)
        return tuple(found)

    def seen(self, actor: User, patient_id: str) -> tuple[AuditEvent, ...]:
        """Return who saw or changed what of one patient across all cases, oldest first."""
        require(actor, Right.SEE_AUDIT)
        return self._store.audit.of_patient(patient_id, clinic=actor.clinic, by=actor.id)

    def approvals(self, actor: User, *, days: int = 30) -> CheckCounts:
        """Return how approving went in the last days."""
        require(actor, Right.SEE_AUDIT)
        since = self._clock() - timedelta(days=days)
        return self._store.checks.counts(clinic=actor.clinic, by=actor.id, since=since)

    def replies(self, actor: User, case_id: str) -> tuple[Reply, ...]:
        """Return the replies of a case with what was suggested, newest first; none when erased."""
        require(actor, Right.EXPORT_EVIDENCE)
        try:
            return self._store.cases.get(case_id, clinic=actor.clinic, by=actor.id).replies
        except Erased:
            return ()

    def evidence(self, actor: User, case_id: str) -> EvidenceView:
        """Return what proves what happened to a case; patient text is in it on purpose."""
        require(actor, Right.EXPORT_EVIDENCE)
        found = self._store.audit.evidence(
            case_id,
            clinic=actor.clinic,
            by=actor.id,
            anchors=self._anchors() if self._anchors else (),
        )
        suggestion, people = found.file.suggestion, self._store.people.users(clinic=actor.clinic)
        suggested = None
        if suggestion is not None:
            known = newest_from_person(found.file.messages).redacted.redactions
            suggested = reidentify(suggestion.body, known)
        return EvidenceView(found, suggested, {one.id: one.display_name for one in people})

    def evidence_left(self, actor: User, case_id: str, digest: str) -> None:
        """Remember the SHA-256 of the pack that was handed out, so that it can be known again."""
        require(actor, Right.EXPORT_EVIDENCE)
        self._store.audit.evidence_left(case_id, digest, clinic=actor.clinic, by=actor.id)

    def export(
        self, actor: User, events: Iterable[AuditEvent], say: Callable[[str], str] = str
    ) -> str:
        """Return events as CSV in which no cell can start a formula."""
        require(actor, Right.EXPORT_AUDIT)
        rows = _rows(events, say)
        self._store.audit.record(
            "audit.export", clinic=actor.clinic, by=actor.id, detail={"rows": str(len(rows) - 1)}
        )
        return as_csv(rows)

    def export_seen(self, actor: User, patient_id: str, say: Callable[[str], str] = str) -> str:
        """Return who saw or changed what of one patient as CSV without a formula."""
        require(actor, Right.EXPORT_AUDIT)
        return as_csv(_rows(self.seen(actor, patient_id), say))

    def verify(self, actor: User) -> Verdict:
        """Check every chain, against the anchors outside the database."""
        require(actor, Right.SEE_AUDIT)
        return self._store.audit.verify(anchors=self._anchors)

    def sample(self, actor: User) -> tuple[SampleItem, ...]:
        """Return today's re-reading: 2 % of what was not ranked urgent, at least 10."""
        require(actor, Right.JUDGE_SAMPLE)
        today = self._clock().date()
        return tuple(self._store.labels.draw_sample(today, clinic=actor.clinic, by=actor.id))

    def open_sample(self, actor: User, item: SampleItem) -> CaseFile:
        """Return the case a sample item belongs to, to be read again."""
        require(actor, Right.JUDGE_SAMPLE)
        return self._store.cases.get(item.case_id, clinic=actor.clinic, by=actor.id)

    def judge(self, actor: User, item: SampleItem, *, right: bool, urgency: Urgency) -> None:
        """Say whether `not urgent` was right; either answer is kept as a Label.

        A message that was urgent after all puts its case among the urgent ones at once.
        """
        message = sampled(self.open_sample(actor, item), item)
        shown = message.classification
        missed = not right and urgency > Urgency.ROUTINE
        route = Route.URGENT_CLINICAL if missed else shown.route
        also = (shown.also | {shown.route}) - NO_REQUESTS if missed else shown.also
        label = Label(
            id=new_id(),
            clinic=actor.clinic,
            case_id=item.case_id,
            model=shown.model,
            shown_route=shown.route,
            shown_also=shown.also,
            # Only what was ranked routine is ever drawn.
            shown_urgency=Urgency.ROUTINE,
            route=route,
            also=also - {route},
            urgency=urgency if missed else Urgency.ROUTINE,
            by=actor.id,
            at=self._clock(),
            why=Protected(""),
            source="sample",
        )
        self._store.labels.judge(
            item.id, right, label, clinic=actor.clinic, by=actor.id, score=RANKS[label.urgency]
        )

    def miss_rate(self, actor: User) -> MissRate:
        """Return the share of re-read messages that were urgent after all, with its interval."""
        require(actor, Right.JUDGE_SAMPLE)
        judged, missed = self._store.labels.sample_tally(clinic=actor.clinic)
        low, high = Share(missed, judged).interval()
        return MissRate(judged, missed, low, high)

    def leaks(self, actor: User, *, days: int = 30) -> LeakTally:
        """Return what stayed readable in redacted messages of the last days, by type."""
        require(actor, Right.SEE_AUDIT)
        since = self._clock() - timedelta(days=days)
        return self._store.leaks.tally(clinic=actor.clinic, since=since)

    def signatures(self, actor: User) -> dict[str, tuple[str, datetime] | None]:
        """Return for each thing a clinician signs who signed it as it is now, and when."""
        require(actor, Right.SEE_QUEUE)
        return {
            what: self._store.signatures.signed(what, digest, clinic=actor.clinic)
            for what, digest in self._clinical.items()
        }

    def sign(self, actor: User, what: str) -> None:
        """Record that this clinician reviewed `redflags` or `urgent_texts` as they are now."""
        require(actor, Right.SIGN_CLINICAL)
        if what not in self._clinical:
            raise NotFound(what)
        digest = self._clinical[what]
        self._store.signatures.sign(what, digest, clinic=actor.clinic, by=actor.id)


def _rows(events: Iterable[AuditEvent], say: Callable[[str], str]) -> list[list[str]]:
    """Return the head of the table, as `say` says it, and a row for each event."""
    rows = [[*map(say, HEAD)]]
    for event in events:
        detail = "; ".join(f"{key}: {value}" for key, value in sorted(event.detail.items()))
        cells = [str(event.seq), event.at.isoformat(), event.actor, event.action]
        rows.append([*cells, " ".join(event.cases), detail, event.digest])
    return rows


def sampled(file: CaseFile, item: SampleItem) -> StoredMessage:
    """Return the message of a case that was drawn to be read again; raise NotFound."""
    for message in file.messages:
        if message.id == item.message_id:
            return message
    raise NotFound(f"message {item.message_id}")
