"""Whose message it is, and which conversation it belongs to.

Rule of the room: only a verified contact identifies a patient, and only messages of the same
contact about the same patient make a conversation; what a mail claims of itself never does.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select

from triage.domain import Channel, Mark, Message, Protected, new_id
from triage.store import tables
from triage.store.transaction import Work

#: A hostile mail may carry any number of references; a conversation shows in the newest.
_REFERENCES = 100


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote, as far as verified contacts tell."""

    contact_id: str | None
    patient_id: str | None
    marks: frozenset[Mark]


def identify(work: Work, message: Message, clinic: str) -> Sender:
    """Find the one patient behind the sender's address; more than one is nobody.

    Where the portal says whom a message is about, it must be a patient this sender may write for.
    """
    if message.sender_doubtful:
        return Sender(None, None, frozenset({Mark.UNVERIFIED_SENDER}))
    found = verified_contacts(work, message.channel, message.sender, clinic)
    if found and message.about and message.about != message.sender:
        about = verified_contacts(work, message.channel, message.about, clinic)
        meant = {patient_id for _, patient_id in about}
        found = [one for one in found if one[1] in meant]
        if len({patient_id for _, patient_id in found}) != 1:
            return Sender(None, None, frozenset({Mark.AMBIGUOUS_PATIENT}))
    patients = {patient_id for _, patient_id in found}
    if len(patients) == 1:
        contact_id, patient_id = found[0]
        return Sender(contact_id, patient_id, frozenset())
    trouble = Mark.AMBIGUOUS_PATIENT if patients else Mark.UNKNOWN_SENDER
    return Sender(None, None, frozenset({trouble}))


def verified_contacts(
    work: Work, channel: Channel, address: Protected, clinic: str
) -> list[tuple[str, str]]:
    """Return (contact id, patient id) of every verified contact at this address."""
    contacts = tables.contacts
    index = work.vault.blind_address(clinic, channel, address.reveal())
    query = (
        select(contacts.c.id, contacts.c.patient_id)
        .where(
            contacts.c.clinic == clinic,
            contacts.c.channel == channel.value,
            contacts.c.address_index == index,
            contacts.c.verified_by.is_not(None),
        )
        .order_by(contacts.c.id)
    )
    return [(str(row.id), str(row.patient_id)) for row in work.rows(query)]


def thread_of(
    work: Work, message: Message, sender: Sender, clinic: str, *, landed: datetime
) -> str:
    """Return the conversation of this message that landed at `landed`, or a fresh one."""
    known = None
    if sender.contact_id is not None:
        known = known_thread(work, message, sender, clinic)
        known = known or _thread_of_answers(work, message, sender, clinic, landed=landed)
    return new_thread(work, sender, clinic) if known is None else known


def new_thread(work: Work, sender: Sender, clinic: str) -> str:
    """Begin a conversation of this sender; return its id."""
    thread_id = new_id()
    work.add(
        tables.threads,
        id=thread_id,
        clinic=clinic,
        patient_id=sender.patient_id,
        contact_id=sender.contact_id,
    )
    return thread_id


def message_index(work: Work, clinic: str, message_id: str) -> bytes | None:
    """Return the blind index of a Message-ID; None when there is none."""
    trimmed = message_id.strip()
    return work.vault.blind("message id", clinic, trimmed) if trimmed else None


def portal_index(work: Work, clinic: str, portal_thread: str) -> bytes | None:
    """Return the blind index of a portal conversation; None when there is none."""
    trimmed = portal_thread.strip()
    return work.vault.blind("portal thread", clinic, trimmed) if trimmed else None


def known_thread(work: Work, message: Message, sender: Sender, clinic: str) -> str | None:
    """Return the conversation of this sender that the message names, if there is one."""
    references = [reference.reveal() for reference in message.references[-_REFERENCES:]]
    wanted = [index for ref in references if (index := message_index(work, clinic, ref))]
    portal = portal_index(work, clinic, message.portal_thread.reveal())
    heard, said, cases = tables.messages, tables.replies, tables.cases
    same_people = (
        heard.c.clinic == clinic,
        heard.c.contact_id == sender.contact_id,
        heard.c.patient_id == sender.patient_id,
    )
    same_talk: ColumnElement[bool] = heard.c.message_id_index.in_(wanted)
    if portal is not None:
        same_talk = or_(same_talk, heard.c.portal_thread_index == portal)
    answered = (
        select(cases.c.thread_id)
        .join(said, said.c.case_id == cases.c.id)
        .where(
            said.c.clinic == clinic,
            said.c.contact_id == sender.contact_id,
            cases.c.patient_id == sender.patient_id,
            said.c.message_id_index.in_(wanted),
        )
    )
    spoken = select(heard.c.thread_id).where(*same_people, same_talk)
    row = work.first(spoken.order_by(heard.c.received_at.desc())) or work.first(answered)
    if row is None and message.channel is Channel.PORTAL:
        return _answers_receipt(work, references, sender, clinic)
    return None if row is None else str(row.thread_id)


def _thread_of_answers(
    work: Work, message: Message, sender: Sender, clinic: str, *, landed: datetime
) -> str | None:
    """Return the conversation of what answers this message and was filed before it.

    Two workers at once, a worker that died and a red flag among the answers all turn the order
    round. Only what landed later is asked, which as a rule is nothing.
    """
    heard, mine = tables.messages, message.message_id.reveal().strip()
    query = (
        select(heard.c.id, heard.c.reply_references, heard.c.thread_id)
        .join(tables.cases, tables.cases.c.id == heard.c.case_id)
        .where(
            heard.c.clinic == clinic,
            heard.c.contact_id == sender.contact_id,
            heard.c.patient_id == sender.patient_id,
            heard.c.received_at > landed,
            tables.cases.c.erased_at.is_(None),
        )
        .order_by(heard.c.received_at)
        .limit(_REFERENCES)
    )
    for row in work.rows(query) if mine else ():
        named = json.loads(work.vault.text(row.reply_references, row.id).reveal())
        if mine in (one.strip() for one in named):
            return str(row.thread_id)
    return None


def _answers_receipt(work: Work, references: list[str], sender: Sender, clinic: str) -> str | None:
    """Return the conversation of our own reply that a portal message answers.

    The portal calls our reply by the id it gave it, which we keep sealed as its receipt.
    """
    said, cases = tables.replies, tables.cases
    query = (
        select(said.c.id, said.c.receipt, cases.c.thread_id)
        .join(cases, said.c.case_id == cases.c.id)
        .where(
            said.c.clinic == clinic,
            said.c.contact_id == sender.contact_id,
            cases.c.patient_id == sender.patient_id,
            # The receipt of an erased one opens no more.
            cases.c.erased_at.is_(None),
            said.c.receipt.is_not(None),
        )
        .order_by(said.c.settled_at.desc())
        .limit(_REFERENCES)
    )
    for row in work.rows(query):
        if work.vault.text(row.receipt, row.id).reveal() in references:
            return str(row.thread_id)
    return None
