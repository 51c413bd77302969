"""The queue's search at a thousand and at many thousand cases, on both engines.

Cases are invented: words drawn as language draws them, a few of them in a third of all messages
and most in hardly any. The index is written by the product's own code; p95 over mixed questions.
"""

import itertools
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, text

from benchmarks.rounds import ROUNDS, few, keep, seconds
from tests.postgres import PostgresServer
from triage.domain import CaseState, Channel, Clinic, Lane, Patient, Protected, Route, Wanted
from triage.store import Keys, Store, migrate, open_store, tables
from triage.store.engine import connect
from triage.store.keyring import of_case
from triage.store.search_index import index_case
from triage.store.transaction import Work
from triage.store.vault import dump

FEW, MANY = 1000, 100_000
#: performance.md: at 100,000 cases at most twice what it takes at 1,000.
WANTED = {"sqlite_many_over_few": "<= 2", "postgresql_many_over_few": "<= 2"}
CLINIC = "c1"
BATCH = 500
WORDS = 20_000
LENGTH = 45
START = datetime(2024, 1, 1, 8, tzinfo=UTC)
#: At most so many patients, who share so many surnames.
PATIENTS, SURNAMES = 5000, 2000


def vocabulary() -> tuple[list[str], list[float]]:
    """Return invented words and how often each comes, by Zipf's law."""
    chance = random.Random(7)
    syllables = ["".join(two) for two in itertools.product("bdfgklmnprtvz", "aeiou")]
    words = list(dict.fromkeys("".join(chance.choices(syllables, k=4)) for _ in range(2 * WORDS)))
    return words[:WORDS], [1 / (rank + 2) for rank in range(WORDS)]


class Filler:
    """Writes cases as filing would, several hundred in one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._chance = random.Random(11)
        self.words, self._weights = vocabulary()
        self._totals = list(itertools.accumulate(self._weights))

    def patients(self, count: int) -> list[str]:
        """Add patients; some surnames are many people's."""
        ids = [f"p{number}" for number in range(count)]
        everybody = [
            Patient(
                one,
                CLINIC,
                Protected(f"{self._drawn(1)[0]} {self.surname(number)}"),
                Protected(f"{1930 + number % 80}-{1 + number % 12:02}-{1 + number % 28:02}"),
                Protected(f"MRN{number:07}"),
            )
            for number, one in enumerate(ids)
        ]
        people = [(patient, ()) for patient in everybody]
        for start in range(0, count, 5000):
            self._store.people.import_roster(people[start : start + 5000], clinic=CLINIC, by="b")
        return ids

    def surname(self, number: int) -> str:
        return f"{self.words[-1 - number % SURNAMES]}son"

    def fill(self, start: int, stop: int, patients: list[str]) -> None:
        for first in range(start, stop, BATCH):
            with self._store.transactions.write() as work:
                numbers = range(first, min(first + BATCH, stop))
                self._write(work, numbers, patients)
                for number in numbers:
                    index_case(work, f"case{number}")

    def _drawn(self, count: int) -> list[str]:
        return self._chance.choices(self.words, cum_weights=self._totals, k=count)

    def _write(self, work: Work, numbers: range, patients: list[str]) -> None:
        rows: dict[Any, list[dict[str, Any]]] = {}
        for number in numbers:
            whose = patients[number % len(patients)]
            for table, row in _case(work, number, whose, self._drawn(LENGTH)):
                rows.setdefault(table, []).append(row)
        for table, made in rows.items():
            work.run(insert(table), made)


def _case(
    work: Work, number: int, patient: str, words: list[str]
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the rows of one case with one message, in the order they depend on each other."""
    key, at = f"case{number}", START + timedelta(minutes=number)
    ids = {name: f"{name}{number}" for name in ("raw", "thread", "message", "priority")}
    under, clinic, route = of_case(key), {"clinic": CLINIC}, list(Route)[number % 11].value
    urgent = number % 50 == 0
    lane = (Lane.URGENT if urgent else Lane.SORTED).value
    yield (
        tables.raw_messages,
        {
            "id": ids["raw"],
            **clinic,
            **{"inbox": "b", "mailbox": "b", "epoch": "1", "uid": str(number)},
            **{"channel": "email", "media_type": "message/rfc822", "digest": b"", "attempts": 0},
            "received_at": at,
            **work.seal(tables.raw_messages, ids["raw"], under=under, content=b""),
        },
    )
    yield tables.threads, {"id": ids["thread"], **clinic, "patient_id": patient}
    yield (
        tables.cases,
        {
            "id": key,
            **clinic,
            "thread_id": ids["thread"],
            "state": (CaseState.CLOSED if number % 20 else CaseState.OPEN).value,
            **{"lane": lane, "home_lane": lane, "route": route, "also": [], "urgency": int(urgent)},
            **{"score": number % 90, "confidence": 0.9, "abstained": False, "marks": []},
            "patient_id": patient,
            **{"channel": "email", "opened_at": at, "last_message_at": at},
        },
    )
    sealed = ("sender_name", "quoted", "signature", "html", "message_id", "portal_thread", "topic")
    texts = dict.fromkeys(sealed, "") | {"readings": "[]", "reply_references": "[]"}
    said = " ".join(words)
    texts |= {"subject": said[:40], "body": said, "preview": said[:200]}
    texts |= {"redacted_subject": said[:40], "redacted_body": said, "redacted_files": ""}
    texts |= {"sender": f"{patient}@patients.example"}
    yield (
        tables.messages,
        {
            "id": ids["message"],
            **clinic,
            **{"raw_id": ids["raw"], "case_id": key, "thread_id": ids["thread"]},
            **{"patient_id": patient, "channel": Channel.EMAIL.value, "received_at": at},
            **{"automatic": False, "sender_doubtful": False, "marks": [], "spans": []},
            **{"withheld": [], "redactor": "b"},
            **work.seal(tables.messages, ids["message"], under=under, **texts),
        },
    )
    because = work.seal(tables.priorities, ids["priority"], under=under, because=dump(["why"]))
    yield (
        tables.priorities,
        {
            "id": ids["priority"],
            **clinic,
            **{"message_id": ids["message"], "route": route, "also": [], "urgency": int(urgent)},
            **{"score": number % 90, "lane": lane, **because},
        },
    )


def questions(filler: Filler, patients: int) -> list[Wanted]:
    """Return what people ask: common words, rare ones, names, numbers, senders, filters."""
    words, made = filler.words, list[Wanted]()
    for at in range(20):
        one = (at * 37) % patients
        made += [
            Wanted(Protected(words[at])),
            Wanted(Protected(f"{words[at]} {words[at + 5]}")),
            Wanted(Protected(f"{words[at]} {words[600 + at * 40]}")),
            Wanted(Protected(words[3000 + at * 500])),
            Wanted(Protected(filler.surname(one))),
            Wanted(Protected(f"{filler.surname(one)} {words[at]}")),
            Wanted(Protected(f"MRN{one:07}")),
            Wanted(Protected(f"p{one}@patients.example")),
            Wanted(Protected(words[at]), route=list(Route)[at % 11]),
            Wanted(Protected(words[at]), state=CaseState.OPEN),
            Wanted(lane=Lane.URGENT),
            Wanted(Protected("nobodywrotethis")),
        ]
    return made


def p95(store: Store, asked: list[Wanted]) -> float:
    """Return the milliseconds that 19 of 20 first pages stay under."""

    def ask(wanted: Wanted) -> None:
        store.search.find(wanted, clinic=CLINIC, by="u")

    taken = sorted(seconds(lambda one=one: ask(one)) for one in asked)  # type: ignore[misc]  # Bound at once.
    return 1000 * taken[int(len(taken) * 0.95)]


@contextmanager
def filled(url: str, keys: Keys, cases: int) -> Iterator[tuple[Store, list[Wanted]]]:
    """Open a store with so many cases."""
    migrate(url, keys)
    store = open_store(url, keys)
    store.people.add_clinic(Clinic(CLINIC, "Bench"))
    filler, patients = Filler(store), min(max(cases // 4, 10), PATIENTS)
    filler.fill(0, cases, filler.patients(patients))
    if not url.startswith("sqlite"):
        engine = connect(url, keys, owner=True)
        with engine.connect() as connection:
            connection.execute(text("ANALYZE"))
            connection.commit()
        engine.dispose()
    try:
        yield store, questions(filler, patients)
    finally:
        store.close()


def both(urls: tuple[str, str], keys: Keys, sizes: tuple[int, int]) -> dict[str, float]:
    """Return p95 of the small and of the large store, asked in turn."""
    with filled(urls[0], keys, sizes[0]) as small, filled(urls[1], keys, sizes[1]) as large:
        for store, asked in (small, large):
            p95(store, asked)
        taken = [(p95(*small), p95(*large)) for _ in range(ROUNDS)]
        middle = sorted(big / little for little, big in taken)[len(taken) // 2]
        tokens = _rows(large[0])
    return {
        "few_p95_ms": round(sorted(pair[0] for pair in taken)[len(taken) // 2], 1),
        "many_p95_ms": round(sorted(pair[1] for pair in taken)[len(taken) // 2], 1),
        "many_over_few": round(middle, 2),
        "tokens": tokens,
    }


def _rows(store: Store) -> int:
    from sqlalchemy import func

    with store.transactions.read() as work:
        return work.number(select(func.count()).select_from(tables.search_tokens))


def measure() -> None:
    sizes = (few(FEW), few(MANY) // (10 if ROUNDS == 1 else 1))
    result: dict[str, Any] = {
        "what": "first page of a search, p95 over mixed questions, page of 50 opened and audited",
        "few": sizes[0],
        "many": sizes[1],
    }
    server = PostgresServer()
    try:
        with tempfile.TemporaryDirectory() as name:
            keys = Keys.make(Path(name) / "keys")
            files = (f"sqlite:///{name}/few.db", f"sqlite:///{name}/many.db")
            found = {"sqlite": both(files, keys, sizes)}
            migrate(server.template_url, keys)
            with server.database() as little, server.database() as big:
                found["postgresql"] = both((little, big), keys, sizes)
    finally:
        server.close()
    for engine, figures in found.items():
        result |= {f"{engine}_{key}": value for key, value in figures.items()}
    keep("search", {**result, "rounds": ROUNDS}, wanted=WANTED)
