"""What SQLAlchemy made of a statement is kept from one test's store to the next.

A process of the product has one store and words each statement once. A test run opens thousands,
and each would word them all anew: half of what most of those tests did. Only this is shared; the
connections, the pools and the listeners of every engine stay its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.util import LRUCache

#: More than the product has, so that none of them is pushed out in the middle.
STATEMENTS = 4000


@contextmanager
def statements_worded_once() -> Iterator[None]:
    """Give every engine of a kind the dialect of the first, and one cache of its statements."""
    worded: dict[str, tuple[Any, LRUCache[Any, Any]]] = {}

    def made(*arguments: Any, **options: Any) -> Engine:
        engine = create_engine(*arguments, **options)
        if engine.name not in worded:
            # Not before it has asked a server which version it is.
            event.listen(engine, "engine_connect", lambda _: keep(engine), once=True)
        else:
            engine.dialect, engine._compiled_cache = worded[engine.name]
        return engine

    def keep(engine: Engine) -> None:
        worded.setdefault(engine.name, (engine.dialect, LRUCache(STATEMENTS)))

    with pytest.MonkeyPatch.context() as patch:
        for room in ("engine", "keystore"):
            patch.setattr(f"triage.store.{room}.create_engine", made)
        yield
