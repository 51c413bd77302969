"""Safety-bar 44: two clinics in one store, and neither sees, guesses or changes the other's.

Somebody who may do everything in the second clinic walks every page and every method of the Desk
with the ids of the first. The oracle walks the same way after the clinic was taken out.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.web.conftest import Visit
from tests.web.neighbours import INSIDER, NEIGHBOUR, Neighbours, move_in, spelled, told
from tests.web.practice import CLINIC, PASSWORD
from tests.web.test_routes import ARRIVING, routes
from triage.desk import Desk
from triage.domain import NOTHING, Channel, Protected, Role, Route, Urgency, User, Wanted
from triage.errors import TriageError
from triage.store import Keys
from triage.web.app import create_app

pytestmark = pytest.mark.bar(44)

#: Pages that are told no id; whatever they show must be the neighbour's own.
WITHOUT_ID = {
    ("GET", path)
    for path in ("/", "/account", "/queue", "/queue/rows", "/queue/version", "/log-in", "/audit")
} | {("GET", "/account/password")}
WITHOUT_ID |= {
    ("GET", path) for path in ("/sample", "/clinical", "/users", "/emergency", "/emergencies")
} | {("GET", "/downtime")}
WITHOUT_ID |= {("GET", "/approvals"), ("GET", "/forms"), ("GET", "/healthz"), ("GET", "/metrics")}
WITHOUT_ID |= {("GET", "/urgent"), ("GET", "/practice"), ("GET", "/queue/stream")}
# Nothing is there but in a practice for training, whose store has one clinic.
WITHOUT_ID |= {("GET", "/score"), ("POST", "/score/export")}
WITHOUT_ID |= {("GET", path) for path in ("/templates", "/contacts")}
# Topics are the same everywhere; the words and their versions are the clinic's own.
WITHOUT_ID |= {("GET", "/templates/{place}"), ("POST", "/templates/look")}
WITHOUT_ID |= {("GET", path) for path in ("/for-me", "/away", "/away/next", "/teams")}
# Of picked cases it says only that they were left as they are.
WITHOUT_ID |= {("POST", "/away/prepare")}
WITHOUT_ID |= {("POST", "/audit/verify"), ("POST", "/audit/export"), ("POST", "/models/training")}
#: Signing in and out, searching, adding and signing touch the neighbour's own clinic only.
OWN = {
    ("POST", path) for path in ("/log-in", "/log-out", "/users", "/clinical/sign", "/account/key")
}
OWN |= {("POST", path) for path in ("/case/{case_id}/patients", "/audit/patient", "/search")}
# A file goes on the list of the one who sends it.
OWN |= {("POST", "/forms")}
OWN |= {("POST", f"/practice/{part}") for part in ("hours", "targets", "escalation")}
OWN |= {("POST", "/teams/two"), ("POST", "/away"), ("POST", "/account/calm")}
OWN |= {("POST", "/contacts"), ("POST", "/templates")}
#: On the way in one is in no clinic yet.
OWN |= ARRIVING | {("POST", "/account/password"), ("POST", "/account/language")}
OWN |= {("GET", "/log-in/openid"), ("GET", "/log-in/openid/back")}
#: Fields that hold no id, filled so that a form is complete.
FORM = {
    "route": "general",
    "urgency": "routine",
    "outcome": "passed_on",
    "words": "Keane",
    "subject": "s",
    "body": "b",
    "answer": "routine",
    "agreed": "yes",
    "read": "yes",
    "one_in": "50",
    "wrong": "10",
    "account": "nobody",
    "language": "en",
    "username": "newcomer",
    "display_name": "New Comer",
    "role": "writer",
    "active": "true",
    "reason": "nobody can wait",
    "minutes": "15",
    "how": "phoned",
    "version": "0",
    "team": "Front",
    "days": "3",
    "until": (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M"),
    "password": PASSWORD,
    "acted_by": "u-milo",
    "acted_at": "2026-01-05T09:30",
    "address": "tobias.lindqvist@example.org",
    "relation": "self",
    "reader": "T. L.",
}
#: Method of a counter -> what it may answer to somebody who names ids of the first clinic.
ANSWERS = {
    "CalmDesk.announces",
    "CalmDesk.mine",
    "CalmDesk.wish",
    "Desk.banners",
    "FormDesk.add",
    "FormDesk.all",
    "GlassDesk.all",
    "LiveDesk.for_me",
    "OpenIdDesk.subjects",
    "PaperDesk.begin",
    "PaperDesk.entered",
    "PaperDesk.names",
    "PaperDesk.view",
    "PaperDesk.zone",
    "PeopleDesk.users",
    "PeopleDesk.enrolled",
    "PeopleDesk.add_user",
    "PeopleDesk.find_patients",
    "PeopleDesk.contacts",
    "PeopleDesk.import_roster",
    "QueueDesk.view",
    "QueueDesk.version",
    "QueueDesk.pulse",
    "SearchDesk.keep",
    "SearchDesk.chained",
    "PracticeDesk.view",
    "PracticeDesk.set_hours",
    "PracticeDesk.set_targets",
    "UrgentDesk.now",
    "SupervisionDesk.events",
    "SupervisionDesk.patients",
    "SupervisionDesk.approvals",
    "SupervisionDesk.export",
    "SupervisionDesk.verify",
    "SupervisionDesk.sample",
    "SupervisionDesk.miss_rate",
    "SupervisionDesk.leaks",
    "SupervisionDesk.signatures",
    "SupervisionDesk.sign",
    "TogetherDesk.mine",
    "TogetherDesk.unseen",
    "TemplateDesk.all",
    "TemplateDesk.one",
    "TemplateDesk.look",
    "TemplateDesk.write",
    "ContactDesk.find",
    "TeamDesk.teams",
    "TeamDesk.views",
    "TeamDesk.put_view",
    "TeamDesk.two_approvers",
    "TeamDesk.want_two",
    "BulkDesk.pick",
    "BulkDesk.prepare",
    "BulkDesk.next",
    "PeopleDesk.clinic",
    "ModelsDesk.training_rows",
    "ModelsDesk.training_export",
}


@pytest.fixture
def both(store_url: str, keys: Keys, tmp_path: Path) -> Iterator[Neighbours]:
    found = move_in(tmp_path, store_url, keys)
    yield found
    found.practice.store.close()


@pytest.fixture
def app(both: Neighbours) -> FastAPI:
    return create_app(both.practice.desk, clinic_name=CLINIC.name)


def forms(both: Neighbours) -> dict[str, str]:
    """Return every field of every form, with ids of the first clinic."""
    first = dict(both.first)
    contact = first["contact_id"]
    first |= {"part": first["request_id"], "patient": first["patient_id"]}
    first |= {"case": first["case_id"], "message": first["message_id"]}
    first |= {"picked": first["case_id"], "told": first["user_id"]}
    return FORM | first | {"contact": contact}


def walk(app: FastAPI, both: Neighbours, *, case_id: str = "", seen: str = "") -> dict[str, str]:
    """Ask every page for what is the first clinic's; return page -> how it let the neighbour in.

    With a case of their own, only the other ids of an address or form are the first clinic's.
    """
    visit, trouble = Visit(app, NEIGHBOUR.username, both.practice), {}
    form = forms(both) | ({"seen": seen} if seen else {})
    ids = dict(both.first) | ({"case_id": case_id} if case_id else {})
    pages = sorted(routes(app) - OWN, key=lambda page: (page[0], "close" in page[1], page[1]))
    for method, path in pages:
        inner = set(re.findall(r"{(\w+)}", path)) - {"case_id"}
        mixed = inner or path.endswith(("/tick", "/link", "/own-case", "/verify", "/consent"))
        if case_id and not mixed:
            continue
        if path.endswith("/link"):
            form |= {"contact": f"{both.first['patient_id']}:{both.first['contact_id']}"}
        where = re.sub(r"{(\w+)}", lambda found: ids[found.group(1)], path)
        if "{case_id}" in path:
            form |= {"was": both.practice.was(ids["case_id"])}
        answer = visit.get(where) if method == "GET" else visit.post(where, **form)
        form |= {"contact": both.first["contact_id"]}
        assert answer.status_code != 422, (method, path)
        # A fault is no refusal either.
        refused = answer.status_code in (401, 403, 404, 409)
        if (method, path) not in WITHOUT_ID and not refused:
            trouble[f"{method} {path}"] = str(answer.status_code)
        # What the neighbour typed comes back to them on the page of a day to be moved.
        elif said := told(answer.text.replace(f'value="{form["words"]}"', "")):
            trouble[f"{method} {path}"] = f"tells {said[0]}"
    return trouble


def test_no_page_lets_a_neighbour_in(app: FastAPI, both: Neighbours) -> None:
    before = both.rows()
    assert all(before[name] for name in ("cases", "messages", "attachments", "replies", "drafts"))
    assert walk(app, both) == {}
    assert walk(app, both, case_id=both.own_case, seen=both.own_message) == {}
    assert both.rows() == before


def test_what_is_the_neighbour_s_own_stays_apart(app: FastAPI, both: Neighbours) -> None:
    before = both.rows()
    visit = Visit(app, NEIGHBOUR.username, both.practice)
    search = visit.post(f"/case/{both.own_case}/patients", words="Keane", seen="x", was="x")
    assert (search.status_code, told(search.text)) == (200, [])
    taken = visit.post("/users", **FORM | {"username": "milo"})
    assert (taken.status_code, told(taken.text)) == (409, [])
    assert visit.post("/users", **FORM).status_code == 200
    assert visit.post("/clinical/sign", what="redflags", read="yes").status_code == 303
    assert both.rows() == before


def test_the_walk_finds_pages_that_forget_the_clinic(
    app: FastAPI, both: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: the Desk takes the neighbour for one of the first clinic."""
    who = Desk.who
    monkeypatch.setattr(
        Desk, "who", lambda desk, token, **more: replace(who(desk, token, **more), clinic="c1")
    )
    found = walk(app, both)
    with_ids = {f"{method} {path}" for method, path in routes(app) - OWN - WITHOUT_ID}
    # A request is open by then, so that nobody could close the case; and whoever signed in
    # elsewhere has no proof key here, so that the store refuses to take an approval.
    kept = {f"POST /case/{{case_id}}/{what}" for what in ("approve", "close", "acted")}
    # A search is its person's own.
    kept.add("GET /search/{search_id}")
    # Handing over writes to colleagues, and the store knows who is none.
    kept.add("POST /case/{case_id}/hand-over")
    # A machine's door: a signature opens it, nobody's session.
    kept.add("POST /hook/{name}")
    # A note that names somebody is ticked off by that person; nothing was sent that is awaited.
    kept |= {"POST /for-me/{mention_id}", "POST /case/{case_id}/remind"}
    # Nothing is taken out of a case of one message.
    kept.add("POST /case/{case_id}/own-case")
    # Only what is closed is opened again.
    kept.add("POST /case/{case_id}/open-again")
    # Words saved by the walk before stand there by now, and no page showed them.
    kept.add("POST /case/{case_id}/draft")
    # They say which version they were made from, and the page before was a change.
    kept |= {"POST /contacts/retire", "POST /templates/retire"}
    assert with_ids - found.keys() == kept
    assert {"GET /queue", "GET /users", "GET /emergencies", "GET /audit"} <= found.keys()


def test_the_walk_finds_a_query_that_forgets_the_clinic(
    app: FastAPI, both: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: one condition of one query of the store is gone."""
    from triage.store import tables

    for room in ("cases", "case_row", "case_decisions"):
        monkeypatch.setattr(
            f"triage.store.{room}.here", lambda case_id, _: (tables.cases.c.id == case_id,) * 2
        )
    found = walk(app, both)
    # A case's own page reads it twice, and the second look still asks for the clinic.
    assert found["POST /case/{case_id}/claim"]
    assert found["GET /case/{case_id}/history"]


def values(both: Neighbours) -> dict[str, object]:
    """Return a value for every parameter of every counter, ids of the first clinic first."""
    return {
        **both.first,
        "item": both.item,
        "right": True,
        "route": Route.GENERAL,
        "urgency": Urgency.ROUTINE,
        "why": NOTHING,
        "outcome": "passed_on",
        "note": NOTHING,
        "subject": Protected("s"),
        "body": Protected("b"),
        "words": Protected("Keane"),
        "wanted": Wanted(Protected("Keane")),
        "events": (),
        "entries": (),
        "account": "nobody",
        "language": "es",
        "username": "newcomer",
        "display_name": "New Comer",
        "roles": frozenset({Role.WRITER}),
        "active": False,
        "agreed": True,
        "missed": 0.02,
        "wrong": 0.1,
        "reason": Protected("nobody can wait"),
        "minutes": 15,
        "acted_by": "u-milo",
        "acted_at": datetime(2026, 1, 5, tzinfo=UTC),
        "title": Protected("other.pdf"),
        "content": b"%PDF-1.4 other %%EOF",
        "how": "phoned",
        "plain": {},
        "version": 0,
        "routes": frozenset({Route.REFILL}),
        "until": datetime.now(UTC) + timedelta(days=2),
        "days": 3,
        "called": "A view of one's own",
        "members": ("u-dana",),
        "cases": (both.first["case_id"],),
        "channel": Channel.EMAIL,
        "address": Protected("another@example.org"),
        "reader": Protected("T. L."),
        "relation": "self",
        "quiet": True,
        "spans": {},
    }


def counters(desk: Desk) -> Iterator[tuple[str, Callable[..., object]]]:
    """Yield every method of the Desk that takes the person first."""
    found = [
        (f"{type(counter).__name__}.{name}", method)
        for counter in (desk, *vars(desk).values())
        for name, method in inspect.getmembers(counter, inspect.ismethod)
        if not name.startswith("_") and "actor" in inspect.signature(method).parameters
    ]
    # Nobody could be answered in a case that is nobody's.
    yield from sorted(found, key=lambda one: one[0] == "QueueDesk.unlink")


def call(method: Callable[..., object], actor: User, given: dict[str, object]) -> object:
    """Call with every id a method takes and whatever else it cannot do without."""
    positional, named = [], {}
    for name, parameter in list(inspect.signature(method).parameters.items())[1:]:
        if parameter.default is not parameter.empty and name not in ("case_id", "seen"):
            continue
        assert name in given, f"{method.__qualname__} has a parameter {name} nobody walks with"
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[name] = given[name]
        else:
            positional.append(given[name])
    return method(actor, *positional, **named)


def ask(both: Neighbours, actor: User) -> dict[str, str]:
    """Ask every counter for what is the first clinic's; return method -> what it gave away."""
    given, trouble = values(both), {}
    for name, method in counters(both.practice.desk):
        try:
            answer = " ".join(spelled(call(method, actor, given)))
        except TriageError:
            continue
        if name not in ANSWERS:
            trouble[name] = "answered"
        elif said := told(answer):
            trouble[name] = f"tells {said[0]}"
    return trouble


def test_no_counter_serves_a_neighbour(both: Neighbours) -> None:
    before = both.rows()
    assert len(list(counters(both.practice.desk))) > 40
    assert ask(both, NEIGHBOUR) == {}
    assert both.rows() == before


def test_the_counters_serve_whose_clinic_it_is(both: Neighbours) -> None:
    """Sabotage and control: one of the first clinic gets what was refused, so the ids are good."""
    names = {name for name, _ in counters(both.practice.desk)}
    served = ask(both, INSIDER)
    # A reply is on its way by then, so that nobody could write another or close the case.
    away = {
        "QueueDesk.close",
        "QueueDesk.unlink",
        "ReplyDesk.save",
        "PaperDesk.enter",
        "UrgentDesk.act",
    }
    away |= {"RewritingDesk.acknowledge", "RewritingDesk.shorter", "PracticeDesk.set_plan"}
    away |= {f"TogetherDesk.{name}" for name in ("ask", "give_back", "snooze", "open_again")}
    # Nothing is taken out of a case of one message.
    away |= {"QueueDesk.own_case"}
    # Nobody practises here.
    away |= {f"ScoreDesk.{name}" for name in ("sheet", "table", "listed")}
    # The version it names was released a moment before.
    away |= {"TemplateDesk.retire"}
    assert names - ANSWERS - served.keys() == away
    assert {"QueueDesk.view", "PeopleDesk.users", "GlassDesk.all"} <= served.keys()
