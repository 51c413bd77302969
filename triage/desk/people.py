"""Accounts, patients and contacts, as far as a person may touch them."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from triage.desk.rights import RIGHTS, Right, may, require, require_any
from triage.desk.views import FirstPassword
from triage.domain import Clinic, Contact, Patient, Protected, Role, User, new_id
from triage.errors import NotAllowed, NotYourself
from triage.store import Store

#: Letters and digits nobody mistakes for one another when they read a password out.
SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"
#: Sixteen of them are 79 bits: nobody guesses that, whoever holds the hashes.
PARTS, SIGNS_IN_PART = 4, 4


class PeopleDesk:
    """The counter for users and patients."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def clinic(self, actor: User) -> Clinic:
        """Return the practice of whoever asks."""
        require_any(actor, Right.SEE_QUEUE, Right.MANAGE_USERS)
        return self._store.people.clinic(actor.clinic)

    def users(self, actor: User) -> tuple[User, ...]:
        """Return everybody of the clinic."""
        require_any(actor, Right.SEE_QUEUE, Right.MANAGE_USERS)
        return tuple(self._store.people.users(clinic=actor.clinic))

    def add_user(
        self,
        actor: User,
        *,
        username: str,
        display_name: str,
        roles: Iterable[Role],
    ) -> FirstPassword:
        """Add a person; return the password to hand them, which is kept nowhere.

        Raises NameTaken, and NotAllowed for somebody with nothing to do.
        """
        require(actor, Right.MANAGE_USERS)
        user = User(new_id(), actor.clinic, username, display_name, _some(roles))
        password = first_password()
        self._store.people.add_user(user, password, by=actor.id, given=True)
        return FirstPassword(user, Protected(password))

    def new_password(self, actor: User, user_id: str) -> FirstPassword:
        """Make a new password for a person and return it once; their sessions end at once.

        Raises NotYourself: one's own is changed on one's own page, where the present one is asked.
        """
        require(actor, Right.MANAGE_USERS)
        if user_id == actor.id:
            raise NotYourself(f"user {user_id}")
        user, password = self._store.people.user(user_id, clinic=actor.clinic), first_password()
        self._store.people.set_password(user_id, password, clinic=actor.clinic, by=actor.id)
        return FirstPassword(user, Protected(password))

    def set_roles(self, actor: User, user_id: str, roles: Iterable[Role]) -> None:
        """Give a person these roles and no others; without one that approves, nothing leaves.

        Raises LastAdministrator, and NotYourself for a role somebody would give themself.
        """
        require(actor, Right.MANAGE_USERS)
        wanted = _some(roles)
        if user_id == actor.id and wanted - actor.roles:
            raise NotYourself(f"user {user_id}")
        approves = bool(wanted & RIGHTS[Right.APPROVE_REPLY])
        self._store.people.set_roles(
            user_id, wanted, clinic=actor.clinic, by=actor.id, approves=approves
        )
        person = self._store.people.user(user_id, clinic=actor.clinic)
        if not may(person, Right.WORK_CASE):
            self._store.assignments.give_back(user_id, clinic=actor.clinic, by=actor.id)

    def set_active(self, actor: User, user_id: str, active: bool) -> None:
        """Let a person in or shut them out, which ends their sessions at once.

        What they approved and has not left yet becomes drafts again.
        Raises NotYourself for oneself, and LastAdministrator.
        """
        require(actor, Right.MANAGE_USERS)
        if user_id == actor.id:
            raise NotYourself(f"user {user_id}")
        self._store.people.set_active(user_id, active, clinic=actor.clinic, by=actor.id)

    def enrolled(self, actor: User) -> frozenset[str]:
        """Return the ids of everybody of the clinic who has an authenticator app."""
        require(actor, Right.MANAGE_USERS)
        return self._store.factors.all_enrolled(clinic=actor.clinic)

    def forget_authenticator(self, actor: User, user_id: str) -> None:
        """Take a lost authenticator app from a person, who enrols a new one at the next log-in.

        Nobody does it for themselves: a session left open would be enough to replace the app.
        """
        require(actor, Right.MANAGE_USERS)
        if actor.id == user_id:
            raise NotYourself(f"user {user_id}")
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

    def record_consent(self, actor: User, contact_id: str, agreed: bool) -> None:
        """Write down by name whether a person agreed to e-mail, after asking them."""
        require(actor, Right.IDENTIFY_PATIENT)
        self._store.people.record_consent(contact_id, agreed, clinic=actor.clinic, by=actor.id)


def first_password() -> str:
    """Return a password that can be read out over a table: `abcd-efgh-jkmn-pqrs`."""
    parts = ["".join(secrets.choice(SIGNS) for _ in range(SIGNS_IN_PART)) for _ in range(PARTS)]
    return "-".join(parts)


def _some(roles: Iterable[Role]) -> frozenset[Role]:
    found = frozenset(roles)
    if not found:
        raise NotAllowed("a person without a role")
    return found
