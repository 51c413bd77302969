"""What monitors read: one word for strangers, numbers for who may, a patient for nobody."""

from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect
from prometheus_client.parser import text_string_to_metric_families

from tests.journeys.served import Served, axe, serving, sign_in
from tests.web.conftest import HERE, Visit
from tests.web.practice import CLINIC, PEOPLE, Practice
from triage.domain import Pace, Protected
from triage.errors import StoreRefused
from triage.web.app import create_app
from triage.web.watch import beating

pytestmark = pytest.mark.bar(30)
PARTS = ("worker", "sender", "watch")


def ask(app: FastAPI, path: str, host: str = "203.0.113.9", **more: str) -> tuple[int, str]:
    client = TestClient(app, base_url=HERE, client=(host, 4711))
    answer = client.get(path, headers=more)
    return answer.status_code, answer.text


def living(practice: Practice, *missing: str) -> FastAPI:
    """Return a fresh application whose parts live, apart from those that are missing."""
    for part in PARTS:
        if part not in missing:
            practice.store.beats.beat(part)
    return create_app(practice.desk, clinic_name=CLINIC.name)


def test_strangers_learn_one_word(practice: Practice) -> None:
    assert ask(living(practice), "/healthz") == (200, "well\n")


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_never_lived_is_not_well(practice: Practice, part: str) -> None:
    assert ask(living(practice, part), "/healthz") == (503, "not well\n")


def test_a_store_that_refuses_is_not_well(
    practice: Practice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise StoreRefused("Alice Keane")

    app = living(practice)
    monkeypatch.setattr(practice.store.beats, "all", refuse)
    assert ask(app, "/healthz") == (503, "not well\n")


def test_many_strangers_ask_the_store_once(
    practice: Practice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, all_beats, asked = living(practice), practice.store.beats.all, []
    monkeypatch.setattr(practice.store.beats, "all", lambda: asked.append(1) or all_beats())
    assert {ask(app, "/healthz") for _ in range(20)} == {(200, "well\n")}
    assert len(asked) == 1


def test_numbers_are_for_this_machine_or_a_token(practice: Practice) -> None:
    plain = create_app(practice.desk, clinic_name="x")
    assert ask(plain, "/metrics")[0] == 403
    assert ask(plain, "/metrics", "127.0.0.1")[0] == 200
    assert ask(plain, "/metrics", "::1")[0] == 200
    with_token = create_app(practice.desk, clinic_name="x", metrics_token="t0ken")
    assert ask(with_token, "/metrics", "127.0.0.1")[0] == 403
    assert ask(with_token, "/metrics", authorization="Bearer t0ke")[0] == 403
    assert ask(with_token, "/metrics", authorization="Bearer t0ken")[0] == 200
    behind = create_app(practice.desk, clinic_name="x", behind_proxy=True)
    assert ask(behind, "/metrics", "127.0.0.1")[0] == 403


def test_the_numbers_say_what_waits_who_lives_and_how_models_do(
    practice: Practice,
) -> None:
    practice.store.beats.beat("worker", paces={"classifier": Pace(4, 0.5)})
    practice.store.beats.beat("inbox:front-desk")
    practice.store.beats.beat("count", notes=["in_no_lane:2"])
    practice.store.beats.beat("start:worker")
    practice.store.beats.beat("missed:portal")
    status, text = ask(living(practice, "worker"), "/metrics", "127.0.0.1")
    assert status == 200
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    counts = practice.store.cases.counts(clinic="c1")
    for lane, count in counts.items():
        assert found["triage_open_cases", lane.value] == count
    assert found["triage_oldest_case_seconds", "urgent"] > 0
    assert found["triage_landed_total",] == sum(counts.values())
    assert 0 <= found["triage_beat_age_seconds", "inbox:front-desk"] < 60
    assert found["triage_model_seconds_count", "classifier"] == 4
    assert (found["triage_unseen", "cases"], found["triage_unseen", "messages"]) == (2, 0)
    assert 0 <= found["triage_beat_age_seconds", "count"] < 60
    # What happened once is no sign of life: its age would only grow.
    once = {"start:worker", "missed:portal"}
    assert not once & {labels[0] for name, *labels in found if name == "triage_beat_age_seconds"}
    assert found["triage_model_seconds_sum", "classifier"] == 0.5


def told(practice: Practice, text: str) -> list[str]:
    """Return what of the practice's patients, cases and people stands in a text."""
    rows = practice.store.cases.queue(clinic="c1", by="test")
    words = {row.case.id for row in rows} | {"p1", "p2", "Keane", "example.org"}
    words |= {user.username for user in PEOPLE.values()}
    for row in rows:
        fields = (row.subject, row.sender, row.patient, row.preview)
        words |= {one.reveal() for one in fields if isinstance(one, Protected)}
    return sorted(word for word in words if len(word) > 3 and word in text)


def test_no_monitor_reads_of_a_patient(
    practice: Practice,
    visit: Callable[[str], Visit],
) -> None:
    app = living(practice)
    read = "".join(ask(app, path, "127.0.0.1")[1] for path in ("/healthz", "/metrics"))
    assert len(read) > 1000
    assert told(practice, read) == []
    assert len(told(practice, visit("dana").get("/queue").text)) > 5, "the control: a page does"


def test_the_loop_that_serves_pages_says_that_it_lives(practice: Practice) -> None:
    app = FastAPI(lifespan=beating(practice.desk))
    assert "web" not in {beat.process for beat in practice.store.beats.all()}
    with TestClient(app):
        while "web" not in {beat.process for beat in practice.store.beats.all()}:
            pass


@pytest.fixture
def served(practice: Practice) -> Iterator[Served]:
    axe()
    with serving(practice) as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.browser
def test_a_page_whose_desk_never_answers_again_turns_red(served: Served, page: Page) -> None:
    page.clock.install()
    sign_in(page, served, "dana")
    page.clock.run_for(200_000)
    expect(page.locator("#stale")).to_be_hidden()
    # A stopped desk: the line stays open and nothing comes.
    page.route("**/queue/version", lambda _: None)
    page.clock.run_for(110_000)
    expect(page.locator("body.old")).to_have_count(0)
    page.clock.run_for(20_000)
    expect(page.locator("body.old")).to_have_count(1)
    expect(page.locator("#stale")).to_be_visible()
    page.unroute("**/queue/version")
    with page.expect_response(lambda response: "/queue/version" in response.url):
        page.clock.run_for(5_000)
    page.clock.run_for(1_000)
    expect(page.locator("body.old")).to_have_count(0)
