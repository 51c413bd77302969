"""Measures a router on labelled messages, beside plain baselines and with the rules on top.

Rule of the room: the reporting messages choose nothing; what they say goes into the card as it
is, the bad with the good.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from triage.classifiers import dataset
from triage.classifiers.dataset import Row
from triage.classifiers.groups import by_group
from triage.domain import Share
from triage.encoder import folder
from triage.evaluation import baselines
from triage.evaluation.card import card
from triage.evaluation.pictures import reliability_plot
from triage.evaluation.readings import Reader, Shown, by_redactor, original, show
from triage.evaluation.routes import (
    Prediction,
    RouteReport,
    compare,
    evaluate_routes,
    reliability,
    verdicts,
)
from triage.evaluation.tables import table

PATH, MODEL, RULES = "rules + model", "model", "rules alone"
FROZEN, WORDS, KEYWORDS = "frozen MiniLM + LR", "TF-IDF + LR", "keywords"
#: Beside the card: how far the confidences can be believed.
PICTURE = "reliability.svg"


def reports_of(
    model: Path, rows: Sequence[Row], *, train: Sequence[Row] = ()
) -> tuple[dict[str, RouteReport], Shown]:
    """Return the reports of path, model, rules and (given `train`) the baselines."""
    shown = show(model, rows)
    said: dict[str, Sequence[Prediction]] = {
        PATH: shown.of_path(),
        MODEL: shown.of_model(),
        RULES: shown.of_rules(),
    }
    if train:
        said |= {
            FROZEN: baselines.frozen(train, rows),
            WORDS: baselines.tfidf(train, rows),
            KEYWORDS: baselines.keywords(rows),
        }
    return {name: evaluate_routes(rows, each) for name, each in said.items()}, shown


def measure(model: Path, rows: Sequence[Row], *, root: Path = dataset.DATA) -> str:
    """Return everything `triage evaluate routes` prints, as Markdown. Raise MissingModel."""
    train = dataset.read_material(root).train
    reports, shown = reports_of(model, rows, train=train)
    return "\n\n".join(
        [
            compare(reports),
            verdicts(reports[PATH].flat()),
            redaction_cost(model, rows, train),
            groups(shown),
        ]
    )


def redaction_cost(model: Path, rows: Sequence[Row], train: Sequence[Row]) -> str:
    """Return what hiding identifiers costs: two models trained and served on either text.

    Ours is trained on redacted text only, as it must be; it is served on text redacted as
    labelled, by our redactor, and not at all.
    """
    ours: dict[str, Reader | None] = {
        "ours, redacted as labelled": None,
        "ours, redacted by our redactor": by_redactor,
        "ours, served the original (never done)": original,
    }
    lines = [
        [name, f"{evaluate_routes(rows, show(model, rows, read=read).of_model()).macro_f1:.3f}"]
        for name, read in ours.items()
    ]
    for name, learn in ((FROZEN, baselines.frozen), (WORDS, baselines.tfidf)):
        for words, read in (("redacted", baselines.redacted), ("original", baselines.original)):
            scored = evaluate_routes(rows, learn(train, rows, read=read))
            lines.append([f"{name}, trained and served on {words} text", f"{scored.macro_f1:.3f}"])
    return table(["cost of redaction", "macro-F1"], lines)


def groups(shown: Shown) -> str:
    """Return the share of right routes by language, channel and kind of writer."""
    best = shown.of_path()
    right = [said.best is row.route for row, said in zip(shown.rows, best, strict=True)]
    labelled = [
        {f"written in {row.lang}", f"labelled {row.writer or 'nobody'}"} for row in shown.rows
    ]
    everyone = {"all": Share.among(right)}
    rows = {**everyone, **by_group(shown.groups, right), **by_group(labelled, right)}
    return table(
        ["group", "right route"],
        [[name, str(share)] for name, share in rows.items() if share.of >= 10],
    )


def report_router(model: Path, *, root: Path = dataset.DATA) -> str:
    """Measure the router in `model` on the reporting and the fresh messages; write its card.

    Writes metrics.json, reliability.svg and card.md. Returns the tables as Markdown. Raise
    MissingModel or BadRow.
    """
    rows, fresh = dataset.read_part(dataset.REPORTING, root), dataset.read_part(dataset.FRESH, root)
    metrics = dict(_metrics(model))
    tables = {}
    train = dataset.read_material(root).train
    for name, part in (("report", rows), ("fresh", fresh)):
        if not part:
            continue
        reports, shown = reports_of(model, part, train=train)
        metrics |= reports[PATH].flat(f"{name}_") | reports[MODEL].flat(f"{name}_model_")
        tables[name] = [compare(reports), verdicts(reports[PATH].flat()), groups(shown)]
        if name == "report":
            tables[name].append(redaction_cost(model, part, train))
            (model / PICTURE).write_text(_picture(part, shown), "utf-8")
    folder.write_json(model / "metrics.json", metrics)
    (model / "card.md").write_text(card(model, metrics, tables), "utf-8")
    return "\n\n".join(block for blocks in tables.values() for block in blocks)


def _picture(rows: Sequence[Row], shown: Shown) -> str:
    def curve(*, hard: bool) -> list[tuple[float, Share]]:
        pairs = [
            (said.confidence, said.route is row.route)
            for row, said in zip(rows, shown.said, strict=True)
            if ("hard" in row.tags) is hard
        ]
        return reliability([sure for sure, _ in pairs], [ok for _, ok in pairs])

    return reliability_plot({"everyday": curve(hard=False), "hard": curve(hard=True)})


def _metrics(model: Path) -> Mapping[str, float]:
    content: dict[str, float] = json.loads((model / "metrics.json").read_text("utf-8"))
    return content
