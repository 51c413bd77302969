"""Very small models, trained once per test process, with a cache of their own."""

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triage.classifiers.verdict import Policy
from triage.domain import Route
from triage.encoder import LabelledText, TaggedText, folder

URGENT = LabelledText(
    "chest\nI have crushing chest pain and cannot breathe.", "urgent_clinical", urgency=2
)
CALM = (
    LabelledText("pills\nPlease refill my blood pressure pills.", "refill"),
    LabelledText("bill\nI was charged twice on this bill.", "billing_dispute"),
    LabelledText("appointment\nCan we move my visit to Friday?", "reschedule"),
)
NAMED = (
    TaggedText("I am Maria Lopez, call me", ((5, 16, "NAME"),)),
    TaggedText("Nobody is named in this one."),
    TaggedText("Will Young said so", ((0, 10, "NAME"),), known=frozenset({"NAME"})),
    TaggedText("we live in Boston now", ((11, 17, "PLACE"),)),
)


@functools.cache
def _home() -> Path:
    import atexit

    home = Path(tempfile.mkdtemp(prefix="triage-tiny-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


@contextmanager
def own_cache() -> Iterator[None]:
    """Let exports go to this process's own cache, whatever the machine's cache holds."""
    before = os.environ.get("TRIAGE_CACHE")
    os.environ["TRIAGE_CACHE"] = str(_home() / "cache")
    try:
        yield
    finally:
        if before is None:
            del os.environ["TRIAGE_CACHE"]
        else:
            os.environ["TRIAGE_CACHE"] = before


@functools.cache
def router() -> Path:
    """Return the folder of a router that has seen four texts; never write into it."""
    from triage.encoder.training import train_router

    path = _home() / "tiny-router"
    train_router(
        [URGENT, *CALM],
        [URGENT, *CALM],
        list(Route),
        path,
        epochs=1,
        layers=1,
        warm=100,
        progress=False,
    )
    folder.remember(path, policy=Policy().as_dict())
    return path


@functools.cache
def tagger() -> Path:
    """Return the folder of a tagger that has seen four texts; never write into it."""
    from triage.encoder.tagging import train_tagger

    path = _home() / "tiny-tagger"
    train_tagger(
        NAMED * 4, NAMED, ["NAME", "PLACE"], path, epochs=8, layers=1, rate=5e-3, progress=False
    )
    return path


def copy(path: Path, to: Path) -> Path:
    """Return a copy of a model folder that may be broken."""
    return Path(shutil.copytree(path, to / path.name))
