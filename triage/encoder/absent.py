"""Importing libraries that would load torch merely because it is installed.

Presidio and spaCy look for torch and transformers and use neither here; looking costs a serving
process about five seconds and 300 MB at every start.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

HEAVY = ("torch", "transformers", "stanza")


@contextmanager
def without_torch() -> Iterator[None]:
    """Let imports inside find no torch, unless this process has loaded it already."""
    hidden = [name for name in HEAVY if name not in sys.modules]
    # None in sys.modules is how Python says "not installed": the import raises ImportError.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is allowed there.
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
