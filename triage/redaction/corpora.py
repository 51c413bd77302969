"""Reads what the tagger is trained on: our labelled messages, and public corpora where they are.

Rule of the room: a public row that is reserved for evaluation is left out by its hash; what a
corpus did not look for is not held against the tagger.
"""

import hashlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from triage.encoder.texts import TaggedText
from triage.redaction.fields import join
from triage.redaction.measure import Labelled
from triage.redaction.plain import plain

#: Public name and licence of each corpus, for the card.
CREDITS = {
    "presidio_research": "Presidio Research synthetic texts (Microsoft, MIT)",
    "wnut17": "WNUT 2017 Emerging Entities (CC BY 4.0)",
    "broad_twitter_corpus": "Broad Twitter Corpus (CC BY 4.0)",
}
_PRESIDIO = {
    "PERSON": "NAME",
    "STREET_ADDRESS": "ADDRESS",
    "ADDRESS": "ADDRESS",
    "GPE": "ADDRESS",
    "LOCATION": "ADDRESS",
    "PHONE_NUMBER": "PHONE",
    "EMAIL_ADDRESS": "EMAIL",
    "US_SSN": "SSN",
}
_PRESIDIO_KNOWN = frozenset({"NAME", "ADDRESS", "PHONE", "EMAIL", "SSN"})
_TWEETS = {"person": "NAME", "PER": "NAME", "location": "ADDRESS", "LOC": "ADDRESS"}


def tagged(message: Labelled) -> TaggedText:
    """Return a labelled message as the tagger reads it: plain letters, subject before body."""
    texts: list[str] = []
    spans: list[tuple[int, int, str]] = []
    low = 0
    for field, original in (("subject", message.subject), ("body", message.body)):
        reading = plain(original)
        for at, start, end, type in message.phi:
            if at == field:
                places = _places(reading.places, len(reading.text), start, end)
                if places is not None:
                    spans.append((low + places[0], low + places[1], str(type)))
        texts.append(reading.text)
        low += len(reading.text) + 2
    return TaggedText(join(*texts), tuple(spans))


def _places(
    places: tuple[tuple[int, int], ...] | None, length: int, start: int, end: int
) -> tuple[int, int] | None:
    """Return where original code points lie in the plain reading."""
    if places is None:
        return start, end
    inside = [at for at in range(length) if start <= places[at][0] < end]
    return (inside[0], inside[-1] + 1) if inside else None


def public(folder: Path, chance: random.Random, *, most: int = 1500) -> list[TaggedText]:
    """Return at most `most` texts of each corpus that is in `folder`."""
    reserved = _reserved(folder)
    found: list[TaggedText] = []
    for rows in (_presidio(folder), _wnut(folder), _tweets(folder)):
        kept = [row for row in rows if fingerprint(row.text) not in reserved]
        chance.shuffle(kept)
        found += kept[:most]
    return found


def fingerprint(text: str) -> str:
    """Return the hash by which rows are reserved for evaluation."""
    bare = re.sub(r"\W+", " ", text.lower()).strip()
    return hashlib.sha256(bare.encode()).hexdigest()[:16]


def _reserved(folder: Path) -> frozenset[str]:
    path = folder / "do_not_train_on.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return frozenset(line.strip() for line in lines if line and line[0] != "#")


def _presidio(folder: Path) -> list[TaggedText]:
    """Read the synthetic texts; one template in five is left out, so that none is only memory."""
    base = folder / "presidio_research"
    found = []
    for name in ("data/synth_dataset_v2.json", "tests/data/generated_large.json"):
        if not (base / name).exists():
            continue
        for row in json.loads((base / name).read_text(encoding="utf-8")):
            if (row["template_id"] or 0) % 5 == 0:
                continue
            spans = tuple(
                (span["start_position"], span["end_position"], _PRESIDIO[span["entity_type"]])
                for span in row["spans"]
                if span["entity_type"] in _PRESIDIO
            )
            text = TaggedText(row["full_text"], spans, known=_PRESIDIO_KNOWN, weight=0.4)
            found.append(text)
    return found


def _wnut(folder: Path) -> list[TaggedText]:
    path = folder / "wnut17" / "wnut17train.conll"
    return list(_conll(path)) if path.exists() else []


def _tweets(folder: Path) -> list[TaggedText]:
    path = folder / "broad_twitter_corpus" / "train_dev_test_conll" / "btc.train"
    return list(_conll(path)) if path.exists() else []


def _conll(path: Path) -> Iterator[TaggedText]:
    """Yield the sentences of a CoNLL file, tokens joined by spaces."""
    sentence: list[tuple[str, str]] = []
    for line in [*path.read_text(encoding="utf-8", errors="replace").splitlines(), ""]:
        word, _, tag = line.partition("\t")
        if word.strip():
            sentence.append((word, tag.strip()))
        elif sentence:
            yield _sentence(sentence)
            sentence = []


def _sentence(tokens: Sequence[tuple[str, str]]) -> TaggedText:
    text = ""
    spans: list[tuple[int, int, str]] = []
    for word, tag in tokens:
        text += " " if text and word not in ".,!?;:" else ""
        kind = _TWEETS.get(tag[2:])
        if kind and tag.startswith("I-") and spans and spans[-1][2] == kind:
            spans[-1] = (spans[-1][0], len(text) + len(word), kind)
        elif kind:
            spans.append((len(text), len(text) + len(word), kind))
        text += word
    return TaggedText(text, tuple(spans), known=frozenset({"NAME", "ADDRESS"}), weight=0.3)
