"""A signed-in test client on a copy of the practice's morning; each test has its own copy."""

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from tests.web.practice import CLINIC, MASTER, PASSWORD, Practice, open_copy, open_practice
from triage.domain import approver_key
from triage.store.proof import BrowserKey
from triage.web.app import create_app

HERE = "http://127.0.0.1"
#: What the forms of a case say of the page they were sent from.
SHOWN = ("seen", "was")
#: The smallest thing that passes for a form.
PDF = b"%PDF-1.4\nA form to sign.\n%%EOF\n"


class Visit:
    """One person's browser, as far as a test needs it: a cookie, an origin, a form token."""

    def __init__(self, app: FastAPI, name: str = "", practice: Practice | None = None) -> None:
        self.client = TestClient(app, base_url=HERE, headers={"Origin": HERE})
        self.client.follow_redirects = False
        self.csrf = ""
        if name:
            answer = self.client.post("/log-in", data={"username": name, "password": PASSWORD})
            assert answer.status_code == 303
            if answer.headers["location"] == "/log-in/code":
                assert practice
                self.csrf = self.token("/log-in/code")
                code = practice.one_time_code(name)
                assert self.post("/log-in/code", code=code).status_code == 303
            self.csrf = self.token("/account")

    def token(self, path: str) -> str:
        """Return the form token a page of this session holds."""
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.client.get(path).text)
        assert found
        return found.group(1)

    def get(self, path: str, **more: str) -> Response:
        return self.client.get(path, headers=more)

    def post(self, path: str, **form: str) -> Response:
        return self.client.post(path, data={"csrf": self.csrf, **form})

    def upload(self, path: str, name: str, content: bytes) -> Response:
        """Send a file as a page's form does."""
        file = {"file": (name, content, "application/pdf")}
        return self.client.post(path, data={"csrf": self.csrf}, files=file)

    def proof(self, user_id: str, reply: str, digest: str) -> str:
        """Enrol a key in this session and sign with it, as the page's script does."""
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
        key = BrowserKey(approver_key(MASTER, user_id), until)
        form = {"public": key.public, "certificate": key.certificate}
        answer = self.post("/account/key", until=str(int(until.timestamp())), **form)
        assert answer.status_code == 204
        return key.prove(reply, digest)

    def decide(self, case_id: str, what: str, **form: str) -> Response:
        """Open a case and send one of the forms on its page."""
        return self.post(f"/case/{case_id}/{what}", **self.shown(case_id), **form)

    def shown(self, case_id: str) -> dict[str, str]:
        """Open a case and return what its forms say that the page showed."""
        page = self.get(f"/case/{case_id}").text
        found = {name: re.search(f'name="{name}" value="([^"]+)"', page) for name in SHOWN}
        assert all(found.values()), "a form of this page must say what it showed"
        return {name: unescape(each.group(1)) for name, each in found.items() if each}


@pytest.fixture(scope="session")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the practice on a closed database, to be copied."""
    folder = tmp_path_factory.mktemp("morning")
    open_practice(folder).store.close()
    return folder


@pytest.fixture
def practice(morning: Path, tmp_path: Path) -> Iterator[Practice]:
    folder = tmp_path / "practice"
    shutil.copytree(morning, folder)
    opened = open_copy(folder)
    yield opened
    opened.store.close()


@pytest.fixture
def app(practice: Practice) -> FastAPI:
    return create_app(practice.desk, clinic_name=CLINIC.name)


@pytest.fixture
def visit(app: FastAPI, practice: Practice) -> Callable[[str], Visit]:
    return lambda name: Visit(app, name, practice)
