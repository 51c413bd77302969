"""Writes what a practice's own list of patients says into the store.

Rule of the room: what a person recorded by hand stands against the list.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select, update

from triage.domain import Channel, Contact, Patient
from triage.store import tables
from triage.store.keyring import of_patient
from triage.store.transaction import Work
from triage.store.vault import dump

#: Stands for the file the practice imports, where nobody recorded a yes by hand.
ROSTER = "roster"


def put_patient(work: Work, patient: Patient) -> str | None:
    """Add or update a patient; return the id, or None where that person was erased."""
    table, mrn = tables.patients, patient.mrn.reveal().strip()
    indexes = work.vault.blinds("mrn", patient.clinic, mrn) if mrn else []
    index = indexes[0] if mrn else None
    same = table.c.mrn_index.in_(indexes) if mrn else table.c.id == patient.id
    columns = select(table.c.id, table.c.erased_at)
    known = work.first(columns.where(table.c.clinic == patient.clinic, same))
    if known is None:
        gone = (table.c.id == patient.id, table.c.erased_at.is_not(None))
        known = work.first(columns.where(*gone))
    if known is not None and known.erased_at is not None:
        return None
    row_id = patient.id if known is None else str(known.id)
    sealed = work.seal(
        table,
        row_id,
        under=of_patient(row_id),
        name=patient.name,
        birth_date=patient.birth_date,
        mrn=patient.mrn,
        identifiers=dump([[kind, text.reveal()] for kind, text in patient.identifiers]),
    )
    values = {"language": patient.language, "mrn_index": index, **sealed}
    if known is None:
        work.add(table, id=row_id, clinic=patient.clinic, **values)
    else:
        work.run(update(table).where(table.c.id == row_id).values(**values))
    return row_id


def _consent(work: Work, contact: Contact, known: Row[Any] | None) -> dict[str, Any]:
    """Return what an import says about e-mail; a person's own record stands against it."""
    if known is not None and known.consent_by not in (None, ROSTER):
        return {}
    agreed = contact.consent_to_email
    before = known is not None and known.consent_to_email and known.consent_by == ROSTER
    at = known.consent_at if known is not None and before else work.now
    return {
        "consent_to_email": agreed,
        "consent_by": ROSTER if agreed else None,
        "consent_at": at if agreed else None,
    }


def put_contact(work: Work, contact: Contact) -> None:
    """Add or update an address of a patient; one that was taken out of use stays so."""
    table = tables.contacts
    index = work.vault.blind_address(contact.clinic, contact.channel, contact.address.reveal())
    known = work.first(
        select(table).where(
            table.c.clinic == contact.clinic,
            table.c.patient_id == contact.patient_id,
            table.c.channel == contact.channel.value,
            table.c.address_index == index,
        )
    )
    if known is not None and known.retired_at is not None:
        # Somebody took it out of use by name; no file brings it back.
        return
    row_id, owner = contact.id if known is None else str(known.id), of_patient(contact.patient_id)
    values = {
        "relation": contact.relation,
        "verified_by": contact.verified_by or (known.verified_by if known else None),
        "language": contact.language,
        **_consent(work, contact, known),
        **work.seal(table, row_id, under=owner, address=contact.address, name=contact.name),
    }
    if known is not None:
        work.run(update(table).where(table.c.id == row_id).values(**values))
        return
    work.add(
        table,
        id=row_id,
        clinic=contact.clinic,
        patient_id=contact.patient_id,
        channel=contact.channel.value,
        address_index=index,
        **values,
    )


def doubt_unlisted(work: Work, listed: Sequence[Contact]) -> int:
    """Trust no e-mail address of a patient in place of which the list has others; return how many.

    Only what the list alone vouched for: the clinic was told "not there any more", wrote it into
    its record system, and whoever reads at the old address is no longer the patient. Where the
    list has no address at all nothing is taken: it may be a list without addresses.
    """
    mails = [one for one in listed if one.channel is Channel.EMAIL]
    if not mails:
        return 0
    table, vault = tables.contacts, work.vault
    indexes = [vault.blind_address(one.clinic, one.channel, one.address.reveal()) for one in mails]
    others = (
        table.c.clinic == mails[0].clinic,
        table.c.patient_id == mails[0].patient_id,
        table.c.channel == Channel.EMAIL.value,
        table.c.address_index.not_in(indexes),
    )
    agreed = update(table).where(*others, table.c.consent_by == ROSTER)
    work.run(agreed.values(consent_to_email=False, consent_by=None, consent_at=None))
    trusted = update(table).where(*others, table.c.verified_by == ROSTER)
    return work.run(trusted.values(verified_by=None))
