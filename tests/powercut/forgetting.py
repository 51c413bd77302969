"""Mounts a file system that forgets what nobody synced, and cuts its power."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from shutil import rmtree

from tests.powercut.disk import records
from tests.powercut.recording import absent, compiler

_SOURCES = [Path(__file__).with_name(name) for name in ("forget.c", "unsynced.c")]


@cache
def forgetter(folder: Path) -> Path:
    """Return forget.c as a program, built in `folder`; where it cannot run skip the test."""
    built = folder / "forget"
    if not Path("/usr/include/fuse3/fuse_lowlevel.h").exists():
        absent("libfuse is missing (apt-get install libfuse3-dev fuse3)")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        absent("this machine lets nobody mount anything: no /dev/fuse")
    options: list[str | Path] = ["-O2", "-I/usr/include/fuse3", "-o", built, *_SOURCES, "-lfuse3"]
    subprocess.run([compiler(), *options], check=True)
    return built


class ForgetfulDisk:
    """A mounted disk; `image` is the folder it leaves once its power was cut."""

    def __init__(self, folder: Path) -> None:
        self.mount = folder / "disk"
        self.image = folder / "image"
        #: Acknowledgements go here (recording.Acks); no cut harms those that were written.
        self.told = self.mount / ".acks"
        self.kept = folder / "acks"

    def is_cut(self) -> bool:
        return self.image.exists()

    @property
    def acks(self) -> list[str]:
        return [record.path for record in records(self.kept.read_bytes())]

    def counted(self) -> tuple[int, int]:
        """Return how many changes and syncs there were, and how many acknowledgements."""
        changes, _, acks, _ = self._power.read_text().split()
        return int(changes), int(acks)

    def cut(self) -> None:
        """Cut its power now, if there still is any."""
        if not self.is_cut():
            self._tell("now")

    def cut_at(self, kind: str, number: int) -> None:
        """Cut it before so many more `ops` (changes or syncs), or right after so many `acks`."""
        self._tell(f"{kind} {number}")

    @property
    def _power(self) -> Path:
        return self.mount / ".power"

    def _tell(self, words: str) -> None:
        with open(self._power, "wb", buffering=0) as power:
            power.write(words.encode())


@contextmanager
def forgetful(
    program: Path, before: Path, folder: Path, *, seed: int, piece: int = 4096
) -> Iterator[ForgetfulDisk]:
    """Mount a copy of the folder `before`; afterwards nothing is mounted and nothing left."""
    disk = ForgetfulDisk(folder)
    disk.mount.mkdir()
    # The server of PostgreSQL is not root, and only root may let others in.
    options = "default_permissions" + (",allow_other" if os.geteuid() == 0 else "")
    places = [before, disk.image, disk.kept, seed, piece, disk.mount, options]
    command = [str(word) for word in (program, *places)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "mounted\n", "the disk could not be mounted"
        yield disk
    finally:
        # It unmounts itself, also when this process is killed.
        process.terminate()
        process.communicate(timeout=30)
        # Only where it broke is there still something to unmount.
        subprocess.run(["fusermount3", "-u", "-z", "-q", disk.mount], check=False)
        disk.mount.rmdir()
        disk.kept.unlink(missing_ok=True)
        rmtree(disk.image, ignore_errors=True)
