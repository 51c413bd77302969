"""The live queue: one reading for all who listen, no thread each, and the end with the session."""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import event as heard_by

from tests.web.conftest import Visit
from tests.web.practice import MORNING, PEOPLE, Practice, open_practice
from triage.desk.live import News
from triage.domain import ALL, Channel, Filters, Lane, Protected, Role, Route, Urgency
from triage.errors import StoreRefused
from triage.store import Keys
from triage.web.live import BEAT, MOST, Listener, Live
from triage.web.visitor import Visitor

Act = Callable[[], object]
CALM = News("1", {}, (), 0, True)


def visitor(practice: Practice, name: str) -> Visitor:
    user = PEOPLE[name]
    now = practice.desk._clock()
    return Visitor(user, "", practice.store.people.open_session(user.id, now=now))


def hear(practice: Practice, people: list[Visitor], *acts: Act) -> list[list[str]]:
    """Return what each heard: after every round the next act is done, and at last all sign out."""
    waiting = list(acts)

    async def pause(_: float) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        if waiting:
            waiting.pop(0)()
            return
        for one in people:
            practice.store.people.close_session(one.token)

    async def listen() -> list[list[str]]:
        live = Live(practice.desk, pause=pause)

        async def one(person: Visitor) -> list[str]:
            return [said async for said in live.listen(person)]

        return await asyncio.gather(*(one(person) for person in people))

    return asyncio.run(asyncio.wait_for(listen(), 60))


def kinds(said: list[str]) -> list[str]:
    return [line.split("\n")[0].removeprefix("event: ") for line in said]


def news(said: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line.split("data: ")[1]) for line in said if line.startswith("event: news")]


@pytest.fixture
def statements(practice: Practice) -> list[str]:
    """Every statement the store executes from here on."""
    said: list[str] = []
    engine = practice.store.transactions._engine
    heard_by.listen(engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    return said


def test_a_hundred_listeners_cost_one_reading_and_no_thread(
    practice: Practice, statements: list[str]
) -> None:
    read, threads = [], []

    def count() -> None:
        read.append(len(statements))
        threads.append(threading.active_count())
        statements.clear()

    one = [visitor(practice, "dana")]
    many = [visitor(practice, "dana") for _ in range(10)] * 10
    for people in (one, many):
        statements.clear()
        said = hear(practice, people, count)
        assert all(kinds(own) == ["retry: 5000", "news", "end"] for own in said)
    assert read[0] == read[1] > 0
    assert threads[1] - threads[0] <= 1


def test_a_desk_that_reads_for_each_browser_is_found(
    practice: Practice, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: every session is asked after by itself."""
    whole = practice.desk.live.round

    def each(tokens: Any, *, clinic: str) -> dict[str, Any]:
        return {
            one: said for token in tokens for one, said in whole({token}, clinic=clinic).items()
        }

    monkeypatch.setattr(practice.desk.live, "round", each)
    read: list[int] = []
    for number in (1, 2):
        people = [visitor(practice, "dana") for _ in range(number)]
        statements.clear()
        hear(practice, people, lambda: read.append(len(statements)))
    assert read[1] == 2 * read[0]


def test_who_listens_hears_of_a_new_message_once_and_leaves_no_audit_row(
    practice: Practice,
) -> None:
    dana, eve = visitor(practice, "dana"), visitor(practice, "eve")
    before = practice.store.audit.heads()
    kept: list[object] = []

    def arrive() -> None:
        kept.append(practice.store.audit.heads() == before)
        practice.receive(replace(MORNING[0], key="again", writer=1))

    said, other = hear(practice, [dana, eve], arrive, lambda: None, lambda: None)
    assert kept == [True]
    assert [one["counts"]["urgent"] for one in news(said)] == [2, 3]
    assert news(said)[0]["version"] != news(said)[1]["version"]
    # Another clinic hears nothing of it.
    assert [one["counts"]["urgent"] for one in news(other)] == [0]
    assert "Pettigrew" not in "".join(said)


@pytest.mark.parametrize("how", ["idle", "shut out", "another role"])
def test_the_line_ends_with_the_session(
    practice: Practice, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dana, milo = visitor(practice, "dana"), visitor(practice, "milo")
    people = practice.desk.people
    real = practice.desk.live._clock

    def end() -> None:
        if how == "idle":
            later = timedelta(minutes=15)
            monkeypatch.setattr(practice.desk.live, "_clock", lambda: real() + later)
        elif how == "shut out":
            people.set_active(PEOPLE["ada"], "u-dana", False)
        else:
            people.set_roles(PEOPLE["ada"], "u-dana", frozenset({Role.DATA_SCIENTIST}))

    def arrive() -> None:
        practice.receive(replace(MORNING[2], key="after the end"))

    said, others = hear(practice, [dana, milo], end, arrive, lambda: None)
    # What came after the end was not heard.
    assert kinds(said) == ["retry: 5000", "news", "end"]
    # Whoever is still signed in listens on; listening kept nobody's session alive.
    assert (len(news(others)) == 1) == (how == "idle")


def test_a_line_that_forgets_to_ask_who_is_there_is_found(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: sessions are taken to live for ever."""
    monkeypatch.setattr("triage.store.listening.alive", lambda _: ())
    with pytest.raises(AssertionError):
        test_the_line_ends_with_the_session(practice, "idle", monkeypatch)


def test_a_reading_that_fails_ends_no_line(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not heard is told by the page itself; the next round may work."""
    whole = practice.desk.live.round

    def fail(*_: Any, **__: Any) -> Any:
        raise StoreRefused("Alice Keane")

    def break_down() -> None:
        monkeypatch.setattr(practice.desk.live, "round", fail)

    def mend() -> None:
        monkeypatch.setattr(practice.desk.live, "round", whole)
        practice.receive(replace(MORNING[2], key="again"))

    (said,) = hear(practice, [visitor(practice, "dana")], break_down, mend, lambda: None)
    assert kinds(said) == ["retry: 5000", "news", "news", "end"]


def test_a_slow_line_gets_the_newest_and_a_silent_one_beats() -> None:
    slow, silent = Listener("t", str), Listener("t", str)
    for number in (1, 2):
        slow.tell(replace(CALM, version=str(number)))
    assert [one["version"] for one in news([slow.waiting.get_nowait()])] == ["2"]
    slow.tell(None)
    assert slow.waiting.get_nowait() == ""
    silent.tell(CALM)
    assert kinds([silent.waiting.get_nowait()]) == ["news"]
    for _ in range(BEAT - 1):
        silent.tell(CALM)
        assert silent.waiting.empty()
    silent.tell(CALM)
    assert kinds([silent.waiting.get_nowait()]) == ["beat"]


def test_who_cannot_listen_is_told_once_and_nobody_listens_without_end(
    app: FastAPI, practice: Practice, visit: Callable[[str], Visit]
) -> None:
    dana = visit("dana")
    once = dana.get("/queue/stream")
    assert once.headers["content-type"].startswith("text/event-stream")
    assert kinds([once.text]) == ["news"]
    token = dana.client.cookies["desk"]
    app.state.live._rooms["c1"] = {Listener(token, str) for _ in range(MOST)}
    assert dana.get("/queue/stream", Accept="text/event-stream").status_code == 204
    assert Visit(app).get("/queue/stream", Accept="text/event-stream").status_code == 303


def test_office_hours_hold_back_what_can_wait_and_never_what_is_urgent(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    dana = visit("dana")
    practice.desk.together.write(
        PEOPLE["milo"], practice.cases["bill"], words=Protected("@dana please look")
    )
    assert '<b class="count" data-for-me aria-label="1 for you">1</b>' in dana.get("/account").text
    assert dana.get("/queue/version").json()["announces"]
    before = practice.store.audit.heads()
    # A day that is neither today nor tomorrow anywhere on Earth.
    today = practice.desk._clock()
    away = (today + timedelta(days=3)).strftime("%A").lower()
    said = dana.post("/account/calm", day=away, begin="09:00", end="12:00")
    assert said.headers["location"] == "/account?changed=calm#calm"
    assert practice.store.audit.heads() != before
    (row, *_) = practice.store.audit.events(clinic="c1", by="x", action="calm.changed")
    assert (row.actor, json.loads(row.detail["after"])["hours"]) == (
        "u-dana",
        {away: "09:00-12:00"},
    )
    polled = dana.get("/queue/version").json()
    assert (polled["announces"], polled["for_me"]) == (False, 0)
    assert polled["counts"]["urgent"] == 2
    assert json.loads(dana.get("/urgent").text)["waiting"] == 2
    (line,) = news([dana.get("/queue/stream").text])
    assert (line["announces"], line["for_me"], line["counts"]["urgent"]) == (False, 0, 2)
    # It is her own wish and nobody else's.
    assert visit("milo").get("/queue/version").json()["announces"]
    page = dana.get("/queue").text
    assert 'data-announces="no"' in page
    assert "only urgent messages are announced" in page
    wrong = dana.post("/account/calm", day=away, begin="12:00", end="09:00")
    assert wrong.status_code == 409


def test_filters_stand_in_the_address_and_count_what_they_show(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    dana = visit("dana")
    for address, shown in (
        ("route=refill", {"refill"}),
        ("urgency=today", {"fever"}),
        ("channel=portal&urgency=routine", {"move"}),
        ("lane=unsorted", {"unsorted"}),
        ("age=1&route=billing_dispute&held=-&channel=", {"bill"}),
        ("held=me", set()),
    ):
        page = dana.get(f"/queue?{address}").text
        found = {key for key, case in practice.cases.items() if f'data-case="{case}"' in page}
        assert found == shown, address
        if "lane=" not in address:
            assert f'<b id="passing">{len(shown)}</b>' in page
            assert f'data-passing="{len(shown)}"' in dana.get(f"/queue/rows?{address}").text
        # Whoever narrows the queue down still sees that urgent ones wait.
        if "urgency=today" not in address:
            assert "waiting on top of the whole queue" in page
    dana.post(f"/case/{practice.cases['bill']}/claim")
    mine = dana.get("/queue?held=me&view=mine&route=billing_dispute").text
    assert '<b id="passing">1</b>' in mine
    # A search begins where the filters stand.
    assert '<input type="hidden" name="held" value="u-dana">' in mine
    found = dana.post("/search", words="", channel="portal", urgency="today", place="open")
    listed = dana.get(found.headers["location"]).text
    assert practice.cases["fever"] in listed
    assert practice.cases["move"] not in listed
    assert dana.get("/queue?route=nonsense").status_code == 422


def test_both_engines_read_filter_and_keep_alike(
    store_url: str, keys: Keys, tmp_path: Path
) -> None:
    practice = open_practice(tmp_path, letters=MORNING[2:5], url=store_url, keys=keys)
    store, who = practice.store, {"clinic": "c1", "by": "u-dana"}
    token = store.people.open_session("u-dana", now=practice.desk._clock())
    found = practice.desk.live.round({token, "nobody's"}, clinic="c1")
    assert set(found) == {token}
    assert found[token].counts[Lane.SORTED] == 3
    assert practice.desk.live.round({token}, clinic="c2") == {}
    for _ in range(2):
        practice.desk.calm.wish(PEOPLE["dana"], quiet=False, spans={"monday": "08:00-12:30"})
    assert practice.desk.calm.mine(PEOPLE["dana"]).spans() == {"monday": "08:00-12:30"}
    for filters, count in (
        (ALL, 3),
        (Filters(route=Route.REFILL), 1),
        (Filters(urgency=Urgency.TODAY), 0),
        (Filters(channel=Channel.PORTAL, held_by=""), 1),
        (Filters(days=1, held_by="u-dana"), 0),
    ):
        assert len(store.cases.queue(filters=filters, **who)) == count
        assert store.views.count(filters, **who) == count
    store.close()
