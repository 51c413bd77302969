"""The model card of a router: what it is, what it was made from, how good it is, its limits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from triage.classifiers.promises import Promise, at_best, cautious, read_points
from triage.encoder import folder
from triage.errors import BadSettings
from triage.evaluation.tables import table


def card(model: Path, metrics: Mapping[str, float], tables: Mapping[str, Sequence[str]]) -> str:
    """Return the card as Markdown; `tables` are those of the reporting and the fresh messages."""
    checked = folder.read(model, kind="router")
    config = checked.config
    dev = "\n".join(
        f"- {name.removeprefix('dev_').replace('_', ' ')}: {value}"
        for name, value in metrics.items()
        if name.startswith("dev_")
    )
    return _CARD.format(
        name=checked.name,
        base=config["base_sha256"],
        texts=config["texts"],
        public=_PUBLIC[bool(config.get("public_data"))],
        policy="\n".join(f"- {key}: {value}" for key, value in config["policy"].items()),
        held=", ".join(config.get("held", ())) or "none",
        promise=_promised(model),
        gate=_gate(config.get("gate", {})),
        dev=dev,
        count=int(metrics.get("report_messages", 0)),
        history=_history(model),
        report="\n\n".join(tables.get("report", ())),
        fresh_count=int(metrics.get("fresh_messages", 0)),
        fresh="\n\n".join(tables.get("fresh", ())),
    )


def _history(model: Path) -> str:
    """Return what a person wrote into history.md of how often this was measured, and what of it."""
    try:
        return (model / "history.md").read_text("utf-8").strip()
    except FileNotFoundError:
        return "Measured once."


def _promised(model: Path) -> str:
    import json

    try:
        points = read_points(json.loads((model / "calibration.json").read_text("utf-8")))
        return promise_table(cautious(points, at_best(points)))
    except FileNotFoundError:
        return "No calibration messages: nothing is promised."
    except BadSettings:
        return promise_table(None)


def promise_table(kept: Promise | None) -> str:
    """Return what is promised and its price as a table; None says that nothing can be."""
    if kept is None:
        return "The calibration messages allow no promise: every message is left to people."
    rows = [
        [f"urgent missed, at most {kept.missed:.1%} promised", str(kept.misses)],
        [f"routed wrongly, at most {kept.wrong:.1%} promised", str(kept.errors)],
        ["false alarms among calm messages", str(kept.false_alarms)],
        ["left to people", str(kept.left)],
        ["left to people, everyday messages", str(kept.left_everyday)],
        *(
            [f"alerts in 100 messages, if {share:.1%} are urgent", f"{alerts:.1f}"]
            for share, alerts in kept.alerts_per_100.items()
        ),
    ]
    return table(["on the calibration messages", ""], rows)


def _gate(gate: Mapping[str, object]) -> str:
    if not gate:
        return "Not walked through."
    shares = {key: value for key, value in gate.items() if key != "passed"}
    lines = [f"- {key.replace('_', ' ')}: {value:.2%}" for key, value in shares.items()]
    return "\n".join([f"Passed: {'yes' if gate['passed'] else 'no'}.", "", *lines])


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
of the whole text, requests and urgency of each sentence; beside it weights of counted words and
pairs of words, which add to the routes. A message's urgency is its text's plus
that of its most alarming sentence, so that one sentence is not diluted by ten. Served in int8 by
ONNX Runtime, built from the tensors here on first use.

## Made from

{texts} texts, those of `data/messages/train-*.jsonl` and `data/routes/train*.jsonl`: invented
people, composed one at a time.
{public}
The epoch was chosen on `data/messages/{{dev,report}}.jsonl`, the numbers below on
`data/routes/calibration.jsonl`. Made with `triage train classifier --out models/{name}`.

{policy}

Groups left to people, because they fall more than five points behind: {held}.

## What is promised

{promise}

A supervisor may promise more or less and sees the price first (page Promises). A promise holds on
average over messages like these; the intervals are exact, at 95 %.

## Release gate: copies in lower case, with typos, slang, white space, other names, other gender

{gate}

## On the messages that chose the epoch (so: flattering)

{dev}

## On {count} reporting messages, after everything was chosen

{history}

Other writers than in training; identifiers replaced as labelled; exact 95 % intervals.

{report}

![Confidence against the share of right routes](reliability.svg)

## On {fresh_count} fresh messages, by writers who had seen none of the others

{fresh}

"Rules alone" is what a clinic has when no model loads.

## Limits

- Invented messages, written by assistants; nothing here was measured on a clinic's own mail.
  Many more of them are urgent than in a clinic: see the lines "if … are urgent".
- US English, some Spanish. Other languages were not looked at.
- Texts above 256 tokens are read in windows; a route is their average.
- The line between today and emergency is weak.
- A confident mistake is possible. The supervisor's daily sample is there to find it.
"""
