"""Trains and calibrates the router that ships: `triage train classifier`.

The thresholds a supervisor may choose are set afterwards, by `evaluation.settling`.
"""

import random
from collections.abc import Sequence
from pathlib import Path

from triage.classifiers import dataset, words
from triage.classifiers.calibrate import calibrate
from triage.classifiers.dataset import Row
from triage.classifiers.scorer import Scorer
from triage.classifiers.verdict import Policy, Verdict, judge
from triage.classifiers.wording import compose, vary_all
from triage.domain import Route
from triage.encoder import LabelledText, Metrics, RouterScores

#: What the shipped model was trained with.
EPOCHS = 7
#: Steps that train the heads alone before the encoder moves.
WARM = 400
#: Share of the old weights in the moving average that is kept.
AVERAGE = 0.995
SEED = 7


def train(
    out: Path,
    *,
    public_data: Path | None = None,
    data: Path = dataset.DATA,
    extra: Sequence[LabelledText] = (),
    trainer: str = "shipped",
    epochs: int = EPOCHS,
    seed: int = SEED,
    layers: int = 6,
    warm: int = WARM,
    progress: bool = True,
) -> Metrics:
    """Train on the labelled messages under `data` (see `dataset.read_material`), write `out`.

    `public_data` is the folder of the public corpora, `extra` further redacted texts with labels
    people chose. `warm` steps train the heads alone before the encoder moves. Writes tensors,
    labels.json, config.json (with the policy) and metrics.json with the numbers of the messages
    that chose the epoch; returns these. About half an hour on two free cores; called again after
    an interruption it goes on where it was. Raise BadRow for a bad row.
    """
    from triage.classifiers.public_data import public_texts
    from triage.encoder import folder
    from triage.encoder.training import train_router

    material = dataset.read_material(data)
    texts = [labelled(row) for row in material.train]
    texts += extra
    if public_data is not None:
        texts += public_texts(public_data)
    measured = train_router(
        texts,
        [labelled(row) for row in material.dev],
        list(Route),
        out,
        epochs=epochs,
        seed=seed,
        layers=layers,
        warm=warm,
        augment=vary_all,
        average=AVERAGE,
        trainer=trainer,
        progress=progress,
    )
    folder.remember(out, public_data=public_data is not None)
    folder.remember(out, **{words.PIN: words.train(_as_written(texts, seed), out)})
    return {**measured, **_calibrate(out, material)}


def _as_written(texts: Sequence[LabelledText], seed: int) -> list[LabelledText]:
    """Return the texts and each of them twice as another person might write it."""
    chance = random.Random(seed)  # noqa: S311 -- chance in training is no secret.
    return [*texts, *vary_all(texts, chance), *vary_all(texts, chance)]


def labelled(row: Row) -> LabelledText:
    """Return a row as the encoder trains on it, identifiers replaced."""
    return LabelledText(
        text=compose(*dataset.as_served(row)),
        route=row.route,
        also=row.also,
        urgency=int(row.urgency),
    )


def _calibrate(out: Path, material: dataset.Material) -> Metrics:
    """Fit the policy with the graph that will serve, store it, and measure on the dev rows."""
    from triage.encoder import folder

    session = Scorer(out)

    def scores(rows: Sequence[Row]) -> list[RouterScores]:
        return session.predict([labelled(row).text for row in rows])

    policy = calibrate(scores(material.calibration), material.calibration)
    folder.remember(out, policy=policy.as_dict())
    verdicts = [judge(each, policy) for each in scores(material.dev)]
    metrics = dev_metrics(verdicts, material.dev)
    folder.write_json(out / "metrics.json", metrics)
    return metrics


def dev_metrics(verdicts: Sequence[Verdict], rows: Sequence[Row]) -> Metrics:
    """Return the few numbers by which two candidates are compared; shares from 0 to 1."""
    from sklearn.metrics import f1_score

    goal, guess = [row.route for row in rows], [verdict.route for verdict in verdicts]
    pairs = list(zip(verdicts, rows, strict=True))
    urgent = [v.route is row.route for v, row in pairs if row.route is Route.URGENT_CLINICAL]
    calm = [v.route for v, row in pairs if row.route is not Route.URGENT_CLINICAL]
    kept = [v.route is row.route for v, row in pairs if not v.abstained]
    numbers = {
        "dev_messages": len(rows),
        "dev_macro_f1": f1_score(goal, guess, average="macro", zero_division=0),
        "dev_urgent_recall": sum(urgent) / max(len(urgent), 1),
        "dev_false_alarms": calm.count(Route.URGENT_CLINICAL) / max(len(calm), 1),
        "dev_abstained": 1 - len(kept) / max(len(rows), 1),
        "dev_error_among_routed": 1 - sum(kept) / max(len(kept), 1),
    }
    return {name: round(float(value), 4) for name, value in numbers.items()}


def read_policy(folder: Path) -> Policy:
    """Return the policy of a model folder; raise MissingModel."""
    from triage.encoder import folder as folders

    return Policy.read(folders.read(folder, kind="router").config.get("policy"))
