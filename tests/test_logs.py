"""Log lines are events with ids and types; whatever else a record carries is left out."""

import ast
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_house import room_of, sources
from triage.cli.logs import AsJson, AsText, worth_telling
from triage.domain import Protected
from triage.errors import InboxRefused, blame

pytestmark = pytest.mark.bar(39)

CANARY = "Rosalind Canary"
#: What a log line may say: ids, our parts' names, types, numbers, and the words of our errors.
FIELDS = {
    "case",
    "door",
    "doors",
    "error",
    "fault",
    "inbox",
    "job",
    "method",
    "missed",
    "model",
    "part",
    "raw",
    "raws",
} | {
    "reply",
    "seconds",
    "step",
    "why",
    "wrong",
}


def record(name: str, message: object, *args: object, trouble: bool = False) -> logging.LogRecord:
    try:
        raise ValueError(CANARY)
    except ValueError:
        info = sys.exc_info() if trouble else None
    return logging.LogRecord(name, logging.ERROR, "/x/y.py", 7, message, args, info)  # type: ignore[arg-type]  # Records made wrong on purpose.


def test_a_line_is_one_object_with_level_event_and_fields() -> None:
    made = record(
        "triage.engine", "reply %(reply)s failed: %(error)s", {"reply": "r1", "error": "E"}
    )
    facts = json.loads(AsJson("sender").format(made))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", facts.pop("at"))
    assert facts == {
        "level": "error",
        "process": "sender",
        "where": "triage.engine",
        "event": "reply failed",
        "reply": "r1",
        "error": "E",
    }
    assert 'reply failed reply="r1" error="E"' in AsText("sender").format(made)


@pytest.mark.parametrize(
    "made",
    [
        record("uvicorn.error", f"Exception for {CANARY}", trouble=True),
        record("dbos", "step of %s", CANARY),
        record("py.warnings", CANARY),
        record("triage.web", "failed", {"body": Protected(CANARY)}, trouble=True),
        record("triage.web", "failed", {"body": CANARY.encode(), "many": [CANARY]}),
        record("triage.web", "failed %s", CANARY),
        record("triage.web", ValueError(CANARY)),
        record("triagex", CANARY),
    ],
    ids=range(8),
)
def test_no_record_brings_a_patient_along(made: logging.LogRecord) -> None:
    for formatter in (AsJson("web"), AsText("web")):
        line = formatter.format(made)
        assert "Canary" not in line
        assert "\n" not in line
    # The sabotage: what Python prints by itself would.
    assert "Canary" in logging.Formatter("%(message)s").format(made) or made.name == "triage.web"


def test_a_line_cannot_be_forged_by_what_a_field_holds() -> None:
    """ASVS 16.4.1: neither a line feed nor a terminal's escape leaves its field."""
    made = record("triage.web", "failed: %(why)s", {"why": 'x"\n{"level":"info"}\x1b[2J\u2028'})
    for formatter in (AsJson("web"), AsText("web")):
        line = formatter.format(made)
        assert len(line.splitlines()) == 1
        assert line.isascii()
        assert line.isprintable()


def test_libraries_are_heard_from_warnings_on() -> None:
    quiet = logging.LogRecord("httpx", logging.INFO, "x", 1, "GET http://x/?name=Ana", (), None)
    assert not worth_telling(quiet)
    assert worth_telling(record("httpx", "x"))
    assert worth_telling(logging.LogRecord("triage.cli", logging.INFO, "x", 1, "on", (), None))


def test_blame_repeats_only_our_own_words() -> None:
    assert blame(ValueError(CANARY), raw="r1") == {"error": "ValueError", "raw": "r1"}
    assert blame(InboxRefused("inbox front-desk"))["why"].startswith("inbox front-desk: ")


@pytest.mark.parametrize("where", ["main", "thread", "destructor"])
def test_what_nobody_caught_is_told_by_type_and_place(where: str) -> None:
    code = {
        "main": f"raise ValueError({CANARY!r})",
        "thread": f"import threading\ndef f(): raise ValueError({CANARY!r})\n"
        "one = threading.Thread(target=f); one.start(); one.join()",
        "destructor": f"class X:\n def __del__(self): raise ValueError({CANARY!r})\nX()",
    }[where]
    start = "from triage.cli.logs import set_up\nset_up('json', 'worker')\n"
    run = [sys.executable, "-c"]
    told = subprocess.run([*run, start + code], capture_output=True, text=True, check=False)
    assert "Canary" not in told.stderr + told.stdout
    facts = json.loads(told.stderr)
    assert (facts["level"], facts["event"], facts["error"]) == (
        "critical",
        "uncaught",
        "ValueError",
    )
    if where == "main":
        loose = subprocess.run([*run, code], capture_output=True, text=True, check=False)
        assert "Canary" in loose.stderr, "the sabotage: Python by itself quotes the message"


def test_the_job_engine_prints_nothing_past_us() -> None:
    """DBOS brings a handler of its own that would print whole messages."""
    start = "from triage.cli.logs import set_up\nset_up('json', 'worker')\n"
    code = "from dbos._logger import init_logger, dbos_logger\ninit_logger()\n"
    code += f"dbos_logger.error({CANARY!r})"
    told, loose = (
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
        for text in (start + code, code)
    )
    assert json.loads(told.stderr)["where"] == "dbos"
    assert "Canary" not in told.stderr
    assert "Canary" in loose.stderr, "the sabotage: without us it does"


def test_a_dead_process_leaves_no_memory_behind() -> None:
    """Safety-bar 39: no core dump, which would be a file full of patients."""
    code = (
        "import resource\nfrom triage.cli.logs import set_up\nset_up('plain', 'worker')\n"
        "assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def log_calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        if not isinstance(called, ast.Attribute) or called.attr not in LEVELS:
            continue
        if isinstance(called.value, ast.Name) and called.value.id in {"log", "logger"}:
            yield node  # type: ignore[misc]  # A Call, as asked two lines above.


LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def loose(room: str, tree: ast.Module) -> list[str]:
    """Return the log calls whose words are not fixed or whose fields nobody allowed."""
    return [f"{room}, line {call.lineno}" for call in log_calls(tree) if not _is_strict(call)]


def _is_strict(call: ast.Call) -> bool:
    words, *fields = call.args
    if not (isinstance(words, ast.Constant) and isinstance(words.value, str)) or call.keywords:
        return False
    if call.func.attr == "exception" or len(fields) > 1:  # type: ignore[attr-defined]  # `log_calls` yields attributes.
        return False
    used = set(re.findall(r"%\((\w+)\)", words.value))
    if not fields:
        return "%" not in words.value
    return used <= FIELDS and all(_is_allowed(one) for one in fields)


def _is_allowed(given: ast.expr) -> bool:
    if isinstance(given, ast.Dict):
        return {getattr(key, "value", None) for key in given.keys} <= FIELDS
    if isinstance(given, ast.Name):
        return given.id == "facts"
    is_blame = isinstance(given, ast.Call) and ast.unparse(given.func).endswith("blame")
    return is_blame and {word.arg for word in given.keywords} <= FIELDS  # type: ignore[attr-defined]  # A Call, or it ended before.


def test_every_log_call_is_fixed_words_and_allowed_fields() -> None:
    assert [bad for path, tree in sources() for bad in loose(room_of(path), tree)] == []
    assert sum(len(list(log_calls(tree))) for _, tree in sources()) >= 20


@pytest.mark.parametrize(
    "sentence",
    [
        "log.error(f'cannot read {subject}')",
        "log.error('cannot read %s', subject)",
        "log.error('cannot read: %(subject)s', {'subject': subject})",
        "log.error('cannot read', exc_info=True)",
        "log.exception('cannot read')",
        "log.error('failed', blame(trouble, body=body))",
        "log.error(str(trouble))",
    ],
)
def test_a_loose_log_call_is_seen(sentence: str) -> None:
    assert loose("desk", ast.parse(sentence)) != []


def test_nothing_else_writes_to_standard_error_while_serving() -> None:
    """Only the command line speaks to people there; no room has a log file of its own."""
    writers = {
        room_of(path)
        for path, _ in sources()
        if re.search(r"stderr\.write|FileHandler|basicConfig", Path(path).read_text("utf-8"))
    }
    assert writers <= {"cli"}
