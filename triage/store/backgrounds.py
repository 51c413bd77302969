"""What the clinic knows about a message before it is redacted.

Rule of the room: names and numbers of the roster leave as keyed digests only; what earlier
messages called their people leaves for the same conversation and for no other.
"""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import select

from triage.domain import (
    NOBODY,
    Background,
    Channel,
    IdentifierType,
    KnownPeople,
    Message,
    Patient,
    Protected,
    Redaction,
)
from triage.domain.known import Fact, number_of
from triage.store import records, tables
from triage.store.senders import identify, known_thread
from triage.store.transaction import Transactions, Work

#: Placeholders are carried on from at most this many earlier messages of a conversation.
_EARLIER = 50


class Backgrounds:
    """Gives each message what is known beforehand; digests are made anew when a roster changes."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        # A key of its own: a digest here says nothing about an index of the database.
        self._key = transactions.vault.blind("known people", "", "")
        #: Clinic -> (version of its roster, its digests).
        self._made: dict[str, tuple[int, KnownPeople]] = {}

    def known(self, *, clinic: str, by: str) -> KnownPeople:
        """Return the digests of every patient, contact and user of a clinic."""
        versions = tables.roster_versions
        query = select(versions.c.version).where(versions.c.clinic == clinic)
        with self._transactions.read() as work:
            version = work.number(query)
        made = self._made.get(clinic)
        if made is None or made[0] != version:
            with self._transactions.write() as work:
                facts = list(_everybody(work, clinic))
                detail = {"facts": str(len(facts))}
                work.note("roster.digested", clinic=clinic, by=by, detail=detail)
            # Digests take a while, so the database is let go first.
            made = self._made[clinic] = (version, KnownPeople.of(facts, key=self._key))
        return made[1]

    def of(self, messages: Sequence[Message], *, clinic: str, by: str) -> list[Background]:
        """Return what is known about each message; same order, same length."""
        known = self.known(clinic=clinic, by=by)
        with self._transactions.write() as work:
            found = [self._background(work, message, known, clinic) for message in messages]
            used = sum(bool(one.patient or one.earlier) for one in found)
            if used:
                detail = {"messages": str(used)}
                work.note("background.read", clinic=clinic, by=by, detail=detail)
        return found

    def of_filed(
        self, message_ids: Collection[str], *, clinic: str, by: str
    ) -> dict[str, Background]:
        """Return what is known now of messages filed long ago, without their conversation.

        A message that nobody linked to a patient has the clinic's people only.
        """
        known, messages = self.known(clinic=clinic, by=by), tables.messages
        query = select(messages.c.id, messages.c.patient_id).where(messages.c.clinic == clinic)
        with self._transactions.write() as work:
            patient_of = {row.id: row.patient_id for row in work.stream(query)}
            wanted = {message_id: patient_of.get(message_id) for message_id in message_ids}
            facts = {one: list(_about(work, one, clinic)) for one in set(wanted.values()) if one}
            if facts:
                detail = {"messages": str(len(wanted))}
                work.note("background.read", clinic=clinic, by=by, detail=detail)
        # Digests take a while, so the database is let go first.
        people = {one: KnownPeople.of(told, key=self._key) for one, told in facts.items()}
        return {key: Background(known, people.get(one, NOBODY)) for key, one in wanted.items()}

    def _background(
        self, work: Work, message: Message, known: KnownPeople, clinic: str
    ) -> Background:
        sender = identify(work, message, clinic)
        if sender.patient_id is None:
            return Background(known=known)
        mine = KnownPeople.of(_about(work, sender.patient_id, clinic), key=self._key)
        language = _language(work, sender.patient_id, sender.contact_id, clinic)
        thread_id = known_thread(work, message, sender, clinic)
        if thread_id is None:
            return Background(known, mine, language=language)
        earlier, counts = _earlier(work, thread_id, clinic), _counts(work, thread_id, clinic)
        return Background(known, mine, earlier, counts, language)


def _language(work: Work, patient_id: str, contact_id: str | None, clinic: str) -> str:
    """Return what the writer reads best: as the contact says, else as the patient does."""
    for table, row_id in ((tables.contacts, contact_id), (tables.patients, patient_id)):
        here = (table.c.clinic == clinic, table.c.id == row_id)
        row = work.first(select(table.c.language).where(*here))
        if row is not None and row.language != "en":
            return str(row.language)
    return "en"


def _everybody(work: Work, clinic: str) -> Iterator[Fact]:
    patients, contacts, users = tables.patients, tables.contacts, tables.users
    work.warm("patient")
    living = (patients.c.clinic == clinic, patients.c.erased_at.is_(None))
    for row in work.stream(select(patients).where(*living)):
        yield from _facts(records.patient(row, work.vault))
    reached = select(contacts).join(patients, patients.c.id == contacts.c.patient_id)
    for row in work.stream(reached.where(*living)):
        contact = records.contact(row, work.vault)
        yield IdentifierType.NAME, contact.name
        if contact.channel is Channel.EMAIL:
            yield IdentifierType.EMAIL, contact.address
    staff = select(users.c.display_name).where(users.c.clinic == clinic)
    for row in work.stream(staff):
        yield IdentifierType.NAME, Protected(row.display_name)


def _about(work: Work, patient_id: str, clinic: str) -> Iterator[Fact]:
    """Yield what identifies one patient, and the names of those who read for them."""
    patients, contacts = tables.patients, tables.contacts
    here = (
        patients.c.clinic == clinic,
        patients.c.id == patient_id,
        patients.c.erased_at.is_(None),
    )
    for row in work.rows(select(patients).where(*here)):
        yield from _facts(records.patient(row, work.vault))
    query = select(contacts).join(patients, patients.c.id == contacts.c.patient_id).where(*here)
    for row in work.rows(query):
        yield IdentifierType.NAME, records.contact(row, work.vault).name


def _facts(patient: Patient) -> Iterator[Fact]:
    yield IdentifierType.NAME, patient.name
    if patient.mrn:
        yield IdentifierType.MRN, patient.mrn
    yield from patient.identifiers


def _counts(work: Work, thread_id: str, clinic: str) -> dict[IdentifierType, int]:
    """Return the highest number given to each type, however old: no number is given twice."""
    messages, redactions = tables.messages, tables.redactions
    query = (
        select(redactions.c.type, redactions.c.placeholder)
        .join(messages, messages.c.id == redactions.c.message_id)
        .where(messages.c.clinic == clinic, messages.c.thread_id == thread_id)
    )
    highest: dict[IdentifierType, int] = {}
    for row in work.stream(query):
        kind = IdentifierType(row.type)
        highest[kind] = max(highest.get(kind, 0), number_of(row.placeholder))
    return highest


def _earlier(work: Work, thread_id: str, clinic: str) -> tuple[Redaction, ...]:
    """Return the placeholders of the newest part of a conversation, oldest first."""
    messages, redactions, cases = tables.messages, tables.redactions, tables.cases
    query = (
        select(messages.c.id)
        .join(cases, cases.c.id == messages.c.case_id)
        .where(
            messages.c.clinic == clinic,
            messages.c.thread_id == thread_id,
            cases.c.erased_at.is_(None),
        )
        .order_by(messages.c.received_at.desc(), messages.c.id.desc())
        .limit(_EARLIER)
    )
    found: list[Redaction] = []
    for said in reversed(work.rows(query)):
        mine = select(redactions).where(redactions.c.message_id == said.id)
        found += [
            Redaction(
                row.placeholder, IdentifierType(row.type), work.vault.text(row.original, row.id)
            )
            for row in work.rows(mine.order_by(redactions.c.position))
        ]
    return tuple(dict.fromkeys(found))
