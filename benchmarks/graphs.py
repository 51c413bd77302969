"""The encoder without anything around it, and the matrix multiplications without the encoder."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from triage.encoder import base, export
from triage.encoder.serving import SLOWER

#: (in, out) of the linear layers of one transformer layer: query, key, value, attention, two dense.
LINEAR = [(base.WIDTH, base.WIDTH)] * 4 + [
    (base.WIDTH, 4 * base.WIDTH),
    (4 * base.WIDTH, base.WIDTH),
]
Inputs = Mapping[str, Any]


def multiplications(layers: int, tokens: int) -> int:
    """Return the multiplications of int8 numbers that `tokens` cost in the linear layers."""
    return layers * tokens * sum(inside * outside for inside, outside in LINEAR)


class Beside:
    """One ONNX Runtime session, run by as many threads as there are cores, as serving does."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOWER
        )
        self._beside = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    def run(self, feeds: Sequence[Inputs]) -> None:
        jobs = [self._beside.submit(self._session.run, None, feed) for feed in feeds]
        for job in jobs:
            job.result()


def bare(encoder: Any, path: Path) -> Path:
    """Export a merged encoder in int8 as the router is exported, but with no head; ids, mask in."""
    import torch
    from torch.export import Dim

    class Hidden(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, ids: Any, mask: Any) -> Any:
            return self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state

    ids, flat = torch.ones((2, 9), dtype=torch.int64), {0: Dim("rows"), 1: Dim("tokens")}
    exact = path.with_suffix(".exact")
    with export._quiet():
        torch.onnx.export(
            Hidden().eval(),
            (ids, torch.ones_like(ids)),
            str(exact),
            dynamo=True,
            dynamic_shapes=(flat, flat),
            input_names=["ids", "mask"],
            output_names=["hidden"],
            external_data=False,
            verbose=False,
        )
        export._quantise(exact, path)
    return path


def products(layers: int, path: Path) -> Path:
    """Write the linear layers of an encoder as plain int8 products that need no other's result."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    chance = np.random.default_rng(7)
    nodes, weights, outputs = [], [], []
    for layer in range(layers):
        for place, (inside, outside) in enumerate(LINEAR):
            name = f"{layer}.{place}"
            weight = chance.integers(-127, 128, (inside, outside), dtype=np.int8)
            weights.append(numpy_helper.from_array(weight, f"weight.{name}"))
            into = [f"in.{inside}", f"weight.{name}"]
            nodes.append(helper.make_node("MatMulInteger", into, [f"out.{name}"]))
            shape = ["tokens", outside]
            outputs.append(helper.make_tensor_value_info(f"out.{name}", TensorProto.INT32, shape))
    inputs = [
        helper.make_tensor_value_info(f"in.{width}", TensorProto.UINT8, ["tokens", width])
        for width in sorted({inside for inside, _ in LINEAR})
    ]
    graph = helper.make_graph(nodes, "products", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    checker.check_model(model)
    save(model, str(path))
    return path


def numbers(tokens: int) -> dict[str, Any]:
    """Return inputs of `products` for a window of so many tokens."""
    chance = np.random.default_rng(11)
    widths = {inside for inside, _ in LINEAR}
    return {
        f"in.{width}": chance.integers(0, 256, (tokens, width), dtype=np.uint8) for width in widths
    }
