"""Measures a trained router once on the reporting messages and writes its card.

Rule of the room: the reporting messages choose nothing; what they say goes into the card as it
is, beside a plain baseline and with the red-flag rules on top.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from triage.classifiers import dataset
from triage.classifiers.dataset import Row
from triage.classifiers.minilm import because
from triage.classifiers.training import labelled, read_policy
from triage.classifiers.verdict import judge
from triage.domain import Classification
from triage.encoder import folder
from triage.evaluation.routes import (
    Prediction,
    RouteReport,
    compare,
    evaluate_routes,
    tfidf_baseline,
)

MODEL, PATH, RULES, BASELINE = "model", "rules + model", "rules alone", "TF-IDF + logistic regr."


def report_router(model: Path, *, messages: Path = dataset.SHIPPED) -> str:
    """Measure the router in `model` on report.jsonl, write metrics.json and card.md.

    Identifiers are replaced as a perfect redactor would; the rules read the original. Returns
    the tables as Markdown. Raise MissingModel or BadRow.
    """
    train, _ = dataset.read_training(messages)
    rows = dataset.read_rows(messages / "report.jsonl")
    reports = measure(model, train, rows)
    tables = compare(reports)
    metrics = dict(_metrics(model))
    metrics |= reports[MODEL].flat("report") | reports[PATH].flat("report_with_rules")
    folder.write_json(model / "metrics.json", metrics)
    (model / "card.md").write_text(card(model, tables, reports), "utf-8")
    return tables


def measure(model: Path, train: Sequence[Row], rows: Sequence[Row]) -> dict[str, RouteReport]:
    """Return the reports of the model, of rules and model, of the rules, and of the baseline."""
    said = classifications(model, rows)
    return {
        MODEL: evaluate_routes(rows, [Prediction.of(each) for each in said]),
        PATH: evaluate_routes(rows, with_rules(rows, said)),
        RULES: evaluate_routes(rows, with_rules(rows, None)),
        BASELINE: evaluate_routes(rows, tfidf_baseline(train, rows)),
    }


def classifications(model: Path, rows: Sequence[Row]) -> list[Classification]:
    """Return what the router says of rows whose identifiers are replaced as labelled."""
    from triage.encoder.serving import RouterSession

    policy = read_policy(model)
    texts = [labelled(row).text for row in rows]
    answers = []
    for text, scores in zip(texts, RouterSession(model).predict(texts), strict=True):
        verdict = judge(scores, policy)
        answers.append(
            Classification(
                route=verdict.route,
                also=verdict.also,
                urgency=verdict.urgency,
                confidence=verdict.confidence,
                abstained=verdict.abstained,
                model=model.name,
                scores=verdict.scores,
                because=because(text, scores.sentences, verdict),
            )
        )
    return answers


def with_rules(rows: Sequence[Row], said: Sequence[Classification] | None) -> list[Prediction]:
    """Return what the queue shows: red-flag rules on the original text, then the rank.

    With `said` None the classifier is missing, as in degraded operation.
    """
    from triage.parsing import plain
    from triage.priority import RedFlags, rank

    rules = RedFlags()
    shown = []
    for place, row in enumerate(rows):
        message = plain(id=row.id, channel=row.channel, subject=row.subject, body=row.body)
        classification = None if said is None else said[place]
        priority = rank(message, rules.flags(message), classification)
        abstained = classification is None or classification.abstained
        shown.append(Prediction(priority.route, priority.also, priority.urgency, abstained))
    return shown


def _metrics(model: Path) -> Mapping[str, float]:
    import json

    content: dict[str, float] = json.loads((model / "metrics.json").read_text("utf-8"))
    return content


def card(model: Path, tables: str, reports: Mapping[str, RouteReport]) -> str:
    """Return the model's card: what it is, what it was made from, how good it is, its limits."""
    checked = folder.read(model, kind="router")
    metrics = _metrics(model)
    dev = "\n".join(
        f"- {name.removeprefix('dev_').replace('_', ' ')}: {value}"
        for name, value in metrics.items()
        if name.startswith("dev_")
    )
    return _CARD.format(
        name=checked.name,
        base=checked.config["base_sha256"],
        texts=checked.config["texts"],
        public=_PUBLIC[bool(checked.config.get("public_data"))],
        policy="\n".join(f"- {key}: {value}" for key, value in checked.config["policy"].items()),
        dev=dev,
        count=reports[MODEL].messages,
        tables=tables,
    )


_PUBLIC = {
    False: (
        "No public corpus was used: with some intents of CLINC150, BANKING77, HWU64 and DSTC11 the "
        "score on dev was lower."
    ),
    True: (
        "Besides these, a few intents of CLINC150 (CC BY 3.0), BANKING77 (CC BY 4.0), HWU64 (CC BY "
        "4.0) and DSTC11 track 2 (CDLA-Permissive-2.0), each text counting a fifth of a message."
    ),
}

_CARD = """\
# {name}

Reads a redacted message and says its route, what else it asks for, and how urgent it is. It
abstains when it is not sure. It may raise urgency; red-flag rules on the original text stand
beside it and it cannot lower what they say. **Not a medical device; not reviewed by a clinician.**

## What it is

all-MiniLM-L6-v2 (Apache-2.0; model.safetensors {base})
with a LoRA adapter (rank 16, every linear layer) and five small heads: route, requests and urgency
of the whole text, requests and urgency of each sentence. A message's urgency is its text's plus
that of its most alarming sentence, so that one sentence is not diluted by ten. Served in int8 by
ONNX Runtime, built from the tensors here on first use.

## Made from

{texts} texts, those of `data/messages/train-*.jsonl`: invented people, composed one at a time.
{public}
Epoch and thresholds were chosen on `data/messages/dev.jsonl`. Made with
`triage train router --out models/{name}`.

Thresholds:

{policy}

## On the dev messages, where these were chosen (so: flattering)

{dev}

## On {count} reporting messages, read by nobody who tuned anything

Other writers than in training; identifiers replaced as labelled; exact 95 % intervals. Printed
again by `triage evaluate card models/{name}`.

{tables}

"Rules alone" is what a clinic has when no model loads. The baseline says only a route.

## Limits

- Invented messages, written by assistants; nothing here was measured on a clinic's own mail. A
  third of them are urgent, in a clinic very few are: expect more false alarms for every true one
  than in this table.
- US English, some Spanish. Other languages were not looked at.
- Texts above 256 tokens are read in windows; a route is their average.
- Few training messages are "today", so the line between today and emergency is weak.
- A confident mistake is possible. The supervisor's daily sample is there to find it.
"""
