"""What every answer carries, and what never gets as far as a handler."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.web.conftest import HERE, Visit
from tests.web.practice import MORNING, NAMES, PASSWORD, Practice
from triage.desk.queue import QueueDesk
from triage.web.assets import fingerprint
from triage.web.pages import TEMPLATES
from triage.web.security import CONTENT_SECURITY_POLICY, KEEP, LARGEST_FORM, csrf_token


def test_every_kind_of_answer_carries_the_headers(
    app: FastAPI, visit: Callable[[str], Visit]
) -> None:
    dana, static = visit("dana"), f"/static/{fingerprint()}"
    answers = [
        dana.get("/queue"),
        dana.get("/"),
        dana.get("/models"),
        dana.get("/nowhere"),
        dana.get(f"{static}/desk.css"),
        dana.client.get("/queue", headers={"Host": "evil.example"}),
        Visit(app).get("/queue"),
    ]
    assert {answer.status_code for answer in answers} == {200, 303, 403, 404, 400}
    for answer in answers:
        assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Frame-Options"] == "DENY"
        kept = answer.headers["Cache-Control"]
        assert kept == (KEEP if "css" in str(answer.url) else "no-store")


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_no_template_has_anything_inline(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", text)
    assert "| safe" not in text
    assert "|safe" not in text


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_words_about_patients_travel_in_bodies_only(path: Path) -> None:
    """In an address go only filters by ids, days and words of ours, and a promise's two numbers."""
    text = path.read_text(encoding="utf-8")
    forms = re.findall(r"<form\b[^>]*>", text)
    got = [form for form in forms if 'method="post"' not in form and 'method="dialog"' not in form]
    assert len(got) == (1 if path.name in {"audit.html", "promises.html", "_filters.html"} else 0)
    for address in re.findall(r'(?:href|action|hx-get|hx-post|src)="([^"]*)"', text):
        assert "reveal" not in address
        assert "exact" not in address


def test_the_session_cookie_is_for_this_site_and_no_script(app: FastAPI) -> None:
    form = {"username": "dana", "password": PASSWORD}
    answer = Visit(app).client.post("/log-in", data=form)
    cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    over_tls = Visit(app).client.post(
        "https://127.0.0.1/log-in", data=form, headers={"Origin": "https://127.0.0.1"}
    )
    assert "secure" in over_tls.headers["Set-Cookie"].lower()
    assert "max-age" in over_tls.headers["Strict-Transport-Security"]


def test_a_wrong_password_is_refused_without_saying_which_part_was_wrong(app: FastAPI) -> None:
    known = Visit(app).client.post("/log-in", data={"username": "dana", "password": "no"})
    unknown = Visit(app).client.post("/log-in", data={"username": "nobody", "password": "no"})
    assert known.status_code == unknown.status_code == 401
    assert known.text == unknown.text
    assert "Set-Cookie" not in known.headers


def test_signing_out_ends_the_session_in_the_store(visit: Callable[[str], Visit]) -> None:
    dana = visit("dana")
    cookie = dana.client.cookies["desk"]
    assert dana.post("/log-out").status_code == 303
    dana.client.cookies.set("desk", cookie)
    assert dana.get("/queue").headers["location"] == "/log-in"


@pytest.mark.parametrize("token", ["", "0" * 64, "é", csrf_token("another session")])
def test_a_form_without_this_session_s_token_changes_nothing(
    token: str, practice: Practice, visit: Callable[[str], Visit]
) -> None:
    dana = visit("dana")
    case_id = practice.cases["refill"]
    dana.csrf = token
    assert dana.post(f"/case/{case_id}/claim").status_code == 403
    assert practice.desk.queue.open(practice.user("dana"), case_id).claimed_by is None


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "https://127.0.0.1"},
    {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "null", "Sec-Fetch-Site": "same-site"},
    {"Origin": "null", "Sec-Fetch-Site": "none"},
    {"Origin": HERE, "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_form_from_another_page_is_refused(
    headers: dict[str, str], practice: Practice, visit: Callable[[str], Visit]
) -> None:
    dana = visit("dana")
    path = f"/case/{practice.cases['refill']}/claim"
    answer = dana.client.post(path, data={"csrf": dana.csrf}, headers=headers)
    assert answer.status_code == 400


def test_a_form_under_no_referrer_is_taken_when_the_browser_vouches_for_it(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    dana = visit("dana")
    path = f"/case/{practice.cases['refill']}/claim"
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    answer = dana.client.post(path, data={"csrf": dana.csrf}, headers=headers)
    assert answer.status_code == 303


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "evil.example:80"])
def test_only_its_own_names_are_answered_to(host: str, app: FastAPI) -> None:
    assert Visit(app).client.get("/log-in", headers={"Host": host}).status_code == 400


def test_a_form_may_not_be_endless(visit: Callable[[str], Visit]) -> None:
    dana = visit("dana")
    assert dana.post("/log-out", words="x" * LARGEST_FORM).status_code == 400
    pieces = (b"csrf=" for _ in range(2))
    assert dana.client.post("/log-out", content=pieces).status_code == 400


def test_static_files_are_kept_by_their_fingerprint_and_never_leave_their_folder(
    visit: Callable[[str], Visit], tmp_path: Path
) -> None:
    dana, static = visit("dana"), f"/static/{fingerprint()}"
    assert dana.get(f"{static}/desk.css").headers["Cache-Control"] == KEEP
    for path in (f"{static}/../app.py", f"{static}/%2e%2e/app.py", f"{static}//etc/passwd"):
        answer = dana.get(path)
        assert answer.status_code == 404
        assert answer.headers["Cache-Control"] == "no-store"
    (tmp_path / "a.css").write_text("a")
    before = fingerprint(tmp_path)
    (tmp_path / "a.css").write_text("b")
    assert fingerprint(tmp_path) != before


def test_a_fault_leaves_no_word_of_a_patient_on_the_page_or_in_the_log(
    visit: Callable[[str], Visit],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("Rosalind Keane wrote about lisinopril")

    dana = visit("dana")
    monkeypatch.setattr(QueueDesk, "view", broken)
    caplog.set_level(logging.DEBUG)
    answer = dana.get("/queue")
    assert answer.status_code == 500
    assert "Keane" not in answer.text + caplog.text
    assert "RuntimeError" in caplog.text


def test_a_bad_form_is_not_quoted_back(practice: Practice, visit: Callable[[str], Visit]) -> None:
    path = f"/case/{practice.cases['refill']}/approve"
    answer = visit("dana").post(path, digest="Rosalind", proof="Keane")
    assert answer.status_code == 422
    assert "Rosalind" not in answer.text


def test_a_whole_visit_leaves_nothing_about_patients_in_the_log(
    practice: Practice, visit: Callable[[str], Visit], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    dana = visit("dana")
    dana.get("/queue")
    for case_id in practice.cases.values():
        dana.get(f"/case/{case_id}")
        dana.post(f"/case/{case_id}/patients", words="Lindqvist", seen="x", was="x")
        dana.post(f"/case/{case_id}/draft", subject="About lisinopril", body="Dear Ms Keane")
    surnames = {name.split()[1] for name, _ in NAMES}
    words = surnames | {letter.subject for letter in MORNING if letter.subject} | {"lisinopril"}
    # The test client's own request line holds addresses only; they are checked all the same.
    assert not [word for word in words if word in caplog.text]
