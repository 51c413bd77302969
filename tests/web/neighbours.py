"""Two clinics in one store, each with something of every kind, and somebody of the second who may
do everything there and knows every id of the first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from tests.proofs import unproven
from tests.store.practice import reading
from tests.web.practice import (
    ELSEWHERE,
    MORNING,
    NAMES,
    PASSWORD,
    PEOPLE,
    Practice,
    open_practice,
)
from triage.domain import (
    Errand,
    Protected,
    Role,
    Route,
    SampleItem,
    Team,
    Urgency,
    User,
    Vouched,
    Wanted,
)
from triage.errors import ProviderRefused
from triage.store import Keys
from triage.store.tables import metadata

EVERYTHING = frozenset(Role)
INSIDER = User("u-ines", "c1", "ines", "Ines Sidorova", EVERYTHING)
NEIGHBOUR = User("u-max", ELSEWHERE.id, "max", "Max Nebenan", EVERYTHING)
#: The only cases that are touched: one with a reply, one with files and a draft, one untouched.
KEYS = ("refill", "unsorted", "stranger")
LETTERS = tuple(letter for letter in MORNING if letter.key in KEYS)


@dataclass(frozen=True)
class Neighbours:
    """The practice, what is in the first clinic by kind, and a case of the second."""

    practice: Practice
    #: Name of a parameter or form field -> a value of the first clinic that works there.
    first: Mapping[str, str]
    item: SampleItem
    own_case: str
    own_message: str

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of the first clinic, so that a change of any shows."""
        found = {}
        with self.practice.store._transactions.read() as work:
            for table in metadata.sorted_tables:
                if "clinic" in table.columns:
                    mine = select(table).where(table.c.clinic == "c1")
                    rows = work.rows(mine.order_by(*table.primary_key.columns))
                    found[table.name] = [tuple(row) for row in rows]
        return found


#: What nobody of the second clinic may ever read: names, numbers and words of the first.
SECRETS = frozenset(
    {name.split()[1] for name, _ in NAMES}
    | {born for _, born in NAMES}
    | {letter.subject for letter in LETTERS}
    | {person.username for person in PEOPLE.values() if person.clinic == "c1"}
    | {person.display_name for person in PEOPLE.values() if person.clinic == "c1"}
    | {"MRN4000", "subject-of-milo", "Corner Pharmacy", "Ines Sidorova", "car park", "router-2"}
) - {"dana", "sam", "ada", "nia", "wim", "milo", "devi"}


class Hospital:
    """The first clinic's identity provider, which is never asked here."""

    issuer, label = "https://hospital.example", "Sign in with the hospital"

    def address(self, errand: Errand) -> str:
        return self.issuer

    def vouch(self, code: str, errand: Errand, *, said_by: str = "") -> Vouched:
        raise ProviderRefused("silent")


def move_in(folder: Path, url: str, keys: Keys) -> Neighbours:
    """Return two furnished clinics in one store."""
    practice = open_practice(folder, letters=LETTERS, url=url, keys=keys)
    store, desk = practice.store, practice.desk
    for person in (INSIDER, NEIGHBOUR):
        store.people.add_user(person, PASSWORD)
        practice.enrol(person.username)
    desk.openid._provider = Hospital()
    desk.openid.link(INSIDER, "u-milo", "subject-of-milo")
    own = store.cases.file(reading(store, ELSEWHERE.id), clinic=ELSEWHERE.id, by="worker")
    words = {"subject": Protected("About it"), "body": Protected("Your lisinopril is ready.")}
    answered, open_case = practice.cases["refill"], practice.cases["unsorted"]
    draft = desk.replies.save(INSIDER, answered, **words)
    digest, proof = draft.outgoing.digest, unproven(store, INSIDER.id)
    reply = desk.replies.approve(INSIDER, answered, digest=digest, proof=proof)
    store.people.add_team(Team("team-one", "c1", "Front desk", frozenset({Route.REFILL})))
    _identify(practice, open_case)
    words["body"] = Protected("The form is on its way.")
    draft = desk.replies.save(INSIDER, open_case, **words)
    (item, *_) = desk.supervision.sample(INSIDER)
    devi = PEOPLE["devi"]
    why = Protected("called from the car park")
    glass = desk.glass.smash(devi, open_case, reason=why, minutes=60)
    form = desk.forms.add(INSIDER, Protected("consent.pdf"), b"%PDF-1.4 consent %%EOF")
    file = store.cases.get(open_case, clinic="c1", by="test")
    milo = PEOPLE["milo"]
    desk.together.write(milo, open_case, words=Protected("@ines: she is Keane's sister"))
    (mention, _), *_ = desk.together.mine(INSIDER).mentions
    team = desk.teams.put_team(INSIDER, called="Keane's friends", members=["u-milo"])
    desk.teams.put_view(INSIDER, called="Halloran only", team_id=team.id)
    (view,) = desk.teams.views(INSIDER)
    desk.teams.want_two(INSIDER, [Route.INSURANCE_AUTHORIZATION])
    words = {"subject": Protected("Keane"), "body": Protected("We write to you again. Halloran")}
    typed = desk.templates.write(PEOPLE["sam"], Route.REFILL, "en", **words, version=0)
    first = {
        "place": "refill.en",
        "template_id": typed.line.versions[0].id,
        "case_id": open_case,
        "message_id": file.messages[0].id,
        "attachment_id": file.messages[0].attachments[0].id,
        "seen": file.messages[0].id,
        "reply_id": reply.id,
        "request_id": file.case.requests[0].id,
        "user_id": "u-milo",
        "patient_id": "p2",
        "contact_id": "p2-mail",
        "item_id": item.id,
        "glass_id": glass.id,
        "list_id": _on_paper(practice),
        "form_id": form.id,
        "mention_id": mention.id,
        "view_id": view.id,
        "team_id": team.id,
        "member": "u-milo",
        "to": "user:u-dana",
        "search_id": desk.search.keep(INSIDER, Wanted(Protected("lisinopril"))),
        "digest": draft.outgoing.digest,
        "proof": proof,
        "name": "router-2",
        "task": "router",
        "what": "redflags",
        "model": "router-1",
    }
    message = store.cases.get(own, clinic=ELSEWHERE.id, by="test").messages[0].id
    return Neighbours(practice, first, item, own, message)


def _on_paper(practice: Practice) -> str:
    """Return the time in which the first clinic worked from its list on paper."""
    paper = practice.store.paper
    for _ in range(2):
        # The second list is the one that the next time on paper would begin with.
        paper.written(paper.now(clinic="c1", by="paper"), clinic="c1")
        if not paper.outages(clinic="c1", by="test"):
            practice.desk.paper.begin(INSIDER)
    (outage,) = paper.outages(clinic="c1", by="test")
    return outage.id


def _identify(practice: Practice, case_id: str) -> None:
    desk = practice.desk
    desk.queue.link(INSIDER, case_id, patient_id="p2", contact_id="p2-mail")
    desk.queue.reroute(
        INSIDER, case_id, route=Route.RECORDS_FORMS, urgency=Urgency.ROUTINE, why=Protected("")
    )


def spelled(value: object) -> Iterator[str]:
    """Yield every text in whatever a counter hands out, protected or not."""
    if isinstance(value, Protected):
        yield value.reveal()
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from spelled(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from spelled(key)
            yield from spelled(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from spelled(one)
    else:
        yield str(value)


def told(text: str) -> list[str]:
    """Return the secrets of the first clinic that a text tells."""
    return sorted(secret for secret in SECRETS if secret in text)
