"""How many of something a safety test tries: a few on every change, all of them in the long form.

`make faults ONLY=18` runs the tests marked `bar(18)` with TRIAGE_LONG=1 in the environment.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

Scene = TypeVar("Scene")
#: True in the long form.
LONG = os.environ.get("TRIAGE_LONG") == "1"


def many(short: int, *, long: int) -> int:
    """Return `short` in the ordinary suite, `long` in the long form."""
    return long if LONG else short


#: The engines of a test that is dear, as `store_url` takes them.
ENGINES = ("sqlite", "postgresql") if LONG else ("sqlite",)


def on_engines(scenes: Sequence[Scene], *, both: Scene) -> list[tuple[str, Scene]]:
    """Return (engine, scene) for every scene; in the short form only `both` on PostgreSQL too."""
    return [
        *[("sqlite", scene) for scene in scenes],
        *[("postgresql", scene) for scene in scenes if LONG or scene == both],
    ]
