"""The table of rights in the manual is the table in the code."""

import re
from pathlib import Path

import pytest

from triage.desk import RIGHTS, Right, may
from triage.desk.rights import require_any
from triage.domain import Role, User
from triage.errors import NotAllowed
from triage.web.wording import ROLES

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "people.md"


def test_the_manual_says_who_may_do_what() -> None:
    text = MANUAL.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \|(.*)\|$", text, re.MULTILINE)
    said = {
        Right(name): {
            role for role, cell in zip(Role, cells.split("|"), strict=True) if cell.strip() == "yes"
        }
        for name, cells in rows
    }
    assert said == {right: set(roles) for right, roles in RIGHTS.items()}
    assert " | ".join(ROLES[role] for role in Role) in text


def test_what_is_in_no_row_nobody_may(monkeypatch: pytest.MonkeyPatch) -> None:
    god = User("u", "c", "u", "U", frozenset(Role))
    assert all(may(god, right) for right in Right)
    monkeypatch.setattr("triage.desk.rights.RIGHTS", {})
    assert not any(may(god, right) for right in Right)
    with pytest.raises(NotAllowed):
        require_any(god, *Right)
    with pytest.raises(NotAllowed):
        require_any(god)
