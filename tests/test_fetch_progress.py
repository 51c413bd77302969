"""How far the fetch of many messages is: in numbers on every page, and as a bar in a terminal."""

import io
import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from tests.small_practice import SECRETARY, mail_from, move_in
from triage.cli.bars import Bars
from triage.connectors import Counting
from triage.desk.health import banners
from triage.domain import Channel, Cursor, Delivery, read_fetching
from triage.engine import InboxKeeper
from triage.engine.progress import MANY, Progress
from triage.errors import InboxUnreachable
from triage.store import Store
from triage.testing import MemoryInbox


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_screen(store: Store, now: datetime | None = None) -> list[str]:
    found = banners(store, SECRETARY, now or datetime.now(UTC), {})
    return [banner.text for banner in found if "fetched." in banner.text]


def test_every_page_says_how_far_it_is_while_it_gets_on(store: Store) -> None:
    move_in(store)
    now, stored = [0.0], itertools.count()
    progress = Progress("front-desk", store, stored=lambda: next(stored), clock=lambda: now[0])
    progress(MANY - 2, MANY - 1)
    assert on_screen(store) == []
    progress(3200, 5000)
    assert on_screen(store) == ["Mailbox front-desk: 3,200 of 5,000 messages fetched."]
    progress(3201, 5000)
    assert on_screen(store) == ["Mailbox front-desk: 3,200 of 5,000 messages fetched."]
    now[0] += 2
    progress(3202, 5000)
    assert "3,202" in on_screen(store)[0]
    # One that stands still says nothing for ever; and after a whole look it is over.
    assert on_screen(store, datetime.now(UTC) + timedelta(minutes=2)) == []
    store.beats.beat("inbox:front-desk", notes=[])
    assert on_screen(store) == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_it_is_told_after_each_landing_and_cannot_stop_the_fetch(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counted(MemoryInbox):
        channel = Channel.EMAIL

        def left(self) -> int:
            return 1

    move_in(store)
    monkeypatch.setattr("triage.engine.progress.MANY", 1)
    told: list[tuple[str, int, int]] = []

    def tell(*said: object) -> None:
        told.append(said)  # type: ignore[arg-type]  # As the keeper says it.
        assert len(store.landing.waiting(limit=9)) == len(told)
        raise RuntimeError("a terminal that is gone")

    inbox = Counted([mail_from(1, "one"), mail_from(1, "two")])
    assert isinstance(inbox, Counting)
    assert InboxKeeper(inbox, store, clinic="c1", tell=tell).fetch() == 2
    assert told == [("memory", 1, 2), ("memory", 2, 3)]


@pytest.mark.parametrize("whatever_happens", [False, True])
def test_a_fetch_that_fails_each_time_at_one_place_is_no_sign_of_life(
    store: Store, monkeypatch: pytest.MonkeyPatch, whatever_happens: bool
) -> None:
    """One file that cannot be read, and each cycle begins anew with all the others."""

    class Stumbling(MemoryInbox):
        def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]:
            yield from super().deliveries({})
            raise InboxUnreachable("one page always fails")

        def left(self) -> int:
            return 1

    move_in(store)
    monkeypatch.setattr("triage.engine.progress.MANY", 1)
    monkeypatch.setattr("triage.engine.progress.EVERY", 0.0)
    keeper = InboxKeeper(Stumbling([mail_from(1, "one")]), store, clinic="c1")
    if whatever_happens:
        # The oracle: it beats however often it has been at this place.
        monkeypatch.setattr(keeper._progress, "_stored", itertools.count().__next__)
    assert not keeper.once()
    (first,) = store.beats.all()
    assert not keeper.once()
    (second,) = store.beats.all()
    assert (second.at > first.at) == whatever_happens
    assert whatever_happens or second.notes == ("inbox_failing",)


def test_a_bar_in_a_terminal_and_nothing_elsewhere() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for where in (terminal, pipe):
        bars = Bars(where)
        for done in (50, 3200, 5000, 10):
            bars("front-desk", done, 5000)
    assert "3200/5000" in terminal.getvalue()
    assert "front-desk" in terminal.getvalue()
    assert pipe.getvalue() == ""


@pytest.mark.parametrize("note", ["fetching", "fetching 1 of x", "inbox_full", ""])
def test_other_notes_are_no_progress(note: str) -> None:
    assert read_fetching(note) is None
