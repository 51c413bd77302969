"""The practice and its people: clinics, users, patients, and how patients can be reached.

Rule of the room: an address identifies nobody until a person has verified it.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, select, true, update

from triage.domain import Channel, Clinic, Contact, Patient, Protected, Role, Team, User
from triage.errors import LastAdministrator, NameTaken, NotFound, NotSignedIn
from triage.store import records, tables
from triage.store.assignments import take_from
from triage.store.claims import give_back_claims
from triage.store.passwords import hash_password, password_fits
from triage.store.reply_steps import take_back_all
from triage.store.roster_rows import doubt_unlisted, put_contact, put_patient
from triage.store.search_index import index_patient
from triage.store.sessions import Sessions, end_sessions
from triage.store.transaction import Transactions, Work


class People(Sessions):
    """Clinics, users and their sessions, patients and their contacts."""

    def __init__(self, transactions: Transactions) -> None:
        super().__init__(transactions)
        self._transactions = transactions

    def add_clinic(self, clinic: Clinic) -> None:
        """Add a clinic, or give it a new name or time zone."""
        table = tables.clinics
        values = {"name": clinic.name, "timezone": clinic.timezone}
        with self._transactions.write() as work:
            if not work.run(update(table).where(table.c.id == clinic.id).values(**values)):
                work.add(table, id=clinic.id, **values)

    def clinic(self, clinic_id: str) -> Clinic:
        """Return a clinic; raise NotFound."""
        table = tables.clinics
        with self._transactions.read() as work:
            row = work.one(select(table).where(table.c.id == clinic_id), f"clinic {clinic_id}")
        return Clinic(row.id, row.name, row.timezone)

    def clinics(self) -> list[Clinic]:
        """Return every clinic of this database."""
        with self._transactions.read() as work:
            rows = work.rows(select(tables.clinics).order_by(tables.clinics.c.id))
        return [Clinic(row.id, row.name, row.timezone) for row in rows]

    def add_team(self, team: Team) -> None:
        """Add a team, or change its name and routes."""
        table = tables.teams
        values = {"name": team.name, "routes": records.listed(team.routes)}
        with self._transactions.write() as work:
            mine = (table.c.clinic == team.clinic, table.c.id == team.id)
            if not work.run(update(table).where(*mine).values(**values)):
                work.add(table, id=team.id, clinic=team.clinic, **values)

    def teams(self, *, clinic: str) -> list[Team]:
        """Return the teams of a clinic, by name."""
        table = tables.teams
        query = select(table).where(table.c.clinic == clinic).order_by(table.c.name)
        with self._transactions.read() as work:
            rows = work.rows(query)
        return [Team(row.id, row.clinic, row.name, records.routes(row.routes)) for row in rows]

    def add_user(
        self, user: User, password: str, *, by: str = "setup", given: bool = False
    ) -> None:
        """Add a person; raise NameTaken when anybody of any clinic has the user name.

        `given` says that somebody else made the password, so that it must be changed at once.
        """
        hashed, users = hash_password(password), tables.users
        with self._transactions.write() as work:
            if work.first(select(users.c.id).where(users.c.username == user.username)):
                raise NameTaken(f"the user name {user.username} is taken")
            work.add(
                users,
                id=user.id,
                clinic=user.clinic,
                username=user.username,
                display_name=user.display_name,
                roles=sorted(role.value for role in user.roles),
                active=user.active,
                password=hashed,
                password_given=given,
            )
            work.roster_moved(user.clinic)
            detail = {"user": user.id, "roles": _listed(user.roles)}
            work.note("user.added", clinic=user.clinic, by=by, detail=detail)

    def user(self, user_id: str, *, clinic: str | None = None) -> User:
        """Return a person, of this clinic if one is given; raise NotFound."""
        table = tables.users
        query = select(table).where(table.c.id == user_id)
        if clinic is not None:
            query = query.where(table.c.clinic == clinic)
        with self._transactions.read() as work:
            return records.user(work.one(query, f"user {user_id}"))

    def users(self, *, clinic: str) -> list[User]:
        """Return everybody of a clinic, by user name."""
        table = tables.users
        query = select(table).where(table.c.clinic == clinic).order_by(table.c.username)
        with self._transactions.read() as work:
            return [records.user(row) for row in work.rows(query)]

    def check_password(self, username: str, password: str) -> User:
        """Return the person with this name and password; raise NotSignedIn for anything else."""
        table = tables.users
        query = select(table).where(table.c.username == username)
        with self._transactions.read() as work:
            row = work.first(query)
        fits = password_fits(row.password if row else None, password)
        if row is None or not fits or not row.active:
            raise NotSignedIn
        return records.user(row)

    def set_password(self, user_id: str, password: str, *, clinic: str, by: str) -> None:
        """Give a person a password to change at the next log-in; end every session of theirs."""
        values: dict[str, Any] = {"password": hash_password(password), "password_given": True}
        self._change_user(user_id, "user.password", clinic=clinic, by=by, **values)

    def set_active(self, user_id: str, active: bool, *, clinic: str, by: str) -> None:
        """Let a person in or shut them out, which ends their sessions.

        Their claims are given back then, and what they approved and no sender has taken yet.
        """
        action, why = ("user.enabled", "") if active else ("user.disabled", "shut_out")
        self._change_user(user_id, action, why, clinic=clinic, by=by, active=active)

    def set_roles(
        self,
        user_id: str,
        roles: Collection[Role],
        *,
        clinic: str,
        by: str,
        approves: bool = True,
    ) -> None:
        """Give a person these roles and no others; they sign in again to use them.

        Unless one of them `approves` replies, theirs that no sender has taken yet come back.
        Raises LastAdministrator, here and in `set_active`, when nobody who administers were left.
        """
        words = sorted(role.value for role in roles)
        why = "" if approves else "role_taken"
        self._change_user(user_id, "user.roles", why, clinic=clinic, by=by, roles=words)

    def _change_user(
        self, user_id: str, action: str, why: str = "", *, clinic: str, by: str, **values: Any
    ) -> None:
        """Change a person; `why`, unless empty, is why their replies do not leave any more."""
        table = tables.users
        mine = (table.c.clinic == clinic, table.c.id == user_id)
        with self._transactions.write() as work:
            # One at a time: two administrators may not take each other's role at once.
            work.lock(f"staff {clinic}")
            before = records.user(work.one(select(table).where(*mine), f"user {user_id}"))
            work.run(update(table).where(*mine).values(**values))
            _keep_an_administrator(work, before)
            end_sessions(work, user_id, clinic=clinic)
            if not values.get("active", True):
                give_back_claims(work, user_id, clinic=clinic, by=by)
                take_from(work, user_id, clinic=clinic, by=by)
            if why:
                take_back_all(work, user_id, clinic=clinic, by=by, why=why)
            detail = {"user": user_id}
            if "roles" in values:
                detail |= {"roles": " ".join(values["roles"]), "earlier": _listed(before.roles)}
            work.note(action, clinic=clinic, by=by, detail=detail)

    def import_roster(
        self, entries: Iterable[tuple[Patient, Sequence[Contact]]], *, clinic: str, by: str
    ) -> int:
        """Add or update patients and contacts; return how many patients.

        A patient is known again by record number, else by id. A verified address stays verified,
        but for one that only the roster vouched for and that it now lists others in place of.
        A patient who was erased is left out, and so is not counted.
        """
        with self._transactions.write() as work:
            work.lock(f"roster {clinic}")
            count = unlisted = 0
            for patient, contacts in entries:
                patient_id = put_patient(work, replace(patient, clinic=clinic))
                if patient_id is None:
                    continue
                index_patient(work, replace(patient, clinic=clinic, id=patient_id))
                theirs = [replace(one, clinic=clinic, patient_id=patient_id) for one in contacts]
                for contact in theirs:
                    put_contact(work, contact)
                unlisted += doubt_unlisted(work, theirs)
                count += 1
            work.roster_moved(clinic)
            detail = {"patients": str(count), "unlisted": str(unlisted)}
            work.note("roster.imported", clinic=clinic, by=by, detail=detail)
        return count

    def find_patients(
        self, words: Protected, *, clinic: str, by: str, limit: int = 20
    ) -> list[Patient]:
        """Return patients whose name, birth date or record number hold every one of the words."""
        wanted = words.reveal().casefold().split()
        table = tables.patients
        living = (table.c.clinic == clinic, table.c.erased_at.is_(None))
        query = select(table).where(*living).order_by(table.c.id)
        found: list[Patient] = []
        with self._transactions.write() as work:
            work.warm("patient")
            for row in work.stream(query) if wanted else ():
                patient = records.patient(row, work.vault)
                if len(found) < limit and _matches(patient, wanted):
                    found.append(patient)
            # Whoever was on the list was seen.
            shown = " ".join(patient.id for patient in found)
            detail = {"count": str(len(found)), "patients": shown}
            work.note("patient.searched", clinic=clinic, by=by, detail=detail)
        return found

    def patient(self, patient_id: str, *, clinic: str, by: str) -> Patient:
        """Return a patient; raise NotFound."""
        table = tables.patients
        query = select(table).where(table.c.clinic == clinic, table.c.id == patient_id)
        with self._transactions.write() as work:
            row = work.one(query, f"patient {patient_id}")
            work.note("patient.read", clinic=clinic, by=by, detail={"patient": patient_id})
            return records.patient(row, work.vault)

    def contacts(self, patient_id: str, *, clinic: str, by: str) -> list[Contact]:
        """Return every contact of a patient that is in use."""
        table = tables.contacts
        mine = (table.c.clinic == clinic, table.c.patient_id == patient_id)
        query = select(table).where(*mine, table.c.retired_at.is_(None))
        return self._contacts(query, clinic, by, patient=patient_id)

    def contacts_at(
        self, channel: Channel, address: Protected, *, clinic: str, by: str
    ) -> list[Contact]:
        """Return every contact at an address, verified or not."""
        table = tables.contacts
        query = select(table).where(table.c.clinic == clinic, table.c.channel == channel.value)

        def here(work: Work) -> Any:
            index = work.vault.blind_address(clinic, channel, address.reveal())
            return table.c.address_index == index

        return self._contacts(query, clinic, by, here=here, channel=channel.value)

    def verify_contact(self, contact_id: str, *, clinic: str, by: str) -> None:
        """Say that `by` checked that this address belongs to the person; raise NotFound."""
        table = tables.contacts
        here = (table.c.clinic == clinic, table.c.id == contact_id)
        mine = (*here, table.c.retired_at.is_(None))
        with self._transactions.write() as work:
            if work.run(update(table).where(*mine).values(verified_by=by)) != 1:
                raise NotFound(f"contact {contact_id}")
            work.note("contact.verified", clinic=clinic, by=by, detail={"contact": contact_id})

    def record_consent(self, contact_id: str, agreed: bool, *, clinic: str, by: str) -> None:
        """Keep what the person said about e-mail at this address, and who wrote it down when.

        A roster imported later does not change it. Raises NotFound.
        """
        table = tables.contacts
        here = (table.c.clinic == clinic, table.c.id == contact_id)
        mine = (*here, table.c.retired_at.is_(None))
        with self._transactions.write() as work:
            said = {"consent_to_email": agreed, "consent_by": by, "consent_at": work.now}
            if work.run(update(table).where(*mine).values(**said)) != 1:
                raise NotFound(f"contact {contact_id}")
            detail = {"contact": contact_id, "email": "yes" if agreed else "no"}
            work.note("contact.consent", clinic=clinic, by=by, detail=detail)

    def _contacts(
        self,
        query: Any,
        clinic: str,
        by: str,
        *,
        here: Callable[[Work], Any] = lambda _: true(),
        **detail: str,
    ) -> list[Contact]:
        with self._transactions.write() as work:
            query = query.where(here(work)).order_by(tables.contacts.c.id)
            rows: list[Row[Any]] = work.rows(query)
            work.note("contact.read", clinic=clinic, by=by, detail=detail)
            return [records.contact(row, work.vault) for row in rows]


def _listed(roles: Iterable[Role]) -> str:
    return " ".join(sorted(role.value for role in roles))


def _administers(user: User) -> bool:
    return user.active and Role.ADMINISTRATOR in user.roles


def _keep_an_administrator(work: Work, before: User) -> None:
    """Undo the transaction when it takes from a clinic the last person who administers it."""
    table = tables.users
    staff = work.rows(select(table).where(table.c.clinic == before.clinic))
    if _administers(before) and not any(_administers(records.user(row)) for row in staff):
        raise LastAdministrator(f"user {before.id}")


def _matches(patient: Patient, wanted: list[str]) -> bool:
    known = f"{patient.name.reveal()} {patient.birth_date.reveal()} {patient.mrn.reveal()}"
    return all(word in known.casefold() for word in wanted)
