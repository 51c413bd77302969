"""A practice in which every field a stranger or a colleague can fill holds a script.

Its pages come out of the real desk and store: whatever the route table has is asked for.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

from fastapi import FastAPI

from tests.proofs import proof_of
from tests.web.conftest import Visit
from tests.web.practice import CLINIC, MASTER, Letter, Practice, open_practice
from tests.web.test_routes import FORM, NOBODY, routes
from triage.desk import Desk
from triage.domain import (
    Channel,
    Contact,
    Flag,
    Patient,
    Protected,
    Role,
    Route,
    Urgency,
    User,
    Wanted,
)
from triage.errors import TriageError
from triage.store import Keys
from triage.web.app import create_app

#: Somebody who may open every page.
ALL = User("u-all", "c1", "all", "Everybody", frozenset(Role))
#: So many fields of one case are filled.
FIELDS = 14
#: One with a draft, one with a reply, one that is closed, one more.
FEWEST = 4


@dataclass
class Poisoned:
    """The practice and what is known of its ids."""

    practice: Practice
    cases: list[str]

    @property
    def desk(self) -> Desk:
        return self.practice.desk


def poisoned(folder: Path, keys: Keys, vectors: Sequence[str]) -> Poisoned:
    """Return a practice with one case for every FIELDS vectors."""
    url = f"sqlite:///{folder / 'practice.db'}"
    practice = open_practice(folder, letters=(), url=url, keys=keys)
    people = practice.store.people
    people.add_user(ALL, "correct horse battery staple")
    practice.enrol("all")
    for number, vector in enumerate(vectors[-4:]):
        words = one_line(vector)
        people.add_user(User(f"u-x{number}", "c1", f"x{number}", words, frozenset(Role)), "x" * 20)
    found, next_ = Poisoned(practice, []), cycle(vectors)
    for number in range(max(FEWEST, len(vectors) // FIELDS)):
        found.cases.append(_case(practice, number, [next(next_) for _ in range(FIELDS)]))
    return found


def one_line(vector: str) -> str:
    """Return a vector as it fits a field of one line."""
    return " ".join(vector.replace("\0", "").split()) or "x"


def _case(practice: Practice, number: int, vectors: Sequence[str]) -> str:
    """File one message with a vector in each of its fields, and work on it with more."""
    v = vectors
    store, desk = practice.store, practice.desk
    key = f"x{number}"
    name = Protected(one_line(v[0]))
    person = Patient(key, "c1", name, Protected(one_line(v[1])), Protected(one_line(v[2])))
    contact = Contact(
        f"{key}-mail", "c1", key, Channel.EMAIL, Protected(f"{key}@example.org"), name, "self",
        "roster", consent_to_email=True,
    )  # fmt: skip
    store.people.import_roster([(person, (contact,))], clinic="c1", by="test")
    letter = Letter(
        key, 0, v[3], v[4], Route.RECORDS_FORMS, because=("Mentions a form",), html=v[5],
        quoted=v[6], signature=v[7], sender=f"{key}@example.org", topic=one_line(v[8]),
        files=((v[9], one_line(v[8]), b"x"),), suggestion=f"Dear reader,\n\n{v[10]}",
    )  # fmt: skip
    reading, arrived = practice._reading, practice.receive

    def spoilt(letter: Letter, raw_id: str, after: str) -> object:
        made = reading(letter, raw_id, after)
        flag = Flag("rule", Urgency.ROUTINE, Protected(v[4]), "because")
        message = replace(made.message, sender_name=Protected(v[11]))
        seen = replace(made.classification, because=(v[12],))
        ranked = replace(made.priority, flags=(flag,))
        return replace(made, message=message, classification=seen, priority=ranked)

    practice._reading = spoilt  # type: ignore[method-assign, assignment]  # Put back below.
    try:
        case_id = arrived(letter)
    finally:
        practice._reading = reading  # type: ignore[method-assign]  # The original.
    with contextlib.suppress(TriageError):
        desk.queue.link(ALL, case_id, patient_id=key, contact_id=contact.id)
    desk.queue.reroute(
        ALL, case_id, route=Route.RECORDS_FORMS, urgency=Urgency.ROUTINE, why=Protected(v[12])
    )
    nia, words = practice.user("nia"), Protected(f"{v[9]} @all")
    desk.together.write(nia, case_id, words=words)
    with contextlib.suppress(TriageError):
        desk.teams.put_team(ALL, called=one_line(v[8]), members=[ALL.id])
        desk.teams.put_view(ALL, called=one_line(v[10]))
    with contextlib.suppress(TriageError):
        desk.together.assign(nia, case_id, to=f"user:{ALL.id}", reason=Protected(v[2] or "x"))
    with contextlib.suppress(TriageError):
        subject, body = Protected(one_line(v[13])[:200]), Protected(v[10] or "x")
        draft = desk.replies.save(ALL, case_id, subject=subject, body=body)
        if number % 3 == 1:
            digest = draft.outgoing.digest
            proof = proof_of(practice.store, MASTER, ALL.id, draft.id, digest)
            desk.replies.approve(ALL, case_id, digest=digest, proof=proof)
    if number % 3 == 2:
        with contextlib.suppress(TriageError):
            note = Protected(v[11])
            desk.queue.close(ALL, case_id, outcome="passed_on", note=note)
    with contextlib.suppress(TriageError):
        desk.glass.smash(practice.user("devi"), case_id, reason=Protected(v[13]), minutes=60)
    return case_id


def application(found: Poisoned, *, escaping: bool) -> FastAPI:
    """Return the desk's pages, or for a sabotage the same pages with nothing escaped or cleaned."""
    app = create_app(found.desk, clinic_name=CLINIC.name)
    if not escaping:
        environment = app.state.pages["en"]._environment
        environment.autoescape = False
        environment.filters |= {"exact": as_it_came, "mail_html": raw_in_a_frame}
    return app


def as_it_came(text: Protected | str) -> str:
    return text.reveal() if isinstance(text, Protected) else text


def raw_in_a_frame(text: Protected) -> str:
    """Return the layout as it came; only the quotes of its attribute are kept apart."""
    return text.reveal().replace("&", "&amp;").replace('"', "&quot;")


@dataclass(frozen=True)
class Answer:
    """One page as it was answered."""

    page: str
    status: int
    headers: dict[str, str]
    text: str

    @property
    def is_page(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/html")


def walked(app: FastAPI, found: Poisoned) -> Iterator[Answer]:
    """Ask for everything in the route table with ids that are there; forms come last."""
    visit = Visit(app, "all", found.practice)
    pages = sorted(routes(app) - {("POST", "/log-out")})
    for method, path in sorted(pages, key=lambda page: (page[0], "close" in page[1], page[1])):
        for case_id in found.cases if method == "GET" and "{case_id}" in path else found.cases[:1]:
            ids = Ids(found, case_id)
            where = path.format_map(ids)
            if method == "GET":
                said = visit.get(where)
            else:
                form = {**FORM, "words": "x0", "case_id": case_id, "patient": "x0"}
                form |= {"seen": ids["message_id"], "was": found.practice.was(case_id)}
                form |= {"username": f"new{len(app.title)}"}
                said = visit.post(where, **form)
            yield Answer(f"{method} {path}", said.status_code, dict(said.headers), said.text)


class Ids(dict[str, str]):
    """Ids for the parameters of a path, each looked up when a path asks: most ask for none."""

    def __init__(self, found: Poisoned, case_id: str) -> None:
        super().__init__(case_id=case_id, user_id="u-x0", name="website", place="refill.en")
        self._found, self._case_id = found, case_id

    def __missing__(self, name: str) -> str:
        self[name] = next(iter(self._all(name)), NOBODY)
        return self[name]

    def _all(self, name: str) -> list[str]:
        found, desk = self._found, self._found.desk
        file = found.practice.store.cases.get(self._case_id, clinic="c1", by="test")
        match name:
            case "message_id":
                return [file.messages[0].id]
            case "attachment_id":
                return [file.messages[0].attachments[0].id]
            case "reply_id":
                return [one.id for one in file.replies]
            case "item_id":
                return [one.id for one in desk.supervision.sample(ALL)]
            case "search_id":
                return [desk.search.keep(ALL, Wanted(Protected("x0")))]
            case "glass_id":
                return [one.id for one in desk.glass.all(ALL)]
            case "list_id":
                return [_on_paper(found)]
            case "form_id":
                return [_form(found)]
            case "mention_id":
                return [one.id for one, *_ in desk.together.mine(ALL).mentions]
            case "view_id":
                return [one.id for one in desk.teams.views(ALL)]
        raise KeyError(name)


def _form(found: Poisoned) -> str:
    """Return a form of the clinic's list, added at the first call."""
    desk = found.desk.forms
    if not desk.all(ALL):
        desk.add(ALL, Protected("consent.pdf"), b"%PDF-1.4 consent %%EOF")
    return desk.all(ALL)[0].id


def _on_paper(found: Poisoned) -> str:
    """Return a time on paper with every case on its list, made at the first call."""
    paper = found.practice.store.paper
    if paper.newest(clinic="c1") is None and not paper.outages(clinic="c1", by="test"):
        paper.written(paper.now(clinic="c1", by="paper"), clinic="c1")
        found.desk.paper.begin(ALL)
    return paper.outages(clinic="c1", by="test")[0].id


def inline(text: str) -> list[str]:
    """Return what a page has that its policy forbids: inline script, style, handler, open frame."""
    tags = re.findall(
        r"<[a-zA-Z][^\s/>]*(?:\s+[^\s=>/]+(?:=(?:\"[^\"]*\"|'[^']*'|[^\s>]*))?)*", text
    )
    wrong = [tag for tag in tags if re.search(r"\s(?:on\w+|style)\s*=", _bare(tag), re.I)]
    wrong += [tag for tag in tags if re.match(r"<script(?!.*\ssrc=\"/static/)", tag, re.I | re.S)]
    wrong += [tag for tag in tags if re.match(r"<(?:style|object|embed|base|applet)\b", tag, re.I)]
    frames = [tag for tag in tags if tag.lower().startswith("<iframe")]
    wrong += [tag for tag in frames if not re.search(r"\ssandbox(?=\s)(?!=)", _bare(tag))]
    return wrong


def _bare(tag: str) -> str:
    """Return a tag without the values of its attributes."""
    return re.sub(r"=(?:\"[^\"]*\"|'[^']*')", "=", tag)
