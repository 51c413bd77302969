"""A worker, a sender and a watch that are turned round by round, on a disk that may break.

Run as a program: `python -m tests.faults.broken_morning URL KEYS FOLDER`. Each line it is given
is one round: how many new mails come first, and how many seconds pass. It answers with what it
saw, as one JSON object.
"""

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

from tests.small_practice import MASTER, mail_from, rooms
from triage.audit import AnchorFile
from triage.domain import Channel, Notice
from triage.engine import Anchoring, Backups, InboxKeeper, Jobs, Sender, Watch, Watched, Worker
from triage.errors import blame
from triage.store import Keys, jobs_database, open_store
from triage.store.backup import make_backup
from triage.store.backup_folder import BackupFolder
from triage.testing import MemoryInbox, MemoryOutbox


class Door:
    """An alert door that remembers what it was told."""

    name = "on-call"

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, notice: Notice) -> None:
        self.told += [alarm.note for alarm, new in notice.alarms if new]


class Morning:
    """Everything that runs beside the pages, in one process and without a clock of its own."""

    def __init__(self, url: str, keys: Keys, folder: Path) -> None:
        self.store = open_store(url, keys)
        self.inbox, self.outbox, self.door = MemoryInbox(), MemoryOutbox(), Door()
        self.seconds, bell, backups = 0.0, Event(), BackupFolder(folder / "backups")
        self.keeper = InboxKeeper(self.inbox, self.store, clinic="c1", landed=bell.set)
        self.jobs = Jobs(self.store, rooms(), jobs_database(url, keys), clinic="c1")
        self.jobs.launch()
        now = self.store.transactions.clock()

        def clock() -> datetime:
            return now + timedelta(seconds=self.seconds)

        self.backups = Backups(
            lambda: make_backup(url, keys, backups.path, clock=clock), backups.newest, clock=clock
        )
        file = AnchorFile(folder / "anchors.log")
        self.anchoring = Anchoring(self.store, file, clinic="c1", clock=clock)
        self.worker = Worker(
            self.store,
            self.jobs,
            [self.keeper],
            bell,
            anchoring=self.anchoring,
            chores=[self.backups],
        )
        self.sender = Sender(
            self.store,
            {Channel.EMAIL: self.outbox},
            master=MASTER,
            clinic="c1",
            steady=lambda: self.seconds,
        )
        self.watch = Watch(
            lambda: self.store,
            Watched("c1", ["memory"], processes=("worker", "sender")),
            [self.door],
            alive_file=folder / ".alive",
            life_file=folder / "heartbeat",
            clock=clock,
            steady=lambda: self.seconds,
        )

    def round(self, new: int, seconds: int) -> dict[str, object]:
        """Let so much time pass; return what was seen."""
        self.seconds += seconds
        start = len(self.inbox.mails)
        self.inbox.mails += [
            mail_from(1 + n % 2, f"refill {n}", message_id=f"<{n}@example.org>")
            for n in range(start, start + new)
        ]
        self.keeper.once()
        self.worker.once()
        self.sender.once()
        self.backups.once()
        self.door.told.clear()
        found = [alarm.note for alarm in self.watch.once()]
        return {
            "mails": len(self.inbox.mails),
            "sent": [name for name, _ in self.outbox.sent],
            "found": found,
            "told": list(self.door.told),
            "trouble": [self.keeper.trouble, self.anchoring.trouble, *self.backups.notes()],
            "cursor": self._cursor(),
        }

    def _cursor(self) -> str:
        try:
            cursors = self.store.landing.cursors("memory", clinic="c1")
            return cursors["INBOX"].uid if cursors else "0"
        except Exception as trouble:
            return str(blame(trouble)["error"])


if __name__ == "__main__":
    url, keys, folder = sys.argv[1:]
    morning = Morning(url, Keys.load(Path(keys)), Path(folder))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(morning.round(*map(int, line.split()))) + "\n")
        sys.stdout.flush()
