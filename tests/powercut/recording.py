"""Runs a program so that every change it makes to a folder is written down."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from tests.powercut.disk import ACK, pack

_SOURCE = Path(__file__).with_name("record.c")


@cache
def recorder(folder: Path) -> Path:
    """Return record.c as a library, built in `folder`."""
    return compiled(_SOURCE, folder / "record.so")


def compiled(source: Path, library: Path) -> Path:
    """Return a source as a library that can be preloaded; without a compiler skip the test."""
    options = ["-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run([compiler(), *options], check=True)
    return library


def compiler() -> str:
    """Return the C compiler; without one skip the test."""
    found = shutil.which("gcc") or shutil.which("cc")
    if found is None or not Path("/usr/include/stdio.h").exists():
        absent("a C compiler is missing (apt-get install gcc libc6-dev)")
    return found


def absent(words: str) -> NoReturn:
    """Skip the test because something is not here; in CI nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(words)
    pytest.skip(words)


def recorded(library: Path, log: Path, folder: Path) -> dict[str, str]:
    """Return the environment in which a program is recorded."""
    return {
        **os.environ,
        "LD_PRELOAD": str(library),
        "POWERCUT_LOG": str(log),
        "POWERCUT_FOLDER": str(folder),
    }


class Acks:
    """Writes acknowledgements into a log, each after everything the disk was told before it."""

    def __init__(self, log: Path) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND)

    def __call__(self, fact: str) -> None:
        """Say that the caller was told this is kept."""
        os.write(self._log, pack(ACK, fact))
