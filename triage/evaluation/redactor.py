"""Measures a trained redactor once on the reporting messages and writes its card.

Rule of the room: the reporting messages choose nothing; what they say goes into the card as it is.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from triage.encoder import folder
from triage.evaluation.redaction import figures
from triage.redaction.corpora import CREDITS
from triage.redaction.measure import read_messages
from triage.redaction.training import MEASURED, measured


def report_redactor(model: Path, *, messages: Sequence[Path] = MEASURED) -> str:
    """Measure on report.jsonl of each folder, write metrics.json and card.md.

    Returns the tables as Markdown. Raise MissingModel, or BadRow for a bad row.
    """
    results = {
        f"data/{place.name}/report.jsonl": measured(model, read_messages(place / "report.jsonl"))
        for place in messages
    }
    config = folder.read(model, kind="tagger").config
    metrics = json.loads((model / "metrics.json").read_text("utf-8"))
    dev = {name: value for name, value in metrics.items() if name.startswith("dev_")}
    said = {
        f"report_{place.name}_{name}": value
        for place, result in zip(messages, results.values(), strict=True)
        for name, value in result.flat().items()
    }
    folder.write_json(model / "metrics.json", dev | said)
    lines = "\n\n".join(
        f"### {result.messages} messages of `{name}`\n\n{figures({model.name: result})}"
        for name, result in results.items()
    )
    public = "; ".join(CREDITS.values()) if config.get("public_data") else "none"
    text = _CARD.format(
        name=model.name,
        base=config["base_sha256"],
        layers=config["layers"],
        texts=config["texts"],
        public=public,
        threshold=config["threshold"],
        dev_recall=f"{dev.get('dev_recall', 0.0):.1%}",
        dev_others=f"{dev.get('dev_other_words_hidden', 0.0):.1%}",
        table=lines,
        note=config.get("note", "Measured once."),
    )
    (model / "card.md").write_text(text, "utf-8")
    return lines


_CARD = """\
# {name}

Marks names, places, employers, dates and, beside the patterns, other identifiers in a message, so
that they can be hidden before any other model reads it. **Not a medical device. Redaction is a
second fence: it is no licence to send patient text out of the practice.**

## What it is

The lowest {layers} layers of all-MiniLM-L6-v2 (Apache-2.0; model.safetensors
{base})
with a LoRA adapter (rank 16) and one head of two labels for each of the sixteen identifier types
of `docs/routes.md`; it also sees the shape of each word, which the tokenizer drops. A word is
marked when the probability that it is of any type reaches {threshold}. Served in int8 by ONNX
Runtime. It works inside the redactor `presidio`, whose recognisers (`triage/redaction/*.yaml`)
find what has a form: numbers, dates, telephones, addresses, and names by the words before them.

## Made from

{texts} texts: the invented messages of `train*.jsonl` in `data/messages`, `data/phi` and
`data/routes` as they are and in copies where every identifier is replaced by an invented one and
the writing is roughened, and short pieces (`triage/redaction/frames.txt`). Public corpora, a few
hundred texts of each: {public}.
Rows reserved for evaluation were left out by their hash. Epoch and threshold were chosen on
`dev.jsonl` of both folders below (whole redactor there: {dev_recall} of identifiers wholly hidden,
{dev_others} of other words). Made with
`triage train redactor --out models/{name} --public-data DIR`.

## On the reporting messages

Other writers than in training; their texts chose nothing. The whole redactor, patterns and tagger
together, without a roster; an identifier counts only when every letter and digit of it is hidden;
exact 95 % intervals. Printed again by `triage evaluate card models/{name}`. The messages of
`data/phi` are hard on purpose, those of `data/messages` are like a working day's.

{table}

{note}

With few identifiers of a type the interval is wide; a target is met, or missed, only when the
whole interval is.

## What it cannot do

- It misses names: above all alone in a sentence, in lower case, of rare cultures or invented
  spellings, and names that are words. Never rely on it alone.
- Employers, schools and towns without "at", "in" or a telling word beside them are its weak spot.
- It reads English and some Spanish. Other languages were not looked at; their names are found by
  shape at best.
- Text in pictures and attachments is not read at all. Who somebody is can also follow from the
  story they tell, which no redactor hides.
- It hides some words that are nobody's: months, towns as such, product names that sound like names.
- Invented messages, written by assistants; nothing was measured on a clinic's own mail.
"""
