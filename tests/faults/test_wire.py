"""Safety-bar 8: whatever the line does to what the server says, nothing is lost or doubled.

A real Dovecot behind a proxy that spoils the first connections, the keeper's own cycle, the real
store (in the long form on both engines). The oracle is a fetch that takes what it gets for the
truth.
"""

import datetime
import hashlib
import imaplib
import random
import re
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from tests.conftest import copy_database
from tests.postgres import PostgresServer
from tests.servers import PASSWORD, DovecotServer
from tests.sizes import ENGINES, LONG, many, on_engines
from tests.wire import FAULTS, Wire
from triage.connectors.imap import ImapInbox
from triage.domain import Clinic
from triage.engine import InboxKeeper
from triage.store import Keys, Store, open_store
from triage.testing import mail

pytestmark = [pytest.mark.bar(8), pytest.mark.timeout(many(180, long=2400))]

MAILS = [mail(f"words {n} " * 30, message_id=f"<{n}@example.org>") for n in range(12)]
RUNS = many(1, long=50)
#: Cycles after which everything must be in; two connections are spoiled.
CYCLES = 6


@pytest.fixture(scope="module")
def dovecot() -> Iterator[DovecotServer]:
    with DovecotServer() as server:
        server.append(MAILS)
        yield server


@pytest.fixture(scope="module")
def shelf(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, keys: Keys
) -> Iterator[Store]:
    """One store for all faults, on the engine the test names."""
    with ExitStack() as stack:
        if request.param == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres")
            url = stack.enter_context(server.database())
        else:
            path = tmp_path_factory.mktemp("wire") / "triage.db"
            copy_database(request.getfixturevalue("sqlite_template"), path)
            url = f"sqlite:///{path}"
        opened = open_store(url, keys)
        stack.callback(opened.close)
        yield opened


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is given up after a second, not after minutes."""
    monkeypatch.setattr("triage.connectors.imap_line._SLOWEST", 10**9)


def comes_in_whole(store: Store, clinic: str, **changed: object) -> None:
    settings = {
        "name": "front-desk", "host": "127.0.0.1", "user": "clinic", "security": "plain",
        "timeout_seconds": 1.2, "batch_messages": 5, **changed,
    }  # fmt: skip
    inbox = ImapInbox(settings, PASSWORD)
    keeper = InboxKeeper(inbox, store, clinic=clinic, poll=0.0, clock=lambda: 0.0)
    found = 0
    for _ in range(CYCLES):
        keeper.once()
        found = len(store.landing.waiting(limit=1000, clinic=clinic))
        if found == len(MAILS) and not keeper.trouble:
            break
    raws = [raw_id for _, raw_id in store.landing.waiting(limit=1000, clinic=clinic)]
    bodies = [store.landing.raw(raw_id, clinic=clinic, by="test").content for raw_id in raws]
    digests = sorted(hashlib.sha256(body).hexdigest() for body in bodies)
    assert digests == sorted(hashlib.sha256(body).hexdigest() for body in MAILS)
    assert keeper.trouble == ""
    assert store.mailboxes.owed(clinic=clinic) == 0
    inbox.close()


@pytest.mark.parametrize(
    ("shelf", "fault"), on_engines(list(FAULTS), both="literal_too_short"), indirect=["shelf"]
)
def test_a_spoiled_line_loses_and_doubles_nothing(
    fault: str,
    dovecot: DovecotServer,
    shelf: Store,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", RUNS)
    hits = 0
    for run in range(RUNS):
        seed = random.randrange(10**6) if LONG else 7
        clinic = f"{fault.replace('_', '-')}-{run}"
        shelf.people.add_clinic(Clinic(clinic, "Test Clinic"))
        with Wire(dovecot.port, FAULTS[fault], seed=seed) as wire:
            try:
                comes_in_whole(shelf, clinic, port=wire.port)
            except AssertionError as trouble:
                raise AssertionError(f"seed {seed}") from trouble
            hits += wire.hits
    assert hits >= RUNS / 2, "the trouble never came"


@pytest.mark.parametrize("shelf", ENGINES, indirect=True)
def test_a_certificate_that_ran_out_stops_it_until_there_is_a_new_one(
    dovecot: DovecotServer, shelf: Store
) -> None:
    authority = trustme.CA()
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    contexts = []
    for until in (long_ago, None):
        contexts.append(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        authority.issue_cert("localhost", not_after=until).configure_cert(contexts[-1])
    shelf.people.add_clinic(Clinic("expired", "Test Clinic"))
    with tempfile.TemporaryDirectory() as folder:
        ca_file = Path(folder) / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_file))
        with Wire(
            dovecot.port, lambda _, chunk: chunk, contexts=(contexts[0], contexts[1])
        ) as wire:
            tls = {"security": "tls", "host": "localhost", "port": wire.port}
            comes_in_whole(shelf, "expired", **tls, ca_file=str(ca_file))


@pytest.mark.parametrize("fault", ["literal_too_short", "cut_in_literal"])
def test_oracle_taking_what_comes_for_the_truth_loses_mail(
    fault: str, dovecot: DovecotServer
) -> None:
    got: list[bytes] = []
    with Wire(dovecot.port, FAULTS[fault], times=1) as wire:
        line = imaplib.IMAP4("127.0.0.1", wire.port, timeout=2)
        try:
            line.login("clinic", PASSWORD)
            line.select(readonly=True)
            _, data = line.uid("FETCH", "1:*", "(BODY.PEEK[])")
            got = [part[1] for part in data if isinstance(part, tuple)]
        except (imaplib.IMAP4.error, OSError):
            pass
        finally:
            line.shutdown()
    assert not set(MAILS) <= set(got)


def test_every_fault_the_bar_names_is_there() -> None:
    named = "latency|one_byte|reset|half_close|cut_in_literal|bye|literal"
    assert len([fault for fault in FAULTS if re.match(named, fault)]) >= 8
    assert len(FAULTS) + 1 >= 12
