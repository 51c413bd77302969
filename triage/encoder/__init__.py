"""The one small transformer of the house: load, train, export and serve it.

Rule of the room: torch, transformers, peft, onnxruntime, tokenizers and safetensors are imported
nowhere else, and here only when used; nothing touches the network; no model file is a pickle.
Training: `training.train_router`, `tagging.train_tagger`. Serving: `serving.RouterSession`,
`serving.TaggerSession`.
"""

import os

from triage.encoder.texts import (
    LabelledText,
    Metrics,
    RouterScores,
    SentenceScore,
    TaggedSpan,
    TaggedText,
)

# Read by the hub's library when it is first imported, which only rooms behind this door do.
os.environ["HF_HUB_OFFLINE"] = "1"

__all__ = [
    "LabelledText",
    "Metrics",
    "RouterScores",
    "SentenceScore",
    "TaggedSpan",
    "TaggedText",
]
