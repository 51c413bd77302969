"""The end of a case's life: legal holds, and erasure by destroying keys.

Rule of the room: the audit keeps who erased what and when, by id; an erasure that was begun is
finished by whoever opens the store's life next, and one that a hold forbids is never begun.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update

from triage.domain import CaseState, Protected, ReplyState, new_id
from triage.errors import (
    ChangedUnderneath,
    Erased,
    NotFound,
    OnHold,
    StandsElsewhere,
    StoreRefused,
    TooLate,
)
from triage.store import tables
from triage.store.apart import refuse_waiting_copies
from triage.store.drafts import drop_draft_for_others
from triage.store.erasures import Erasure, ErasureList
from triage.store.keyring import of_case, of_patient, of_raw
from triage.store.keystore import KeyStore
from triage.store.rotation import has_old, move_old
from triage.store.search_index import forget_case, forget_patient
from triage.store.transaction import Transactions, Work

CASE, PATIENT = "case", "patient"
#: Nothing is erased for its age before messages came in on so many days
LIVED = 5
#: of the last ones.
LATELY = timedelta(days=14)


class Life:
    """Erases and holds; made with the key store's owner connection, by `open_life` only."""

    def __init__(self, transactions: Transactions, keys: KeyStore, listed: ErasureList) -> None:
        self._transactions = transactions
        self._keys = keys
        self._listed = listed

    def hold(self, kind: str, subject: str, reason: Protected, *, clinic: str, by: str) -> str:
        """Forbid erasing a case or a patient; return the hold's id. Raises NotFound, Erased."""
        hold_id = new_id()
        with self._transactions.write() as work:
            _subject(work, kind, subject, clinic)
            owner = of_case(subject) if kind == CASE else of_patient(subject)
            work.add(
                tables.holds,
                id=hold_id,
                clinic=clinic,
                kind=kind,
                subject=subject,
                by=by,
                at=work.now,
                **work.seal(tables.holds, hold_id, under=owner, reason=reason),
            )
            _noted(work, "hold.set", kind, subject, clinic=clinic, by=by)
        return hold_id

    def lift(self, kind: str, subject: str, *, clinic: str, by: str) -> None:
        """Lift every hold of a case or patient; raise NotFound when there is none."""
        table = tables.holds
        mine = (table.c.clinic == clinic, table.c.kind == kind, table.c.subject == subject)
        with self._transactions.write() as work:
            lifted = update(table).where(*mine, table.c.lifted_at.is_(None))
            if not work.run(lifted.values(lifted_by=by, lifted_at=work.now)):
                raise NotFound(f"hold of {kind} {subject}")
            _noted(work, "hold.lifted", kind, subject, clinic=clinic, by=by)

    def erase(
        self,
        kind: str,
        subject: str,
        *,
        clinic: str,
        by: str,
        closed_before: datetime | None = None,
    ) -> None:
        """Destroy the keys of a case, or of a patient with every case of theirs.

        Raises NotFound, Erased when it was done before, OnHold, TooLate while a reply is on the
        wire, StandsElsewhere, StoreRefused while any value of theirs is from before data keys, and
        ChangedUnderneath for a case that is not closed since before `closed_before`, or while a
        message of it waits to be filed in a case of its own.
        """
        with self._transactions.write() as work:
            # The same order as elsewhere: what makes contacts never files.
            work.lock(f"filing {clinic}")
            work.lock(f"roster {clinic}")
            _subject(work, kind, subject, clinic)
            cases = [subject] if kind == CASE else _cases_of(work, subject, clinic)
            _refuse_held(work, kind, subject, cases, clinic)
            refuse_waiting_copies(work, cases, clinic)
            if closed_before is not None:
                _refuse_living(work, subject, closed_before)
            if kind == PATIENT:
                _refuse_elsewhere(work, subject, cases, clinic)
            owners = [of_patient(subject)] if kind == PATIENT else []
            for case_id in cases:
                owners += _close(work, case_id, clinic)
            if kind == PATIENT:
                _forget_patient(work, subject)
            _refuse_old(work, owners)
            erasure = Erasure(new_id(), clinic, kind, subject, tuple(owners))
            work.add(
                tables.erasures,
                id=erasure.id,
                clinic=clinic,
                kind=kind,
                subject=subject,
                owners=owners,
                by=by,
                at=work.now,
            )
            _noted(work, f"{kind}.erased", kind, subject, clinic=clinic, by=by, cases=cases)
            work.moved(clinic)
            work.roster_moved(clinic)
        self.finish()

    def finish(self) -> int:
        """Destroy the keys of every erasure that was begun; return how many were finished."""
        table = tables.erasures
        with self._transactions.read() as work:
            rows = work.rows(select(table).where(table.c.done_at.is_(None)).order_by(table.c.at))
        for row in rows:
            owners = tuple(row.owners)
            self._listed.add(Erasure(row.id, row.clinic, row.kind, row.subject, owners))
            self._keys.destroy(owners, self._transactions.clock())
            with self._transactions.write() as work:
                work.run(update(table).where(table.c.id == row.id).values(done_at=work.now))
                detail = {row.kind: row.subject}
                work.note("keys.destroyed", clinic=row.clinic, by=row.by, detail=detail)
        ring = self._transactions.vault.ring
        if ring is not None and rows:
            ring.look_again()
        return len(rows)

    def due(self, before: datetime, *, clinic: str) -> list[str]:
        """Return cases closed before this moment that are neither held nor erased."""
        cases = tables.cases
        query = select(cases.c.id, cases.c.patient_id).where(
            cases.c.clinic == clinic,
            cases.c.state == CaseState.CLOSED.value,
            cases.c.closed_at < before,
            cases.c.erased_at.is_(None),
        )
        with self._transactions.read() as work:
            held = set(_held(work, clinic))
            rows = work.rows(query.order_by(cases.c.closed_at, cases.c.id))
        return [
            row.id
            for row in rows
            if (CASE, row.id) not in held and (PATIENT, row.patient_id) not in held
        ]

    def lived(self, now: datetime, *, clinic: str) -> bool:
        """Whether messages came in on several of the last days, by the clock that says `now`.

        Without them the clock may have leapt, and a year that nobody lived through is no term.
        """
        cases = tables.cases
        query = select(cases.c.opened_at).where(
            cases.c.clinic == clinic, cases.c.opened_at > now - LATELY, cases.c.opened_at <= now
        )
        with self._transactions.read() as work:
            return len({row.opened_at.date() for row in work.rows(query)}) >= LIVED

    def close(self) -> None:
        """Let go of the owner's connection to the key store."""
        self._keys.close()


def erase_again(work: Work, erasure: Erasure) -> None:
    """Begin an erasure that a restored database does not know of; its keys go afterwards.

    Old values of a backup get keys first, as `triage keys rotate` would give them: a restore that
    stopped here would leave everything readable. Run as the owner of the database.
    """
    table = tables.erasures
    move_old(work, erasure.owners)
    _refuse_old(work, erasure.owners)
    for owner in erasure.owners:
        kind, _, name = owner.partition(":")
        known = tables.cases if kind == CASE else tables.patients if kind == PATIENT else None
        if known is None:
            continue
        living = select(known.c.id).where(known.c.id == name, known.c.erased_at.is_(None))
        if work.first(living) is not None and kind == CASE:
            _close(work, name, erasure.clinic)
        elif work.first(living) is not None:
            _forget_patient(work, name)
    _unlink(work, erasure)
    if work.first(select(table.c.id).where(table.c.id == erasure.id)) is None:
        work.add(
            table,
            id=erasure.id,
            clinic=erasure.clinic,
            kind=erasure.kind,
            subject=erasure.subject,
            owners=list(erasure.owners),
            by="restore",
            at=work.now,
        )
    work.moved(erasure.clinic)
    work.roster_moved(erasure.clinic)


def _unlink(work: Work, erasure: Erasure) -> None:
    """Ask anew whose the cases are that still name an erased patient, and are not erased.

    They were linked to somebody else between the backup and the erasure, or to nobody: a case of
    the patient's own is among the owners. A closed one may be opened again.
    """
    cases, messages, threads = tables.cases, tables.messages, tables.threads
    gone = [owner.partition(":")[2] for owner in erasure.owners if owner.startswith(f"{PATIENT}:")]
    astray = select(cases.c.id, cases.c.thread_id).where(
        cases.c.patient_id.in_(gone), cases.c.erased_at.is_(None)
    )
    nobody = {"patient_id": None, "contact_id": None}
    for row in work.rows(astray.order_by(cases.c.id)):
        work.run(update(cases).where(cases.c.id == row.id).values(**nobody))
        # As when a person links a case, its messages and thread follow.
        work.run(update(messages).where(messages.c.case_id == row.id).values(**nobody))
        work.run(update(threads).where(threads.c.id == row.thread_id).values(**nobody))
        drop_draft_for_others(work, row.id, "")
        named = {"patient": erasure.subject} if erasure.kind == PATIENT else {}
        work.note("case.unlinked", clinic=erasure.clinic, by="restore", cases=[row.id],
                  detail=named)  # fmt: skip


def _subject(work: Work, kind: str, subject: str, clinic: str) -> None:
    table = {CASE: tables.cases, PATIENT: tables.patients}.get(kind)
    if table is None:
        raise NotFound(f"{kind} is neither case nor patient")
    query = select(table.c.erased_at).where(table.c.clinic == clinic, table.c.id == subject)
    if work.one(query.with_for_update(), f"{kind} {subject}").erased_at is not None:
        raise Erased(f"{kind} {subject}")


def _cases_of(work: Work, patient_id: str, clinic: str) -> list[str]:
    """Return every case of a patient, also those a message of theirs is filed under."""
    cases, messages = tables.cases, tables.messages
    wrote = select(messages.c.case_id).where(messages.c.patient_id == patient_id)
    query = select(cases.c.id).where(
        cases.c.clinic == clinic,
        cases.c.erased_at.is_(None),
        or_(cases.c.patient_id == patient_id, cases.c.id.in_(wrote)),
    )
    return [row.id for row in work.rows(query.order_by(cases.c.id).with_for_update())]


def _refuse_living(work: Work, case_id: str, closed_before: datetime) -> None:
    """Refuse a case that was opened again, by a person or a delivery report, since it was due."""
    cases = tables.cases
    row = work.one(select(cases).where(cases.c.id == case_id).with_for_update(), f"case {case_id}")
    still = row.state == CaseState.CLOSED.value and row.closed_at is not None
    if not still or row.closed_at >= closed_before:
        raise ChangedUnderneath("This case is open already.")


def _refuse_elsewhere(work: Work, patient_id: str, cases: Sequence[str], clinic: str) -> None:
    """Refuse while words to the patient would stay readable in another patient's case."""
    known, replies, contacts = tables.cases, tables.replies, tables.contacts
    theirs = select(contacts.c.id).where(contacts.c.patient_id == patient_id)
    query = (
        select(replies.c.case_id)
        .join(known, known.c.id == replies.c.case_id)
        .where(replies.c.clinic == clinic, replies.c.contact_id.in_(theirs))
        .where(known.c.erased_at.is_(None), known.c.id.not_in(cases))
        .distinct()
        .order_by(replies.c.case_id)
    )
    left = [row.case_id for row in work.rows(query)]
    if left:
        raise StandsElsewhere(" ".join(left))


def _held(work: Work, clinic: str) -> Iterator[tuple[str, str]]:
    table = tables.holds
    query = select(table.c.kind, table.c.subject)
    for row in work.rows(query.where(table.c.clinic == clinic, table.c.lifted_at.is_(None))):
        yield row.kind, row.subject


def _refuse_held(work: Work, kind: str, subject: str, cases: list[str], clinic: str) -> None:
    table = tables.cases
    wanted = {(kind, subject), *((CASE, case_id) for case_id in cases)}
    whose = select(table.c.patient_id).where(table.c.id.in_(cases))
    wanted |= {(PATIENT, row.patient_id) for row in work.rows(whose)}
    if wanted & set(_held(work, clinic)):
        raise OnHold(f"{kind} {subject}")


def _close(work: Work, case_id: str, clinic: str) -> list[str]:
    """Close a case for good, take back what is queued; return whose keys are to go."""
    cases, drafts, replies, messages = (
        tables.cases, tables.drafts, tables.replies, tables.messages,
    )  # fmt: skip
    mine = (replies.c.case_id == case_id, replies.c.clinic == clinic)
    moving = [ReplyState.QUEUED.value, ReplyState.SENDING.value]
    under_way = select(replies.c.state).where(*mine, replies.c.state.in_(moving))
    known = work.rows(under_way)
    # Held until the end, so that none is claimed meanwhile. One that somebody moves this moment
    # is skipped, and counts as away: waiting for it could wait for each other.
    held = work.rows(under_way.with_for_update(skip_locked=True))
    away = [row for row in held if row.state == ReplyState.SENDING.value]
    if away or len(held) < len(known):
        raise TooLate(f"case {case_id}")
    queued = update(replies).where(*mine, replies.c.state == ReplyState.QUEUED.value)
    work.run(queued.values(state=ReplyState.RECALLED.value))
    work.run(delete(drafts).where(drafts.c.case_id == case_id, drafts.c.reply_id.is_(None)))
    filed = work.rows(select(messages.c.raw_id).where(messages.c.case_id == case_id))
    # What finds a message by its Message-ID or portal thread goes with its words.
    blind = {"message_id_index": None, "portal_thread_index": None}
    work.run(update(messages).where(messages.c.case_id == case_id).values(**blind))
    forget_case(work, case_id)
    gone = {"state": CaseState.CLOSED.value, "erased_at": work.now, "outcome": "erased"}
    free = {"claimed_by": None, "claimed_at": None, "closed_at": work.now}
    work.run(update(cases).where(cases.c.id == case_id).values(**gone, **free))
    return [of_case(case_id), *(of_raw(row.raw_id) for row in filed)]


def _refuse_old(work: Work, owners: Sequence[str]) -> None:
    """Refuse when a master key would still open something that destroyed keys should close."""
    if has_old(work, owners):
        raise StoreRefused("values from before data keys are left; run `triage keys rotate` first")


def _forget_patient(work: Work, patient_id: str) -> None:
    """Let no address lead to an erased patient; the roster's digest stays, so nobody returns."""
    patients, contacts = tables.patients, tables.contacts
    forget_patient(work, patient_id)
    work.run(update(patients).where(patients.c.id == patient_id).values(erased_at=work.now))
    for row in work.rows(select(contacts.c.id).where(contacts.c.patient_id == patient_id)):
        lost = {"address_index": new_id().encode(), "verified_by": None, "consent_to_email": False}
        lost |= {"consent_by": None, "consent_at": None}
        work.run(update(contacts).where(contacts.c.id == row.id).values(**lost))


def _noted(
    work: Work,
    action: str,
    kind: str,
    subject: str,
    *,
    clinic: str,
    by: str,
    cases: list[str] | None = None,
) -> None:
    named = cases if cases is not None else [subject] if kind == CASE else []
    work.note(action, clinic=clinic, by=by, cases=named, detail={kind: subject})
