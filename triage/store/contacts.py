"""Contact records that people keep by hand: found by a patient's marks, added, changed, retired.

Rule of the room: an address is never rewritten. A new one is a new contact that nobody has
verified, and the old one goes out of use in the same transaction: what is on its way to the old
address goes there or nowhere. The audit names contacts by id.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import Row, select, update

from triage.domain import Channel, Contact, Patient, Protected, new_id
from triage.errors import ChangedUnderneath, NotAnswerable
from triage.store import records, tables
from triage.store.keyring import of_patient
from triage.store.search_index import token
from triage.store.search_words import Term, terms_of
from triage.store.searches import people_query
from triage.store.transaction import Transactions, Work

#: What a retired contact is left with: nobody is reached there, and it proves nobody.
_OUT = {"verified_by": None, "consent_to_email": False, "consent_by": None, "consent_at": None}


class Contacts:
    """The contact records of every clinic."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def find(
        self, words: Protected, *, clinic: str, by: str, limit: int = 20
    ) -> tuple[Patient, ...]:
        """Return the patients that have every one of these words, numbers or addresses; audited.

        A word is a whole one: nothing is opened to find anybody, keyed digests are compared.
        """
        table, terms = tables.patients, terms_of(words.reveal())
        with self._transactions.write() as work:
            ids: set[str] | None = None
            for term in terms:
                fit = _having(work, clinic, term)
                ids = fit if ids is None else ids & fit
            living = (table.c.clinic == clinic, table.c.erased_at.is_(None))
            query = select(table).where(*living, table.c.id.in_(sorted(ids or ())))
            rows = work.rows(query.order_by(table.c.id).limit(limit))
            shown = " ".join(row.id for row in rows)
            detail = {"count": str(len(rows)), "patients": shown}
            work.note("patient.searched", clinic=clinic, by=by, detail=detail)
            return tuple(records.patient(row, work.vault) for row in rows)

    def of(self, patient_id: str, *, clinic: str, by: str) -> tuple[Patient, tuple[Contact, ...]]:
        """Return a patient and every contact, those out of use last; raise NotFound."""
        with self._transactions.write() as work:
            patient = _living(work, patient_id, clinic)
            table = tables.contacts
            query = select(table).where(table.c.clinic == clinic, table.c.patient_id == patient_id)
            found = [records.contact(row, work.vault) for row in work.rows(query)]
            found.sort(key=lambda one: (one.retired_at is not None, one.channel, one.id))
            work.note("contact.read", clinic=clinic, by=by, detail={"patient": patient_id})
            return records.patient(patient, work.vault), tuple(found)

    def add(self, contact: Contact, *, clinic: str, by: str) -> Contact:
        """Add a contact that nobody has verified; raise NotFound, NotAnswerable for one known."""
        with self._transactions.write() as work:
            work.lock(f"roster {clinic}")
            _living(work, contact.patient_id, clinic)
            return _add(work, replace(contact, clinic=clinic), by, "contact.added")

    def change(self, contact: Contact, *, clinic: str, by: str) -> Contact:
        """Let a contact read like this; raise NotFound, and ChangedUnderneath by its version.

        Another address is another contact: it comes in unverified, and this one goes out of use.
        """
        table = tables.contacts
        with self._transactions.write() as work:
            work.lock(f"roster {clinic}")
            row = _in_use(work, contact.id, clinic, contact.version)
            _living(work, row.patient_id, clinic)
            index = work.vault.blind_address(clinic, contact.channel, contact.address.reveal())
            if (row.channel, bytes(row.address_index)) != (contact.channel.value, index):
                _retire(work, row, by)
                new = replace(contact, clinic=clinic, patient_id=row.patient_id)
                return _add(work, new, by, "contact.moved", earlier=row.id)
            owner = of_patient(row.patient_id)
            texts = {"address": contact.address, "name": contact.name}
            values = {
                "relation": contact.relation,
                "language": contact.language,
                "version": row.version + 1,
                **work.seal(table, row.id, under=owner, **texts),
            }
            work.run(update(table).where(table.c.id == row.id).values(**values))
            work.roster_moved(clinic)
            _note(work, "contact.changed", row, by)
            after = work.one(select(table).where(table.c.id == row.id), f"contact {row.id}")
            return records.contact(after, work.vault)

    def retire(self, contact_id: str, *, version: int, clinic: str, by: str) -> None:
        """Take a contact out of use for good; raise NotFound, ChangedUnderneath."""
        with self._transactions.write() as work:
            work.lock(f"roster {clinic}")
            row = _in_use(work, contact_id, clinic, version)
            _retire(work, row, by)
            _note(work, "contact.retired", row, by)


def _having(work: Work, clinic: str, term: Term) -> set[str]:
    """Return the ids of the patients with a mark of this term, or an address like it."""
    vault, contacts = work.vault, tables.contacts
    marks = [token(vault, clinic, mark) for mark in term.people]
    found = {str(row.patient_id) for row in work.rows(people_query(clinic, marks))}
    if term.address:
        indexes = [vault.blind_address(clinic, one, term.address) for one in Channel]
        at = (contacts.c.clinic == clinic, contacts.c.address_index.in_(indexes))
        found |= {
            str(row.patient_id) for row in work.rows(select(contacts.c.patient_id).where(*at))
        }
    return found


def _living(work: Work, patient_id: str, clinic: str) -> Row[Any]:
    table = tables.patients
    mine = (table.c.clinic == clinic, table.c.id == patient_id, table.c.erased_at.is_(None))
    return work.one(select(table).where(*mine), f"patient {patient_id}")


def _in_use(work: Work, contact_id: str, clinic: str, version: int) -> Row[Any]:
    table = tables.contacts
    mine = (table.c.clinic == clinic, table.c.id == contact_id, table.c.retired_at.is_(None))
    row = work.one(select(table).where(*mine).with_for_update(), f"contact {contact_id}")
    if row.version != version:
        raise ChangedUnderneath(f"contact {contact_id}")
    return row


def _retire(work: Work, row: Row[Any], by: str) -> None:
    table = tables.contacts
    gone = {"retired_at": work.now, "retired_by": by, "version": row.version + 1, **_OUT}
    work.run(update(table).where(table.c.id == row.id).values(**gone))
    work.moved(row.clinic)


def _add(work: Work, contact: Contact, by: str, action: str, *, earlier: str = "") -> Contact:
    """Add a contact, or put one at the same address back in use: unverified, whatever it was."""
    table, vault = tables.contacts, work.vault
    index = vault.blind_address(contact.clinic, contact.channel, contact.address.reveal())
    known = work.first(
        select(table).where(
            table.c.patient_id == contact.patient_id,
            table.c.channel == contact.channel.value,
            table.c.address_index == index,
        )
    )
    if known is not None and known.retired_at is None:
        raise NotAnswerable("This patient has a contact at this address already.")
    row_id = new_id() if known is None else str(known.id)
    texts = {"address": contact.address, "name": contact.name}
    values: dict[str, Any] = {
        "relation": contact.relation,
        "language": contact.language,
        "version": known.version + 1 if known is not None else 0,
        "retired_at": None,
        "retired_by": None,
        **_OUT,
        **work.seal(table, row_id, under=of_patient(contact.patient_id), **texts),
    }
    if known is not None:
        work.run(update(table).where(table.c.id == row_id).values(**values))
    else:
        where = {"patient_id": contact.patient_id, "channel": contact.channel.value}
        work.add(table, id=row_id, clinic=contact.clinic, address_index=index, **where, **values)
    work.roster_moved(contact.clinic)
    row = work.one(select(table).where(table.c.id == row_id), f"contact {row_id}")
    _note(work, action, row, by, **({"earlier": earlier} if earlier else {}))
    return records.contact(row, vault)


def _note(work: Work, action: str, row: Row[Any], by: str, **more: str) -> None:
    detail = {"contact": row.id, "patient": row.patient_id, "channel": row.channel, **more}
    work.note(action, clinic=row.clinic, by=by, detail=detail)
