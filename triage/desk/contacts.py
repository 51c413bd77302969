"""Contact records: how a patient is reached, kept by a person with a name.

Rule of the room: whoever types an address does not thereby verify it; that is said by itself.
"""

import re

from triage.connectors.reached import CHANNELS, cannot_reach
from triage.desk.rights import Right, require
from triage.domain import Channel, Contact, Patient, Protected, User, language_of, new_id
from triage.errors import BadContact
from triage.store import Store

_RELATION = re.compile(r"[^\W\d_][\w -]{0,31}")

__all__ = ["CHANNELS", "ContactDesk"]


class ContactDesk:
    """The counter of contact records."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, actor: User, words: Protected) -> tuple[Patient, ...]:
        """Return the patients that have every whole word, number or address; at most 20."""
        require(actor, Right.EDIT_CONTACTS)
        return self._store.contacts.find(words, clinic=actor.clinic, by=actor.id)

    def of(self, actor: User, patient_id: str) -> tuple[Patient, tuple[Contact, ...]]:
        """Return a patient with every contact, those out of use last; raise NotFound."""
        require(actor, Right.EDIT_CONTACTS)
        return self._store.contacts.of(patient_id, clinic=actor.clinic, by=actor.id)

    def put(
        self,
        actor: User,
        patient_id: str,
        *,
        channel: Channel,
        address: Protected,
        reader: Protected,
        relation: str,
        language: str,
        contact_id: str | None = None,
        version: int = 0,
    ) -> Contact:
        """Add a contact, or change the one with this id as it was in this version.

        A new or another address is verified by nobody and has agreed to nothing; the earlier one
        goes out of use. Raises BadContact, NotFound, NotAnswerable, ChangedUnderneath.
        """
        require(actor, Right.EDIT_CONTACTS)
        wrong = cannot_reach(channel, address, reader)
        if not _RELATION.fullmatch(relation):
            wrong = wrong or "Write in a word or two who reads there: self, parent, proxy."
        if language != language_of(language):
            wrong = wrong or "Choose one of the languages in the list."
        if wrong:
            raise BadContact(wrong)
        contact = Contact(
            id=contact_id or new_id(),
            clinic=actor.clinic,
            patient_id=patient_id,
            channel=channel,
            address=address,
            name=reader,
            relation=relation,
            verified_by=None,
            consent_to_email=False,
            language=language,
            version=version,
        )
        shelf, who = self._store.contacts, {"clinic": actor.clinic, "by": actor.id}
        return shelf.change(contact, **who) if contact_id else shelf.add(contact, **who)

    def retire(self, actor: User, contact_id: str, *, version: int) -> None:
        """Take a contact out of use for good; raise NotFound, ChangedUnderneath."""
        require(actor, Right.EDIT_CONTACTS)
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.contacts.retire(contact_id, version=version, **who)
