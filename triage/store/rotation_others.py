"""Rotating the index, audit and file keys; the master has `rotation.py`.

Rule of the room: the new key is in its file before anything uses it, and the old one leaves its
file only once nothing needs it; a kill at any moment is mended by starting again.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from secrets import token_bytes

from sqlalchemy import select
from sqlalchemy.engine import make_url

from triage.errors import StoreLocked
from triage.store import tables
from triage.store.backup_folder import DATA, KEYS, BackupFolder
from triage.store.current import key_mark, lock_key, mark_newest, stored_mark
from triage.store.engine import connect, open_file
from triage.store.keyring import Keyring
from triage.store.keys import Keys
from triage.store.keystore import KeyStore, connect_keys
from triage.store.reindex import reindex
from triage.store.sealed_file import read_sealed, write_sealed
from triage.store.searches import Searches
from triage.store.trail import renew_chains
from triage.store.transaction import Transactions, utcnow

Watch = Callable[[str, int], None]
#: A process that gave a sign of life this lately is running.
_ALIVE = timedelta(minutes=2)


def rotate_index(
    url: str, folder: Path, *, by: str = "owner", watch: Watch = lambda _w, _n: None
) -> tuple[int, int]:
    """Make every blind index anew; return how many, and how many of what was erased stay.

    Run as the owner, also while triage runs. The old key leaves its file unless some stay.
    """
    doing, keys = _owner(url, _prepared(url, folder, "index"))
    try:
        counts = reindex(doing, keys, by=by, watch=watch)
        # The words of cases lie under the same key; until each is done a page says it is partial.
        Searches(doing).catch_up(by=by, watch=lambda done: watch("search", done))
    finally:
        doing.close()
    if not counts[1]:
        Keys.write(folder, "index", keys.named("index")[:1])
    return counts


def rotate_audit(url: str, folder: Path, *, by: str = "owner") -> int:
    """Seal the audit with a new key from now on; return how many chains go on under it.

    Older events stay as they are and their keys in the file, behind the new one, to verify them.
    """
    doing, keys = _owner(url, _prepared(url, folder, "audit"))
    try:
        with doing.write() as work:
            # Whoever writes an event waits here, and finds the new mark afterwards.
            lock_key(work.connection, "audit", shared=False)
            mark_newest(work.connection, "audit", keys)
            return renew_chains(work.connection, key=keys.audit, by=by, at=work.now)
    finally:
        doing.close()


def rotate_file(url: str, folder: Path, backups: Path | None = None) -> int:
    """Encrypt the SQLite files and the backups of a folder anew; return how many files.

    Run as the owner while triage does not run; raises StoreLocked otherwise. On PostgreSQL there
    are only the backups.
    """
    keys = Keys.load(folder)
    _refuse_running(url, keys)
    if len(keys.named("file")) == 1:
        Keys.write(folder, "file", (token_bytes(32), *keys.named("file")))
        keys = Keys.load(folder)
    only = Keys(data=keys.data, file=keys.file, index=keys.index, audit=keys.audit)
    parsed, count = make_url(url), 0
    if parsed.get_backend_name() == "sqlite":
        base = str(parsed.database)
        for path in (Path(base), Path(f"{base}-keys"), Path(f"{base}-jobs")):
            if path.exists():
                with closing(open_file(path, keys, {}, owner=True)) as connection:
                    connection.execute("PRAGMA journal_mode = DELETE")
                    # One transaction of the library's own: the old file, or the new one.
                    connection.execute(f"PRAGMA rekey = \"x'{keys.file.hex()}'\"")
                # The proof: the new key opens it, alone.
                with closing(open_file(path, only, {}, owner=True)) as connection:
                    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                count += 1
    count += _reseal(backups, keys) if backups is not None else 0
    Keys.write(folder, "file", keys.named("file")[:1])
    return count


def _reseal(folder: Path, keys: Keys) -> int:
    """Encrypt every backup anew that the newest key does not open."""
    place, count = BackupFolder(folder), 0
    for kind in (DATA, KEYS):
        for moment in place.moments(kind):
            path = place.file(kind, moment)
            lines = read_sealed(path, key=keys.named("file"), purpose=kind)
            write_sealed(path, lines, key=keys.file, purpose=kind)
            count += 1
    return count


def _prepared(url: str, folder: Path, name: str) -> Keys:
    """Return the keys with a new one in front that does not serve yet."""
    keys = Keys.load(folder)
    engine = connect(url, keys, owner=True)
    with engine.connect() as connection:
        begun = stored_mark(connection, name) != key_mark(keys.named(name)[0])
    engine.dispose()
    if not begun:
        Keys.write(folder, name, (token_bytes(32), *keys.named(name)))
    return Keys.load(folder)


def _owner(url: str, keys: Keys) -> tuple[Transactions, Keys]:
    ring = Keyring(KeyStore(connect_keys(url, keys, owner=True)), keys)
    return Transactions(connect(url, keys, owner=True), keys, utcnow, ring), keys


def _refuse_running(url: str, keys: Keys) -> None:
    doing, _ = _owner(url, keys)
    try:
        with doing.read() as work:
            since = work.now - _ALIVE
            row = work.first(select(tables.beats.c.process).where(tables.beats.c.at > since))
    finally:
        doing.close()
    if row is not None:
        raise StoreLocked(f"{row.process} is running; stop triage first")
