"""What the worker does as the owner of the tables: backups, retention, the list for paper.

Rule of the room: it only puts chores together; what is not configured is not there.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from triage.domain import PaperList
from triage.engine import Backups, Chore, PaperFile, Retention
from triage.settings import Settings
from triage.store import Keys, Life, Store
from triage.store.backup import make_backup
from triage.store.backup_folder import BackupFolder
from triage.store.paper_seal import read_key, seal

#: In the home folder: the public half of what opens the list, and the private one, wrapped.
PAPER_KEY = "downtime.key"


def chores(
    home: Path,
    settings: Settings,
    keys: Keys,
    *,
    url: str,
    lists: list[Path],
    open_life: Callable[[], Life],
    open_store: Callable[[], Store],
) -> list[Chore]:
    """Return the chores of one clinic."""
    backup, days, clinic = settings.backup, settings.retention.days, settings.clinic.id
    found: list[Chore] = [paper_file(home, settings, open_store)]
    if backup.folder:
        folder, kept = home / backup.folder, timedelta(days=backup.keep_days)
        every = timedelta(minutes=backup.every_minutes)

        def make() -> None:
            make_backup(url, keys, folder, lists=lists, kept=kept)

        found.append(Backups(make, BackupFolder(folder).newest, every=every))
    if days is not None:
        found.append(Retention(open_life, timedelta(days=days), clinic=clinic))
    return found


def paper_file(home: Path, settings: Settings, open_store: Callable[[], Store]) -> PaperFile:
    """Return what keeps the list for a time without a machine."""
    downtime, clinic = settings.downtime, settings.clinic.id
    path = home / PAPER_KEY
    key = read_key(path) if path.exists() else None

    def gather() -> PaperList:
        with closing(open_store()) as store:
            return store.paper.now(clinic=clinic, by="paper")

    def written(made: PaperList) -> None:
        with closing(open_store()) as store:
            store.paper.written(made, clinic=clinic)

    return PaperFile(
        home / downtime.folder,
        gather,
        (lambda content: seal(key, content)) if key else None,
        written,
        every=timedelta(minutes=downtime.every_minutes),
    )
