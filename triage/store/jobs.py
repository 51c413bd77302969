"""The database of the job engine: beside the store on SQLite, the same one on PostgreSQL.

Rule of the room: jobs carry ids only; it is encrypted all the same.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.pool import QueuePool

from triage.store.engine import explain_driver, open_file, postgresql
from triage.store.keys import Keys

#: The engine deadlocks on SQLite when its threads wait for one another's connections.
_CONNECTIONS = 32
#: Seconds its transactions wait for one another.
_PATIENCE = 30.0
#: Classes of SQLSTATE with which the job engine would wait: no connection, no room, shut down.
_GONE = ("08", "53", "57")


def jobs_database(url: str, keys: Keys) -> Engine:
    """Return an engine on which the job engine may make its own tables.

    For `sqlite:///x.db` that is the encrypted file `x.db-jobs`; on PostgreSQL it is the store's
    own database, where the job engine keeps to a schema of its own.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return impatient(postgresql(parsed, connections=_CONNECTIONS))
    from sqlcipher3 import dbapi2

    path = Path(f"{parsed.database}-jobs")

    def opened() -> Any:
        connection = open_file(path, keys, {"timeout": _PATIENCE}, owner=True)
        # The job engine leaves it to the driver to begin a transaction before it writes.
        connection.isolation_level = "IMMEDIATE"
        return connection

    made = create_engine(
        f"sqlite:///{path}",
        module=dbapi2,
        creator=opened,
        poolclass=QueuePool,
        pool_size=_CONNECTIONS,
        hide_parameters=True,
    )
    return impatient(made)


def impatient(engine: Engine) -> Engine:
    """Let it raise StoreRefused where the job engine would try again by itself.

    That knows a lost connection by the driver's error, and then sleeps up to 90 seconds between two
    tries: mail would lie that long after the database is back. A landed message is tried again
    two seconds later in any case, so the job engine is given an error it takes for final.
    """

    @event.listens_for(engine, "handle_error")
    def _do_not_wait(context: ExceptionContext) -> None:
        # Engines may share what calls this. And before a statement the pool asks whether it must
        # connect again, which it is told by the driver's own error.
        pool = context.engine.pool if context.engine else None
        if pool is not engine.pool or context.is_pre_ping:
            return
        trouble = context.original_exception
        gone = str(getattr(trouble, "sqlstate", None) or "").startswith(_GONE)
        gone = gone or context.is_disconnect or context.connection is None
        if gone or "is locked" in str(trouble):
            raise explain_driver(trouble) from None

    return engine
