"""Safety-bar 26: a model can raise a message and never lower one, nor say why to close one.

10,000 pairs of what a rule found and what a model said are walked through the path's own
judgement, each model answer as wild as a broken model could make it.
"""

import ast
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.small_practice import SECRETARY, mail_from, move_in, receive, rooms
from triage.desk import Desk
from triage.desk.queue import OUTCOMES, URGENT_OUTCOMES
from triage.domain import (
    CaseState,
    Classification,
    Flag,
    Lane,
    Mark,
    Message,
    Priority,
    Protected,
    Redacted,
    Route,
    Urgency,
)
from triage.errors import NotAnswerable
from triage.patience import Patience
from triage.pipeline import Judgement, Rooms, judge
from triage.priority import rank
from triage.store import Store
from triage.testing import message

pytestmark = pytest.mark.bar(26)

MANY, BATCH = 10_000, 100
#: What a model would write that wanted a case out of the way.
TEMPTING = "Nothing urgent here, close this case: no reply needed."
NAN, INFINITE = float("nan"), float("inf")
CONFIDENCES = (0.0, 0.3, 0.999, 1.0, NAN, -1.0, 1.5, INFINITE, -INFINITE)
SOUND = [sure for sure in CONFIDENCES if 0 <= sure <= 1]
MARKS = [frozenset[Mark](), *(frozenset({mark}) for mark in Mark)]
#: Least score of each urgency; the queue's order is made of these.
FLOORS = {Urgency.ROUTINE: 1, Urgency.TODAY: 70, Urgency.EMERGENCY: 90}


@dataclass(frozen=True)
class Pair:
    """What the rules found in one message, and what a model says of it."""

    rules: tuple[Urgency, ...]
    answer: Classification
    marks: frozenset[Mark] = frozenset()
    topic: str = ""
    #: Rules that fired with too little beside them; below the level the score calls the rules'.
    weak: tuple[Urgency, ...] = ()

    @property
    def level(self) -> Urgency:
        """The urgency of the highest rule."""
        return max(self.rules, default=Urgency.ROUTINE)

    @property
    def sound(self) -> bool:
        """Whether the answer can be used at all."""
        return 0 <= self.answer.confidence <= 1


def pairs() -> Iterator[Pair]:
    """Yield every combination of rule, route, urgency, confidence and doubt, then wilder ones."""
    chance = random.Random(26)
    grid = itertools.product(Urgency, Route, Urgency, CONFIDENCES, (False, True))
    for level, route, urgency, sure, abstained in grid:
        rules = (level,) if level else ()
        yield Pair(rules, _answer(chance, route, urgency, sure, abstained))
    while True:
        rules = tuple(chance.choices([Urgency.TODAY, Urgency.EMERGENCY], k=chance.randrange(5)))
        sure = chance.choice([*CONFIDENCES, chance.random(), chance.uniform(-9, 9)])
        route, urgency = chance.choice([*Route]), chance.choice([*Urgency])
        answer = _answer(chance, route, urgency, sure, chance.random() < 0.3)
        topic = chance.choice(["", "refill", "urgent symptom"])
        weak = tuple(chance.choices([Urgency.TODAY, Urgency.EMERGENCY], k=chance.randrange(3)))
        yield Pair(rules, answer, chance.choice(MARKS), topic, weak)


def _answer(
    chance: random.Random, route: Route, urgency: Urgency, sure: float, abstained: bool
) -> Classification:
    also = frozenset(chance.sample([*Route], chance.randrange(3)))
    because = (TEMPTING,) * chance.randrange(4)
    return Classification(route, also, urgency, sure, abstained, "tempter", because=because)


class Found:
    """Rules double: finds in message n what pair n says."""

    def __init__(self, some: Sequence[Pair]) -> None:
        self._pairs = some

    def flags(self, message: Message) -> tuple[Flag, ...]:
        """Return one flag for each rule of the pair, the strong ones first."""
        quote, pair = Protected("its words"), self._pairs[int(message.raw_id)]
        found = [(urgency, False) for urgency in pair.rules] + [(one, True) for one in pair.weak]
        return tuple(
            Flag(f"rule {n}", urgency, quote, f"danger {n}", weak)
            for n, (urgency, weak) in enumerate(found)
        )


class Said:
    """Classifier double: says of message n what pair n says."""

    name = "tempter"

    def __init__(self, some: Sequence[Pair]) -> None:
        self._pairs = some

    def classify(self, texts: Sequence[Redacted]) -> list[Classification]:
        """Return the prepared answers."""
        return [self._pairs[int(text.body)].answer for text in texts]


def judged(some: Sequence[Pair], **changed: object) -> list[Judgement]:
    """Return the path's judgement of each pair."""
    patient = {"classifier_patience": Patience(60), "redactor_patience": Patience(60)}
    made: Rooms = rooms(**{"rules": Found(some), "classifier": Said(some), **patient, **changed})
    messages = [
        replace(message(str(n), id=str(n)), marks=pair.marks, topic=pair.topic)
        for n, pair in enumerate(some)
    ]
    return judge(messages, made)


def check(pair: Pair, priority: Priority) -> None:
    """Assert that the model could only raise, and that none of its words came first."""
    said = pair.answer if pair.sound else None
    by_model = said.urgency if said else Urgency.ROUTINE
    if said and said.route is Route.URGENT_CLINICAL:
        by_model = max(by_model, Urgency.TODAY)
    # Weak rules lift a message the model is in doubt about; that too only raises.
    lifted = max((*pair.weak, Urgency.ROUTINE)) if priority.flags[len(pair.rules) :] else by_model
    assert priority.urgency is max(pair.level, by_model, lifted), "not the highest of all"
    assert FLOORS[pair.level] <= FLOORS[priority.urgency] <= priority.score <= 100
    # A message of a lower urgency stands below, whatever a model says of either.
    higher = [floor for urgency, floor in FLOORS.items() if urgency > priority.urgency]
    assert priority.score < min(higher, default=101)
    assert len(priority.flags) in {len(pair.rules), len(pair.rules) + len(pair.weak)}, "a flag lost"
    if pair.weak and priority.urgency is Urgency.ROUTINE:
        assert priority.lane is not Lane.SORTED, "a weak rule was passed over"
    if pair.level:
        assert priority.lane is Lane.URGENT
        assert priority.route is Route.URGENT_CLINICAL
        alone = rank(message("x"), priority.flags, None)
        assert priority.score >= alone.score, "a model pressed it down among its equals"
    check_words(pair, priority)


def check_words(pair: Pair, priority: Priority) -> None:
    """Assert that a model's words are shown as what it weighed, after the rules, and only so."""
    because = priority.because
    for place, line in enumerate(because):
        if TEMPTING in line:
            assert line == f"It weighed: {TEMPTING}"
            # The queue shows the first two lines of a case.
            assert place >= 2 or not pair.level
    assert all(line.startswith("Red flag: ") for line in because[: len(pair.rules)])
    own = " ".join(line for line in because if TEMPTING not in line).lower()
    assert "close" not in own
    assert "no reply" not in own


def test_no_pair_is_ranked_below_its_rule() -> None:
    seen = list(itertools.islice(pairs(), MANY))
    assert {pair.sound for pair in seen} == {True, False}
    for start in range(0, MANY, BATCH):
        some = seen[start : start + BATCH]
        for pair, judgement in zip(some, judged(some), strict=True):
            check(pair, judgement.priority)


def test_failed_rules_leave_nothing_to_the_model() -> None:
    some = list(itertools.islice(pairs(), BATCH))
    for pair, judgement in zip(some, judged(some, rules=None), strict=True):
        priority = judgement.priority
        assert priority.lane in (Lane.UNREADABLE, Lane.URGENT)
        assert priority.score >= 60
        assert priority.urgency is Urgency.ROUTINE or pair.sound


def _believing(*arguments: object, **named: bool) -> Priority:
    """Rank as if the surest judge were right."""
    message, flags, said = arguments
    trusted = said is not None and said.confidence > 0.9  # type: ignore[attr-defined]  # A sabotaged twin takes whatever rank takes.
    return rank(message, () if trusted else flags, said, **named)  # type: ignore[arg-type]  # A sabotaged twin takes whatever rank takes.


def _persuaded(*arguments: object, **named: bool) -> Priority:
    """Rank rightly, but put what the model read above what the rules found."""
    priority = rank(*arguments, **named)  # type: ignore[arg-type]  # A sabotaged twin takes whatever rank takes.
    return replace(priority, because=priority.because[::-1])


def _averaging(*arguments: object, **named: bool) -> Priority:
    """Rank rightly, but let a calm model take a little off the score."""
    priority = rank(*arguments, **named)  # type: ignore[arg-type]  # A sabotaged twin takes whatever rank takes.
    calm = arguments[2] is None or not arguments[2].urgency  # type: ignore[attr-defined]  # A sabotaged twin takes whatever rank takes.
    return replace(priority, score=priority.score - 2 * calm)


@pytest.mark.parametrize("sabotage", [_believing, _persuaded, _averaging])
def test_a_ranking_that_listens_to_the_model_is_seen_to_fail(sabotage: object) -> None:
    some = [pair for pair in itertools.islice(pairs(), MANY) if pair.level and pair.answer.because]
    found = judged(some, rank=sabotage)
    with pytest.raises(AssertionError):
        [check(pair, one.priority) for pair, one in zip(some, found, strict=True)]


# --- in the queue, and on the way out of it -----------------------------------------------------

ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


class Tempter:
    """A classifier that answers in turn with every route, always sure that nothing is urgent."""

    name = "tempter"

    def __init__(self) -> None:
        self._routes = itertools.cycle(route for route in Route if route != "urgent_clinical")

    def classify(self, texts: Sequence[Redacted]) -> list[Classification]:
        """Say of each that it may be closed."""
        calm = Classification(
            Route.NOT_FOR_US,
            frozenset(),
            Urgency.ROUTINE,
            1.0,
            False,
            self.name,
            because=(TEMPTING,),
        )
        return [replace(calm, route=next(self._routes)) for _ in texts]


@ON_SQLITE
def test_a_tempting_model_closes_nothing_and_ranks_nothing_away(store: Store) -> None:
    move_in(store)
    danger = "please refill. I have chest pain now"
    mails = [mail_from(1 + n % 2, danger if n % 2 else "hello", subject=str(n)) for n in range(22)]
    receive(store, *mails, with_rooms=rooms(classifier=Tempter()))
    desk = Desk(store)
    rows = desk.queue.view(SECRETARY).rows
    assert len(rows) == 22
    assert [row.case.lane for row in rows] == [Lane.URGENT] * 11 + [Lane.SORTED] * 11
    for row in rows[:11]:
        assert not any(TEMPTING in line for line in row.because[:2])
        for outcome in set(OUTCOMES) - set(URGENT_OUTCOMES):
            with pytest.raises(NotAnswerable):
                desk.queue.close(SECRETARY, row.case.id, outcome=outcome, note=Protected(TEMPTING))
        assert desk.queue.open(SECRETARY, row.case.id).file.case.state is CaseState.OPEN


@ON_SQLITE
def test_a_calm_second_message_lowers_nothing(store: Store) -> None:
    move_in(store)
    first = mail_from(1, "I have chest pain now", message_id="<1@x>")
    later = mail_from(1, "thanks", message_id="<2@x>", headers="References: <1@x>\r\n")
    tempted = rooms(classifier=Tempter())
    cases = receive(store, first, with_rooms=tempted) + receive(store, later, with_rooms=tempted)
    assert cases[0] == cases[1]
    (row,) = Desk(store).queue.view(SECRETARY).rows
    assert (row.case.urgency, row.case.lane) == (Urgency.EMERGENCY, Lane.URGENT)


# --- nothing but a person's form closes a case --------------------------------------------------

HOUSE = Path(__file__).resolve().parents[2] / "triage"
#: The only two lines that close: the page's form calls the desk, the desk the store.
CLOSERS = {"desk/queue.py", "web/case.py"}


def closes(source: str) -> bool:
    """Whether some code closes a case, the store's or the desk's."""
    calls = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return any(
        isinstance(call, ast.Attribute)
        and call.attr == "close"
        and isinstance(call.value, ast.Attribute)
        and call.value.attr in {"cases", "queue"}
        for call in calls
    )


def test_only_a_persons_form_closes() -> None:
    found = {
        str(path.relative_to(HOUSE))
        for path in HOUSE.rglob("*.py")
        if "node_modules" not in path.parts and closes(path.read_text(encoding="utf-8"))
    }
    assert found == CLOSERS


def test_code_that_closes_by_itself_is_seen() -> None:
    assert closes('if said.route == "not_for_us":\n    store.cases.close(case_id, said.because[0])')
    assert not closes("store.close()")
