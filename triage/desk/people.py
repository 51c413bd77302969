"""Accounts, patients and contacts, as far as a person may touch them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from triage.desk.rights import Right, require
from triage.domain import Contact, Patient, Protected, Role, User, new_id
from triage.errors import NotAllowed
from triage.store import Store


class PeopleDesk:
    """The counter for users and patients."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def users(self, actor: User) -> tuple[User, ...]:
        """Return everybody of the clinic."""
        require(actor, Right.SEE_QUEUE)
        return tuple(self._store.people.users(clinic=actor.clinic))

    def add_user(
        self,
        actor: User,
        *,
        username: str,
        display_name: str,
        roles: Iterable[Role],
        password: str,
    ) -> User:
        """Add a person with a first password."""
        require(actor, Right.MANAGE_USERS)
        user = User(new_id(), actor.clinic, username, display_name, frozenset(roles))
        self._store.people.add_user(user, password)
        return user

    def set_active(self, actor: User, user_id: str, active: bool) -> None:
        """Let a person in or shut them out; their sessions end at once."""
        require(actor, Right.MANAGE_USERS)
        self._store.people.set_active(user_id, active, clinic=actor.clinic, by=actor.id)

    def forget_authenticator(self, actor: User, user_id: str) -> None:
        """Take a lost authenticator app from a person, who enrols a new one at the next log-in.

        Nobody does it for themselves: a session left open would be enough to replace the app.
        """
        require(actor, Right.MANAGE_USERS)
        if actor.id == user_id:
            raise NotAllowed("Another administrator must do this.")
        self._store.factors.forget(user_id, clinic=actor.clinic, by=actor.id)

    def import_roster(
        self, actor: User, entries: Iterable[tuple[Patient, Sequence[Contact]]]
    ) -> int:
        """Add or update patients and their contacts; return how many patients."""
        require(actor, Right.IMPORT_ROSTER)
        return self._store.people.import_roster(entries, clinic=actor.clinic, by=actor.id)

    def find_patients(self, actor: User, words: Protected) -> tuple[Patient, ...]:
        """Return at most 20 patients whose name, birth date or record number match every word."""
        require(actor, Right.IDENTIFY_PATIENT)
        found = self._store.people.find_patients(words, clinic=actor.clinic, by=actor.id, limit=20)
        return tuple(found)

    def contacts(self, actor: User, patient_id: str) -> tuple[Contact, ...]:
        """Return the addresses a patient is reached at, verified or not."""
        require(actor, Right.IDENTIFY_PATIENT)
        found = self._store.people.contacts(patient_id, clinic=actor.clinic, by=actor.id)
        return tuple(found)

    def verify_contact(self, actor: User, contact_id: str) -> None:
        """Say by name that an address belongs to its person, after checking it with them."""
        require(actor, Right.IDENTIFY_PATIENT)
        self._store.people.verify_contact(contact_id, clinic=actor.clinic, by=actor.id)
