"""Trains, calibrates and measures the router that ships: `triage train router`."""

from collections.abc import Sequence
from pathlib import Path

from triage.classifiers import dataset
from triage.classifiers.calibrate import calibrate
from triage.classifiers.dataset import Row
from triage.classifiers.verdict import Policy, Verdict, judge
from triage.classifiers.wording import compose, vary
from triage.domain import Route
from triage.encoder import LabelledText, Metrics

#: What the shipped model was trained with.
EPOCHS = 10
#: Steps that train the heads alone before the encoder moves.
WARM = 400
SEED = 7


def train(
    out: Path,
    *,
    public_data: Path | None = None,
    messages: Path = dataset.SHIPPED,
    extra: Sequence[LabelledText] = (),
    trainer: str = "shipped",
    epochs: int = EPOCHS,
    seed: int = SEED,
    layers: int = 6,
    progress: bool = True,
) -> Metrics:
    """Train on `messages`/train-*.jsonl, choose the thresholds on dev.jsonl, write `out`.

    `public_data` is the folder of the public corpora, `extra` further redacted texts with labels
    people chose. Writes tensors, labels.json, config.json (with the policy) and metrics.json
    with the dev numbers; returns these. About ten minutes on two free cores. Raise BadRow for a
    bad row.
    """
    from triage.classifiers.public_data import public_texts
    from triage.encoder import folder
    from triage.encoder.training import train_router

    rows, dev = dataset.read_training(messages)
    texts = [labelled(row) for row in rows]
    texts += extra
    if public_data is not None:
        texts += public_texts(public_data)
    measured = train_router(
        texts,
        [labelled(row) for row in dev],
        list(Route),
        out,
        epochs=epochs,
        seed=seed,
        layers=layers,
        warm=WARM,
        augment=vary,
        trainer=trainer,
        progress=progress,
    )
    folder.remember(out, public_data=public_data is not None)
    return {**measured, **_settle(out, dev)}


def labelled(row: Row) -> LabelledText:
    """Return a row as the encoder trains on it, identifiers replaced."""
    return LabelledText(
        text=compose(*dataset.as_served(row)),
        route=row.route,
        also=row.also,
        urgency=int(row.urgency),
    )


def _settle(out: Path, dev: Sequence[Row]) -> Metrics:
    """Choose the policy with the graph that will serve, store it, and measure on dev."""
    from triage.encoder import folder
    from triage.encoder.serving import RouterSession

    scores = RouterSession(out).predict([labelled(row).text for row in dev])
    policy = calibrate(scores, dev)
    folder.remember(out, policy=policy.as_dict())
    metrics = dev_metrics([judge(each, policy) for each in scores], dev)
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
