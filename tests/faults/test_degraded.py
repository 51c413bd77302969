"""Safety-bar 27: whatever happens to models and rules, a person sees every message, and is told.

Every condition is walked by the real worker from the inbox to the queue: 20 mails each, and the
full 100 with TRIAGE_LONG=1. Beside the check stand sabotages that it must notice.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from tests import tiny
from tests.sizes import many
from tests.small_practice import (
    SECRETARY,
    Hider,
    Keyword,
    Polite,
    mail_from,
    move_in,
    receive,
    rooms,
)
from triage.classifiers.abstain import AlwaysAbstain
from triage.desk import Desk
from triage.domain import Classification, Lane, Mark, Redacted, Route, Urgency
from triage.encoder.registry import Registry
from triage.engine import InboxKeeper, Jobs, Worker
from triage.engine.jobs import BATCH
from triage.loading import Parts, load_parts
from triage.patience import CHARACTERS_A_SECOND, LONGEST, Patience
from triage.pipeline import Rooms
from triage.priority import RedFlags, rank
from triage.settings import PartsSettings
from triage.store import Keys, Store, jobs_database
from triage.testing import MemoryInbox

#: The first test of a machine trains and exports the tiny models.
pytestmark = [pytest.mark.timeout(600), pytest.mark.bar(27)]

MANY = many(12, long=100)
#: Every tenth mail hides a danger under a routine request.
EVERY = 10
URGENT = "please refill my inhaler. I have crushing chest pain right now"
NO_CLASSIFIER = "The classifier is not working"
NO_RULES = "The red-flag rules are not working"


@pytest.fixture(autouse=True)
def own_cache() -> Iterator[None]:
    with tiny.own_cache():
        yield


def mails(count: int = MANY) -> list[bytes]:
    """Return mails with their number in the subject; some are dangerous."""
    bodies = [URGENT if n % EVERY == 0 else f"please refill number {n}" for n in range(count)]
    return [
        mail_from(1 + n % 2, body, subject=f"mail {n}", message_id=f"<{n}@example.org>")
        for n, body in enumerate(bodies)
    ]


# --- the eight conditions -----------------------------------------------------------------------


@dataclass
class Fault:
    """Breaks one thing; `release` lets go of whatever hangs."""

    home: Path
    patch: pytest.MonkeyPatch
    release: Event = field(default_factory=Event)

    def parts(self, condition: str) -> Parts:
        """Return the parts as the wiring loads them under one condition."""
        folder = tiny.copy(tiny.router(), self.home / condition)
        (folder.parent / "serving.json").write_text(json.dumps({"router": folder.name}))
        in_files: dict[str, Callable[[], object]] = {
            "missing": lambda: [path.unlink() for path in folder.glob("*.safetensors")],
            "wrong hash": lambda: _flip(folder / "heads.safetensors"),
            "corrupt": lambda: (folder / "adapter.safetensors").write_bytes(b"not a model"),
            "wrong labels": lambda: (folder / "labels.json").write_text(
                json.dumps([*reversed(Route)])
            ),
            "no memory to load": lambda: self.patch.setattr("triage.encoder.folder.read", _starve),
            "rules corrupt": lambda: self._corrupt_rules(),
        }
        in_files.get(condition, lambda: None)()
        if condition != "rules corrupt":
            # The table takes a second to read and is the same every time.
            self.patch.setattr("triage.priority.RedFlags", red_flags)
        registry = Registry(self.home, shipped=folder.parent)
        parts = load_parts(PartsSettings(redactor="withhold"), registry, {})
        in_answers: dict[str, Callable[..., object]] = {
            "no memory": lambda *_: _starve(),
            "NaN": lambda answer: [each * np.float32("nan") for each in answer()],
            "hang": lambda *_: self.release.wait(60),
            "foreign labels": lambda answer: answer()[:3],
        }
        if condition in in_answers:
            self._answer(parts.rooms.classifier, in_answers[condition])
        # Doubles that hide nothing and always suggest something, so that only the path's own
        # caution keeps a suggestion away.
        made = replace(
            parts.rooms, redactor=Hider(), drafter=Polite(), classifier_patience=Patience(0.3)
        )
        return replace(parts, rooms=made, notes=tuple(set(parts.notes) - {"no_redactor"}))

    def _answer(self, classifier: Any, answer: Callable[..., object]) -> None:
        graph = classifier._session._session._graph
        run = graph.run

        def broken(*inputs: object) -> object:
            return answer(lambda: run(*inputs))

        self.patch.setattr(graph, "run", broken)

    def _corrupt_rules(self) -> None:
        table = self.home / "redflags"
        table.mkdir()
        (table / "words.yaml").write_bytes(b"rules: [\xff")
        self.patch.setattr("triage.priority.redflags.TABLE", table)


@functools.cache
def red_flags() -> RedFlags:
    """Return the shipped rules, read once."""
    return RedFlags()


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _starve(*_: object, **__: object) -> Any:
    raise MemoryError


@pytest.fixture
def fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fault]:
    made = Fault(tmp_path, monkeypatch)
    yield made
    made.release.set()


MODEL_FAULTS = [
    "missing", "wrong hash", "corrupt", "no memory to load", "no memory", "NaN", "hang",
    "wrong labels", "foreign labels",
]  # fmt: skip


# --- the worker around them ---------------------------------------------------------------------


@dataclass
class Clinic:
    """A worker over one inbox in memory, with the desk beside it."""

    store: Store
    jobs: Jobs
    inbox: MemoryInbox = field(default_factory=MemoryInbox)

    def receive(self, parts: Parts, new: Sequence[bytes]) -> None:
        """Land the mails and let the worker do one round."""
        self.jobs.rooms = parts.rooms
        self.inbox.mails += new
        keeper = InboxKeeper(self.inbox, self.store, clinic="c1")
        assert keeper.once()
        Worker(self.store, self.jobs, [keeper], Event(), notes=parts.notes).once()


@pytest.fixture
def clinic(store: Store, store_url: str, keys: Keys) -> Iterator[Clinic]:
    move_in(store)
    database = jobs_database(store_url, keys)
    jobs = Jobs(store, rooms(), database)
    jobs.launch()
    yield Clinic(store, jobs)
    jobs.stop()
    database.dispose()


on_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


def check(store: Store, count: int = MANY) -> None:
    """Assert that every mail waits for a person, ranked by the rules, without a suggestion."""
    rows = Desk(store).queue.view(SECRETARY, limit=2 * count).rows
    subjects = sorted(row.subject.reveal() for row in rows)
    assert subjects == sorted(f"mail {n}" for n in range(count)), "a mail is in no queue"
    dangerous = {f"mail {n}" for n in range(0, count, EVERY)}
    top = {row.subject.reveal() for row in rows[: len(dangerous)]}
    assert top == dangerous, "a danger is not on top"
    for row in rows:
        urgent = row.subject.reveal() in dangerous
        assert row.case.lane is (Lane.URGENT if urgent else Lane.UNSORTED)
        assert row.case.urgency is (Urgency.EMERGENCY if urgent else Urgency.ROUTINE)
        assert Mark.UNCLASSIFIED in row.case.marks
        check_no_suggestion(store, row.case.id)


def check_no_suggestion(store: Store, case_id: str) -> None:
    """Assert that nothing was drafted for a case."""
    file = store.cases.get(case_id, clinic="c1", by="test")
    assert file.suggestion is None, "words were suggested"
    assert file.draft is None


def banner(store: Store, words: str) -> bool:
    """Whether a page opened now shows an alarm, and one that lies open is told of it."""
    desk = Desk(store).queue
    told = [desk.view(SECRETARY).banners, desk.pulse(SECRETARY).banners]
    return all(any(one.level == "alarm" and words in one.text for one in each) for each in told)


# --- safety-bar 27 ------------------------------------------------------------------------------


@on_sqlite
@pytest.mark.parametrize("condition", MODEL_FAULTS)
def test_without_a_classifier_every_message_reaches_a_person(
    clinic: Clinic, fault: Fault, condition: str
) -> None:
    clinic.receive(fault.parts(condition), mails())
    check(clinic.store)
    assert banner(clinic.store, NO_CLASSIFIER)
    assert not banner(clinic.store, NO_RULES)


@on_sqlite
def test_with_corrupt_rules_everything_is_to_be_read_now(clinic: Clinic, fault: Fault) -> None:
    parts = fault.parts("rules corrupt")
    assert parts.rooms.rules is None
    clinic.receive(replace(parts, rooms=replace(parts.rooms, classifier=Keyword())), mails())
    check_read_now(clinic.store)
    assert banner(clinic.store, NO_RULES)
    assert not banner(clinic.store, NO_CLASSIFIER)


def check_read_now(store: Store, count: int = MANY) -> None:
    """Assert that every mail is to be read now, though the classifier thinks it knows better."""
    rows = Desk(store).queue.view(SECRETARY, limit=2 * count).rows
    assert len({row.subject.reveal() for row in rows}) == len(rows) == count
    for row in rows:
        assert row.case.lane is Lane.UNREADABLE
        assert Mark.RULES_FAILED in row.case.marks
        assert any("unclassified, read now" in line for line in row.because)
        check_no_suggestion(store, row.case.id)


@on_sqlite
def test_everything_corrupt_at_once(clinic: Clinic, fault: Fault) -> None:
    parts = fault.parts("rules corrupt")
    broken = fault.parts("corrupt").rooms.classifier
    parts = replace(parts, rooms=replace(parts.rooms, classifier=broken))
    clinic.receive(parts, mails(12))
    check_read_now(clinic.store, 12)
    assert banner(clinic.store, NO_RULES)
    assert banner(clinic.store, NO_CLASSIFIER)


@on_sqlite
def test_a_sound_model_is_seen_to_work(clinic: Clinic, fault: Fault) -> None:
    """The oracle of the conditions: without a fault there is no alarm and there are suggestions."""
    parts = fault.parts("none")
    clinic.receive(parts, mails(12))
    with pytest.raises(AssertionError):
        check(clinic.store, 12)
    assert not banner(clinic.store, NO_CLASSIFIER)
    assert not banner(clinic.store, NO_RULES)


# --- a hang holds up nobody ---------------------------------------------------------------------


@on_sqlite
def test_a_hang_is_waited_for_once_and_mail_goes_on_landing(
    clinic: Clinic, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = fault.parts("hang")
    asked: list[int] = []
    classify = parts.rooms.classifier.classify

    def counted(texts: Sequence[Redacted]) -> list[Classification]:
        asked.append(len(texts))
        return classify(texts)

    monkeypatch.setattr(parts.rooms.classifier, "classify", counted)
    clinic.receive(parts, mails(40))
    clinic.receive(parts, mails(50)[40:])
    assert asked == [BATCH]
    check(clinic.store, 50)


@on_sqlite
def test_the_banner_comes_with_the_first_batch_of_a_long_round(
    clinic: Clinic, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    filed: list[int] = []
    beat = clinic.store.beats.beat

    def noted(process: str, *, notes: Sequence[str], **more: Any) -> None:
        beat(process, notes=notes, **more)
        if banner(clinic.store, NO_CLASSIFIER):
            filed.append(sum(clinic.store.cases.counts(clinic="c1").values()))

    monkeypatch.setattr(clinic.store.beats, "beat", noted)
    clinic.receive(fault.parts("NaN"), mails(BATCH + 8))
    assert filed[0] == BATCH
    assert filed[-1] == BATCH + 8


@on_sqlite
def test_new_rooms_that_cannot_be_made_hold_up_no_message(clinic: Clinic) -> None:
    def failing() -> None:
        raise MemoryError

    clinic.inbox.mails += mails(3)
    keeper = InboxKeeper(clinic.inbox, clinic.store, clinic="c1")
    assert keeper.once()
    Worker(clinic.store, clinic.jobs, [keeper], Event(), refresh=failing).once()
    assert len(Desk(clinic.store).queue.view(SECRETARY).rows) == 3


def test_a_hang_stands_on_an_open_page_within_ten_seconds() -> None:
    """The waits that add up: for the model, then for the page to ask; the rest is arithmetic."""
    script = Path(__file__).parents[2] / "triage" / "web" / "static" / "live.js"
    (every,) = re.findall(r"EVERY = (\d+);", script.read_text())
    ordinary_batch = BATCH * 600 / CHARACTERS_A_SECOND
    assert LONGEST + ordinary_batch + int(every) / 1000 <= 9


def test_a_hanging_classifier_does_not_stop_redaction(store: Store, fault: Fault) -> None:
    move_in(store)
    broken = rooms(classifier=Answer("hang", fault.release), classifier_patience=Patience(0.1))
    for one in mails(3):
        receive(store, one, with_rooms=broken)
    rows = Desk(store).queue.view(SECRETARY).rows
    assert [Mark.WITHHELD in row.case.marks for row in rows] == [False] * 3


def test_one_patience_for_both_is_seen_to_stop_redaction(store: Store, fault: Fault) -> None:
    move_in(store)
    one = Patience(0.1)
    broken = rooms(
        classifier=Answer("hang", fault.release), classifier_patience=one, redactor_patience=one
    )
    for each in mails(3):
        receive(store, each, with_rooms=broken)
    rows = Desk(store).queue.view(SECRETARY).rows
    assert any(Mark.WITHHELD in row.case.marks for row in rows)


# --- answers no model of ours gives, but another's may ------------------------------------------


class Answer(Keyword):
    """A classifier that answers nonsense, or not at all."""

    def __init__(self, trouble: str, release: Event | None = None) -> None:
        self._trouble = trouble
        self._release = release

    def classify(self, texts: Sequence[Redacted]) -> list[Classification]:
        if self._trouble == "hang":
            assert self._release
            self._release.wait(60)
        if self._trouble == "panic":
            raise SystemExit
        good = super().classify(texts)
        changes: dict[str, dict[str, Any]] = {
            "nan": {"confidence": float("nan")},
            "negative": {"confidence": -0.1},
            "above one": {"confidence": 1.1},
            "words": {"confidence": "very"},
            "nothing": {"confidence": None},
            "route": {"route": "spaceship"},
            "also": {"also": frozenset({"spaceship"})},
            "also a number": {"also": 7},
            "urgency": {"urgency": 9},
            "scores": {"scores": {Route.REFILL: float("nan")}},
            "foreign scores": {"scores": {"spaceship": 1.0}},
        }
        if self._trouble == "no list":
            return None  # type: ignore[return-value]  # The fault itself.
        if self._trouble == "short":
            return good[:-1]
        return [replace(found, **changes[self._trouble]) for found in good]


NONSENSE = [
    "panic", "nan", "negative", "above one", "words", "nothing", "route", "also", "also a number",
    "urgency", "scores", "foreign scores", "no list", "short",
]  # fmt: skip


@on_sqlite
@pytest.mark.parametrize("trouble", NONSENSE)
def test_an_answer_that_cannot_be_used_is_no_answer(store: Store, trouble: str) -> None:
    move_in(store)
    receive(store, *mails(4), with_rooms=broken_by(trouble))
    check(store, 4)


def broken_by(trouble: str) -> Rooms:
    return rooms(classifier=Answer(trouble), classifier_patience=Patience(5))


def test_a_message_beside_an_unusable_answer_keeps_its_own(store: Store) -> None:
    class Mostly(Keyword):
        def _one(self, text: Redacted) -> Classification:
            good = super()._one(text)
            return replace(good, confidence=float("nan")) if "bill" in text.body else good

    move_in(store)
    mixed = rooms(classifier=Mostly())
    receive(store, mail_from(1, "my bill"), mail_from(2, "please refill"), with_rooms=mixed)
    rows = Desk(store).queue.view(SECRETARY).rows
    assert [row.case.lane for row in rows] == [Lane.UNSORTED, Lane.SORTED]
    assert mixed.health.failing == set()


def test_a_thread_that_cannot_begin_is_a_failed_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refused)
    patience = Patience(5)
    assert patience.attempt([1, 2], lambda _: [0, 0], lambda items: [-1] * len(items)) == [-1, -1]
    assert not patience.exhausted


@pytest.mark.timeout(30)
def test_a_model_that_kills_its_thread_is_not_waited_for() -> None:
    def panic(_: Sequence[int]) -> list[int]:
        raise SystemExit

    assert Patience(600).run(panic, [1]) is None


def test_more_text_is_given_more_time() -> None:
    gate = Event()

    def slow(items: Sequence[int]) -> list[int]:
        gate.wait(5)
        return list(items)

    assert Patience(0.0).run(slow, [1]) is None
    gate.set()
    assert Patience(0.0).run(slow, [1], characters=60 * CHARACTERS_A_SECOND) == [1]


# --- sabotage: each fence taken away is seen to matter ------------------------------------------


@on_sqlite
@pytest.mark.parametrize(
    ("fence", "instead", "trouble"),
    [
        ("_usable", lambda answer: answer, "nan"),
        ("_usable", lambda answer: answer, "foreign scores"),
        ("answered", lambda answer: answer, "route"),
        ("SILENT_MARKS", frozenset(), "route"),
        ("_flags", lambda message, rules: (), "route"),
    ],
)
def test_a_path_without_one_of_its_fences_is_seen_to_fail(
    store: Store, monkeypatch: pytest.MonkeyPatch, fence: str, instead: object, trouble: str
) -> None:
    move_in(store)
    monkeypatch.setattr(f"triage.pipeline.{fence}", instead)
    try:
        receive(store, *mails(4), with_rooms=broken_by(trouble))
    except Exception:
        return
    with pytest.raises(AssertionError):
        check(store, 4)


@on_sqlite
def test_a_ranking_that_overlooks_failed_rules_is_seen_to_fail(store: Store) -> None:
    def careless(*arguments: Any, rules_failed: bool) -> Any:
        return rank(*arguments)

    move_in(store)
    receive(store, *mails(4), with_rooms=rooms(rules=None, rank=careless))
    with pytest.raises(AssertionError):
        check_read_now(store, 4)


def test_a_loader_replaces_what_it_cannot_load(fault: Fault) -> None:
    """A worker that does not start reads nothing, whatever the reason was."""
    parts = fault.parts("no memory to load")
    assert isinstance(parts.rooms.classifier, AlwaysAbstain)
    assert parts.notes == ("no_classifier",)
    assert any("MemoryError" in trouble for trouble in parts.troubles)
