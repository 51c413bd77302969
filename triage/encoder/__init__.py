"""The one small transformer of the house: load, train, export and serve it.

Rule of the room: torch, transformers, peft, onnxruntime, tokenizers and safetensors are imported
nowhere else, and here only when used; nothing touches the network; no model file is a pickle.
Training: `training.train_router`, `tagging.train_tagger`. Serving: `serving.RouterSession`,
`serving.TaggerSession`.
"""

from triage.encoder.texts import (
    LabelledText,
    Metrics,
    RouterScores,
    SentenceScore,
    TaggedSpan,
    TaggedText,
)

__all__ = [
    "LabelledText",
    "Metrics",
    "RouterScores",
    "SentenceScore",
    "TaggedSpan",
    "TaggedText",
]
