"""Models: what serves, what could, and the redacted rows a data scientist may retrain on."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from triage.desk import promises
from triage.desk.exporting import Leaking, by_the_rules, invented, leaking, named
from triage.desk.rights import Right, require
from triage.desk.views import ModelView, PromiseView, TrainingExport
from triage.domain import TrainingRow, User
from triage.encoder.registry import ModelInfo, Registry
from triage.errors import (
    CannotPromise,
    ChangedUnderneath,
    GateShut,
    LeakFound,
    MissingModel,
    NotAllowed,
)
from triage.redaction.leaks import LeakMeter
from triage.redaction.plausible import Surrogates
from triage.store import Store

#: Goes through rows and may show how far it came; the words say what is being done.
Watch = Callable[[Sequence[TrainingRow], str], Iterable[TrainingRow]]

#: Parts of a card's figures that belong to the card, not to a list.
DETAILS = ("_count", "count_", "_low", "_high")


def headline(metrics: Mapping[str, object]) -> dict[str, str]:
    """Return a card's main figures as people read them: three digits, words with spaces."""
    return {
        key.replace("_", " "): f"{value:.3g}" if isinstance(value, float) else str(value)
        for key, value in metrics.items()
        if not any(part in key for part in DETAILS)
    }


def _gate(model: ModelInfo) -> dict[str, str]:
    """Return what the release gate said of a router; redactors walk through none."""
    words = {True: "passed", False: "not passed", None: "never walked through"}
    return {"release gate": words[model.passed]} if model.task == "router" else {}


class ModelsDesk:
    """The counter of data scientists, and of the supervisor who says yes to their work."""

    def __init__(
        self,
        store: Store,
        registry: Registry | None,
        clock: Callable[[], datetime],
        meter: LeakMeter | None = None,
        *,
        clinic: str | None = None,
    ) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._clinic = clinic
        self._meter = meter or LeakMeter()

    def list(self, actor: User) -> tuple[ModelView, ...]:
        """Return every registered model and which one serves."""
        require(actor, Right.SEE_MODELS)
        registry = self._need(actor)
        return tuple(
            ModelView(
                name=model.name,
                task=model.task,
                serving=registry.serving(model.task) == model.name,
                trainer=model.trainer,
                metrics=headline(model.metrics) | _gate(model),
            )
            for model in registry.models()
        )

    def promote(self, actor: User, name: str) -> str:
        """Let a candidate serve; return the model it replaces.

        The one who trained it may not, and a router that did not pass the release gate cannot.
        """
        require(actor, Right.PROMOTE_MODEL)
        registry = self._need(actor)
        model = registry.get(name)
        if model.trainer == actor.username:
            raise NotAllowed("promoting a model you trained yourself")
        if model.task == "router" and model.passed is not True:
            raise GateShut(name)
        before = registry.promote(name)
        self._record(actor, "model.promote", name, before)
        return before

    def rollback(self, actor: User, task: str) -> str:
        """Go back to the model that served before; return its name."""
        require(actor, Right.PROMOTE_MODEL)
        registry = self._need(actor)
        before = registry.serving(task)
        name = registry.rollback(task)
        self._record(actor, "model.rollback", name, before)
        return name

    def promises(self, actor: User) -> PromiseView:
        """Return what is promised of the router that serves, its price, and what else there is."""
        require(actor, Right.SEE_MODELS)
        return promises.view(self._router(actor), self._need(actor).promise())

    def try_promise(self, actor: User, missed: float, wrong: float) -> PromiseView:
        """Return the price of a promise before anybody says yes; nothing is stored.

        Both are shares. Raise CannotPromise only for what is no share at all: a promise that
        cannot be kept is shown as such.
        """
        require(actor, Right.SEE_MODELS)
        return promises.view(self._router(actor), self._need(actor).promise(), (missed, wrong))

    def set_promise(self, actor: User, missed: float, wrong: float, *, model: str = "") -> None:
        """Promise it from now on; raise CannotPromise, with the strictest, where it cannot be kept.

        `model` is the one whose price was shown; raise ChangedUnderneath when another serves now.
        """
        require(actor, Right.SET_PROMISE)
        registry, serving = self._need(actor), self._router(actor)
        if model and model != serving.name:
            raise ChangedUnderneath("Another model serves now; look at its price first.")
        points = promises.points_of(serving)
        if obstacle := promises.offer(points, missed, wrong).obstacle:
            raise CannotPromise(f"{obstacle} {promises.in_words(points, missed, wrong)}")
        before = registry.promise()
        registry.set_promise(missed, wrong)
        detail = {
            "missed": f"{missed:.4g}",
            "wrong": f"{wrong:.4g}",
            "before": " ".join(f"{share:.4g}" for share in before or ()),
            "model": serving.name,
        }
        self._store.audit.record("model.promise", clinic=actor.clinic, by=actor.id, detail=detail)

    def training_rows(
        self, actor: User, *, without_leaking: bool = False
    ) -> tuple[TrainingRow, ...]:
        """Return redacted text with the labels people chose; never an original.

        Raises LeakFound, and hands out nothing, when a row still shows an identifier.
        """
        return self.training_export(actor, without_leaking=without_leaking).rows

    def training_export(
        self,
        actor: User,
        *,
        without_leaking: bool = False,
        surrogates: random.Random | None = None,
        watch: Watch = lambda rows, _: rows,
    ) -> TrainingExport:
        """Return the rows for retraining, once the leak meter has looked at every one.

        A row that leaks stops the whole export with LeakFound, unless it is to be left out. Given
        a source of chance, every placeholder becomes an invented value and `spans` says where.
        """
        require(actor, Right.EXPORT_TRAINING)
        rows = tuple(self._store.labels.export_rows(clinic=actor.clinic, by=actor.id))
        found = self._leaking(actor, rows, watch)
        if found and not without_leaking:
            self._note(actor, "label.export_refused", [leak.row for leak in found])
            raise LeakFound(named(found))
        left = {leak.row.id for leak in found}
        kept = tuple(by_the_rules(row) for row in rows if row.id not in left)
        if surrogates is not None:
            known = self._store.backgrounds.known(clinic=actor.clinic, by=actor.id)
            cast = Surrogates(surrogates, self._clock().date(), known)
            kept = tuple(invented(row, cast) for row in watch(kept, "inventing surrogates"))
        form = "redacted" if surrogates is None else "surrogates"
        self._note(actor, "label.exported", kept, left_out=str(len(left)), form=form)
        return TrainingExport(kept, len(left))

    def _leaking(
        self, actor: User, rows: tuple[TrainingRow, ...], watch: Watch
    ) -> tuple[Leaking, ...]:
        """Measure every row against what the clinic knows today."""
        ids = [row.id for row in rows]
        backgrounds = self._store.backgrounds.of_filed(ids, clinic=actor.clinic, by=actor.id)
        return tuple(leaking(watch(rows, "looking for leaks"), backgrounds, self._meter))

    def _note(self, actor: User, action: str, rows: Sequence[TrainingRow], **detail: str) -> None:
        self._store.audit.record(
            action,
            clinic=actor.clinic,
            by=actor.id,
            cases=sorted({row.case_id for row in rows}),
            detail={"rows": str(len(rows)), **detail},
        )

    def _record(self, actor: User, action: str, name: str, before: str) -> None:
        # The pin in the audit outlives whoever can write the folder and the file beside it.
        pin = {"sha256": self._need(actor).pin(name) or "as shipped"}
        self._store.audit.record(
            action, clinic=actor.clinic, by=actor.id, detail={"model": name, "before": before} | pin
        )

    def _router(self, actor: User) -> ModelInfo:
        registry = self._need(actor)
        return registry.get(registry.serving("router"))

    def _need(self, actor: User) -> Registry:
        if self._registry is None or self._clinic not in (None, actor.clinic):
            raise MissingModel("no registry")
        return self._registry
