"""The red-flag table is read and checked here; `redflags/words.yaml` explains its language.

Rule of the room: a table that is not exactly what it should be raises BadRules; half a table
would be worse than none, because nobody would notice what is missing.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from triage.domain import Urgency
from triage.errors import BadRules
from triage.priority import scorecard
from triage.priority.scorecard import Scorecard
from triage.priority.words import fold, stem

ANYWHERE = 1_000_000
#: Words between two parts of a pattern, unless it says otherwise.
NEAR = 8
#: A window wider than this may cross the end of a sentence.
ONE_SENTENCE = 15

#: How every page of the table ends, so that one cut off is noticed.
LAST_LINE = b"\n# end of page\n"

_WINDOW = re.compile(r"\s+@\s*(\d+|any)\s*$")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?)$")
_AROUND_RANGE = re.compile(r"\s*(\S+\.\.\S+)\s*")
_NAMES = re.compile(r"<([a-z_|]+)>$")
_LITERAL = re.compile(r"[^\W_]+(?:['’][^\W_]+)*(?: [^\W_]+(?:['’][^\W_]+)*)*$")
#: The lists every table needs to judge what stands around a sign.
CONTEXT = (
    "negates_list", "negates_next", "does_not_negate", "ends_negation", "past", "now",
    "hypothetical", "gone", "joking", "bulk", "machine", "calm", "first_person", "writer",
    "right_now", "excepts", "new_matter", "papers", "dated", "pet_has", "back_again",
    "present_tense", "past_tense",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a pattern: any of these named lists, or a phrase, or a number in a range."""

    names: tuple[str, ...] = ()
    phrase: tuple[str, ...] = ()
    low: float = 0
    high: float = 0

    #: The part as it is written, under which its hits are kept.
    key: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Parts that must stand near each other."""

    parts: tuple[Part, ...]
    window: int = NEAR
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of danger."""

    name: str
    urgency: Urgency
    because: str
    source: str
    when: tuple[Pattern, ...]
    unless: tuple[Pattern, ...] = ()
    #: How many different lists of `several` must be hit, where that is how the rule fires.
    least: int = 0
    several: tuple[str, ...] = ()
    #: The danger counts although the sign has gone, as with a passing stroke.
    even_if_gone: bool = False
    fires: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The whole table: named lists of words, the context they stand in, and the rules."""

    digest: str
    lists: Mapping[str, tuple[Pattern, ...]]
    #: Names of lists whose hits are true whatever stands around them, such as medicines.
    facts: frozenset[str]
    rules: tuple[Rule, ...]
    never_slips: tuple[str, ...] = ()
    words: frozenset[str] = field(default=frozenset())
    score: Scorecard = field(default_factory=Scorecard)


def load(path: Path) -> Table:
    """Read and check the table, a folder of YAML files or one file; raise BadRules."""
    try:
        pages = tuple((file.name, file.read_bytes()) for file in files(path))
        return _read(pages, path.name, folder=path.is_dir())
    except BadRules:
        raise
    except Exception as error:
        raise BadRules(path.name) from error


@lru_cache(maxsize=2)
def _read(pages: tuple[tuple[str, bytes], ...], name: str, *, folder: bool) -> Table:
    """Read and check pages; the very same ones give the very same table, read once."""
    import yaml

    loader = _loader()
    read: list[Any] = [yaml.load(page, Loader=loader) for _, page in pages]  # noqa: S506  # Made from the safe one.
    if folder and not all(page.endswith(LAST_LINE) for _, page in pages):
        raise BadRules(f"{name} (a page is cut off)")
    named = {name for page in read for name in _split(page.get("pages", ""))}
    if folder and named != {Path(name).stem for name, _ in pages}:
        raise BadRules(f"{name} (a page is missing or unknown)")
    if folder and not any("score" in page for page in read):
        raise BadRules(f"{name} (no score)")
    return _table(read, _digest(dict(pages)))


@lru_cache(maxsize=1)
def _loader() -> Any:
    """Return YAML's safe loader, made to refuse a key that stands twice: the first would vanish."""
    import yaml

    # The C loader is safe_load's faster twin; some builds of PyYAML lack it.
    class Strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # Either of two classes.
        pass

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        keys = [loader.construct_object(key) for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise BadRules("a key twice")
        found: dict[Any, Any] = loader.construct_mapping(node, deep=True)
        return found

    Strict.add_constructor("tag:yaml.org,2002:map", mapping)
    return Strict


def files(path: Path) -> list[Path]:
    """Return the table's files in the order a person reads them; raise BadRules for none."""
    if path.is_file():
        return [path]
    found = sorted(path.glob("*.yaml"), key=lambda file: (file.stem != "words", file.name))
    if not found:
        raise BadRules(path.name)
    return found


def _digest(pages: Mapping[str, bytes]) -> str:
    """Return one SHA-256 over all files; their lengths keep one from passing as another."""
    whole = hashlib.sha256()
    for name, page in pages.items():
        whole.update(f"{name} {len(page)}\n".encode() + page)
    return whole.hexdigest()


def _table(pages: Sequence[Mapping[str, Any]], digest: str) -> Table:
    lists: dict[str, tuple[Pattern, ...]] = {}
    words: set[str] = set()
    facts: set[str] = set()
    rules: list[Rule] = []
    slips: list[str] = []
    for page in pages:
        if set(page) - {"pages", "never_slips", "facts", "signs", "context", "rules", "score"}:
            raise BadRules("an unknown section")
        for section in ("facts", "signs", "context"):
            for name, entries in page.get(section, {}).items():
                if name in lists:
                    raise BadRules(f"list {name} twice")
                lists[name] = tuple(_pattern(entry, words) for entry in _split(entries))
        facts.update(page.get("facts", ()))
        rules += [_rule(entry, words) for entry in page.get("rules", ())]
        slips += _split(page.get("never_slips", ""))
    (score, *more) = [page["score"] for page in pages if "score" in page] or [None]
    if more:
        raise BadRules("two scores")
    table = Table(
        digest=digest,
        lists=lists,
        facts=frozenset(facts),
        rules=tuple(rules),
        never_slips=tuple(slips),
        words=frozenset(words),
        score=Scorecard() if score is None else scorecard.read(score),
    )
    _check_names(table)
    return table


def _split(entries: str | list[str]) -> list[str]:
    whole = entries if isinstance(entries, str) else ",".join(entries)
    return [" ".join(entry.split()) for entry in whole.split(",") if entry.strip()]


def _rule(entry: Mapping[str, Any], words: set[str]) -> Rule:
    known = {
        "name", "urgency", "because", "source", "when", "unless", "least", "several",
        "even_if_gone", "fires", "silent",
    }  # fmt: skip
    name = str(entry.get("name", "?"))
    if set(entry) - known or not entry["because"] or not entry["source"]:
        raise BadRules(f"rule {name}")
    urgency = Urgency.of(entry["urgency"])
    if urgency is Urgency.ROUTINE or not entry["fires"] or not entry["silent"]:
        raise BadRules(f"rule {name}")
    rule = Rule(
        name=name,
        urgency=urgency,
        because=entry["because"],
        source=entry["source"],
        when=tuple(_pattern(line, words) for line in entry.get("when", ())),
        unless=tuple(_pattern(line, words) for line in entry.get("unless", ())),
        least=int(entry.get("least", 0)),
        several=tuple(_split(entry.get("several", ""))),
        even_if_gone=bool(entry.get("even_if_gone", False)),
        fires=tuple(entry["fires"]),
        silent=tuple(entry["silent"]),
    )
    counted = 0 < rule.least <= len(rule.several)
    if not (rule.when or counted):
        raise BadRules(f"rule {name}")
    return rule


def _pattern(line: str, words: set[str]) -> Pattern:
    window = NEAR
    found = _WINDOW.search(line)
    if found:
        window = ANYWHERE if found[1] == "any" else int(found[1])
        line = line[: found.start()]
    pieces = [piece.strip() for piece in re.split(r" [+>] ", line)]
    ordered = " > " in line
    if len(pieces) == 1 and ".." in line:
        # "since 1..12": words and a number, side by side.
        pieces, window, ordered = _AROUND_RANGE.split(line), 0, True
    return Pattern(tuple(_part(piece, words) for piece in pieces if piece), window, ordered)


def _part(piece: str, words: set[str]) -> Part:
    if number := _NUMBER.match(piece):
        return Part(low=float(number[1]), high=float(number[2]), key=piece)
    if names := _NAMES.match(piece):
        return Part(names=tuple(names[1].split("|")), key=piece)
    if not _LITERAL.match(piece):
        raise BadRules(f"pattern {piece}")
    folded = [fold(word) for word in piece.split()]
    words.update(folded)
    phrase = tuple(stem(word) for word in folded)
    return Part(phrase=phrase, key=" ".join(phrase))


def _check_names(table: Table) -> None:
    missing = [name for name in CONTEXT if name not in table.lists]
    if missing:
        raise BadRules(f"context {missing[0]}")
    if not table.rules or len({rule.name for rule in table.rules}) != len(table.rules):
        raise BadRules("no rule, or a rule twice")
    for pattern in every_pattern(table):
        for part in pattern.parts:
            for name in part.names:
                if name not in table.lists:
                    raise BadRules(f"list {name} is missing")
    for rule in table.rules:
        if any(name not in table.lists for name in rule.several):
            raise BadRules(f"rule {rule.name}")
    known = {*table.lists, *(rule.name for rule in table.rules)}
    if unknown := {*table.score.rules, *table.score.signs} - known:
        raise BadRules(f"score {min(unknown)}")


def every_pattern(table: Table) -> Iterator[Pattern]:
    """Yield each pattern of the table."""
    for patterns in table.lists.values():
        yield from patterns
    for rule in table.rules:
        yield from rule.when
        yield from rule.unless
