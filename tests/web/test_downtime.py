"""The hour in which nothing works: the list, its code, and what is entered afterwards."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.sizes import many
from tests.store.practice import Clock
from tests.web.conftest import Visit
from tests.web.practice import MORNING, PEOPLE, Letter, Practice, open_practice
from triage.desk.paper import ON_PAPER, PHONED_OPEN, URGENT_ON_PAPER
from triage.domain import CaseState, Mark, PaperList, Protected, Route, Told, Waiting
from triage.domain.outcome import NEEDED
from triage.engine.paper import FILE, PaperFile, sealed_in, write_list
from triage.errors import (
    AlreadyEntered,
    BadSettings,
    ChangedUnderneath,
    NotAnswerable,
    NotFound,
    OutcomeIncomplete,
    WrongCode,
)
from triage.store import Keys, tables
from triage.store.paper_seal import make_key, read_key, seal, unseal

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.bar(34)
DANA = PEOPLE["dana"]
#: What a field of an outcome is called in the form.
FIELDS = {"what": "said"}
#: The code has 100 random bits; the tests need not be slow to guess.
QUICK = 1000


@pytest.fixture(scope="module")
def envelope(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The public key on the disk and the code that lies in an envelope."""
    path = tmp_path_factory.mktemp("envelope") / "downtime.key"
    return path, make_key(path, iterations=QUICK)


def shuffled(practice: Practice, chance: random.Random) -> None:
    """Bring the desk into some state: cases closed, claimed, marked done."""
    rows = practice.store.cases.queue(clinic="c1", by="test", limit=1000)
    still_open = {row.case.id for row in rows}
    for key, case_id in practice.cases.items():
        if case_id not in still_open:
            continue
        step = chance.randrange(8)
        if step == 1:
            practice.store.cases.claim(case_id, clinic="c1", by=DANA.id, now=datetime.now(UTC))
        elif step == 2 and key != "chest":
            file = practice.store.cases.get(case_id, clinic="c1", by="test")
            for part in file.case.requests:
                practice.store.cases.tick(case_id, part.id, clinic="c1", by=DANA.id)
            practice.store.cases.close(case_id, "passed_on", Protected(""), clinic="c1", by=DANA.id)


def open_items(practice: Practice) -> dict[str, str]:
    """Return code -> subject of every open case, read by another way than the list."""
    rows = practice.store.cases.queue(clinic="c1", by="test", limit=1000)
    return {row.case.id[:8]: row.subject.reveal() for row in rows}


def test_the_list_can_be_read_with_everything_down(
    store_url: str, keys: Keys, tmp_path: Path, envelope: tuple[Path, str], request: Any
) -> None:
    """Drills: any state of the desk, everything stopped, the code from the envelope."""
    practice = open_practice(tmp_path, url=store_url, keys=keys)
    key, code = envelope
    seed = random.randrange(2**32)
    request.node.user_properties.append(("seed", seed))
    drills, states = many(3, long=20), []
    for drill in range(drills):
        shuffled(practice, random.Random(seed + drill))
        made = practice.store.paper.now(clinic="c1", by="paper")
        write_list(tmp_path / f"{drill}.html", seal(read_key(key), made.content))
        states.append(open_items(practice))
    practice.store.close()
    for drill, expected in enumerate(states):
        items = unseal(sealed_in(tmp_path / f"{drill}.html"), code.lower())["items"]
        assert isinstance(items, list)
        assert {one["code"]: one["subject"] for one in items} == expected
        known = [one for one in items if "patient" in one]
        assert known
        assert all(one["born"] and one["reached"] for one in known)
        ranks = [("routine", "today", "emergency").index(one["urgency"]) for one in items]
        assert ranks == sorted(ranks, reverse=True)
    request.node.user_properties.append(("tried", drills))


def test_a_list_that_forgets_a_case_is_found(practice: Practice) -> None:
    """Sabotage: one open case less on the list is seen by the comparison above."""
    items = list(practice.store.paper.now(clinic="c1", by="paper").content["items"])  # type: ignore[call-overload]  # The content is JSON of any shape.
    expected = open_items(practice)
    assert {one["code"] for one in items} == expected.keys()
    assert {one["code"] for one in items[1:]} != expected.keys()


def test_nothing_on_the_disk_is_readable_without_the_code(
    practice: Practice, tmp_path: Path, envelope: tuple[Path, str]
) -> None:
    key, code = envelope
    made = practice.store.paper.now(clinic="c1", by="paper")
    page = tmp_path / FILE
    write_list(page, seal(read_key(key), made.content))
    content = page.read_text() + key.read_text()
    words = json.dumps(made.content)
    assert "Keane" in words
    for secret in ("Keane", "lisinopril", "MRN4", code, code.replace("-", "")):
        assert secret not in content
    sealed = sealed_in(page)
    other = code[:-1] + ("0" if code[-1] != "0" else "1")
    with pytest.raises(WrongCode):
        unseal(sealed, other)
    spoilt = dict(sealed, sealed=str(sealed["sealed"])[:-8] + "AAAAAAA=")
    with pytest.raises(WrongCode):
        unseal(spoilt, code)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k").write_text('{"public": "AAAA"}')
    with pytest.raises(BadSettings):
        read_key(tmp_path / "k")


def test_any_browser_opens_the_page_without_a_network(
    practice: Practice, tmp_path: Path, envelope: tuple[Path, str], browser: "Browser"
) -> None:
    key, code = envelope
    calm = then_calm(practice)
    made = practice.store.paper.now(clinic="c1", by="paper")
    content = json.loads(json.dumps(made.content))
    content["items"][0]["subject"] = "<img src=x onerror=\"document.title='ran'\">"
    write_list(tmp_path / FILE, seal(read_key(key), content))
    context = browser.new_context(offline=True)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / FILE).as_uri())
    page.fill("#code", "wrong")
    page.click("button")
    page.wait_for_selector("#trouble:has-text('does not open')")
    assert page.locator("article").count() == 0
    page.fill("#code", f" {code.lower().replace('0', 'o')} ")
    page.click("button")
    page.wait_for_selector("article")
    assert page.locator("article").count() == len(content["items"])
    assert [one.inner_text() for one in page.locator("article code").all()] == [
        one["code"] for one in content["items"]
    ]
    text = page.inner_text("#list")
    assert all(one["text"].split("\n")[0].strip() in text for one in content["items"])
    # The urgent words first, then those that came last.
    assert "chest pain" in text.split(calm.body)[0].split("The newest message:")[0]
    assert "<img src=x" in text
    assert page.title() == "Open items"
    assert asked == [(tmp_path / FILE).as_uri()]
    context.close()


def then_calm(practice: Practice) -> Letter:
    """File something harmless from whoever wrote of chest pain; return it."""
    letters = {letter.key: letter for letter in MORNING}
    body = "And here is my insurance number."
    calm = {"key": "calm", "writer": letters["chest"].writer, "subject": "Insurance", "body": body}
    made = replace(letters["refill"], **calm)
    assert practice.receive(made, after="chest") == practice.cases["chest"]
    return made


def test_the_list_says_the_words_that_made_a_case_urgent_also_when_a_calm_one_follows(
    practice: Practice, tmp_path: Path, envelope: tuple[Path, str]
) -> None:
    letters = {letter.key: letter for letter in MORNING}
    calm, case_id = then_calm(practice), practice.cases["chest"]
    content = practice.store.paper.now(clinic="c1", by="paper").content
    # It survives being sealed, too.
    write_list(tmp_path / FILE, seal(read_key(envelope[0]), content))
    items: Any = unseal(sealed_in(tmp_path / FILE), envelope[1])["items"]
    found = next(one for one in items if one["code"] == case_id[:8])
    assert (found["urgency"], found["messages"]) == ("emergency", 2)
    assert found["subject"] == letters["chest"].subject
    assert "chest pain" in found["text"]
    assert found["newest"] == {"subject": calm.subject, "text": calm.body}
    # Where the newest decides, it stands there once; and nothing is longer than a page bears.
    assert [one["code"] for one in items if one["newest"]] == [case_id[:8]]
    long = replace(calm, key="long", body="word " * 1000)
    assert practice.receive(long, after="chest") == case_id
    (made, *_) = practice.store.paper.now(clinic="c1", by="paper").content["items"]  # type: ignore[misc]  # JSON of any shape.
    assert (made["text"], len(made["newest"]["text"])) == (found["text"], 1500)


class Shelf:
    """A desk double: what was gathered and written."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.kept = clock, list[datetime]()

    def gather(self) -> PaperList:
        return PaperList(self.clock(), ("one",), {"items": []})

    def written(self, made: PaperList) -> None:
        self.kept.append(made.made_at)


def test_the_list_is_never_older_than_a_quarter_of_an_hour_without_an_alarm(
    tmp_path: Path, envelope: tuple[Path, str]
) -> None:
    clock = Clock()
    shelf, key = Shelf(clock), read_key(envelope[0])
    paper = PaperFile(
        tmp_path / "list", shelf.gather, lambda c: seal(key, c), shelf.written, clock=clock
    )
    for _ in range(60):
        paper.once()
        assert paper.notes() == frozenset()
        assert clock() - shelf.kept[-1] <= timedelta(minutes=15)
        clock.forward(timedelta(seconds=50))
    (tmp_path / "list").rename(tmp_path / "away")
    (tmp_path / "list").write_text("a file stands where the folder was")
    for _ in range(20):
        paper.once()
        old = clock() - shelf.kept[-1] > timedelta(minutes=15)
        assert paper.notes() == {"paper_late"} or not old
        clock.forward(timedelta(minutes=1))
    assert paper.notes() == {"paper_late"}
    (tmp_path / "list").unlink()
    clock.forward(timedelta(minutes=1))
    assert paper.once()
    assert paper.notes() == frozenset()
    clock.forward(-timedelta(days=3))
    assert paper.once(), "a clock that was set back keeps no list away"


def test_without_a_code_no_list_is_written_and_people_are_told(tmp_path: Path) -> None:
    clock = Clock()
    shelf = Shelf(clock)
    paper = PaperFile(tmp_path, shelf.gather, None, shelf.written, clock=clock)
    assert not paper.once()
    assert paper.notes() == {"paper_not_set_up"}
    assert list(tmp_path.iterdir()) == []


def down(practice: Practice) -> str:
    """Write a list, be down for an hour, write the next one; return the id of the outage."""
    paper, clinic = practice.store.paper, {"clinic": "c1"}
    before = paper.now(**clinic, by="paper")
    paper.written(before, **clinic)
    after = PaperList(before.made_at + timedelta(hours=1), before.cases[:-1], {})
    paper.written(after, **clinic)
    (outage,) = paper.outages(**clinic, by="test")
    assert outage.made_at == before.made_at
    assert {item.case_id for item in outage.items} == set(before.cases)
    return outage.id


def test_a_gap_between_two_lists_is_a_time_on_paper_and_a_pause_is_none(
    practice: Practice,
) -> None:
    paper, clinic = practice.store.paper, {"clinic": "c1"}
    made = paper.now(**clinic, by="paper")
    for minutes in (0, 10, 20, 34):
        paper.written(
            PaperList(made.made_at + timedelta(minutes=minutes), made.cases, {}), **clinic
        )
    assert paper.outages(**clinic, by="test") == ()
    assert paper.missing(**clinic) == 0
    later = PaperList(made.made_at + timedelta(minutes=50), made.cases, {})
    paper.written(later, **clinic)
    assert paper.missing(**clinic) == len(made.cases)


def test_what_was_done_on_paper_is_entered_until_nothing_is_missing(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    outage, dana = down(practice), visit("dana")
    count = len(practice.cases)
    assert f"{count} cases were on paper" in dana.get("/queue").text
    bill = practice.cases["bill"]
    file = practice.store.cases.get(bill, clinic="c1", by="test")
    form = {"case": bill, "acted_by": "u-milo", "acted_at": "2026-01-05T09:30"}
    refused = dana.post(f"/downtime/{outage}", **form, outcome="phoned", who="Ana", said="told")
    assert refused.status_code == 409, "a request is open: closed neither on paper nor at the desk"
    assert practice.store.paper.missing(clinic="c1") == count
    assert any(not part.done for part in file.case.requests)
    said = {"outcome": "phoned", "who": "Ana", "said": "told", "done": "yes"}
    assert dana.post(f"/downtime/{outage}", **form, **said).status_code == 303
    assert dana.post(f"/downtime/{outage}", **form, outcome="nothing").status_code == 409
    closed = practice.store.cases.get(bill, clinic="c1", by="test")
    assert closed.case.state is CaseState.CLOSED
    assert closed.case.outcome == "phoned"
    assert all(part.done for part in closed.case.requests)
    (found,) = practice.store.paper.outages(clinic="c1", by="test")
    entry = next(item.entry for item in found.items if item.case_id == bill)
    assert entry is not None
    assert (entry.acted_by, entry.entered_by) == ("u-milo", "u-dana")
    assert entry.note.reveal() == "Spoke with: Ana\nWhen: 2026-01-05 09:30\nWhat: told"
    assert closed.outcome_note.reveal() == entry.note.reveal()
    assert entry.acted_at == datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
    for case_id in practice.cases.values():
        if case_id != bill:
            other = {**form, "case": case_id, "outcome": "still_open"}
            assert dana.post(f"/downtime/{outage}", **other).status_code == 303
    page = dana.get("/downtime").text
    assert "all are entered" in page
    assert "cases were on paper" not in page
    events = practice.store.cases.history(bill, clinic="c1", by="test")
    assert {"paper.listed", "paper.entered", "case.closed"} <= {event.action for event in events}


def test_nobody_claims_that_everything_is_done_and_a_refused_entry_keeps_its_words(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    outage, dana, bill = down(practice), visit("dana"), practice.cases["bill"]
    box = re.findall(r'<input type="checkbox" name="done"[^>]*>', dana.get("/downtime").text)
    assert len(box) == len(practice.cases)
    assert not [one for one in box if "checked" in one]
    form = {"case": bill, "acted_by": "u-milo", "acted_at": "2026-01-05T09:30", "note": "<slow>"}
    said = {"outcome": "phoned", "who": "Ana & Bo", "said": "it was our mistake"}
    refused = dana.post(f"/downtime/{outage}", **form, **said)
    assert refused.status_code == 409
    assert "A request is still open" in refused.text
    assert "tick that below" in refused.text
    kept = refused.text.split(f'action="/downtime/{outage}"')[1].split("</form>")[0]
    for typed in ("Ana &amp; Bo", "it was our mistake", "&lt;slow&gt;", "2026-01-05T09:30"):
        assert typed in kept
    assert re.findall(r'value="([\w-]+)"[^>]* selected', kept) == ["u-milo", "phoned"]
    assert 'name="done" value="yes">' in kept
    # So do the words of an entry that lacks one, of a time to come, and of a colleague's case.
    lacking = dana.post(f"/downtime/{outage}", **form, outcome="phoned", who="Ana & Bo", done="yes")
    assert (lacking.status_code, "Ana &amp; Bo" in lacking.text) == (409, True)
    assert 'name="done" value="yes" checked>' in lacking.text
    future = {**form, **said, "acted_at": "2999-01-05T09:30"}
    assert "it was our mistake" in dana.post(f"/downtime/{outage}", **future).text
    practice.desk.queue.claim(PEOPLE["milo"], bill)
    taken = dana.post(f"/downtime/{outage}", **form, **said, done="yes")
    assert (taken.status_code, "it was our mistake" in taken.text) == (409, True)
    practice.desk.queue.release(PEOPLE["milo"], bill)
    case = practice.store.cases.get(bill, clinic="c1", by="test").case
    assert case.state is CaseState.OPEN
    assert not any(part.done for part in case.requests)
    assert dana.post(f"/downtime/{outage}", **form, **said, done="yes").status_code == 303


def test_an_entry_needs_a_case_of_the_list_a_colleague_and_a_time_that_has_come(
    practice: Practice,
) -> None:
    desk, outage = practice.desk.paper, down(practice)
    case_id = practice.cases["refill"]
    good: dict[str, Any] = {"acted_by": "u-milo", "acted_at": datetime(2026, 1, 5, tzinfo=UTC)}
    good |= {"outcome": "nothing", "note": Protected("")}
    with pytest.raises(NotFound):
        desk.enter(DANA, outage, "0" * 32, **good)
    with pytest.raises(NotFound):
        desk.enter(DANA, outage, case_id, **{**good, "acted_by": "u-eve"})
    late = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(NotAnswerable):
        desk.enter(DANA, outage, case_id, **{**good, "acted_at": late})
    with pytest.raises(NotAnswerable):
        desk.enter(DANA, outage, case_id, **{**good, "outcome": "forgotten"})
    with pytest.raises(NotFound):
        desk.enter(DANA, "0" * 32, case_id, **good)
    desk.enter(DANA, outage, case_id, **good)
    with pytest.raises(AlreadyEntered):
        desk.enter(DANA, outage, case_id, **good)
    closing = {**good, "outcome": "phoned", "note": Protected("told"), "all_done": True}
    for list_id, wrong in ((outage, AlreadyEntered), ("0" * 32, NotFound)):
        with pytest.raises(wrong):
            desk.enter(DANA, list_id, case_id, **closing)
    with pytest.raises(NotFound):
        desk.enter(DANA, outage, practice.cases["bill"], **{**closing, "acted_by": "u-eve"})
    for key in ("refill", "bill"):
        case = practice.store.cases.get(practice.cases[key], clinic="c1", by="test").case
        assert case.state is CaseState.OPEN, "what is refused closes nothing"
        assert not any(part.done for part in case.requests)


def test_an_outcome_asks_for_the_same_words_on_paper_as_at_the_desk(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    outage, dana, case_id = down(practice), visit("dana"), practice.cases["refill"]
    form = {"case": case_id, "acted_by": "u-milo", "acted_at": "2026-01-05T09:30"}
    form |= {"note": "only a note", "done": "yes"}
    words, queue = {"who": "Ana", "said": "agreed"}, practice.desk.queue
    for outcome, needed in NEEDED.items():
        for lacking in needed:
            some = {key: text for key, text in words.items() if key != FIELDS.get(lacking, lacking)}
            refused = dana.post(f"/downtime/{outage}", **form, outcome=outcome, **some)
            assert refused.status_code == 409
            assert "Who, and what was said?" in refused.text
        with pytest.raises(OutcomeIncomplete):
            queue.close(DANA, case_id, outcome=outcome, note=Protected("a note"), told=Told())
    assert queue.open(DANA, case_id).file.case.state is CaseState.OPEN
    # Also where the case was closed meanwhile, and only the entry is missing.
    queue.close(DANA, case_id, outcome="entered_in_ehr", note=Protected(""), all_done=True)
    for outcome in NEEDED:
        assert dana.post(f"/downtime/{outage}", **form, outcome=outcome).status_code == 409
    said = {"outcome": "passed_on", "who": "Ana"}
    assert dana.post(f"/downtime/{outage}", **form, **said).status_code == 303


def test_of_two_who_enter_the_same_case_the_second_sees_what_the_first_entered(
    practice: Practice, visit: Callable[[str], Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    outage, dana = down(practice), visit("dana")
    bill, refill = practice.cases["bill"], practice.cases["refill"]
    form = {"case": bill, "acted_by": "u-milo", "acted_at": "2026-01-05T09:30", "done": "yes"}
    said: dict[str, Any] = {"acted_by": "u-milo", "acted_at": datetime(2026, 1, 5, tzinfo=UTC)}
    said |= {"outcome": "still_open", "note": Protected("Waits for the insurer")}
    desk = practice.desk.paper
    # The first enters between the second's look and the second's act.
    look = practice.store.paper.check

    def late(list_id: str, entry: Any, *, clinic: str) -> None:
        look(list_id, entry, clinic=clinic)
        monkeypatch.setattr(practice.store.paper, "check", look)
        desk.enter(PEOPLE["nia"], list_id, entry.case_id, **said)

    for case_id, more in (
        (bill, {"outcome": "phoned", "who": "Ana", "said": "paid"}),
        (refill, {"outcome": "nothing"}),
    ):
        monkeypatch.setattr(practice.store.paper, "check", late)
        answer = dana.post(f"/downtime/{outage}", **{**form, "case": case_id}, **more)
        assert answer.status_code == 409
        assert "Waits for the insurer" in answer.text
        assert "Something was done; it stays open" in answer.text
        assert "Nothing of what you typed was kept" in answer.text
        case = practice.store.cases.get(case_id, clinic="c1", by="test").case
        assert case.state is CaseState.OPEN, "the second one closed nothing"
        assert not any(part.done for part in case.requests)
    # And whoever comes minutes later, from a page that is old.
    answer = dana.post(f"/downtime/{outage}", **form, outcome="nothing")
    assert (answer.status_code, "Waits for the insurer" in answer.text) == (409, True)
    events = practice.store.cases.history(bill, clinic="c1", by="test")
    assert any(e.action == "paper.read" and e.actor == DANA.id for e in events)


def test_an_entry_apart_from_the_closing_would_be_seen(
    practice: Practice, visit: Callable[[str], Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: the case is closed first and the entry made afterwards, as it once was."""
    closing = practice.desk.queue.close
    monkeypatch.setattr(
        practice.desk.queue, "close", lambda *a, within, **more: closing(*a, **more)
    )
    with pytest.raises(AssertionError):
        test_of_two_who_enter_the_same_case_the_second_sees_what_the_first_entered(
            practice, visit, monkeypatch
        )


def test_an_urgent_case_that_was_phoned_on_paper_alarms_no_more(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    outage, dana, chest = down(practice), visit("dana"), practice.cases["chest"]
    form = dana.get("/downtime").text.split(f'id="{chest}"')[1].split("</form>")[0]
    offered = set(re.findall(r'<option value="(\w+)"', form)) & {*ON_PAPER, *URGENT_ON_PAPER}
    assert offered == set(URGENT_ON_PAPER)
    desk = practice.desk
    waiting = desk.urgent.now(DANA)[0].waiting
    said: dict[str, Any] = {"acted_by": "u-milo", "acted_at": datetime(2026, 1, 5, tzinfo=UTC)}
    said |= {"outcome": PHONED_OPEN, "note": Protected("")}
    desk.paper.enter(DANA, outage, chest, **said)
    assert desk.urgent.now(DANA)[0].waiting == waiting - 1
    case = practice.store.cases.get(chest, clinic="c1", by="test").case
    assert (case.state, case.acted_by) == (CaseState.OPEN, DANA.id)
    with pytest.raises(NotAnswerable):
        desk.paper.enter(DANA, outage, practice.cases["bill"], **said)


@pytest.mark.parametrize("clock", ["right", "set back", "an earlier version's list"])
def test_nothing_on_paper_closes_a_case_over_a_message_nobody_has_read(
    practice: Practice, visit: Callable[[str], Visit], clock: str
) -> None:
    """The list was made, somebody phoned, and what the patient wrote meanwhile is filed later."""
    outage, dana, store = down(practice), visit("dana"), practice.store
    lists, real = tables.paper_lists, store.transactions.clock
    if clock == "set back":
        # What comes back after the power was cut may believe that it is yesterday.
        store.transactions.clock = lambda: real() - timedelta(days=1)
    elif clock != "right":
        with store.transactions.write() as work:
            row = work.one(lists.select().where(lists.c.id == outage), "the list")
            old = lists.update().where(lists.c.id == outage)
            work.run(old.values(cases=list(row.cases)))
    letters = {letter.key: letter for letter in MORNING}
    for key in ("bill", "chest"):
        more = replace(letters[key], key=f"{key}-again", body="It got much worse.")
        assert practice.receive(more, after=key) == practice.cases[key]
    store.transactions.clock = real
    waiting = practice.desk.urgent.now(DANA)[0]
    form = {"acted_by": "u-milo", "acted_at": "2026-01-05T09:30", "done": "yes"}
    words = {"who": "Ana", "said": "told"}
    for key, outcome in (("bill", "phoned"), ("chest", PHONED_OPEN), ("chest", "phoned")):
        said = {**form, **words, "case": practice.cases[key], "outcome": outcome}
        refused = dana.post(f"/downtime/{outage}", **said)
        assert refused.status_code == 409
        assert "Another message has joined since this list was made. Read it first." in refused.text
        case = store.cases.get(practice.cases[key], clinic="c1", by="test").case
        assert (case.state, case.acted_at) == (CaseState.OPEN, None)
        assert not any(part.done for part in case.requests)
        assert practice.desk.paper.entered(DANA, outage, case.id) is None
    assert practice.desk.urgent.now(DANA)[0] == waiting
    # As the page says: read, decided in the case itself, and then entered.
    chest = practice.cases["chest"]
    assert dana.decide(chest, "acted", how="phoned").status_code == 303
    for key, outcome in (("chest", PHONED_OPEN), ("bill", "still_open"), ("refill", "phoned")):
        said = {**form, **words, "case": practice.cases[key], "outcome": outcome}
        assert dana.post(f"/downtime/{outage}", **said).status_code == 303


def test_an_entry_that_asks_for_no_new_message_would_be_seen(
    practice: Practice, visit: Callable[[str], Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: nobody compares the case with what stood on the list, as it once was."""
    monkeypatch.setattr("triage.store.paper._nothing_joined", lambda *_: None)
    with pytest.raises(AssertionError):
        test_nothing_on_paper_closes_a_case_over_a_message_nobody_has_read(practice, visit, "right")


def test_a_night_without_the_machine_is_one_button_and_no_alarm(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    outage, dana = down(practice), visit("dana")
    store, count = practice.store, len(practice.cases)

    def kinds() -> list[str]:
        found = practice.desk.banners(DANA)
        return [banner.level for banner in found if "on paper while" in banner.text]

    assert kinds() == ["warning"]
    form = {"case": practice.cases["bill"], "acted_by": "u-milo", "acted_at": "2026-01-05T09:30"}
    dana.post(f"/downtime/{outage}", **form, outcome="still_open")
    assert kinds() == ["alarm"], "somebody began, and the rest is missing"
    assert "Nobody worked from this list" in dana.get("/downtime").text
    assert dana.post(f"/downtime/{outage}/nobody").status_code == 303
    assert kinds() == []
    (found,) = store.paper.outages(clinic="c1", by="test")
    entries = [item.entry for item in found.items if item.entry is not None]
    assert len(entries) == count
    told = {(one.outcome, one.acted_by) for one in entries}
    assert told == {("nothing", DANA.id), ("still_open", "u-milo")}
    assert len(store.audit.events(clinic="c1", by="test", action="paper.entered")) == 2
    with pytest.raises(NotFound):
        practice.desk.paper.nobody(DANA, "0" * 32)


def test_what_lacks_entries_stays_on_the_page_and_what_nobody_can_tell_does_not_count(
    practice: Practice,
) -> None:
    paper, clinic = practice.store.paper, {"clinic": "c1"}
    made, bill = paper.now(**clinic, by="paper"), practice.cases["bill"]
    hours = [made.made_at + timedelta(hours=number) for number in range(14)]
    # The first list has a case on it, the others none: nobody can have worked from those.
    paper.written(PaperList(hours[0], (bill,), {}), **clinic)
    for at in hours[1:3]:
        paper.written(PaperList(at, (), {}), **clinic)
    assert len(paper.outages(**clinic, by="test")) == 1
    for at in hours[3:]:
        paper.begin(**clinic, by=DANA.id, now=at)
        paper.written(PaperList(at, (), {}), **clinic)
    shown = paper.outages(**clinic, by="test")
    assert (len(shown), shown[-1].missing, paper.missing(**clinic)) == (11, 1, 1)
    with practice.store.transactions.write() as work:
        gone = tables.cases.update().where(tables.cases.c.id == bill)
        work.run(gone.values(state=CaseState.CLOSED.value, erased_at=work.now))
    assert paper.missing(**clinic) == 0


def test_a_message_that_joined_the_wrong_case_gets_its_own_on_the_page(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    """A decision of the machine with its override, by name, on record."""
    letter = Letter("form", 6, "Re", "And the form for my daughter's school?", Route.RECORDS_FORMS)
    case_id, dana = practice.receive(letter, after="bill"), visit("dana")
    assert case_id == practice.cases["bill"]
    message, first = practice.store.cases.get(case_id, clinic="c1", by="test").messages
    ask, why = "Own case for this message", {"reason": "It is about his <daughter>."}
    # Who has one message is asked nothing, and who may not work on a case neither.
    assert ask not in dana.get(f"/case/{practice.cases['refill']}").text
    assert dana.get(f"/case/{case_id}").text.count(f"<summary>{ask}") == 2
    answer = dana.decide(case_id, "own-case", message=message.id, **why)
    assert answer.headers["location"] == f"/case/{case_id}#message-{message.id}"
    assert dana.decide(case_id, "own-case", message=message.id, **why).status_code == 303
    page = dana.get(f"/case/{case_id}").text
    assert "This message gets its own case" in page
    assert (page.count(f"<summary>{ask}"), page.count("his &lt;daughter&gt;")) == (0, 1)
    assert "And the form for my daughter" in page
    assert "Own case for a message" in page
    refused = dana.decide(case_id, "own-case", message=first.id, **why)
    assert (refused.status_code, "This message stays" in refused.text) == (409, True)
    ((_, raw_id),) = practice.store.landing.waiting(limit=9)
    reading = practice._reading(letter, raw_id, "bill")
    own = practice.store.cases.file(reading, clinic="c1", by="worker")
    assert f'<a href="/case/{own}">Open its own case</a>' in dana.get(f"/case/{case_id}").text
    assert f'<a href="/case/{case_id}">Open that case</a>' in dana.get(f"/case/{own}").text


def test_what_looks_automatic_can_be_answered_once_somebody_says_a_person_wrote_it(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    """A decision of the machine with its override, by name, on record."""
    words = "Thank you for your payment. Please do not answer this mail."
    marks = frozenset({Mark.AUTOMATIC})
    letter = Letter("notice", 1, "Your bill", words, Route.BILLING_DISPUTE, marks=marks)
    case_id = practice.receive(letter)
    page = visit("dana").get(f"/case/{case_id}").text
    assert "Automatic messages are never answered" in page
    assert "A person wrote this" in page
    practice.desk.queue.by_person(DANA, case_id)
    page = visit("dana").get(f"/case/{case_id}").text
    assert "Automatic messages are never answered" not in page
    events = practice.store.cases.history(case_id, clinic="c1", by="test")
    assert any(e.action == "case.marked" and e.actor == DANA.id for e in events)
    with pytest.raises(ChangedUnderneath):
        practice.desk.queue.by_person(DANA, case_id, seen="an older message")
    # What stands in a closed case waits for nobody: neither this decision nor words saved in it.
    words = {"subject": Protected("Re"), "body": Protected("Yours.")}
    practice.desk.replies.save(DANA, case_id, **words)
    assert Waiting.DRAFT in practice.store.counts.oldest(clinic="c1")
    for part in practice.desk.queue.open(DANA, case_id).file.case.requests:
        practice.desk.queue.tick(DANA, case_id, part.id)
    practice.desk.queue.close(DANA, case_id, outcome="no_reply_needed", note=Protected(""))
    assert Waiting.DRAFT not in practice.store.counts.oldest(clinic="c1")
    with pytest.raises(ChangedUnderneath):
        practice.desk.queue.by_person(DANA, case_id)
    assert practice.store.cases.get(case_id, clinic="c1", by="t").case.state is CaseState.CLOSED
