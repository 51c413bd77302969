"""Documentation is tested: commands exist and have an example, links lead somewhere."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from triage.cli import app

ROOT = Path(__file__).resolve().parents[1]


def leaves(command: Any, name: str = "triage") -> list[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        return [(name, command)]
    return [leaf for key, child in children.items() for leaf in leaves(child, f"{name} {key}")]


COMMANDS = dict(leaves(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    command = COMMANDS[name]
    assert command.help, name
    assert command.epilog, name
    assert f"Example: {name}" in command.epilog


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=str)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_commands_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^triage ([a-z]+)", text, re.MULTILINE)
    assert shown
    assert {f"triage {word}" for word in shown} <= {" ".join(name.split()[:2]) for name in COMMANDS}
