"""Runs a program on a disk that can be made full, read-only or broken, and whole again."""

import os
import struct
import subprocess
from enum import IntEnum
from functools import cache
from pathlib import Path

from tests.powercut.recording import compiled

_SOURCE = Path(__file__).with_name("refuse.c")


@cache
def refuser(folder: Path) -> Path:
    """Return refuse.c as a library, built in `folder`."""
    return compiled(_SOURCE, folder / "refuse.so")


class Kind(IntEnum):
    """Which changes fail; in the order of refuse.c."""

    ALL = 0
    SYNC = 1
    #: Only what makes a file longer, as on a full disk.
    GROWTH = 2
    #: A write does its first half before it fails.
    HALF = 3
    #: One change only; then the disk is whole again.
    ONCE = 4


class Disk:
    """What a program may do to the files of one folder."""

    def __init__(self, library: Path, folder: Path, control: Path) -> None:
        self._control = control
        self.whole()
        self.environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "REFUSE_CONTROL": str(control),
            "REFUSE_FOLDER": str(folder),
        }

    def fails(self, error: int, *, after: int = 0, kind: Kind = Kind.ALL) -> None:
        """Let every change of this kind fail with this error, once so many more were made."""
        self._say(error, after, kind)

    def whole(self) -> None:
        """Let every change be made."""
        self._say(0, 0, Kind.ALL)

    def refused(self) -> int:
        """Return how many changes failed since it was last told what to do."""
        return int(struct.unpack("iiii", self._control.read_bytes())[3])

    def _say(self, error: int, after: int, kind: Kind) -> None:
        # Written in place: the program has this very file mapped.
        with open(os.open(self._control, os.O_WRONLY | os.O_CREAT, 0o666), "wb") as file:
            file.write(struct.pack("iiii", error, after, kind, 0))


class Program:
    """A program that does one thing for each line it is given, and answers with one."""

    def __init__(self, command: list[str], environment: dict[str, str], cwd: Path) -> None:
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, line: str) -> str:
        """Return what it answers; raise RuntimeError when it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the program ended with {self._process.wait()}")
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
