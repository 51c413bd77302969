"""The practice and the people around it."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from triage.domain.text import Protected
from triage.domain.words import Channel, IdentifierType, Role, Route

#: A language and whatever narrows it down: a script, a country (BCP 47).
_TAG = re.compile(r"([A-Za-z]{2,3})(?:-[A-Za-z0-9]{2,8})*")


def language_of(tag: str) -> str | None:
    """Return the language of a tag without its country, or None where it is no tag.

    Whoever reads es-MX is answered in es: texts are written per language.
    """
    found = _TAG.fullmatch(tag)
    return found[1].lower() if found else None


@dataclass(frozen=True, slots=True)
class Clinic:
    """One practice; its id stands on every row and scopes every query."""

    id: str
    name: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Team:
    """People who work the same routes."""

    id: str
    clinic: str
    name: str
    routes: frozenset[Route] = frozenset()


@dataclass(frozen=True, slots=True)
class User:
    """A named person of the clinic. Machines are never users."""

    id: str
    clinic: str
    username: str
    display_name: str
    roles: frozenset[Role]
    active: bool = True
    #: The language of the pages this person chose; empty until then.
    language: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A living session: whose it is, and how far this person has signed in."""

    user: User
    opened_at: datetime
    #: Whether the person has an authenticator app.
    enrolled: bool
    #: When the second factor was given in this session; None means it was not.
    factor_at: datetime | None
    #: How the session began: `password` or `openid`.
    way: str = "password"
    #: Whether somebody else made the person's password.
    password_given: bool = False


@dataclass(frozen=True, slots=True)
class Errand:
    """What one log-in through a provider carries along; one browser alone can make it again."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    #: The PKCE verifier: the provider sees its digest first, and itself only from us.
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Vouched:
    """Who an identity provider says is there; its name for the person, never their e-mail."""

    issuer: str
    subject: str
    #: Whether the provider says that it asked for a second factor.
    factor: bool


@dataclass(frozen=True, slots=True)
class Patient:
    """A person cared for by the clinic."""

    id: str
    clinic: str
    name: Protected
    birth_date: Protected
    mrn: Protected
    #: As `language_of` returns it, here and in a contact.
    language: str = "en"
    #: Telephones, addresses and further ids the practice knows; redaction looks for them.
    identifiers: tuple[tuple[IdentifierType, Protected], ...] = ()


@dataclass(frozen=True, slots=True)
class Contact:
    """An address on a channel that belongs to one patient, in one relation."""

    id: str
    clinic: str
    patient_id: str
    channel: Channel
    #: An e-mail address, or the portal's reference such as `Patient/123`.
    address: Protected
    #: The person who reads there; the patient unless the relation says otherwise.
    name: Protected
    #: self, parent, proxy, spouse, ...
    relation: str
    #: Who checked that the address belongs to the person; None means nobody did.
    verified_by: str | None
    consent_to_email: bool
    language: str = "en"
    #: Who recorded the yes or no to e-mail (a user id, or `roster`) and when; None means nobody
    #: did, which counts as no. The time is None where it is older than the record of it.
    consent_by: str | None = None
    consent_at: datetime | None = None
    #: Counts the changes people made by hand.
    version: int = 0
    #: When it was taken out of use, and by whom; nothing leaves to it, and it proves nobody.
    retired_at: datetime | None = None
    retired_by: str | None = None


@dataclass(frozen=True, slots=True)
class BrokenGlass:
    """One emergency look at a case by somebody whose role does not include it."""

    id: str
    clinic: str
    case_id: str
    user_id: str
    #: Why, in the person's words.
    reason: Protected
    at: datetime
    #: For how long, 1 to 60.
    minutes: int
    #: The supervisor who looked into it; None while nobody has.
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None

    @property
    def until(self) -> datetime:
        """The moment from which the case is shut again."""
        return self.at + timedelta(minutes=self.minutes)
