"""Writes the tokens by which cases and patients are found, and takes them away.

Rule of the room: tokens are written in the transaction that writes what they lead to, and go in
the transaction that erases it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from triage.domain import Channel, IdentifierType, Message, Patient, Redacted
from triage.store import tables
from triage.store.search_words import RULES, WORD, Word, marks_of, words_of
from triage.store.transaction import Work
from triage.store.vault import Vault

#: With a million different words in a clinic two share a token once in forty million clinics.
SIZE = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = timedelta(microseconds=1)
_SECOND = 1_000_000


def token(vault: Vault, clinic: str, word: Word) -> bytes:
    """Return the token of a word; the same word of another clinic or purpose has another."""
    purpose, text = word
    return vault.blind(f"search {purpose}", clinic, text)[:SIZE]


def address_token(vault: Vault, clinic: str, channel: Channel, address: str) -> bytes:
    """Return the token of a sender's address, folded like a contact's."""
    return vault.blind_address(clinic, channel, address)[:SIZE]


def made_with(vault: Vault) -> bytes:
    """Return what tells the rules and the key of today's tokens from any others."""
    return vault.blind("search rules", "", RULES)[:SIZE]


def number_at(moment: datetime) -> int:
    """Return the number of a case opened at this moment: whole microseconds."""
    return (moment - _EPOCH) // _STEP


def index_message(
    work: Work, message: Message, redacted: Redacted, *, clinic: str, case_id: str
) -> None:
    """Let a case be found by a message that was just written under it."""
    table, vault = tables.search_cases, work.vault
    known = work.first(select(table).where(table.c.id == case_id))
    if known is None or bytes(known.made_with) != made_with(vault):
        index_case(work, case_id)
        return
    words = words_of(redacted.subject, redacted.body, redacted.files)
    wanted = _tokens(vault, clinic, words, [(message.channel, message.sender.reveal())])
    _add(work, clinic, known.number, wanted)


def index_case(work: Work, case_id: str) -> None:
    """Make all tokens of a case anew from its messages; an erased case gets none."""
    cases, messages, table = tables.cases, tables.messages, tables.search_cases
    case = work.one(select(cases).where(cases.c.id == case_id), f"case {case_id}")
    if case.erased_at is not None:
        return
    wanted = set[bytes]()
    for row in work.rows(select(messages).where(messages.c.case_id == case_id)):
        wanted |= _tokens_of(work.vault, row)
    forget_case(work, case_id)
    number = _free(work, case.clinic, number_at(case.opened_at))
    work.add(table, id=case_id, clinic=case.clinic, number=number, made_with=made_with(work.vault))
    _add(work, case.clinic, number, wanted)


def forget_case(work: Work, case_id: str) -> None:
    """Take every token of a case away."""
    table, kept = tables.search_cases, tables.search_tokens
    known = work.first(select(table).where(table.c.id == case_id))
    if known is not None:
        mine = (kept.c.clinic == known.clinic, kept.c.number == known.number)
        work.run(delete(kept).where(*mine))
        work.run(delete(table).where(table.c.id == case_id))


def index_patient(work: Work, patient: Patient) -> None:
    """Let a patient be found by name, birth date, record number and telephones."""
    table, vault = tables.search_patients, work.vault
    told = [(kind, text.reveal()) for kind, text in patient.identifiers]
    phones = [text for kind, text in told if kind is IdentifierType.PHONE]
    streets = [text for kind, text in told if kind is IdentifierType.ADDRESS]
    marks = marks_of(
        patient.name.reveal(), patient.birth_date.reveal(), patient.mrn.reveal(), phones, streets
    )
    wanted = {token(vault, patient.clinic, mark) for mark in marks}
    rows = work.rows(select(table.c.token).where(table.c.patient_id == patient.id))
    known = {bytes(row.token) for row in rows}
    if known - wanted:
        gone = table.c.token.in_(known - wanted)
        work.run(delete(table).where(table.c.patient_id == patient.id, gone))
    values = {"clinic": patient.clinic, "patient_id": patient.id}
    if wanted - known:
        work.run(insert(table), [{**values, "token": one} for one in sorted(wanted - known)])


def forget_patient(work: Work, patient_id: str) -> None:
    """Take every token of a patient away."""
    table = tables.search_patients
    work.run(delete(table).where(table.c.patient_id == patient_id))


def _tokens_of(vault: Vault, row: Row[Any]) -> set[bytes]:
    names = ("redacted_subject", "redacted_body", "redacted_files")
    texts = [vault.text(getattr(row, name), row.id).reveal() for name in names]
    sender = vault.text(row.sender, row.id).reveal()
    return _tokens(vault, row.clinic, words_of(*texts), [(Channel(row.channel), sender)])


def _tokens(
    vault: Vault, clinic: str, words: Iterable[str], senders: Iterable[tuple[Channel, str]]
) -> set[bytes]:
    found = {token(vault, clinic, (WORD, word)) for word in words}
    return found | {
        address_token(vault, clinic, channel, address)
        for channel, address in senders
        if address.strip()
    }


def _add(work: Work, clinic: str, number: int, wanted: set[bytes]) -> None:
    table = tables.search_tokens
    mine = (table.c.clinic == clinic, table.c.number == number)
    known = {bytes(row.token) for row in work.rows(select(table.c.token).where(*mine))}
    values = {"clinic": clinic, "number": number}
    # In the order of the index, so that its pages are visited once.
    new = [{**values, "token": one} for one in sorted(wanted - known)]
    if new:
        work.run(insert(table), new)


def _free(work: Work, clinic: str, number: int) -> int:
    """Return this number or, where cases were opened at the same moment, one right after."""
    table = tables.search_cases
    mine = table.c.clinic == clinic
    while work.first(select(table.c.id).where(mine, table.c.number == number)) is not None:
        near = select(func.max(table.c.number)).where(mine, table.c.number < number + _SECOND)
        number = work.number(near) + 1
    return number
