"""Safety-bar 27, short form: whatever happens to models and rules, a person sees every message."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.small_practice import SECRETARY, Keyword, mail_from, move_in, receive, rooms
from triage.classifiers.abstain import AlwaysAbstain
from triage.desk import Desk
from triage.domain import Classification, Lane, Mark, Redacted, Route, Urgency
from triage.encoder.registry import Registry
from triage.patience import Patience
from triage.pipeline import Rooms
from triage.priority import RedFlags
from triage.redaction.withhold import WithholdEverything
from triage.store import Store
from triage.wiring import PartsSettings, load_parts

URGENT = "please refill my inhaler. I have crushing chest pain right now"


class Answer(Keyword):
    """A classifier that answers nonsense, or not at all."""

    def __init__(self, trouble: str) -> None:
        self._trouble = trouble

    def classify(self, texts: Sequence[Redacted]) -> list[Classification]:
        if self._trouble == "memory":
            raise MemoryError
        if self._trouble == "hang":
            time.sleep(30)
        good = super().classify(texts)
        if self._trouble == "nan":
            return [replace(found, confidence=float("nan")) for found in good]
        if self._trouble == "labels":
            return [replace(found, route="spaceship") for found in good]  # type: ignore[arg-type]
        return good[:-1]


@pytest.mark.parametrize("trouble", ["memory", "hang", "nan", "labels", "short"])
def test_a_broken_classifier_leaves_every_message_to_a_person(store: Store, trouble: str) -> None:
    move_in(store)
    broken = rooms(classifier=Answer(trouble), patience=Patience(0.3))
    mails = [mail_from(1, "please refill"), mail_from(2, URGENT), mail_from(1, "my bill")]
    receive(store, *mails, with_rooms=broken)
    rows = Desk(store).queue.view(SECRETARY).rows
    assert [row.case.lane for row in rows] == [Lane.URGENT, Lane.UNSORTED, Lane.UNSORTED]
    assert all(Mark.UNCLASSIFIED in row.case.marks for row in rows)
    assert all(store.cases.get(row.case.id, clinic="c1", by="t").suggestion is None for row in rows)


def test_a_hang_is_waited_for_once(store: Store) -> None:
    move_in(store)
    broken = rooms(classifier=Answer("hang"), patience=Patience(0.3))
    began = time.monotonic()
    receive(store, *[mail_from(1, f"message {n}") for n in range(40)], with_rooms=broken)
    assert Desk(store).queue.view(SECRETARY).counts[Lane.UNSORTED] == 40
    # Forty waits would take longer than the classifier's own sleep.
    assert time.monotonic() - began < 30


def test_corrupt_rules_put_everything_on_read_now(store: Store) -> None:
    move_in(store)
    receive(store, mail_from(1, "please refill"), with_rooms=rooms(rules=None))
    (row,) = Desk(store).queue.view(SECRETARY).rows
    assert row.case.lane is Lane.UNREADABLE
    assert Mark.RULES_FAILED in row.case.marks


@pytest.mark.parametrize("damage", ["missing", "wrong hash", "corrupt", "wrong labels"])
def test_a_damaged_model_is_replaced_by_a_person_and_a_banner(
    tmp_path: Path, store: Store, damage: str
) -> None:
    registry = damaged_registry(tmp_path, damage)
    parts = load_parts(PartsSettings(redactor="withhold"), registry, {})
    assert isinstance(parts.rooms.classifier, AlwaysAbstain)
    assert "no_classifier" in parts.notes
    assert parts.troubles
    move_in(store)
    store.beats.beat("worker", notes=parts.notes)
    texts = [banner.text for banner in Desk(store).queue.view(SECRETARY).banners]
    assert any("classifier is not working" in text for text in texts)


def damaged_registry(home: Path, damage: str) -> Registry:
    """Return a registry whose router is a copy of the shipped one, damaged."""
    shipped = Registry(home / "none").folder("router")
    folder = home / "shipped" / "router-x"
    folder.mkdir(parents=True)
    for path in shipped.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    (home / "shipped" / "serving.json").write_text(json.dumps({"router": "router-x"}))
    weights = sorted(folder.glob("*.safetensors"))
    if damage == "missing":
        for path in weights:
            path.unlink()
    elif damage == "wrong hash":
        weights[0].write_bytes(weights[0].read_bytes()[:-1] + b"\0")
    elif damage == "corrupt":
        weights[0].write_bytes(b"not a model")
    else:
        (folder / "labels.json").write_text(json.dumps(["spaceship"]))
    return Registry(home / "home", shipped=home / "shipped")


def test_rules_alone_still_find_danger() -> None:
    from triage.domain import Channel
    from triage.parsing import plain
    from triage.pipeline import judge
    from triage.priority import rank

    bare = Rooms(lambda raw: None, WithholdEverything(), AlwaysAbstain(), RedFlags(), rank, None)  # type: ignore[arg-type, return-value]
    message = plain(id="m", channel=Channel.EMAIL, subject="", body=URGENT)
    (judgement,) = judge([message], bare)
    assert judgement.priority.urgency is Urgency.EMERGENCY
    assert judgement.priority.route is Route.URGENT_CLINICAL
