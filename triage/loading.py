"""Loads the rooms of the path: what serves, or what stands in for it.

Rule of the room: a part that cannot be loaded is replaced by one that leaves the work to a
person, with a note for the banner.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triage.classifiers import BUILTIN as CLASSIFIERS
from triage.classifiers.abstain import AlwaysAbstain
from triage.connectors import HOOKS
from triage.connectors.hook import Hook
from triage.drafting import BUILTIN as DRAFTERS
from triage.encoder.registry import Registry
from triage.errors import BadRules, TriageError
from triage.pipeline import Rooms
from triage.plugins import load
from triage.redaction import BUILTIN as REDACTORS
from triage.redaction.withhold import WithholdEverything
from triage.settings import DoorSettings, PartsSettings, secret

#: Built-in parts that need no trained model.
MODEL_FREE = frozenset({"withhold", "abstain"})


@dataclass(frozen=True, slots=True)
class Parts:
    """The rooms of the path and what could not be loaded."""

    rooms: Rooms
    notes: tuple[str, ...] = ()
    #: Errors behind the notes, in words for an administrator.
    troubles: tuple[str, ...] = field(default=())


def load_hooks(home: Path, doors: Sequence[DoorSettings]) -> dict[str, Hook]:
    """Return name -> door that others knock at; raise BadSettings for the first bad one."""
    made: dict[str, Hook] = {}
    for door in doors:
        kind = load("connectors", door.kind, HOOKS)
        held = secret(home, door.name, keyring=door.keyring)
        made[door.name] = kind(door.model_dump(), held)
    return made


def clinical_digests() -> dict[str, str]:
    """Return the digests of what a clinician signs; a table that cannot be read is left out."""
    from triage.drafting.wording import urgent_digest
    from triage.priority.redflags import TABLE
    from triage.priority.table import load as load_table

    digests = {"urgent_texts": urgent_digest()}
    with suppress(BadRules):
        digests["redflags"] = load_table(TABLE).digest
    return digests


def load_parts(parts: PartsSettings, registry: Registry, drafting: Mapping[str, object]) -> Parts:
    """Load what serves; each part that fails is replaced and noted."""
    from triage.parsing import parse
    from triage.priority import RedFlags, rank

    notes: list[str] = []
    troubles: list[str] = []

    def attempt(make: Any, instead: Any, note: str) -> Any:
        try:
            return make()
        except Exception as trouble:
            # Also what nobody foresaw, such as too little memory for a model: the worker starts.
            notes.append(note)
            ours = isinstance(trouble, TriageError | OSError | ImportError)
            troubles.append(str(trouble) if ours else f"{note}: {type(trouble).__name__}")
            return instead

    def model(task: str, name: str, table: Mapping[str, str]) -> Any:
        options = dict(parts.options.get(name, {}))
        if name in table and name not in MODEL_FREE:
            options.setdefault("model_dir", str(registry.believed(task)))
        if name == "minilm":
            options = {**options, **_promised(registry)}
        return load({"redactor": "redaction", "router": "classifiers"}[task], name, table)(options)

    redactor = attempt(
        lambda: model("redactor", parts.redactor, REDACTORS), WithholdEverything(), "no_redactor"
    )
    classifier = attempt(
        lambda: model("router", parts.classifier, CLASSIFIERS), AlwaysAbstain(), "no_classifier"
    )
    rules = attempt(RedFlags, None, "no_rules")
    options = {**drafting, **parts.options.get(parts.drafter, {})}
    drafter = attempt(
        lambda: load("drafting", parts.drafter, DRAFTERS)(options), None, "no_drafter"
    )
    rooms = Rooms(parse, redactor, classifier, rules, rank, drafter)
    return Parts(rooms, tuple(notes), tuple(troubles))


def _promised(registry: Registry) -> dict[str, float]:
    """Return what the clinic wants promised, as the classifier's settings name it."""
    return dict(zip(("promise_missed", "promise_wrong"), registry.promise() or (), strict=False))
