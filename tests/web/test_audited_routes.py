"""Safety-bar 43: every route is walked, and none shows or changes patient data without a row.

What counts is the transaction: one in which a sealed value was opened or made, or a row about a
case or patient was changed, must write an audit row of whoever asked before it commits.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, Table

from tests.web.conftest import PDF, Visit
from tests.web.practice import PEOPLE, Letter, Practice
from tests.web.test_routes import ARRIVING, CASE, FORM, routes
from triage.domain import AuditEvent, Protected, Route, Wanted
from triage.store import tables, trail
from triage.store.columns import Sealed
from triage.store.transaction import Transactions, Work
from triage.store.vault import Vault

#: Nothing about a patient is on these; the walk holds them to that, too.
ABOUT_NOBODY = {
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("GET", "/log-in"),
    ("POST", "/log-in"),
    # Nobody is signed in there; what is signed leaves a row, as test_hooks.py holds.
    ("POST", "/hook/{name}"),
    ("GET", "/"),
    ("GET", "/account"),
    ("POST", "/log-out"),
    ("POST", "/account/key"),
    ("GET", "/queue/version"),
    ("GET", "/queue/stream"),
    ("GET", "/urgent"),
    ("POST", "/account/calm"),
    # What is looked for is kept; nothing is looked at before the page it leads to.
    ("POST", "/search"),
    ("POST", "/audit/verify"),
    ("GET", "/clinical"),
    ("POST", "/clinical/sign"),
    ("GET", "/models"),
    ("POST", "/models/promote"),
    ("POST", "/models/rollback"),
    ("GET", "/models/promises"),
    ("POST", "/models/promises"),
    ("GET", "/approvals"),
    # Nothing is there but in a practice for training, where nobody is real.
    ("GET", "/score"),
    ("POST", "/score/export"),
    ("GET", "/users"),
    ("POST", "/users"),
    ("POST", "/users/{user_id}/roles"),
    ("POST", "/users/{user_id}/active"),
    ("POST", "/users/{user_id}/password"),
    ("POST", "/users/{user_id}/authenticator"),
    ("POST", "/users/{user_id}/account"),
    ("GET", "/account/password"),
    ("POST", "/account/password"),
    ("POST", "/account/language"),
    ("GET", "/log-in/openid"),
    ("GET", "/log-in/openid/back"),
    ("GET", "/emergency"),
    ("POST", "/downtime/begin"),
    ("GET", "/practice"),
    ("POST", "/practice/escalation"),
    # Names of colleagues; the page it stands on left its row.
    ("GET", f"{CASE}/here"),
    # Where to go next, by ids; that page leaves its row.
    ("GET", "/away"),
    ("GET", "/away/next"),
    # Who is asked for comes next.
    ("GET", "/contacts"),
    ("GET", "/teams"),
    ("POST", "/teams"),
    ("POST", "/teams/views"),
    ("POST", "/teams/views/{view_id}/remove"),
    ("POST", "/teams/two"),
    *ARRIVING,
}
#: These show who was seen and not a word of anybody; the look itself is what leaves a row.
EVENTS_ONLY = {
    ("GET", "/audit"): "audit.read",
    ("POST", "/audit/export"): "audit.export",
    ("POST", "/audit/patient/seen"): "patient.report",
    ("POST", "/audit/patient/export"): "patient.report",
}


#: What is in these is about somebody who works here: a secret of theirs, or which page is open.
OF_STAFF = ("sessions", "second_factors", "presence")


def about_patients(table: Table) -> bool:
    sealed = any(isinstance(column.type, Sealed) for column in table.c)
    linked = {"case_id", "patient_id"} & set(table.c.keys())
    return (sealed or bool(linked)) and not table.name.startswith(("audit", *OF_STAFF))


PATIENTS = {table.name for table in tables.metadata.sorted_tables if about_patients(table)}


@dataclass
class Seen:
    """What one transaction did."""

    touched: set[str] = field(default_factory=set)
    events: list[AuditEvent] = field(default_factory=list)


@dataclass
class Watch:
    """The transactions since the last look; `now` is the open one."""

    done: list[Seen] = field(default_factory=list)
    now: Seen | None = None

    def touch(self, name: str) -> None:
        if name.startswith(OF_STAFF):
            return
        # Opened after the transaction it was read in: no row of that one can answer for it.
        target = self.now
        if target is None:
            target = Seen()
            self.done.append(target)
        target.touched.add(name)

    def bare(self, actor: str) -> list[Seen]:
        """Return the transactions that touched patient data and left no row of this person."""
        return [
            each
            for each in self.done
            if each.touched and actor not in {event.actor for event in each.events}
        ]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch, begin, write = Watch(), Transactions._begin, trail._write
    opened, sealed, run, add = Vault.open, Vault.seal, Work.run, Work.add

    @contextmanager
    def watched(self: Transactions, *given: Any, **more: Any) -> Iterator[Work]:
        with begin(self, *given, **more) as work:
            seen = watch.now = Seen()
            try:
                yield work
            finally:
                watch.now = None
        watch.done.append(seen)

    def written(connection: Connection, event: AuditEvent) -> None:
        write(connection, event)
        assert watch.now is not None
        watch.now.events.append(event)

    def opening(self: Vault, value: Any, row_id: str, **more: Any) -> bytes:
        watch.touch(value.table)
        return opened(self, value, row_id, **more)

    def sealing(self: Vault, table: str, *given: Any, **more: Any) -> Any:
        watch.touch(table)
        return sealed(self, table, *given, **more)

    def running(self: Work, statement: Any, rows: Any = None) -> int:
        if statement.table.name in PATIENTS:
            watch.touch(statement.table.name)
        return run(self, statement, rows)

    def adding(self: Work, table: Table, **values: Any) -> None:
        if table.name in PATIENTS:
            watch.touch(table.name)
        add(self, table, **values)

    monkeypatch.setattr(Transactions, "_begin", watched)
    monkeypatch.setattr(trail, "_write", written)
    monkeypatch.setattr(Vault, "open", opening)
    monkeypatch.setattr(Vault, "seal", sealing)
    monkeypatch.setattr(Work, "run", running)
    monkeypatch.setattr(Work, "add", adding)
    return watch


@dataclass
class Walk:
    """Asks every route something it can do, in the order of a working day."""

    practice: Practice
    visit: Callable[[str], Visit]
    watch: Watch
    people: dict[str, Visit] = field(default_factory=dict)
    walked: set[tuple[str, str]] = field(default_factory=set)
    #: Route -> what is wrong with it.
    found: dict[str, str] = field(default_factory=dict)

    def file(self, key: str) -> Any:
        return self.practice.store.cases.get(self.practice.cases[key], clinic="c1", by="test")

    def ask(self, name: str, method: str, template: str, key: str = "", **form: str) -> None:
        """Send one request and look at the transactions it took."""
        path, parts = template, {"case_id": self.practice.cases.get(key, "")}
        if key:
            file = self.file(key)
            parts["message_id"] = file.messages[0].id
            form.setdefault("seen", file.messages[0].id)
            form.setdefault("was", file.was)
            if file.messages[0].attachments:
                parts["attachment_id"] = file.messages[0].attachments[0].id
        own = ("reply_id", "item_id", "user_id", "glass_id", "search_id", "list_id")
        own += ("form_id", "mention_id", "view_id", "place")
        parts |= {part: form.pop(part) for part in own if part in form}
        for part, value in parts.items():
            path = path.replace(f"{{{part}}}", value)
        person = self.people.get(name) or self.people.setdefault(name, self.visit(name))
        self.watch.done.clear()
        if (method, path) == ("POST", "/forms"):
            answer = person.upload(path, "consent.pdf", PDF)
        else:
            said = {**FORM, **form}
            answer = person.get(path) if method == "GET" else person.post(path, **said)
        self._judge((method, template), PEOPLE[name].id, answer.status_code)

    def _judge(self, route: tuple[str, str], actor: str, status: int) -> None:
        self.walked.add(route)
        said = " ".join(route)
        touched = any(each.touched for each in self.watch.done)
        actions = {e.action for each in self.watch.done for e in each.events if e.actor == actor}
        if self.watch.bare(actor):
            tables = {name for each in self.watch.bare(actor) for name in each.touched}
            self.found[said] = f"no row for {', '.join(sorted(tables))}"
        elif route in ABOUT_NOBODY:
            if touched:
                self.found[said] = "shows patients"
        elif status >= 400:
            self.found[said] = f"was refused with {status}: the walk proved nothing"
        elif route in EVENTS_ONLY:
            if EVENTS_ONLY[route] not in actions:
                self.found[said] = "the look left no row"
        elif not touched:
            self.found[said] = "touched nothing: the walk proved nothing"

    def nobody(self) -> None:
        """Everything that is about nobody, by somebody who may."""
        for method, path in sorted(ABOUT_NOBODY - {("POST", "/log-out")}):
            name = "nia" if path.startswith("/clinical") else "sam"
            name = "ada" if path.startswith(("/users", "/emergency")) else name
            ids = {"user_id": "u-dana", "view_id": self.practice.view()}
            self.ask(name, method, path, "chest" if "case_id" in path else "", **ids)
        self.ask("ada", "POST", "/log-out")

    def queue(self) -> None:
        """Looking, sorting, identifying and closing."""
        for path in ("/queue", "/queue/rows"):
            self.ask("dana", "GET", path)
        kept = self.practice.desk.search.keep(PEOPLE["dana"], Wanted(Protected("lisinopril")))
        self.ask("dana", "GET", "/search/{search_id}", search_id=kept)
        self.ask("dana", "GET", CASE, "unsorted")
        self.ask("dana", "GET", f"{CASE}/attachment/{{attachment_id}}", "unsorted")
        self.ask("dana", "GET", f"{CASE}/original/{{message_id}}", "unsorted")
        self.ask("dana", "GET", f"{CASE}/portal", "bill")
        self.ask("dana", "POST", f"{CASE}/everything", "bill")
        for what in ("claim", "release", "claim"):
            self.ask("dana", "POST", f"{CASE}/{what}", "bill")
        self.practice.receive(Letter("form", 2, "Re", "A bill.", Route.GENERAL), after="hostile")
        joined = {"message": self.file("hostile").messages[0].id, "reason": "It is about a bill."}
        self.ask("dana", "POST", f"{CASE}/own-case", "hostile", **joined)
        self.ask("sam", "POST", f"{CASE}/take-over", "bill")
        self.ask("sam", "POST", f"{CASE}/reroute", "bill", route="refill")
        self.ask("dana", "POST", f"{CASE}/patients", "stranger", words="Keane")
        self.ask("dana", "POST", f"{CASE}/verify", "stranger", contact="p1-mail")
        self.ask("dana", "POST", f"{CASE}/consent", "stranger", contact="p1-mail", agreed="yes")
        self.ask("dana", "POST", f"{CASE}/link", "stranger", contact="p1:p1-mail")
        self.ask("dana", "POST", f"{CASE}/unlink", "stranger", reason="It is his brother.")
        self.ask("dana", "POST", f"{CASE}/acted", "chest", how="phoned")
        for request in self.file("stranger").case.requests:
            self.ask("dana", "POST", f"{CASE}/tick", "stranger", part=request.id)
        self.ask("dana", "POST", f"{CASE}/by-person", "stranger")
        self.ask("dana", "POST", f"{CASE}/close", "stranger", outcome="passed_on", who="Kerr")
        self.ask("dana", "POST", f"{CASE}/open-again", "stranger", reason="Kerr is away")

    def reply(self) -> None:
        """Writing, approving, watching and taking back."""
        words = {"subject": "Refill", "body": "It is ready."}
        for what in ("acknowledge", "shorter", "draft"):
            self.ask("dana", "POST", f"{CASE}/{what}", "refill", **words)
        draft = self.file("refill").draft
        digest = draft.outgoing.digest
        proof = self.people["dana"].proof("u-dana", draft.id, digest)
        self.ask("dana", "POST", f"{CASE}/approve", "refill", digest=digest, proof=proof)
        reply_id = self.file("refill").replies[0].id
        self.ask("dana", "GET", f"{CASE}/reply/{{reply_id}}", "refill", reply_id=reply_id)
        self.ask("dana", "POST", f"{CASE}/recall/{{reply_id}}", "refill", reply_id=reply_id)
        self.ask("dana", "POST", f"{CASE}/hand-over", "refill")

    def together(self) -> None:
        """Notes, handing over, putting off, asking for an approval, a day to move."""
        self.ask("dana", "POST", f"{CASE}/note", "move", words="Call @milo first")
        ((mention, _),) = self.practice.desk.together.mine(PEOPLE["milo"]).mentions
        self.ask("milo", "GET", "/for-me")
        self.ask("milo", "POST", "/for-me/{mention_id}", mention_id=mention.id)
        self.ask("dana", "POST", f"{CASE}/assign", "move", to="user:u-milo", reason="lunch")
        soon = (datetime.now(UTC) + timedelta(days=1)).replace(tzinfo=None, microsecond=0)
        self.ask("milo", "POST", f"{CASE}/snooze", "move", until=soon.isoformat())
        self.ask("milo", "POST", f"{CASE}/wake", "move")
        # While nobody has saved words in it: then it is at work and no longer offered.
        self.ask("dana", "POST", "/away", words="friday")
        self.ask("wim", "POST", f"{CASE}/draft", "move", subject="Re", body="Yes, Friday.")
        self.ask("wim", "POST", f"{CASE}/ask", "move", words="please")
        self.ask("dana", "POST", f"{CASE}/remark", "move", words="Say which Friday")
        picked = self.practice.cases["bill"]
        self.ask("sam", "POST", "/away/prepare", picked=picked, subject="s", body="Dear [NAME]")
        draft = self.file("move").draft
        proof = self.people["milo"].proof("u-milo", draft.id, draft.outgoing.digest)
        self.ask(
            "milo", "POST", f"{CASE}/approve", "move", digest=draft.outgoing.digest, proof=proof
        )
        self.ask("milo", "POST", f"{CASE}/remind", "move", days="3")

    def supervise(self) -> None:
        """Auditing, re-reading and handing out."""
        self.ask("sam", "GET", "/audit")
        self.ask("sam", "POST", "/forms")
        self.ask("sam", "GET", "/forms")
        (form,) = self.practice.desk.forms.all(PEOPLE["sam"])
        self.ask("dana", "GET", "/forms/{form_id}", form_id=form.id)
        self.ask("sam", "POST", "/forms/{form_id}/retire", form_id=form.id)
        # Where every open case stands is written anew.
        for what in ("hours", "targets"):
            self.ask("sam", "POST", f"/practice/{what}")
        self.templates()
        self.contacts()
        self.ask("sam", "POST", "/audit/export", since="", action="", who="", case_id="")
        self.ask("sam", "GET", f"{CASE}/history", "refill")
        self.ask("sam", "POST", f"{CASE}/evidence", "refill")
        self.ask("sam", "POST", "/audit/patient", words="Keane")
        for what in ("seen", "export"):
            self.ask("sam", "POST", f"/audit/patient/{what}", patient="p1")
        self.ask("sam", "GET", "/sample")
        item = self.practice.desk.supervision.sample(PEOPLE["sam"])[0].id
        self.ask("sam", "GET", "/sample/{item_id}", item_id=item)
        self.ask("sam", "POST", "/sample/{item_id}", item_id=item, answer="routine")
        self.ask("devi", "POST", "/models/training", without_leaking="true")

    def templates(self) -> None:
        """Looking at the clinic's own words, keeping them, putting them in service and out."""
        words = {"route": "refill", "language": "en", "subject": "s", "body": "We write again."}
        self.ask("sam", "POST", "/templates", **words, version="0")
        self.ask("sam", "POST", "/templates/look", **words)
        self.ask("sam", "GET", "/templates")
        self.ask("sam", "GET", "/templates/{place}", place="refill.en")
        line = next(one for one in self.practice.desk.templates.all(PEOPLE["nia"]) if one.newest)
        own = line.versions[0].id
        self.ask("nia", "POST", "/templates/release", template_id=own, version="0")
        self.ask("nia", "POST", "/templates/retire", **words, version="1")

    def contacts(self) -> None:
        """Finding a patient, and adding, changing, verifying and retiring a contact."""
        self.ask("sam", "POST", "/contacts", words="Keane")
        self.ask("sam", "POST", "/contacts/patient", patient="p1")
        new = {"address": "k@example.org", "reader": "R. Keane", "relation": "self"}
        self.ask("sam", "POST", "/contacts/put", patient="p1", channel="email", contact="", **new)
        _, known = self.practice.desk.contacts.of(PEOPLE["sam"], "p1")
        made = next(one.id for one in known if one.verified_by is None)
        self.ask("sam", "POST", "/contacts/verify", patient="p1", contact=made)
        self.ask("sam", "POST", "/contacts/consent", patient="p1", contact=made, agreed="yes")
        self.ask("sam", "POST", "/contacts/retire", patient="p1", contact=made, version="0")

    def downtime(self) -> None:
        """What was on paper, and entering it."""
        store, clinic = self.practice.store, {"clinic": "c1"}
        store.paper.written(store.paper.now(**clinic, by="paper"), **clinic)
        self.ask("dana", "POST", "/downtime/begin")
        self.ask("dana", "GET", "/downtime")
        (outage,) = store.paper.outages(**clinic, by="test")
        form = {"case": self.practice.cases["refill"], "acted_by": "u-milo"}
        form |= {"acted_at": "2026-01-02T10:00", "outcome": "still_open", "note": "called"}
        self.ask("dana", "POST", "/downtime/{list_id}", list_id=outage.id, **form)
        self.ask("dana", "POST", "/downtime/{list_id}/nobody", list_id=outage.id)

    def emergency(self) -> None:
        """Opening a case in an emergency, and looking into it afterwards."""
        case_id = self.practice.cases["chest"]
        self.ask("devi", "POST", "/emergency", case_id=case_id, reason="nobody else is here")
        self.ask("sam", "GET", "/emergencies")
        (glass,) = self.practice.desk.glass.all(PEOPLE["sam"])
        self.ask("sam", "POST", "/emergencies/{glass_id}", glass_id=glass.id)


@pytest.fixture
def walk(practice: Practice, visit: Callable[[str], Visit], watch: Watch) -> Walk:
    return Walk(practice, visit, watch)


def test_no_route_is_without_its_row(app: FastAPI, walk: Walk) -> None:
    parts = (walk.queue, walk.reply, walk.together, walk.supervise, walk.emergency, walk.downtime)
    for part in parts:
        part()
    walk.nobody()
    assert walk.found == {}
    assert walk.walked == routes(app)


def test_a_look_that_forgets_its_row_is_found(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: opening a case no longer leaves `case.read`."""
    real = Work.note

    def note(self: Work, action: str, **more: Any) -> None:
        if action != "case.read":
            real(self, action, **more)

    monkeypatch.setattr(Work, "note", note)
    walk.ask("dana", "GET", CASE, "unsorted")
    assert walk.found[f"GET {CASE}"].startswith("no row for")


def test_a_row_in_another_transaction_is_found(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: the row is written, only a moment later, so that a crash could part the two."""
    audit, late = walk.practice.store.audit, []

    def note(self: Work, action: str, **more: Any) -> None:
        late.append((action, more))

    real, get = Work.note, walk.practice.store.cases.get

    def later(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr(Work, "note", note)
        found = get(*given, **more)
        monkeypatch.setattr(Work, "note", real)
        for action, said in late:
            audit.record(action, clinic=said["clinic"], by=said["by"], cases=said["cases"])
        late.clear()
        return found

    monkeypatch.setattr(walk.practice.store.cases, "get", later)
    walk.ask("dana", "GET", CASE, "unsorted")
    assert walk.found[f"GET {CASE}"].startswith("no row for")
    events = audit.events(clinic="c1", by="x", actor="u-dana", action="case.read")
    assert events, "the row was there, but not in time"
