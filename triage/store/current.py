"""Which index and audit key the database itself names just now.

Rule of the room: it is asked in the transaction that uses the key, so that a process that has not
heard of a rotation never writes with the old one; keys are read anew when it is unknown here.
"""

import hmac
from typing import Any

from sqlalchemy import Connection, select, update

from triage.errors import WrongKey
from triage.store.keys import Keys
from triage.store.tables import key_checks

#: Names what a database keeps to know a key again.
CHECK = "triage key check"
#: Whoever uses one of these keys holds off its rotation until the transaction ends.
_LOCKS = {"index": 7202553, "audit": 7202554}


class CurrentKeys:
    """The keys of one process, fresher ones as soon as the database asks for them."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def newest(self, name: str) -> bytes:
        """Return the newest key known here, for what is written to no database."""
        return self._keys.named(name)[0]

    def all(self, name: str) -> tuple[bytes, ...]:
        """Return every key of a name, newest first."""
        return self._keys.named(name)

    def read(self, connection: Connection, name: str) -> bytes:
        """Return the key that serves now; raise WrongKey when it is not among ours."""
        lock_key(connection, name, shared=True)
        mark = stored_mark(connection, name)
        for again in (False, True):
            keys = self._keys.again() if again else self._keys
            for key in keys.named(name):
                if hmac.compare_digest(mark, key_mark(key)):
                    self._keys = keys
                    return key
        raise WrongKey(f"the {name} key")


def stored_mark(connection: Connection, name: str) -> bytes:
    """Return the mark of the key that serves; nothing in a database that has none yet."""
    query = select(key_checks.c.value).where(key_checks.c.name == name)
    found: Any = connection.execute(query).scalar()
    return b"" if found is None else bytes(found)


def mark_newest(connection: Connection, name: str, keys: Keys) -> None:
    """Say that the newest key of a name serves from now on; run as owner."""
    mine = update(key_checks).where(key_checks.c.name == name)
    connection.execute(mine.values(value=key_mark(keys.named(name)[0])))


def key_mark(key: bytes) -> bytes:
    """Return what a database keeps to know a key again; the key cannot be found from it."""
    return hmac.digest(key, CHECK.encode(), "sha256")


def lock_key(connection: Connection, name: str, *, shared: bool) -> None:
    """On PostgreSQL wait for a rotation of the key to end, or for all who use it."""
    if connection.dialect.name == "postgresql":
        kind = "_shared" if shared else ""
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock{kind}({_LOCKS[name]})")
