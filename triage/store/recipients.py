"""Whether words may still go where they are addressed.

Rule of the room: only columns the sender's own role may read are asked for here.
"""

from sqlalchemy import select

from triage.domain import Channel, Outgoing
from triage.store import tables
from triage.store.transaction import Work


def may_receive(work: Work, contact_id: str, outgoing: Outgoing, *, clinic: str) -> bool:
    """Whether this is a verified contact of the case's patient, at the address of the words.

    For e-mail the contact must have agreed to e-mail.
    """
    contacts, cases = tables.contacts, tables.cases
    address = outgoing.recipient.reveal()
    query = (
        select(contacts.c.id)
        .join(cases, cases.c.patient_id == contacts.c.patient_id)
        .where(
            cases.c.clinic == clinic,
            cases.c.id == outgoing.case_id,
            contacts.c.clinic == clinic,
            contacts.c.id == contact_id,
            contacts.c.verified_by.is_not(None),
            contacts.c.channel == outgoing.channel.value,
            contacts.c.address_index == work.vault.blind_address(clinic, outgoing.channel, address),
        )
    )
    if outgoing.channel is Channel.EMAIL:
        query = query.where(contacts.c.consent_to_email.is_(True))
    return work.first(query) is not None
