"""Mail from a real Dovecot until it is durably landed, beside mbsync; and one arrival by IDLE.

mbsync writes and syncs each message into a Maildir, the plainest safe copy there is; ours is
encrypted, audited and synced before the cursor moves. The plain loop is imapclient's own IDLE that
prints the UID. `isync` comes from Debian; where it is missing, the first table says so.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imapclient import IMAPClient

from benchmarks.messages import mixed
from benchmarks.rounds import ROUNDS, column, few, keep, per_message, ratio, rounds
from tests.servers import PASSWORD, DovecotServer
from triage.connectors.imap import ImapInbox
from triage.domain import Clinic
from triage.pipeline import land
from triage.store import Keys, Store, migrate, open_store
from triage.testing import mail

MESSAGES = 10_000
ARRIVALS = 20
MBSYNC = "mbsync"
WANTED_LANDING = {"ours_over_mbsync": "<= 1.5"}
WANTED_IDLE = {"later_ms": "<= 50"}

_MBSYNCRC = """
IMAPAccount clinic
Host 127.0.0.1
Port {port}
User {user}
Pass {password}
SSLType None
AuthMechs LOGIN

IMAPStore far
Account clinic

MaildirStore near
Inbox {folder}/mail
Path {folder}/

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
Sync Pull
SyncState {folder}/
"""


class Landing:
    """Fresh homes for each round: a store of ours, a Maildir for mbsync."""

    def __init__(self, server: DovecotServer, folder: Path, count: int) -> None:
        self.server, self.folder, self.count = server, folder, count
        self.number = 0
        self.template = folder / "template.db"
        self.keys = Keys.make(folder / "keys")
        migrate(f"sqlite:///{self.template}", self.keys)
        store = open_store(f"sqlite:///{self.template}", self.keys)
        store.people.add_clinic(Clinic("c1", "Bench"))
        store.close()

    def store(self) -> Store:
        """Return a store with nothing in it but a clinic."""
        self.number += 1
        path = self.folder / f"round-{self.number}.db"
        shutil.copy(self.template, path)
        shutil.copy(f"{self.template}-keys", f"{path}-keys")
        return open_store(f"sqlite:///{path}", self.keys)

    def ours(self) -> None:
        """Log in, fetch and land all."""
        store = self.store()
        inbox = ImapInbox(self.server.settings, PASSWORD)
        assert len(land(inbox, store, clinic="c1")) == self.count
        inbox.close()
        store.close()

    def mbsync(self) -> None:
        """Log in, fetch and write all."""
        self.number += 1
        folder = self.folder / f"round-{self.number}"
        folder.mkdir()
        config = folder / "mbsyncrc"
        words = {"port": self.server.port, "user": self.server.user, "password": PASSWORD}
        config.write_text(_MBSYNCRC.format(folder=folder, **words))
        config.chmod(0o600)
        subprocess.run([MBSYNC, "-q", "-c", str(config), "all"], check=True)
        stored = len(os.listdir(folder / "mail" / "new")) + len(os.listdir(folder / "mail" / "cur"))
        assert stored == self.count, f"mbsync stored {stored}"


def landing(count: int = MESSAGES) -> None:
    """Measure how long many messages take until all are durably stored."""
    if shutil.which(MBSYNC) is None:
        print("imap landing: not measured, mbsync is missing (apt-get install isync)\n")
        return
    count = few(count)
    mails = [mail(row.body, message_id=f"<{n}@example.org>") for n, row in _numbered(count)]
    with DovecotServer() as server, tempfile.TemporaryDirectory() as name:
        server.append(mails)
        both = Landing(server, Path(name), count)
        taken = rounds({"ours": both.ours, "mbsync": both.mbsync}, what="imap")
    result = {
        "what": "IMAP messages from Dovecot until durably landed, against mbsync into a Maildir",
        "messages": count,
        "ours_ms_per_message": per_message(column(taken, "ours"), count),
        "mbsync_ms_per_message": per_message(column(taken, "mbsync"), count),
        "ours_over_mbsync": ratio(taken, "ours", "mbsync"),
        "rounds": ROUNDS,
    }
    keep("imap", result, wanted=WANTED_LANDING)


def _numbered(count: int) -> list[tuple[int, Any]]:
    rows = mixed(min(count, 1000))
    return [(number, rows[number % len(rows)]) for number in range(count)]


class Listener(threading.Thread):
    """Says when it has heard of a message; `ready` once it listens."""

    def __init__(self, step: Callable[[threading.Event], None]) -> None:
        super().__init__(daemon=True)
        self.ready = threading.Event()
        self.heard = 0.0
        self._step = step

    def run(self) -> None:
        """Wait for one arrival."""
        self._step(self.ready)
        self.heard = time.perf_counter()


class Idle:
    """One arrival, heard by our inbox until it is landed, and by the plain loop."""

    def __init__(self, server: DovecotServer, store: Store) -> None:
        self.server, self.store = server, store
        self.number = 0
        self.inbox = ImapInbox(server.settings, PASSWORD)
        self.plain = self._connection()
        self.plain.select_folder("INBOX", readonly=True)
        self.writer = self._connection()
        land(self.inbox, store, clinic="c1")

    def _connection(self) -> Any:
        line = IMAPClient("127.0.0.1", port=self.server.port, ssl=False, timeout=20)
        line.login(self.server.user, PASSWORD)
        return line

    def ours(self) -> float:
        """Return the seconds from the end of APPEND until it is landed."""

        # What the plain loop heard of is not what is waited for.
        land(self.inbox, self.store, clinic="c1")

        def hear(ready: threading.Event) -> None:
            ready.set()
            self.inbox.wait(10)
            assert land(self.inbox, self.store, clinic="c1")

        return self._heard(hear)

    def loop(self) -> float:
        """Return the seconds from the end of APPEND until the UID is known."""

        def hear(ready: threading.Event) -> None:
            self.plain.idle()
            ready.set()
            while not any(item[-1] == b"EXISTS" for item in self.plain.idle_check(timeout=10)):
                pass
            self.plain.idle_done()
            sys.stderr.write(f"{max(self.plain.search(['UID', '*']))}\n")

        return self._heard(hear)

    def _heard(self, hear: Callable[[threading.Event], None]) -> float:
        self.number += 1
        listener = Listener(hear)
        listener.start()
        listener.ready.wait(10)
        # Long enough for either to be listening.
        time.sleep(0.3)
        began = time.perf_counter()
        self.writer.append("INBOX", mail("hello", message_id=f"<idle-{self.number}@example.org>"))
        listener.join(20)
        assert listener.heard, "nothing was heard"
        return listener.heard - began

    def close(self) -> None:
        """Let go of the connections."""
        self.inbox.close()
        for line in (self.plain, self.writer):
            line.logout()


def idle(count: int = ARRIVALS) -> None:
    """Measure how much later than the plain loop a message is landed."""
    taken = []
    with DovecotServer() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keys, url = Keys.make(folder / "keys"), f"sqlite:///{folder / 'triage.db'}"
        migrate(url, keys)
        store = open_store(url, keys)
        store.people.add_clinic(Clinic("c1", "Bench"))
        both = Idle(server, store)
        for _ in range(few(count)):
            taken.append({"ours": both.ours(), "loop": both.loop()})
        both.close()
        store.close()
    later = statistics.median(each["ours"] - each["loop"] for each in taken)
    result = {
        "what": "one arrival by IDLE until landed, against a loop that prints the UID",
        "arrivals": len(taken),
        "ours_ms": round(statistics.median(column(taken, "ours")) * 1000, 1),
        "loop_ms": round(statistics.median(column(taken, "loop")) * 1000, 1),
        "later_ms": round(later * 1000, 1),
    }
    keep("idle", result, wanted=WANTED_IDLE)


def measure() -> None:
    landing(int(os.environ.get("BENCH_MESSAGES", MESSAGES)))
    idle()
