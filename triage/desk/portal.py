"""What the portal knows of the patient of a case, asked for by one person, now.

Rule of the room: the case is opened with the person's own rights and the look is in the audit
before the portal is asked; a portal that fails says so and holds nothing up.
"""

from collections.abc import Callable
from dataclasses import dataclass

from triage.desk.rights import Right, require
from triage.domain import CaseFile, Channel, PortalFacts, Protected, User
from triage.errors import PortalShut, PortalSilent
from triage.store import Store

#: Asks the portal about `Patient/<id>`; raises PortalSilent or PortalShut.
Ask = Callable[[Protected], PortalFacts]


@dataclass(frozen=True, slots=True)
class PortalView:
    """What a page shows; without facts, `trouble` is one of the words of the page."""

    file: CaseFile
    facts: PortalFacts | None = None
    #: no_portal, no_reference, no_secret or silent.
    trouble: str = ""
    #: The portal has another birth date for this patient than we.
    differs: bool = False


class PortalDesk:
    """The counter that asks the portal."""

    def __init__(
        self, store: Store, ask: Ask | None, remember: Callable[[User, str, PortalFacts], None]
    ) -> None:
        self._store = store
        self._remember = remember
        self._ask = ask

    def known(self, actor: User, case_id: str) -> PortalView:
        """Return what the portal says now; raise NotAllowed or NotFound."""
        require(actor, Right.SEE_QUEUE)
        file = self._store.cases.get(case_id, clinic=actor.clinic, by=actor.id)
        reference = _reference(file)
        if self._ask is None:
            return PortalView(file, trouble="no_portal")
        if reference is None:
            return PortalView(file, trouble="no_reference")
        self._store.cases.asked_portal(case_id, clinic=actor.clinic, by=actor.id)
        try:
            facts = self._ask(reference)
        except PortalShut:
            return PortalView(file, trouble="no_secret")
        except PortalSilent:
            return PortalView(file, trouble="silent")
        self._remember(actor, case_id, facts)
        return PortalView(file, facts, differs=_differs(file, facts))


def _reference(file: CaseFile) -> Protected | None:
    """Return the one verified portal reference of the case's patient, if there is one."""
    if file.patient is None:
        return None
    contacts = [one for one in (file.contact, *file.contacts) if one is not None]
    found = {
        one.address
        for one in contacts
        if one.channel is Channel.PORTAL
        and one.relation == "self"
        and one.verified_by is not None
        and one.patient_id == file.patient.id
    }
    return found.pop() if len(found) == 1 else None


def _differs(file: CaseFile, facts: PortalFacts) -> bool:
    known = file.patient.birth_date if file.patient else Protected("")
    return bool(known) and bool(facts.birth_date) and known != facts.birth_date
