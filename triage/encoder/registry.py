"""Which trained models there are and which one serves; the files are the truth.

Rule of the room: a model is a folder under `models/` with a card; the clinic's own choice is
kept beside its settings and falls back to the choice that ships. A promoted folder serves only as
long as every file in it is the one that was promoted.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from triage.errors import BadSettings, ChangedModel, MissingModel

#: The models that ship, beside the package.
SHIPPED = Path(__file__).resolve().parents[2] / "models"
TASKS = ("router", "redactor")
#: Beside the serving choice: what the clinic wants promised, as shares.
MISSED, WRONG = "router:missed", "router:wrong"
#: Beside the serving choice: model -> SHA-256 of its folder when somebody let it serve.
PINNED = "pinned"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One trained model as its folder describes it."""

    name: str
    task: str
    folder: Path
    trainer: str
    metrics: Mapping[str, object]
    #: Its own thresholds as config.json gives them, not yet checked.
    policy: object = None
    #: Whether it passed the release gate; None when it never walked through.
    passed: bool | None = None


class Registry:
    """Models that ship and models registered here; the serving choice and the one before it."""

    def __init__(self, home: Path, shipped: Path = SHIPPED) -> None:
        self._home = home / "models"
        self._shipped = shipped

    @property
    def candidates(self) -> Path:
        """The folder new models are registered in."""
        return self._home

    def models(self) -> tuple[ModelInfo, ...]:
        """Return every model with a config, shipped first, by name."""
        found = [
            _info(path.parent)
            for root in (self._shipped, self._home)
            for path in sorted(root.glob("*/config.json"))
        ]
        return tuple(found)

    def get(self, name: str) -> ModelInfo:
        """Return one model; raise MissingModel with the known names."""
        known = {model.name: model for model in self.models()}
        if name not in known:
            raise MissingModel(f"{name} (known: {', '.join(known) or 'none'})")
        return known[name]

    def serving(self, task: str) -> str:
        """Return the name of the model that serves a task; raise MissingModel when none is set."""
        for root in (self._home, self._shipped):
            name = _read(root / "serving.json").get(task)
            if isinstance(name, str):
                return name
        raise MissingModel(task)

    def folder(self, task: str) -> Path:
        """Return the folder of the serving model."""
        return self.get(self.serving(task)).folder

    def believed(self, task: str) -> Path:
        """Return the folder of the serving model, to be loaded.

        Raise ChangedModel when a file in it is not the one that was promoted. A model that ships
        and that nobody here ever promoted or replaced has no pin; its own hashes have to do.
        """
        model, pin = self.get(self.serving(task)), self.pin(self.serving(task))
        if pin is not None and pin != digest(model.folder):
            raise ChangedModel(model.name)
        return model.folder

    def pin(self, name: str) -> str | None:
        """Return the SHA-256 a model's folder had when it was last promoted, if it ever was."""
        pin = self._pins().get(name)
        return None if pin is None else str(pin)

    def promote(self, name: str) -> str:
        """Make a model serve its task and pin its files; return the one it replaces.

        What it replaces is pinned, too, unless it was before: a rollback leads to the same files.
        """
        model = self.get(name)
        before = self.serving(model.task)
        served = {one.name: digest(one.folder) for one in self.models() if one.name == before}
        self._keep({PINNED: {**served, **self._pins(), name: digest(model.folder)}})
        if before != name:
            self._write(model.task, serving=name, previous=before)
        return before

    def rollback(self, task: str) -> str:
        """Go back to the model that served before; return its name."""
        previous = _read(self._home / "serving.json").get(f"{task}:previous")
        if not isinstance(previous, str):
            raise MissingModel(f"nothing served {task} before")
        self._write(task, serving=previous, previous=self.serving(task))
        return previous

    def promise(self) -> tuple[float, float] | None:
        """Return the shares of urgent messages missed and of routed ones wrong, each "at most".

        None when the clinic never chose; then a model serves by its own thresholds.
        """
        choice = _read(self._home / "serving.json")
        missed, wrong = choice.get(MISSED), choice.get(WRONG)
        if not isinstance(missed, float) or not isinstance(wrong, float):
            return None
        return (missed, wrong) if 0 < missed < 1 and 0 < wrong < 1 else None

    def set_promise(self, missed: float, wrong: float) -> None:
        """Keep what the clinic wants promised; raise BadSettings unless both are in (0, 1)."""
        if not (0 < missed < 1 and 0 < wrong < 1):
            raise BadSettings("a promised share is not between 0 and 1")
        self._keep({MISSED: float(missed), WRONG: float(wrong)})

    def _pins(self) -> Mapping[str, object]:
        kept = _read(self._home / "serving.json").get(PINNED)
        return kept if isinstance(kept, dict) else {}

    def _write(self, task: str, *, serving: str, previous: str) -> None:
        self._keep({task: serving, f"{task}:previous": previous})

    def _keep(self, chosen: Mapping[str, object]) -> None:
        """Add to the clinic's choices in one step; the others stay."""
        self._home.mkdir(parents=True, exist_ok=True)
        path = self._home / "serving.json"
        choice = {**_read(path), **chosen}
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(choice, indent=2) + "\n", encoding="utf-8")
        fresh.replace(path)


def digest(folder: Path) -> str:
    """Return one SHA-256 over the name and content of every file of a folder, at any depth."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
            name = str(path.relative_to(folder)).encode("utf-8", "surrogateescape")
            whole.update(len(name).to_bytes(8, "big") + name + content)
    return whole.hexdigest()


def _info(folder: Path) -> ModelInfo:
    config = _read(folder / "config.json")
    return ModelInfo(
        name=folder.name,
        task=str(config.get("task", "")),
        folder=folder,
        trainer=str(config.get("trainer", "")),
        metrics=_read(folder / "metrics.json"),
        policy=config.get("policy"),
        passed=_passed(config.get("gate")),
    )


def _passed(gate: object) -> bool | None:
    return gate.get("passed") is True if isinstance(gate, dict) else None


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
