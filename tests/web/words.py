"""Every word that the pages show, found where it is written: what a catalogue has to hold."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from jinja2.ext import extract_from_ast

import triage
from triage import errors
from triage.desk import score, supervision
from triage.domain import Route
from triage.domain.watch import FAULT_WORDS
from triage.drafting.scope import rules
from triage.priority.redflags import TABLE as REDFLAGS
from triage.priority.table import files
from triage.web import counting, security, wording
from triage.web import errors as shown
from triage.web.pages import MENU, TEMPLATES, environment
from triage.web.tongue import SENTENCE

ROOT = Path(triage.__file__).parent
#: Where Python makes sentences that stand on a page.
SPEAKERS = (
    "desk",
    "store",
    "priority/ranking.py",
    "priority/signs.py",
    "drafting/own_words.py",
    "connectors/reached.py",
)
#: Pieces that Python puts into a sentence, and what stands alone in the data.
PIECES = (
    "1 case was",
    "several signs that together may mean danger",
    "1 message lies",
    "self",
    "parent",
    "proxy",
    "other",
    "father",
    "mother",
    "guardian",
    "spouse",
    "child",
    "booked",
    "pending",
    "arrived",
    "fulfilled",
    "cancelled",
    "noshow",
    "proposed",
    "waitlist",
    "over 99% sure",
    "emergency",
    "today",
    "macro f1",
    "release gate",
    "urgent recall",
    *(route.value.replace("_", " ") for route in Route),
)
SHAPES = (
    "%(count)s cases were",
    "%(count)s messages lie",
    "%(share)s sure",
    "nobody is told after %(minutes)s minutes in opening hours",
    "nobody is told after %(minutes)s minutes out of hours",
    "nobody is named after %(minutes)s minutes in opening hours",
    "nobody is named after %(minutes)s minutes out of hours",
)
#: One word of the page's own or of the data that looks like a sentence is not one.
_SENTENCE = re.compile(r"^(?:[A-Z]|%\().* .*[.:?]$|^[A-Z][^.]*: %\(\w+\)s$", re.DOTALL)

Found = tuple[str, str, str | None, str]  # The context, the words, their plural, the file.


@cache
def every_word() -> tuple[Found, ...]:
    """Return everything once, in the order of the files."""
    found: dict[tuple[str, str], Found] = {}
    for context, words, several, file in (
        *templates(TEMPLATES),
        *scripts(),
        *python(),
        *sentences(),
    ):
        known = found.get((context, words))
        files = {file, *(known[3].split() if known else ())}
        plural = several or (known[2] if known else None)
        found[context, words] = (context, words, plural, " ".join(sorted(files)))
    return tuple(found.values())


def templates(folder: Path) -> Iterator[Found]:
    made = environment("/static")
    for path in sorted(folder.glob("*.html")):
        tree = made.parse(path.read_text(encoding="utf-8"))
        for _, kind, words in extract_from_ast(tree):
            if isinstance(words, tuple):
                given = [word for word in words if isinstance(word, str)]
            else:
                given = [words]
            assert given, (path.name, kind)
            yield (
                "",
                given[0],
                given[1] if kind == "ngettext" else None,
                f"triage/web/templates/{path.name}",
            )


def scripts() -> Iterator[Found]:
    for path in sorted((ROOT / "web" / "static").glob("*.js")):
        code = path.read_text(encoding="utf-8")
        for words in re.findall(r'word\(\s*"([^"]+)"', code):
            yield "", words, None, f"triage/web/static/{path.name}"


def python() -> Iterator[Found]:
    for _, word, _, heading in MENU:
        yield from (("", one, None, "pages.py") for one in (word, heading) if one)
    for module in (wording, counting):
        for name, value in vars(module).items():
            if name.isupper() and name[0] != "_":
                yield from (("", one, None, "wording.py") for one in _texts(value))
    for text in ("1 in %(count)s", "due in %(left)s"):
        yield "", text, None, "counting.py"
    for unit in ("second", "minute"):
        words = [f"Wait %(num)s {unit}{ending}, then try again." for ending in ("", "s")]
        yield "", words[0], words[1], "counting.py"
    for _, headline in shown.TABLE.values():
        yield "", headline, None, "errors.py"
    for pair in (*shown.PLAIN.values(), ("This was refused",)):
        yield from (("", one, None, "errors.py") for one in pair)
    for file, said in (
        ("web/security.py", security.REFUSALS),
        ("desk/supervision.py", supervision.HEAD),
        ("desk/score.py", score.HEAD),
    ):
        yield from (("", one, None, file) for one in said)
    for kind in _kinds(errors.TriageError):
        if kind in shown.TABLE:
            yield "", " ".join((kind.__doc__ or "").split()), None, "triage/errors.py"
    for row in rules():
        yield "", row.says, None, "scope"
    for file in files(REDFLAGS):
        for because in re.findall(r"(?m)^ *because: (.+)$", file.read_text(encoding="utf-8")):
            yield "", because.strip("\"'"), None, f"priority/redflags/{file.name}"
    for words in FAULT_WORDS.values():
        context = SENTENCE if "{part}" in words else ""
        yield context, words.format(part="%(part)s"), None, "domain/watch.py"
    yield from (("", piece, None, "data") for piece in PIECES)
    yield from ((SENTENCE, shape, None, "data") for shape in SHAPES)


def sentences() -> Iterator[Found]:
    for place in SPEAKERS:
        path = ROOT / place
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            for text, holes in _said(ast.parse(file.read_text(encoding="utf-8"))):
                if _SENTENCE.search(text):
                    yield SENTENCE if holes else "", text, None, file.relative_to(ROOT).as_posix()


def _said(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if id(node) in docs | inside:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, False
        elif isinstance(node, ast.JoinedStr):
            yield _shape(node), True


def _shape(node: ast.JoinedStr) -> str:
    parts, names = [], []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value).replace("%", "%%"))
            continue
        name = (re.findall(r"[a-z]{2,}", ast.unparse(part)) or ["it"])[-1]
        name = name if name not in names else f"{name}_{len(names)}"
        names.append(name)
        parts.append(f"%({name})s")
    return "".join(parts)


def _texts(value: object) -> Iterator[str]:
    if type(value) is str:
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, tuple):
        for one in value:
            yield from _texts(one)


def _kinds(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _kinds(child)
