"""What a portal knows of a patient, for a person who works on a case; never kept here."""

from dataclasses import dataclass
from datetime import datetime

from triage.domain.text import NOTHING, Protected


@dataclass(frozen=True, slots=True)
class Appointment:
    """One that is still to come."""

    start: datetime
    what: Protected
    #: The portal's own word, such as `booked` or `pending`.
    status: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """One that the portal calls active."""

    payer: Protected
    member: Protected
    #: Its last day as the portal writes it; empty where there is none.
    until: Protected = NOTHING


@dataclass(frozen=True, slots=True)
class Medication:
    """One that the portal calls an active request."""

    name: Protected
    dose: Protected = NOTHING


@dataclass(frozen=True, slots=True)
class PortalFacts:
    """What the portal said just now about one patient."""

    name: Protected = NOTHING
    birth_date: Protected = NOTHING
    appointments: tuple[Appointment, ...] = ()
    coverages: tuple[Coverage, ...] = ()
    medications: tuple[Medication, ...] = ()
    #: Kinds (Patient, Appointment, Coverage, MedicationRequest) the portal did not show us.
    missing: frozenset[str] = frozenset()
    #: Kinds of which there is more than is listed here.
    more: frozenset[str] = frozenset()
