"""Safety-bar 44: a thousand canaries in every field, none found in any file that is written."""

import base64
from pathlib import Path

import pytest

from tests.store.practice import ana, arrival, message, reading
from tests.store.test_secrecy import full
from triage.domain import Protected
from triage.store import Keys, Store
from triage.store.backup import make_backup

FIELDS = ("sender_name", "subject", "body", "quoted", "signature", "html")
COUNT = 1000


def canary(number: int) -> str:
    return f"Canary{number:04}Zwxq"


def found_in(files: list[Path], words: list[str]) -> list[str]:
    everything = b"".join(path.read_bytes() for path in files)
    forms = {
        word: (word.encode(), word.encode().hex().encode(), base64.b64encode(word.encode())[:-4])
        for word in words
    }
    return [word for word, ways in forms.items() if any(way in everything for way in ways)]


def test_a_thousand_canaries_are_found_nowhere(
    store: Store, store_url: str, keys: Keys, clinic: str, tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    full(store, clinic)
    words = [canary(number) for number in range(COUNT)]
    per_field = [words[start :: len(FIELDS) + 1] for start in range(len(FIELDS) + 1)]
    texts = {name: Protected(" ".join(per_field[n])) for n, name in enumerate(FIELDS)}
    store.cases.file(reading(store, clinic, uid="c", **texts), clinic=clinic, by="worker")
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
    assert found_in(files, words) == []
    # The oracle: what is written in plain is found.
    (tmp_path / "plain").write_text(message("x", **texts).body.reveal())
    assert len(found_in([tmp_path / "plain"], words)) == len(per_field[2])
