"""Very small models, trained once for all test processes, with a cache of their own.

They lie under `.cache/` (which git ignores) by the hash of the code that makes them, so that a
change of the encoder makes them anew and two test processes do not both wait for a training.
"""

import fcntl
import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from triage.classifiers.verdict import Policy
from triage.domain import Route
from triage.encoder import LabelledText, TaggedText, folder

ROOT = Path(__file__).resolve().parents[1]

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
    makers = [*sorted((ROOT / "triage" / "encoder").glob("*.py")), Path(__file__)]
    code = b"".join(path.read_bytes() for path in makers)
    home = ROOT / ".cache" / f"tiny-{hashlib.sha256(code).hexdigest()[:16]}"
    home.mkdir(parents=True, exist_ok=True)
    return home


def _once(name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder `name`, made by the first process that asks; the others wait."""
    path = _home() / name
    with (_home() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (path / "config.json").exists():
            make(path)
    return path


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


def router() -> Path:
    """Return the folder of a router that has seen four texts; never write into it."""
    return _once("tiny-router", _train_router)


def _train_router(path: Path) -> None:
    from triage.encoder.export import cached
    from triage.encoder.training import train_router

    texts = [URGENT, *CALM]
    train_router(texts, texts, list(Route), path, epochs=1, layers=1, warm=100, progress=False)
    folder.remember(path, policy=Policy().as_dict())
    with own_cache():
        cached(folder.read(path, kind="router"))


def tagger() -> Path:
    """Return the folder of a tagger that has seen four texts; never write into it."""
    return _once("tiny-tagger", _train_tagger)


def _train_tagger(path: Path) -> None:
    from triage.encoder.export import cached
    from triage.encoder.tagging import train_tagger

    kinds = ["NAME", "PLACE"]
    train_tagger(NAMED * 4, NAMED, kinds, path, epochs=8, layers=1, rate=5e-3, progress=False)
    with own_cache():
        cached(folder.read(path, kind="tagger"))


def copy(path: Path, to: Path) -> Path:
    """Return a copy of a model folder that may be broken."""
    return Path(shutil.copytree(path, to / path.name))
