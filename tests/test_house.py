"""The walls of the house: floors, one room per library, readers of text, sizes, cold start.

Each wall is a function from source text to the list of what it breaks, so that each is also
seen to fail on a sentence written to break it.
"""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ROOT / "triage"

FLOORS = {
    "domain": 0,
    "errors": 0,
    "audit": 1,
    "settings": 1,
    "patience": 1,
    "encoder": 1,
    "parsing": 2,
    "priority": 2,
    "redaction": 2,
    "classifiers": 2,
    "connectors": 2,
    "drafting": 2,
    "store": 2,
    "pipeline": 3,
    "engine": 4,
    "desk": 4,
    "plugins": 4,
    "testing": 4,
    "evaluation": 4,
    "loading": 5,
    "upkeep": 5,
    "wiring": 6,
    "web": 7,
    "cli": 8,
    "__main__": 9,
    "__init__": 0,
}
LIBRARIES = {
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "sqlcipher3": {"store"},
    "psycopg": {"store"},
    "cryptography": {"store"},
    "argon2": {"store"},
    "zxcvbn": {"store"},
    "imapclient": {"connectors"},
    "smtplib": {"connectors"},
    "httpx": {"connectors"},
    "joserfc": {"connectors"},
    "authlib": {"connectors"},
    "presidio_analyzer": {"redaction"},
    "presidio_anonymizer": {"redaction"},
    "spacy": {"redaction", "priority"},
    "torch": {"encoder"},
    "transformers": {"encoder"},
    "tokenizers": {"encoder"},
    "peft": {"encoder"},
    "onnx": {"encoder"},
    "onnxruntime": {"encoder"},
    "safetensors": {"encoder"},
    "sklearn": {"classifiers", "evaluation"},
    "dbos": {"engine"},
    "fastapi": {"web"},
    "starlette": {"web"},
    "jinja2": {"web"},
    "markupsafe": {"web"},
    "nh3": {"web"},
    "prometheus_client": {"web"},
    "uvicorn": {"web"},
    "pydantic": {"settings", "web"},
    "typer": {"cli"},
    "pymap": {"cli"},
    "aiosmtpd": {"cli"},
}
READERS = {
    "domain",
    "parsing",
    "redaction",
    "priority",
    "connectors",
    "store",
    "drafting",
    "web",
}
MAKERS_OF_REDACTED = {"redaction", "store", "testing"}
FORBIDDEN_NAMES = {
    "models",
    "utils",
    "util",
    "common",
    "core",
    "base_classes",
    "manager",
    "helpers",
}
LONGEST_FILE = 400
LONGEST_FUNCTION = 60


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(HOUSE.rglob("*.py")):
        if "node_modules" not in path.parts:
            yield path, ast.parse(path.read_text(encoding="utf-8"))


@cache
def house() -> tuple[tuple[Path, ast.Module], ...]:
    """Return every source of the product, read once for all walls."""
    return tuple(sources())


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """Let the many trees go when the walls were looked at."""
    yield
    house.cache_clear()


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "triage":
                yield from (f"triage.{alias.name}" for alias in node.names)
            else:
                yield node.module


def floors(room: str, tree: ast.Module) -> list[str]:
    broken = []
    for name in imports(tree):
        parts = name.split(".")
        if parts[0] != "triage" or len(parts) < 2 or parts[1] in {room, "__version__"}:
            continue
        if FLOORS.get(parts[1], 99) >= FLOORS.get(room, -1):
            broken.append(f"{room} imports {name}")
    return broken


def libraries(room: str, tree: ast.Module) -> list[str]:
    return [
        f"{room} imports {name}"
        for name in imports(tree)
        if room not in LIBRARIES.get(name.split(".")[0], {room})
    ]


def readers(room: str, tree: ast.Module) -> list[str]:
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"reveal", "_text"}
    ]
    return [f"{room} reveals, line {node.lineno}" for node in calls if room not in READERS]


def makers(room: str, tree: ast.Module) -> list[str]:
    return [
        f"{room} makes Redacted, line {node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Redacted"
        and room not in MAKERS_OF_REDACTED
    ]


def prints(room: str, tree: ast.Module) -> list[str]:
    return [
        f"{room} prints, line {node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print" and room != "cli"
    ]


def long_functions(room: str, tree: ast.Module) -> list[str]:
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return [
        f"{room}.{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in functions
        if node.end_lineno and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]


Wall = Callable[[str, ast.Module], list[str]]
WALLS: dict[Wall, tuple[str, str]] = {
    floors: ("store", "from triage.pipeline import send"),
    libraries: ("web", "import sqlalchemy"),
    readers: ("desk", "text = subject.reveal()"),
    makers: ("pipeline", "Redacted('a', 'b')"),
    prints: ("store", "print('x')"),
    long_functions: ("desk", "def f():\n" + "    x = 1\n" * 61),
}


@pytest.mark.parametrize("wall", WALLS, ids=lambda wall: wall.__name__)
def test_every_wall_stands(wall: Wall) -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {what}"
        for path, tree in house()
        for what in wall(room_of(path), tree)
    ]
    assert broken == []


@pytest.mark.parametrize("wall", WALLS, ids=lambda wall: wall.__name__)
def test_every_wall_is_seen_to_fail(wall: Wall) -> None:
    room, sentence = WALLS[wall]
    assert wall(room, ast.parse(sentence)) != []


def test_rooms_on_one_floor_do_not_know_each_other() -> None:
    assert floors("redaction", ast.parse("import triage.store")) != []
    assert floors("pipeline", ast.parse("import triage.store")) == []


def test_every_room_has_a_floor_and_no_forbidden_name() -> None:
    rooms = {room_of(path) for path, _ in house()}
    assert rooms <= set(FLOORS)
    assert not {path.stem for path, _ in house()} & FORBIDDEN_NAMES


def test_no_file_is_too_long() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {count} lines"
        for path, _ in house()
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    ]
    assert long == []


HEAVY = {"torch", "transformers", "spacy", "presidio_analyzer", "sklearn", "sqlalchemy", "dbos"}


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nsys.stderr.write(' '.join(m for m in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(ran.stderr.split()) & HEAVY


@pytest.mark.parametrize(
    "code",
    [
        "import triage",
        "import triage.redaction, triage.classifiers, triage.encoder, triage.priority",
        "import sys; sys.argv = ['triage', '--help']\n"
        "from triage.cli import main\n"
        "try: main()\nexcept SystemExit: pass",
    ],
)
def test_a_cold_start_loads_nothing_heavy(code: str) -> None:
    assert loaded_by(code) == set()


def test_a_process_that_classifies_loads_neither_torch_nor_the_database() -> None:
    code = (
        "from pathlib import Path\n"
        "from triage.encoder.registry import Registry\n"
        "from triage.testing import message\n"
        "from triage.settings import PartsSettings\nfrom triage.loading import load_parts\n"
        "rooms = load_parts(PartsSettings(), Registry(Path('nowhere')), {}).rooms\n"
        "hidden = rooms.redactor.redact([message('Dear Dr. Bob Hope')])\n"
        "rooms.classifier.classify(hidden)\n"
        "rooms.rules.flags(message('chest pain'))"
    )
    unwanted = {"torch", "transformers", "sqlalchemy", "dbos"}
    # The first run may have to build the graphs, which takes torch.
    assert not loaded_by(code) & unwanted or not loaded_by(code) & unwanted


def test_a_cold_start_check_is_seen_to_fail() -> None:
    assert "sqlalchemy" in loaded_by("import sqlalchemy")
