"""Public corpora are read from where they lie, and reserved rows are never read for training."""

import json
from pathlib import Path

import pytest

from triage.classifiers.public_data import fingerprint, public_texts
from triage.domain import Route
from triage.errors import BadRow


def corpora(root: Path) -> Path:
    train = [["Why was I charged twice?", "bill_due"], ["Cancel it, please", "cancel_reservation"]]
    train.append(["tell me a joke", "tell_joke"])
    (root / "clinc150" / "data").mkdir(parents=True)
    (root / "clinc150" / "data" / "data_full.json").write_text(json.dumps({"train": train}))
    (root / "banking77" / "banking_data").mkdir(parents=True)
    (root / "banking77" / "banking_data" / "train.csv").write_text(
        "text,category\nI want my money back,request_refund\n"
    )
    return root


def test_chosen_intents_become_routes(tmp_path: Path) -> None:
    texts = public_texts(corpora(tmp_path))
    assert [(each.text, each.route) for each in texts] == [
        ("Why was I charged twice?", Route.BILLING_DISPUTE),
        ("Cancel it, please", Route.RESCHEDULE),
        ("I want my money back", Route.BILLING_DISPUTE),
    ]
    assert all(0 < each.weight < 1 for each in texts)


def test_reserved_rows_are_left_out(tmp_path: Path) -> None:
    reserved = fingerprint("  why was I charged -- twice ")
    (tmp_path / "do_not_train_on.txt").write_text(f"# hashes\n{reserved}\n")
    texts = public_texts(corpora(tmp_path))
    assert "Why was I charged twice?" not in [each.text for each in texts]
    assert len(texts) == 2


def test_the_fingerprint_is_the_documented_one() -> None:
    assert fingerprint("Hello, World!") == "b94d27b9934d3e08"


def test_nothing_there_or_broken_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match="no public corpus"):
        public_texts(tmp_path)
    (corpora(tmp_path) / "clinc150" / "data" / "data_full.json").write_text("{")
    with pytest.raises(BadRow, match="clinc150"):
        public_texts(tmp_path)
