"""Finding a part by name: the built-in tables first, then entry points of other packages."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from triage.errors import UnknownPlugin


def load(room: str, name: str, builtin: Mapping[str, str]) -> Any:
    """Return the class called `name`; raise UnknownPlugin with the known names.

    `room` is the entry-point group's last part: connectors, redaction, classifiers, drafting.
    """
    if name in builtin:
        module, _, attribute = builtin[name].rpartition(".")
        return getattr(import_module(module), attribute)
    outside = {point.name: point for point in entry_points(group=f"triage.{room}")}
    if name in outside:
        return outside[name].load()
    known = ", ".join(sorted({*builtin, *outside}))
    raise UnknownPlugin(f"{room} has no part named {name!r} (known: {known})")
