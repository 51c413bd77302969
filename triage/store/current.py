"""Which index and audit key the database itself names just now.

Rule of the room: it is asked in the transaction that uses the key, so that a process that has not
heard of a rotation never writes with the old one; keys are read anew when it is unknown here.
"""

import hmac
from typing import Any

from sqlalchemy import Connection, select

from triage.errors import WrongKey
from triage.store.keys import Keys
from triage.store.tables import key_checks

#: Names what a database keeps to know a key again.
CHECK = "triage key check"
#: Whoever finds something by the index key holds off its rotation until the transaction ends.
_INDEX_LOCK = 7202553


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
        if name == "index":
            lock_index(connection, shared=True)
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


def key_mark(key: bytes) -> bytes:
    """Return what a database keeps to know a key again; the key cannot be found from it."""
    return hmac.digest(key, CHECK.encode(), "sha256")


def lock_index(connection: Connection, *, shared: bool) -> None:
    """On PostgreSQL wait for a rotation of the index to end, or for all who use it."""
    if connection.dialect.name == "postgresql":
        kind = "_shared" if shared else ""
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock{kind}({_INDEX_LOCK})")
