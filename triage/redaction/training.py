"""Trains the tagger that finds names, places, employers and dates: `triage train redactor`.

Rule of the room: trained on our own messages and on public corpora, never on a row reserved for
evaluation; the threshold is chosen on dev.jsonl, and report.jsonl is read once, at the end, by
`triage evaluate card`.
"""

import random
from collections.abc import Sequence
from pathlib import Path

from triage.domain import IdentifierType
from triage.encoder.texts import Metrics, TaggedText
from triage.redaction import corpora, surrogates
from triage.redaction.measure import Labelled, Score, read_messages, score
from triage.redaction.presidio import PresidioRedactor

_DATA = Path(__file__).resolve().parents[2] / "data"
#: The labelled messages it is measured on: everyday ones, and those that are hard to redact.
MEASURED = (_DATA / "messages", _DATA / "phi")
#: All that ship and may be trained on.
SHIPPED = (*MEASURED, _DATA / "routes")
#: Copies of each message with other names and other writing, and fillings of the frames.
COPIES = 3
FRAMES = 6
#: Messages that were written for their routes hold plainer identifiers: fewer copies of them.
FEWER = {"routes": 1}
EPOCHS = 4
#: Layers of the encoder that are used: the lower ones know words best, and fewer are quicker.
LAYERS = 4
#: Public texts of each corpus.
PUBLIC = 150
#: Thresholds tried on dev, and the most other words that may be hidden there.
THRESHOLDS = (0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01)
MOST_OTHERS = 0.02


def train(
    out: Path,
    *,
    public_data: Path | None = None,
    messages: Sequence[Path] = SHIPPED,
    trainer: str = "shipped",
    epochs: int = EPOCHS,
    copies: int = COPIES,
    seed: int = 7,
    progress: bool = True,
) -> Metrics:
    """Train on train*.jsonl of every folder, choose the threshold on dev.jsonl, write `out`.

    `public_data` is the folder of the public corpora. Returns the dev numbers, which are also
    written to metrics.json. CPU: about 20 minutes on two cores. Raise BadRow for a bad row.
    """
    from triage.encoder import folder
    from triage.encoder.tagging import train_tagger

    held = [place / "dev.jsonl" for place in messages]
    dev = [row for path in held if path.exists() for row in read_messages(path)]
    material = texts(messages, public_data, copies=copies, seed=seed)
    train_tagger(
        material,
        [corpora.tagged(message) for message in dev],
        [str(type) for type in IdentifierType],
        out,
        epochs=epochs,
        seed=seed,
        layers=LAYERS,
        trainer=trainer,
        progress=progress,
    )
    folder.remember(out, public_data=public_data is not None)
    return settle(out, dev)


def texts(
    messages: Sequence[Path], public_data: Path | None, *, copies: int = COPIES, seed: int = 7
) -> list[TaggedText]:
    """Return everything the tagger is trained on."""
    chance = random.Random(seed)  # noqa: S311 -- chance in training is no secret.
    found: list[TaggedText] = []
    for folder in messages:
        own = [
            corpora.tagged(message)
            for path in sorted(folder.glob("train*.jsonl"))
            for message in read_messages(path)
        ]
        found += own
        for _ in range(min(copies, FEWER.get(folder.name, copies))):
            found += [surrogates.varied(text, chance) for text in own]
    for _ in range(FRAMES if copies else 0):
        found += surrogates.frames(chance)
    if public_data is not None:
        found += corpora.public(public_data, chance, most=PUBLIC)
    return found


def settle(out: Path, dev: Sequence[Labelled]) -> Metrics:
    """Choose the lowest threshold that hides few other words, store it, and measure on dev."""
    from triage.encoder import folder

    chosen: tuple[float, Score] | None = None
    for threshold in THRESHOLDS:
        folder.remember(out, threshold=threshold)
        result = measured(out, dev)
        if chosen is None or result.others.value <= MOST_OTHERS:
            chosen = (threshold, result)
    if chosen is None:
        raise ValueError("no thresholds")
    folder.remember(out, threshold=chosen[0])
    metrics = {f"dev_{name}": value for name, value in chosen[1].flat().items()}
    folder.write_json(out / "metrics.json", metrics)
    return metrics


def measured(model: Path, messages: Sequence[Labelled]) -> Score:
    """Measure the whole redactor with this tagger."""
    return score(PresidioRedactor({"model_dir": model}), messages)
