"""Safety-bar 9: a portal with faults, repeats, changing pages and wrong clocks loses nothing.

A real FHIR server, the real store on both engines, an injected clock. Long form: 1,000 messages.
"""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.connectors.test_fhir_more import notification, post
from tests.servers import PASSWORD, FhirServer, free_port
from tests.sizes import LONG, many
from tests.small_practice import rooms
from triage.connectors.fhir import FhirInbox
from triage.connectors.fhir_page import canonical
from triage.desk.health import NOTES, banners
from triage.domain import Role, User
from triage.engine import InboxKeeper
from triage.errors import InboxUnreachable
from triage.pipeline import file, land
from triage.store import Store

pytestmark = [pytest.mark.bar(9), pytest.mark.timeout(1200 if LONG else 170)]

MESSAGES = many(60, long=1000)
ROUNDS = many(3, long=25)
#: Minutes between two messages while no notification comes.
OUTAGE_STEP = many(10, long=1)
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def running() -> Iterator[FhirServer]:
    with FhirServer() as server:
        yield server


class Clock:
    """The time the inbox believes in."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def messages(chance: random.Random) -> Iterator[list[dict[str, Any]]]:
    """Yield what the portal takes in each round, 20 minutes long, by machines with wrong clocks."""
    each = MESSAGES // ROUNDS
    for round_ in range(ROUNDS):
        written = []
        for place in range(each):
            at = START + timedelta(minutes=20 * round_, seconds=1200 * place / each)
            stamp = at + timedelta(seconds=chance.uniform(-600, 600))
            if chance.random() < 0.05:
                stamp -= timedelta(hours=chance.uniform(1, 20))
            written.append(message(f"m{round_}-{place}", stamp))
        yield written


def message(name: str, stamp: datetime, version: int = 1) -> dict[str, Any]:
    return {
        "resourceType": "Communication",
        "id": name,
        "meta": {
            "versionId": str(version),
            "lastUpdated": stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        },
        "status": "completed",
        "sender": {"reference": "Patient/1"},
        "payload": [{"contentString": f"words of {name}"}],
    }


def poll(inbox: FhirInbox, store: Store, clinic: str) -> int:
    """Land until a whole round worked, as the keeper of an inbox does."""
    landed = 0
    for _ in range(50):
        try:
            return landed + len(land(inbox, store, clinic=clinic))
        except InboxUnreachable:
            continue
    raise AssertionError("the portal never answered")


def run(server: FhirServer, store: Store, clinic: str, **more: object) -> tuple[list[bytes], int]:
    """Let a morning pass over the portal; return what of it is in the store, and the seed."""
    server.clear()
    seed = random.randrange(1, 10**6)
    chance, clock = random.Random(seed), Clock()
    server.set(odds=0.05, chance=seed)
    settings = {**server.settings, "page_size": 10, **more}
    inbox = FhirInbox(settings, PASSWORD, sleep=lambda _: None, clock=clock)
    wanted = []
    for round_, written in enumerate(messages(chance)):
        clock.now = START + timedelta(minutes=20 * (round_ + 1))
        server.seed(*written)
        wanted += [canonical(one) for one in written]
        poll(inbox, store, clinic)
        # Some are marked as read by the portal itself: new versions, no new words.
        again = chance.sample(written, 2)
        server.seed(*(message(one["id"], clock.now, version=2) for one in again))
    clock.now += timedelta(hours=1)
    poll(inbox, store, clinic)
    inbox.close()
    waiting = store.landing.waiting(limit=10 * MESSAGES, clinic=clinic)
    raws = [store.landing.raw(raw_id, clinic=clinic, by="test") for _, raw_id in waiting]
    assert {raw.content for raw in raws} <= set(wanted)
    found = [raw.content for raw in raws]
    return found + [b"lost"] * len(set(wanted) - set(found)), seed


def test_a_bad_portal_loses_and_doubles_nothing(
    running: FhirServer, store: Store, clinic: str
) -> None:
    found, seed = run(running, store, clinic)
    assert b"lost" not in found, f"seed {seed}"
    assert len(found) == len(set(found)) == MESSAGES, f"seed {seed}"


def test_without_looking_back_messages_are_seen_to_be_lost(
    running: FhirServer, store: Store, clinic: str
) -> None:
    """The sabotage: believe the portal's clock."""
    assert b"lost" in run(running, store, clinic, overlap_seconds=0, look_back_hours=0)[0]


def test_versions_as_identity_are_seen_to_double(
    running: FhirServer, store: Store, clinic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sabotage: take every version the portal writes for a new message."""
    monkeypatch.setattr("triage.connectors.fhir_page._BOOKKEEPING", {"Communication": frozenset()})
    running.clear()
    inbox = FhirInbox(running.settings, PASSWORD)
    for version in (1, 2):
        running.seed(message("m1", START, version=version))
        poll(inbox, store, clinic)
    assert len(store.landing.waiting(limit=10, clinic=clinic)) == 2


def outage(server: FhirServer, store: Store, clinic: str) -> tuple[int, Callable[[int], str]]:
    """Let 30 minutes pass in which no notification arrives, then one that tells of the gap.

    Only what a wait hears of is landed. Returns how many are lost before that one comes, and what
    the pages say so many hours after it.
    """
    server.clear()
    clock, port = Clock(), free_port()
    settings = {**server.settings, "poll_seconds": 0.05, "hint_port": port}
    inbox = FhirInbox(settings, PASSWORD, sleep=lambda _: None, clock=clock)
    keeper = InboxKeeper(inbox, store, clinic=clinic, poll=0.0, clock=lambda: 0.0)
    assert keeper.once()
    post(port, inbox._hints.path, notification(1))
    for minute in range(0, 30, OUTAGE_STEP):
        clock.now = START + timedelta(minutes=minute)
        server.seed(message(f"o{minute}", clock.now))
        if inbox.wait(0.2):
            poll(inbox, store, clinic)
    sent = len(range(0, 30, OUTAGE_STEP))
    lost = sent - len(store.landing.waiting(limit=99, clinic=clinic))
    post(port, inbox._hints.path, notification(2 + sent))
    keeper.once()
    assert keeper.once(), "and the inbox works again at once"
    inbox.close()
    person = User("u1", clinic, "ana", "Ana", frozenset({Role.SECRETARY}))
    began = datetime.now(UTC)

    def shown(hours: int) -> str:
        found = banners(store, person, began + timedelta(hours=hours), {})
        return " ".join(one.text for one in found if one.level == "alarm")

    return lost, shown


def test_without_notifications_all_comes_and_the_gap_is_an_alarm(
    running: FhirServer, store: Store, clinic: str
) -> None:
    lost, shown = outage(running, store, clinic)
    assert lost == 0
    assert NOTES["news_missed"] in shown(0)
    assert NOTES["news_missed"] in shown(23)
    assert NOTES["news_missed"] not in shown(25)
    assert NOTES["inbox_failing"] not in shown(0)


def test_believing_in_notifications_is_seen_to_lose_and_says_nothing(
    running: FhirServer, store: Store, clinic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sabotage: ask only when the portal rings, and do not count how often it did."""
    monkeypatch.setattr(FhirInbox, "_has_news", lambda *_: False)
    monkeypatch.setattr("triage.connectors.fhir_hints._numbers", lambda _: None)
    lost, shown = outage(running, store, clinic)
    assert lost == len(range(0, 30, OUTAGE_STEP))
    assert NOTES["news_missed"] not in shown(0)


def test_an_id_that_is_none_holds_up_no_page(
    running: FhirServer, store: Store, clinic: str
) -> None:
    """PostgreSQL takes no NUL in a text, and a whole page would not land."""
    running.clear()
    odd = ["a\0b", "\ud800", "x" * 5000, "Ana Marula/1", 7, {"a": 1}, ""]
    written = [message("m", START), *(message("", START) | {"id": one} for one in odd)]
    page = {"resourceType": "Bundle", "entry": [{"resource": one} for one in written]}
    running.fail("GET", body=page)
    assert poll(FhirInbox(running.settings, PASSWORD), store, clinic) == len(written)
    raws = [raw_id for _, raw_id in store.landing.waiting(limit=99, clinic=clinic)]
    found = [store.landing.raw(raw_id, clinic=clinic, by="test") for raw_id in raws]
    assert {raw.content for raw in found} == {canonical(one) for one in written}
    assert all("Marula" not in raw.position.uid and len(raw.position.uid) < 200 for raw in found)
    assert len(file(raws, rooms(), store, clinic=clinic, by="test")) == len(written)
