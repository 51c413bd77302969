"""Safety-bar 39: patients' words stay in the database, the page and the letter.

Hundreds of invented identifiers (in the long form, TRIAGE_LONG=1, ten thousand) go through the
whole path with every room failing in turn, through every page and form, and out by a sender whose
server quotes them; then logs, standard error, errors, process arguments, file names, temporary
files, addresses and the files of the store are searched.
"""

import asyncio
import base64
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.canaries import Canaries, Watched, bytes_under, links, watching
from tests.proofs import proof_of
from tests.sizes import LONG, many
from tests.small_practice import CLINIC, MASTER, NURSE, SECRETARY, SUPERVISOR, rooms
from tests.web.test_routes import FORM, routes
from triage.cli.logs import gather_libraries
from triage.desk import Desk
from triage.domain import Channel, Protected
from triage.engine import InboxKeeper, Jobs, Sender
from triage.errors import TriageError
from triage.store import Keys, Store, jobs_database
from triage.store.totp import code_at, unspelled
from triage.testing import MemoryInbox, MemoryOutbox
from triage.web.app import create_app
from triage.web.visitor import COOKIE

pytestmark = [pytest.mark.bar(39), pytest.mark.timeout(2400 if LONG else 180)]
SEED = 20261122
PATIENTS = many(5, long=220)
FEWEST = many(150, long=10_000)
MAILS = 3
HERE = "http://127.0.0.1"
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def no_loop_of_another_test() -> Iterator[None]:
    """Hide a loop that a browser test left marked as running: DBOS refuses then.

    And let DBOS talk through our handlers, as every process does.
    """
    left = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    gather_libraries()
    yield
    asyncio._set_running_loop(left)


class Quoting(Exception):
    """A fault of somebody else's code that quotes what it choked on."""


def quoting(texts: object) -> Any:
    """Raise an error whose message holds everything a room was given."""
    raise Quoting(_everything(texts))


def _everything(given: object) -> str:
    if isinstance(given, Protected):
        return given.reveal()
    if isinstance(given, bytes | str):
        return given if isinstance(given, str) else given.decode("latin-1")
    if isinstance(given, list | tuple):
        return " ".join(map(_everything, given))
    slots = getattr(given, "__dataclass_fields__", {})
    return " ".join(_everything(getattr(given, name)) for name in slots)


class Broken:
    """Any room, failing with the patient's words in its mouth."""

    name = "broken"

    def redact(self, messages: Any, backgrounds: Any = ()) -> Any:
        quoting([*messages, *backgrounds])

    def classify(self, texts: Any) -> Any:
        quoting(list(texts))

    def flags(self, message: Any) -> Any:
        quoting(message)

    def draft(self, *given: Any, **more: Any) -> Any:
        quoting(list(given))


class LoudInbox(MemoryInbox):
    """An inbox whose server quotes a mail when it fails."""

    def wait(self, seconds: float) -> bool:
        raise Quoting(self.mails[0].decode("latin-1"))


class LoudOutbox(MemoryOutbox):
    """An outbox that chokes on the letter itself."""

    def send(self, approval: Any, outgoing: Any, *, message_id: str) -> str:
        quoting(outgoing)
        return ""


FAULTS: tuple[dict[str, Any], ...] = (
    {},
    {"redactor": Broken()},
    {"classifier": Broken()},
    {"rules": Broken()},
    {"drafter": Broken()},
    {"parse": quoting},
    {"rank": lambda *given, **_: quoting(list(given))},
)


def move_in(store: Store, canaries: Canaries) -> list[Any]:
    store.people.add_clinic(CLINIC)
    for user in (SECRETARY, SUPERVISOR, NURSE):
        store.people.add_user(user, PASSWORD)
    roster = [canaries.patient(number) for number in range(PATIENTS)]
    store.people.import_roster(roster, clinic="c1", by="test")
    return roster


def arrive(store: Store, roster: Sequence[Any], canaries: Canaries, database: Any) -> None:
    """Land and file mails, each patient's under another broken room."""
    jobs = Jobs(store, rooms(), database)
    jobs.launch()
    for number, (person, (by_mail, _)) in enumerate(roster):
        fault = FAULTS[number % len(FAULTS)]
        words = ("chest pain", "a refill", "a bill")
        address, name = by_mail.address.reveal(), person.name.reveal()
        mails = [canaries.mail(address, name, words[one % 3]) for one in range(MAILS)]
        if number == 0:
            mails.append(b"\xff\x00: " + canaries.new("poison").encode() + b"\r\n" * 3)
        InboxKeeper(LoudInbox(mails, name=f"inbox-{number}"), store, clinic="c1").once()
        jobs.rooms = replace(rooms(), **fault)
        for _ in range(8):
            jobs.drain()
    jobs.stop()


#: Who opens every page.
READERS = ("dana", "sam", "nia")


def answer(desk: Desk, canaries: Canaries) -> None:
    """Write and approve a reply for every case that may have one."""
    for row in desk.queue.view(SECRETARY).rows:
        try:
            draft = desk.replies.save(
                SECRETARY,
                row.case.id,
                subject=Protected(f"Re: {canaries.new('reply subject')}"),
                body=Protected(f"Dear {canaries.new('reply body')}"),
            )
            digest = draft.outgoing.digest
            proof = proof_of(desk._store, MASTER, SECRETARY.id, draft.id, digest)
            desk.replies.approve(SECRETARY, row.case.id, digest=digest, proof=proof)
        except TriageError:
            continue


def entered(app: FastAPI, name: str) -> TestClient:
    """Return a browser of somebody who is signed in, with a code from a new app if need be."""
    door = app.state.desk.signing
    if not hasattr(app.state, "tokens"):
        app.state.tokens = {}
    if name not in app.state.tokens:
        token = door.sign_in(name, PASSWORD).token
        code = code_at(unspelled(door.offer(token, PASSWORD)), door._clock())
        app.state.tokens[name] = door.enrol(token, code).token
    client = TestClient(app, base_url=HERE, headers={"Origin": HERE}, follow_redirects=False)
    client.cookies.set(COOKIE, app.state.tokens[name])
    return client


#: Of the cases one in so many is opened on every page; each fault has several cases.
OPENED, FORMS = many(4, long=1), many(12, long=6)


def browse(app: FastAPI, store: Store, name: str, canaries: Canaries, watched: Watched) -> int:
    """Open every page and send every form with real ids and canaries in it; return how many."""
    client = entered(app, name)
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/account").text)
    assert found
    sought = {"csrf": found.group(1), "words": canaries.new("search")}
    search_id = client.post("/search", data=sought).headers["location"].rpartition("/")[2]
    assert sought["words"] in client.get(f"/search/{search_id}").text
    rows = store.cases.queue(clinic="c1", by="test", limit=100)
    count = 0
    # One case of each fault is enough for the forms; the pages are opened for more.
    for place, row in enumerate(rows):
        file = store.cases.get(row.case.id, clinic="c1", by="test")
        ids = {
            "case_id": row.case.id,
            "message_id": file.messages[0].id,
            "attachment_id": next(
                (one.id for message in file.messages for one in message.attachments), "0" * 32
            ),
            "reply_id": file.replies[0].id if file.replies else "0" * 32,
            "item_id": "0" * 32,
            "user_id": "0" * 32,
            "glass_id": "0" * 32,
            "list_id": "0" * 32,
            "name": "website",
            "form_id": "0" * 32,
            "mention_id": "0" * 32,
            "view_id": "0" * 32,
            "place": "refill.en",
            "search_id": search_id,
        }
        for method, path in sorted(routes(app), key=lambda one: (one[1] == "/log-out", one)):
            real = path.format_map(ids)
            if method == "GET" and (place == 0 or ("{" in path and place % OPENED == 0)):
                said = client.get(real)
            elif method == "POST" and place % FORMS == 0 and path not in ("/log-out", "/log-in"):
                form = {**FORM, "csrf": found.group(1), "seen": "0" * 32}
                form |= {key: canaries.new(f"form {key}") for key in ("words", "body", "subject")}
                form |= {key: canaries.new(f"form {key}") for key in ("note", "why", "reason")}
                said = client.post(real, data=form)
            else:
                continue
            count += 1
            watched.addresses += [real, *links(said.text), said.headers.get("location", "")]
    return count


def crash(app: FastAPI, canaries: Canaries, patch: pytest.MonkeyPatch) -> None:
    """Have the desk fail under every page with a patient's words."""
    word = canaries.new("crash")
    with patch.context() as broken:
        for room, action in (("queue", "view"), ("queue", "open"), ("replies", "save")):
            broken.setattr(
                type(getattr(app.state.desk, room)),
                action,
                lambda *_, **__: quoting(word),
                raising=False,
            )
        client = entered(app, "dana")
        assert client.get("/queue").status_code == 500
        assert word not in client.get("/queue").text


def send(store: Store) -> int:
    later = datetime.now(UTC) + timedelta(hours=1)
    outboxes = {Channel.EMAIL: LoudOutbox(), Channel.PORTAL: LoudOutbox(Channel.PORTAL)}
    return Sender(store, outboxes, master=MASTER, clinic="c1", clock=lambda: later).once()


@pytest.fixture
def database(store_url: str, keys: Keys) -> Iterator[Any]:
    engine = jobs_database(store_url, keys)
    yield engine
    engine.dispose()


def test_no_canary_leaves_the_house(
    store: Store,
    store_url: str,
    database: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    canaries = Canaries(SEED)
    with watching() as watched:
        roster = move_in(store, canaries)
        arrive(store, roster, canaries, database)
        desk = Desk(store, undo=timedelta(0), mail_domain="clinic.example")
        app = create_app(desk, clinic_name="Test Clinic")
        for name in READERS:
            entered(app, name)
        answer(desk, canaries)
        pages = sum(browse(app, store, name, canaries, watched) for name in READERS)
        crash(app, canaries, monkeypatch)
        assert send(store) > 0
        beats = repr(store.beats.all())
    said = capfd.readouterr()
    assert len(canaries.planted) >= FEWEST, len(canaries.planted)
    assert pages >= 200
    # Every fault was met, or nothing was proven.
    assert watched.log.getvalue().count("Quoting") >= 20
    leaked = {
        place: hits
        for place, text in {
            **watched.everything(),
            "output": said.out + said.err,
            "beats": beats,
            "files": bytes_under(tmp_path),
        }.items()
        if (hits := canaries.found(text))
    }
    assert leaked == {}, f"seed {SEED}"
    outside = [
        name for name in watched.written
        if not name.startswith((str(tmp_path), "/dev/null", "/proc/")) and not name.isdigit()
    ]  # fmt: skip
    assert [name for name in outside if "__pycache__" not in name] == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_log_that_quotes_is_seen(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: blame repeats the fault's own words, and the search finds them."""
    from triage.pipeline import file, land

    canaries = Canaries(SEED)
    with watching() as watched:
        ((person, (by_mail, _)), *_) = move_in(store, canaries)
        mails = [canaries.mail(by_mail.address.reveal(), person.name.reveal(), "a refill")]
        landed = land(MemoryInbox(mails), store, clinic="c1")
        monkeypatch.setattr(
            "triage.pipeline.blame", lambda trouble, **_: {"error": str(trouble)[:200]}
        )
        file(landed, replace(rooms(), rules=Broken()), store, clinic="c1", by="worker")
    assert canaries.found(watched.log.getvalue())


def test_every_form_of_a_canary_is_found() -> None:
    canaries = Canaries(SEED)
    word = [canaries.new("anywhere") for _ in range(100)][50]
    small, plain = word.lower().encode(), word.encode()
    for form in (plain, small, word.upper().encode(), plain.hex().encode(), small.hex().encode(),
                 base64.b64encode(plain), base64.b64encode(small)):  # fmt: skip
        assert set(canaries.found(b"qzqz" + form + b"\x00")) == {word}
    assert canaries.found(plain[:-1]) == {}


@pytest.mark.parametrize(
    "plant",
    [
        lambda word, watched: watched.addresses.extend(links(f'<a href="/p?name={word}">x</a>')),
        lambda word, watched: watched.started.append(f"('mail', ['mail', '{word}'])"),
        lambda word, watched: watched.log.write(word.encode().hex()),
        lambda word, watched: logging.getLogger("triage.x").error("for %(why)s", {"why": word}),
    ],
)
def test_a_leak_of_each_kind_is_seen(plant: Callable[[str, Watched], object]) -> None:
    """The search itself is seen to fail."""
    canaries = Canaries(SEED)
    with watching() as watched:
        word = canaries.new("anywhere")
        plant(word, watched)
    assert any(map(canaries.found, watched.everything().values()))


def test_real_processes_and_files_are_overheard(tmp_path: Path) -> None:
    import subprocess
    import sys

    canaries = Canaries(SEED)
    word = canaries.new("argument")
    with watching() as watched:
        subprocess.run([sys.executable, "-c", "pass", word], check=True)
        (tmp_path / word).write_text("x")
    assert canaries.found(watched.everything()["process arguments"])
    assert canaries.found(watched.everything()["file names"])
    assert canaries.found(bytes_under(tmp_path))
