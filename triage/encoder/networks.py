"""The two networks: one reads what a text asks for, one marks its tokens.

Rule of the room: this module imports torch, so only training and export import it.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from triage.encoder import base
from triage.encoder.tokens import SHAPES

#: Rank and scale of the adapter on every linear layer: 2.7 MB.
RANK = 16
SCALE = 32
_LINEAR = ["query", "key", "value", "dense"]
#: A sentence that does not exist must never win a maximum.
_ABSENT = -30.0


def adapted(*, layers: int = base.LAYERS, freeze: int = 0) -> Any:
    """Return the lowest `layers` of the base encoder, adapted above the lowest `freeze` of them.

    It has no dropout inside: on a CPU drawing the chances took a third of the training time, and
    varied texts regularise as well.
    """
    config = LoraConfig(
        r=RANK,
        lora_alpha=SCALE,
        lora_dropout=0.0,
        target_modules=_LINEAR,
        layers_to_transform=list(range(freeze, layers)),
        layers_pattern="layer",
    )
    with warnings.catch_warnings():
        # peft 0.21 still asks transformers 5 by an old name; nobody here can mend that.
        warnings.simplefilter("ignore", FutureWarning)
        return get_peft_model(base.load(layers=layers), config)


def _has_bfloat16(kind: str) -> bool:
    """Whether this kind of device multiplies bfloat16 faster than float32."""
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


class _Network(nn.Module):  # type: ignore[misc]  # torch is Any to the type checker.
    """An adapted encoder with something on top."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def train(self, mode: bool = True) -> Any:
        """Switch training on or off; the encoder's own dropout stays off (see `adapted`)."""
        super().train(mode)
        self.encoder.eval()
        return self

    def encode(self, **inputs: Tensor) -> Tensor:
        """Return the encoder's last hidden states, float32 [batch, tokens, width].

        In training its products are taken in bfloat16 where the machine has instructions for
        them: 1.7 times as fast on such a CPU. Weights, sums and heads stay float32, and nothing
        is measured or served that way.
        """
        kind = inputs["attention_mask"].device.type
        with torch.autocast(kind, torch.bfloat16, enabled=self.training and _has_bfloat16(kind)):
            hidden: Tensor = self.encoder(**inputs).last_hidden_state
        return hidden.float()

    def adapter(self) -> dict[str, Tensor]:
        """Return the adapter's tensors."""
        state: dict[str, Tensor] = get_peft_model_state_dict(
            self.encoder, save_embedding_layers=False
        )
        return state

    def heads(self) -> dict[str, Tensor]:
        """Return every tensor that is not inside the encoder."""
        state = self.state_dict()
        return {name: value for name, value in state.items() if not name.startswith("encoder.")}

    def restore(self, adapter: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> None:
        """Put trained tensors back; raise RuntimeError or KeyError when one does not fit."""
        set_peft_model_state_dict(self.encoder, dict(adapter))
        if set(heads) != set(self.heads()):
            raise KeyError("heads")
        self.load_state_dict(dict(heads), strict=False)

    def merge(self) -> None:
        """Fold the adapter into the encoder, for export."""
        self.encoder = self.encoder.merge_and_unload()


class Router(_Network):
    """Route, requests and urgency of a text, and the same of each of its sentences."""

    def __init__(self, encoder: Any, routes: int) -> None:
        super().__init__(encoder)
        self.dropout = nn.Dropout(0.2)
        self.route = nn.Linear(base.WIDTH, routes)
        self.asks = nn.Linear(base.WIDTH, routes)
        self.urgency = nn.Linear(base.WIDTH, 2)
        self.sentence_asks = nn.Linear(base.WIDTH, routes)
        self.sentence_urgency = nn.Linear(base.WIDTH, 2)

    def forward(
        self, ids: Tensor, mask: Tensor, sentences: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Score windows.

        `ids` and `mask`: [batch, tokens] int64. `sentences`: [batch, sentences, tokens] float,
        1 where a token belongs to a sentence. Returns logits: route [batch, routes], asks
        [batch, routes], urgency [batch, 2] (at least today; emergency), and per sentence asks
        [batch, sentences, routes], urgency [batch, sentences, 2].
        """
        return self.judge(*self.read(ids, mask, sentences))

    def read(self, ids: Tensor, mask: Tensor, sentences: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean vector of each text, of each sentence, and where there is no sentence."""
        hidden = self.encode(input_ids=ids, attention_mask=mask)
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * weight).sum(1) / weight.sum(1)
        lengths = sentences.sum(-1, keepdim=True)
        each = torch.bmm(sentences, hidden) / lengths.clamp(min=1.0)
        return pooled, each, (lengths < 0.5).to(hidden.dtype) * _ABSENT

    def judge(
        self, pooled: Tensor, each: Tensor, absent: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the logits of `forward` from the vectors of `read`."""
        pooled, each = self.dropout(pooled), self.dropout(each)
        asks, urgency = self.sentence_asks(each) + absent, self.sentence_urgency(each) + absent
        # The maximum keeps one dangerous sentence from being diluted by ten harmless ones.
        return (
            self.route(pooled),
            self.asks(pooled) + asks.amax(1),
            self.urgency(pooled) + urgency.amax(1),
            asks,
            urgency,
        )


class Tagger(_Network):
    """A label for each token; it is told the shape of each word, which the tokenizer drops."""

    def __init__(self, encoder: Any, labels: int) -> None:
        super().__init__(encoder)
        # Zero at the start: an untrained shape must not disturb the pretrained encoder.
        self.shape_in = nn.Embedding(SHAPES, base.WIDTH)
        nn.init.zeros_(self.shape_in.weight)
        self.shape_out = nn.Embedding(SHAPES, 16)
        self.dropout = nn.Dropout(0.1)
        self.label = nn.Linear(base.WIDTH + 16, labels)

    def forward(self, ids: Tensor, mask: Tensor, shapes: Tensor) -> Tensor:
        """Return label logits [batch, tokens, labels]; all inputs are [batch, tokens] int64."""
        words = self.encoder.get_input_embeddings()(ids) + self.shape_in(shapes)
        hidden = self.encode(inputs_embeds=words, attention_mask=mask)
        return self.label(self.dropout(torch.cat([hidden, self.shape_out(shapes)], dim=-1)))
