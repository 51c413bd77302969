"""Tells whether words of a draft belong to another patient than the one it is for.

Rule of the room: the roster is asked by keyed digests, the ones search uses, so that nothing of a
bystander is ever opened; what is the patient's own, their reader's or a colleague's is nobody
else's.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from triage.domain import (
    Channel,
    IdentifierType,
    Patient,
    Reached,
    Spot,
    Stranger,
)
from triage.store import records, tables
from triage.store.search_index import SIZE
from triage.store.search_words import NAME, Word, marks_of
from triage.store.transaction import Transactions, Work

#: Tokens asked for in one query.
_BATCH = 400


@dataclass(frozen=True, slots=True)
class _Known:
    """Whose words may stand in the draft."""

    patient: Patient | None
    #: Patients somebody reads for at the very address the draft goes to.
    family: frozenset[str]
    #: Folded words of each name that may be written: the patient, who reads for them, staff.
    names: tuple[frozenset[str], ...]

    @property
    def own(self) -> str:
        return self.patient.id if self.patient else ""


class Bystanders:
    """Looks up in the roster whom the places of a draft could name."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def among(
        self, spots: Sequence[Spot], reached: Reached, *, clinic: str, by: str, case_id: str
    ) -> tuple[Stranger, ...]:
        """Return the places that name another patient, in order; audited with their number."""
        with self._transactions.write() as work:
            known = _known(work, reached, clinic)
            marks = [_marks(spot, known) for spot in spots]
            owners = _owners(work, clinic, {mark for one in marks for mark in _all(one)})
            found = [
                Stranger(spot.kind, spot.words, spot.sure)
                for spot, mine in zip(spots, marks, strict=True)
                if _foreign(work, spot, marks=mine, owners=owners, known=known, clinic=clinic)
            ]
            detail = {"strangers": str(len(found))}
            work.note("draft.checked", clinic=clinic, by=by, cases=(case_id,), detail=detail)
        return tuple(dict.fromkeys(found))


def _known(work: Work, reached: Reached, clinic: str) -> _Known:
    patients, contacts, users = tables.patients, tables.contacts, tables.users
    row = work.first(
        select(patients).where(patients.c.clinic == clinic, patients.c.id == reached.patient_id)
    )
    patient = records.patient(row, work.vault) if row is not None else None
    mine = select(contacts).where(
        contacts.c.clinic == clinic,
        contacts.c.patient_id == reached.patient_id,
        contacts.c.retired_at.is_(None),
    )
    readers = [records.contact(one, work.vault) for one in work.rows(mine)]
    address = work.vault.blind_address(clinic, reached.channel, reached.address.reveal())
    family = select(contacts.c.patient_id).where(
        contacts.c.clinic == clinic,
        contacts.c.channel == reached.channel.value,
        contacts.c.address_index == address,
        contacts.c.verified_by.is_not(None),
    )
    staff = work.rows(select(users.c.display_name).where(users.c.clinic == clinic))
    names = [one.name.reveal() for one in ([patient] if patient else [])]
    names += [one.name.reveal() for one in readers] + [str(one.display_name) for one in staff]
    relatives = frozenset(str(one.patient_id) for one in work.rows(family))
    return _Known(patient, relatives, tuple(map(_folded, names)))


def _folded(name: str) -> frozenset[str]:
    return frozenset(word for _, word in marks_of(name, "", "", ()))


def _marks(spot: Spot, known: _Known) -> tuple[frozenset[Word], ...]:
    """Return what is looked up for a spot: of each set one mark must be the same patient's."""
    if spot.kind is IdentifierType.NAME:
        return tuple(frozenset(marks_of(key, "", "", ())) for key in spot.keys)
    if spot.kind is IdentifierType.DATE:
        return (frozenset(mark for day in spot.keys for mark in marks_of("", day, "", ())),)
    if spot.kind is IdentifierType.PHONE:
        return (frozenset(marks_of("", "", "", _telephones(spot.keys, known))),)
    if spot.kind is IdentifierType.ADDRESS:
        return (frozenset(marks_of("", "", "", (), spot.keys)),)
    if spot.kind is IdentifierType.MRN:
        numbers = {*spot.keys, *(_prefix(known) + key for key in spot.keys if key.isdigit())}
        return (frozenset(mark for one in numbers for mark in marks_of("", "", one, ())),)
    return ()


def _telephones(keys: Iterable[str], known: _Known) -> list[str]:
    """Return the numbers, and short ones as a neighbour of this patient would call them."""
    own = [text.reveal() for kind, text in _identifiers(known) if kind is IdentifierType.PHONE]
    areas = {"".join(filter(str.isdigit, one))[-10:-7] for one in own}
    return [*keys, *(area + key for key in keys if len(key) == 7 for area in areas if area)]


def _identifiers(known: _Known) -> Iterable[tuple[IdentifierType, Any]]:
    return known.patient.identifiers if known.patient else ()


def _prefix(known: _Known) -> str:
    """Return the letters this clinic's record numbers begin with, as the patient's own does."""
    number = known.patient.mrn.reveal().casefold() if known.patient else ""
    letters = "".join(sign for sign in number if sign.isalnum())
    return letters[: len(letters) - len(letters.lstrip("abcdefghijklmnopqrstuvwxyz"))]


def _all(marks: Sequence[frozenset[Word]]) -> frozenset[Word]:
    return frozenset().union(*marks)


def _owners(work: Work, clinic: str, marks: Iterable[Word]) -> Mapping[Word, frozenset[str]]:
    """Return mark -> the patients who have it; under every index key there is."""
    table, vault = tables.search_patients, work.vault
    tokens: dict[bytes, Word] = {}
    for mark in sorted(marks):
        purpose, text = mark
        tokens |= {one[:SIZE]: mark for one in vault.blinds(f"search {purpose}", clinic, text)}
    found: dict[Word, set[str]] = defaultdict(set)
    wanted = sorted(tokens)
    for at in range(0, len(wanted), _BATCH):
        part = table.c.token.in_(wanted[at : at + _BATCH])
        query = select(table.c.token, table.c.patient_id).where(table.c.clinic == clinic, part)
        for row in work.stream(query):
            found[tokens[bytes(row.token)]].add(str(row.patient_id))
    return {mark: frozenset(ids) for mark, ids in found.items()}


def _foreign(
    work: Work,
    spot: Spot,
    *,
    marks: Sequence[frozenset[Word]],
    owners: Mapping[Word, frozenset[str]],
    known: _Known,
    clinic: str,
) -> bool:
    if spot.kind is IdentifierType.EMAIL:
        return _mail_of_another(work, spot, known, clinic)
    having = [frozenset().union(*(owners.get(mark, frozenset()) for mark in one)) for one in marks]
    if not having:
        return False
    ids = frozenset.intersection(*having)
    if spot.kind is not IdentifierType.NAME:
        return bool(ids) and known.own not in ids
    words = frozenset(word for purpose, word in _all(marks) if purpose == NAME)
    if any(words <= name for name in known.names):
        return False
    return bool(ids - known.family - {known.own})


def _mail_of_another(work: Work, spot: Spot, known: _Known, clinic: str) -> bool:
    table = tables.contacts
    index = work.vault.blind_address(clinic, Channel.EMAIL, spot.keys[0])
    query = select(table.c.patient_id, table.c.retired_at).where(
        table.c.clinic == clinic,
        table.c.channel == Channel.EMAIL.value,
        table.c.address_index == index,
    )
    rows = work.rows(query)
    others = {str(row.patient_id) for row in rows} - {known.own}
    # What the patient no longer uses is not theirs to be told where it is another's as well.
    theirs = any(row.patient_id == known.own and row.retired_at is None for row in rows)
    return bool(others) and not theirs and not others & known.family
