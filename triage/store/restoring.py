"""Which restore is under way on a store, or was cut off there.

Rule of the room: the mark is there before the first row of a backup and goes after the last step;
while it is there nobody but a restore works on the store. It names one run, so that of two that
meet on one store only the later can say that it is done.
"""

from sqlalchemy import Connection, delete, insert, update

from triage.errors import HalfRestored, StoreRefused
from triage.store.current import stored_mark
from triage.store.tables import key_checks

_MARK = "restoring"


def refuse_half_restored(connection: Connection) -> None:
    """Raise HalfRestored while a restore is under way here or was cut off."""
    if half_restored(connection):
        raise HalfRestored


def half_restored(connection: Connection) -> bool:
    """Whether a restore is under way here or was cut off."""
    return stored_mark(connection, _MARK) != b""


def begin_restore(connection: Connection, run: bytes) -> None:
    """Write the mark of a run, whatever mark the rows brought along; run as owner."""
    connection.execute(delete(key_checks).where(key_checks.c.name == _MARK))
    connection.execute(insert(key_checks).values(name=_MARK, value=run))


def take_over(connection: Connection, run: bytes) -> None:
    """Go on, as another run, where one was cut off; raise StoreRefused when it ended meanwhile."""
    theirs = update(key_checks).where(key_checks.c.name == _MARK)
    if not connection.execute(theirs.values(value=run)).rowcount:
        raise StoreRefused("another restore has just ended here")


def hold_restore(connection: Connection, run: bytes) -> None:
    """Keep every other run away until the transaction ends; raise StoreRefused if one took over."""
    mine = (key_checks.c.name == _MARK, key_checks.c.value == run)
    if not connection.execute(update(key_checks).where(*mine).values(value=run)).rowcount:
        raise StoreRefused("another restore was begun here after this one and does all of it anew")


def end_restore(connection: Connection, run: bytes) -> None:
    """Open the store to everybody again; raise StoreRefused if another run took over."""
    hold_restore(connection, run)
    connection.execute(delete(key_checks).where(key_checks.c.name == _MARK))
