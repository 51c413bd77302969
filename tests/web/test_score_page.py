"""The score sheet as a page and as files, and the banner of a practice for training."""

import csv
import io
import json
from dataclasses import replace

import pytest
from fastapi import FastAPI

from tests.newcomers.trainees import teach
from tests.web.conftest import Visit
from tests.web.practice import CLINIC, PEOPLE, Practice
from triage.domain import NOTHING, Lesson, Protected, Told
from triage.errors import NotAllowed, NotFound
from triage.web.app import create_app

BANNER = "nobody here is real, and nothing that is sent leaves this computer."


@pytest.fixture
def training(practice: Practice) -> FastAPI:
    teach(practice)
    return create_app(practice.desk, clinic_name=CLINIC.name)


def test_every_page_says_that_it_is_practice(
    practice: Practice,
    training: FastAPI,
) -> None:
    dana = Visit(training, "dana", practice)
    case = f"/case/{practice.cases['refill']}"
    pages = ("/account", "/nowhere", "/score", case)
    for path in pages:
        assert BANNER in dana.get(path).text, path
    assert BANNER in Visit(training).get("/log-in").text
    assert "/score" not in dana.get("/account").text, "the trainee is not shown the way there"


def test_a_desk_with_patients_has_neither_banner_nor_score_sheet(
    practice: Practice, app: FastAPI
) -> None:
    assert BANNER not in Visit(app).get("/log-in").text
    score, sam = practice.desk.score, PEOPLE["sam"]
    for ask in (score.sheet, score.table, score.listed):
        with pytest.raises(NotFound):
            ask(sam)
        with pytest.raises(NotAllowed):
            ask(PEOPLE["dana"])


def test_the_trainer_reads_and_saves_what_was_missed(
    practice: Practice,
    training: FastAPI,
) -> None:
    lesson = practice.desk.score._lesson
    assert lesson
    one = lesson.exercises[0]
    tricky = replace(one, expected=replace(one.expected, why="=HYPERLINK(1)", patient="p2"))
    practice.desk.score._lesson = Lesson((tricky, lesson.exercises[1]), lesson.trainee)
    sam = Visit(training, "sam", practice)
    assert "not opened yet" in sam.get("/score").text
    practice.desk.queue.open(PEOPLE["dana"], practice.cases["refill"])
    told = Told(Protected("Nia"))
    practice.desk.queue.close(
        PEOPLE["dana"],
        practice.cases["refill"],
        outcome="passed_on",
        note=NOTHING,
        told=told,
        all_done=True,
    )
    page = sam.get("/score").text
    assert '<a href="/score">' in page
    assert "What Dana Whitlock practised" in page
    assert "<strong>How it ended: missed.</strong> Closed in a way that does not fit it." in page
    assert "<strong>Whose message it is: missed.</strong> Linked to another patient." in page
    assert "Why it matters:</strong> <bdi>=HYPERLINK(1)</bdi>" in page
    assert "minutes from opening it to its outcome" in page
    saved = sam.post("/score/export", kind="csv")
    assert "attachment" in saved.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(saved.text)))
    assert rows[0][:3] == ["exercise", "looked at", "result"]
    assert ["refill", "outcome", "missed"] in [row[:3] for row in rows]
    assert {row[4] for row in rows if row[0] == "refill"} == {"'=HYPERLINK(1)"}
    listed = json.loads(sam.post("/score/export", kind="json").text)
    assert listed["trainee"] == "Dana Whitlock"
    assert len(listed["findings"]) == len(rows) - 1
    asked = [event.action for event in practice.store.audit.events(clinic="c1", by="t", limit=50)]
    assert asked.count("score.exported") == 2
