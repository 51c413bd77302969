"""The database of the job engine: beside the store on SQLite, the same one on PostgreSQL.

Rule of the room: jobs carry ids only; it is encrypted all the same.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import QueuePool

from triage.store.engine import open_file, postgresql
from triage.store.keys import Keys

#: The engine deadlocks on SQLite when its threads wait for one another's connections.
_CONNECTIONS = 32
#: Seconds its transactions wait for one another.
_PATIENCE = 30.0


def jobs_database(url: str, keys: Keys) -> Engine:
    """Return an engine on which the job engine may make its own tables.

    For `sqlite:///x.db` that is the encrypted file `x.db-jobs`; on PostgreSQL it is the store's
    own database, where the job engine keeps to a schema of its own.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return postgresql(parsed, connections=_CONNECTIONS)
    from sqlcipher3 import dbapi2

    path = Path(f"{parsed.database}-jobs")

    def opened() -> Any:
        connection = open_file(path, keys, {"timeout": _PATIENCE}, owner=True)
        # The job engine leaves it to the driver to begin a transaction before it writes.
        connection.isolation_level = "IMMEDIATE"
        return connection

    return create_engine(
        f"sqlite:///{path}",
        module=dbapi2,
        creator=opened,
        poolclass=QueuePool,
        pool_size=_CONNECTIONS,
        hide_parameters=True,
    )
