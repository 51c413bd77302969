"""The base encoder is the pinned one or none."""

import subprocess
import sys
from pathlib import Path

import pytest

from triage.encoder import base
from triage.errors import WrongEncoder


def test_the_packaged_encoder_is_the_pinned_one() -> None:
    assert base.sha256(base.weights()) == base.WEIGHTS
    assert base.sha256(base.tokenizer()) == base.TOKENIZER


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setattr(base, "folder", lambda: tmp_path)
    with pytest.raises(WrongEncoder, match="another SHA-256"):
        base.weights()
    with pytest.raises(WrongEncoder, match="another SHA-256"):
        base.tokenizer()


def test_a_missing_file_is_a_wrong_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "folder", lambda: tmp_path)
    with pytest.raises(WrongEncoder, match="cannot be read"):
        base.weights()


def test_a_change_after_the_first_look_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_bytes((base.folder() / "tokenizer.json").read_bytes())
    monkeypatch.setattr(base, "folder", lambda: tmp_path)
    assert base.tokenizer() == tokenizer
    tokenizer.write_bytes(tokenizer.read_bytes() + b" ")
    with pytest.raises(WrongEncoder):
        base.tokenizer()


def test_the_door_loads_nothing_heavy_and_forbids_the_hub() -> None:
    heavy = ("torch", "transformers", "peft", "onnxruntime", "tokenizers", "safetensors")
    script = (
        "import os, sys, triage.encoder, triage.classifiers.minilm\n"
        f"print([name for name in {heavy} if name in sys.modules], os.environ['HF_HUB_OFFLINE'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[] 1"
