"""Safety-bar 44: a thousand canaries in every field, none found in any file that is written."""

import base64
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.practice import ana, arrival, message, reading
from tests.store.test_secrecy import full
from triage.domain import Protected, Wanted
from triage.store import Keys, Store
from triage.store.backup import make_backup

pytestmark = pytest.mark.bar(44)

FIELDS = ("sender_name", "subject", "body", "quoted", "signature", "html")
COUNT = 1000
#: Long enough that chance does not write it.
START = "Zwxqcanary"


def canary(number: int) -> str:
    return f"{START}{number:04}"


def ways() -> list[bytes]:
    """How the beginning that all canaries share looks plain, in hexadecimal and in base64."""
    start = START.encode()
    # The sextets that no neighbour has a bit in, for each of the three alignments.
    inner = {0: (0, 13), 1: (2, 14), 2: (3, 16)}
    coded = [base64.b64encode(b"\0" * n + start)[a:b] for n, (a, b) in inner.items()]
    return [start, start.hex().encode(), *coded]


def found_in(files: list[Path]) -> int:
    """Return how many canaries stand in these files; one pass over each, however many there are."""
    looks = re.compile(b"|".join(re.escape(way) for way in ways()))
    return sum(len(looks.findall(path.read_bytes())) for path in files)


def test_a_thousand_canaries_are_found_nowhere(
    store: Store, store_url: str, keys: Keys, clinic: str, tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    full(store, clinic)
    words = [canary(number) for number in range(COUNT)]
    per_field = [words[start :: len(FIELDS) + 1] for start in range(len(FIELDS) + 1)]
    texts = {name: Protected(" ".join(per_field[n])) for n, name in enumerate(FIELDS)}
    # A redactor that hid nothing: every canary is a word of the search, too.
    made = reading(store, clinic, uid="c", **texts)
    bare = replace(made.redacted, body=" ".join(words), spans=(), redactions=())
    case_id = store.cases.file(replace(made, redacted=bare), clinic=clinic, by="worker")
    for word in (words[0], words[-1]):
        hits = store.search.find(Wanted(Protected(word)), clinic=clinic, by="t")
        assert [row.case.id for row in hits.rows] == [case_id]
    store.landing.land([arrival(" ".join(per_field[-1]), uid="r")], clinic=clinic)
    store.people.import_roster([ana(clinic, number=77)], clinic=clinic, by="t")
    make_backup(store_url, keys, tmp_path / "backups")
    folders = [tmp_path]
    if not store_url.startswith("sqlite"):
        server = request.getfixturevalue("postgres")
        server.ask("postgres", "CHECKPOINT")
        folders.append(server.folder)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert any("backups" in path.parts for path in files)
    assert found_in(files) == 0
    # The oracle: what is written in plain is found.
    (tmp_path / "plain").write_text(message("x", **texts).body.reveal())
    assert found_in([tmp_path / "plain"]) == len(per_field[2])
    for shift in range(3):
        (tmp_path / "coded").write_bytes(base64.b64encode(b"x" * shift + words[7].encode()))
        assert found_in([tmp_path / "coded"]) == 1
    (tmp_path / "coded").write_text(words[7].encode().hex())
    assert found_in([tmp_path / "coded"]) == 1
