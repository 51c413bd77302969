"""Models: what serves, what could, and the redacted rows a data scientist may retrain on."""

from collections.abc import Mapping

from triage.desk.rights import Right, require
from triage.desk.views import ModelView
from triage.domain import TrainingRow, User
from triage.encoder.registry import Registry
from triage.errors import MissingModel, NotAllowed
from triage.store import Store

#: Parts of a card's figures that belong to the card, not to a list.
DETAILS = ("_count", "count_", "_low", "_high")


def headline(metrics: Mapping[str, object]) -> dict[str, str]:
    """Return a card's main figures as people read them: three digits, words with spaces."""
    return {
        key.replace("_", " "): f"{value:.3g}" if isinstance(value, float) else str(value)
        for key, value in metrics.items()
        if not any(part in key for part in DETAILS)
    }


class ModelsDesk:
    """The counter of data scientists, and of the supervisor who says yes to their work."""

    def __init__(self, store: Store, registry: Registry | None) -> None:
        self._store = store
        self._registry = registry

    def list(self, actor: User) -> tuple[ModelView, ...]:
        """Return every registered model and which one serves."""
        require(actor, Right.SEE_MODELS)
        registry = self._need()
        return tuple(
            ModelView(
                name=model.name,
                task=model.task,
                serving=registry.serving(model.task) == model.name,
                trainer=model.trainer,
                metrics=headline(model.metrics),
            )
            for model in registry.models()
        )

    def promote(self, actor: User, name: str) -> str:
        """Let a candidate serve; the one who trained it may not. Return the model it replaces."""
        require(actor, Right.PROMOTE_MODEL)
        registry = self._need()
        if registry.get(name).trainer == actor.username:
            raise NotAllowed("promoting a model you trained yourself")
        before = registry.promote(name)
        self._record(actor, "model.promote", name, before)
        return before

    def rollback(self, actor: User, task: str) -> str:
        """Go back to the model that served before; return its name."""
        require(actor, Right.PROMOTE_MODEL)
        registry = self._need()
        before = registry.serving(task)
        name = registry.rollback(task)
        self._record(actor, "model.rollback", name, before)
        return name

    def training_rows(self, actor: User) -> tuple[TrainingRow, ...]:
        """Return redacted text with the labels people chose; never an original."""
        require(actor, Right.EXPORT_TRAINING)
        return tuple(self._store.labels.export_rows(clinic=actor.clinic, by=actor.id))

    def _record(self, actor: User, action: str, name: str, before: str) -> None:
        self._store.audit.record(
            action, clinic=actor.clinic, by=actor.id, detail={"model": name, "before": before}
        )

    def _need(self) -> Registry:
        if self._registry is None:
            raise MissingModel("no registry")
        return self._registry
