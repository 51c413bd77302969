"""The disk of test_forgetful_disk.py keeps what was synced, and of the rest some, however written.

In the long form alone, as that one.
"""

import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.powercut.forgetting import ForgetfulDisk, forgetful, forgetter
from tests.sizes import LONG

pytestmark = pytest.mark.bar(12)

SIZE = 3 * mmap.PAGESIZE
OLD, NEW = b"-" * SIZE, b"x" * SIZE
#: With so many seeds every mercy comes up.
SEEDS = range(16)


def written(file: int) -> None:
    os.pwrite(file, NEW, 0)


def gathered(file: int) -> None:
    os.pwritev(file, [NEW[:100], NEW[100:]], 0)


def mapped(file: int) -> None:
    with mmap.mmap(file, SIZE) as view:
        view[:] = NEW


def synced_through_the_mapping(file: int) -> None:
    with mmap.mmap(file, SIZE) as view:
        view[:] = NEW
        view.flush()


def sent(file: int) -> None:
    source = os.memfd_create("source")
    os.write(source, NEW)
    os.sendfile(file, source, 0, SIZE)
    os.close(source)


WAYS = (written, gathered, mapped, sent)
SYNCS: dict[str, Callable[[int], None]] = {"fsync": os.fsync, "fdatasync": os.fdatasync}


def scribble(mount: Path) -> None:
    """Write in every way there is, synced and not."""

    def change(name: str, flags: int, *deeds: Callable[[int], None]) -> None:
        file = os.open(mount / name, os.O_RDWR | flags)
        for deed in deeds:
            deed(file)
        os.close(file)

    for way in WAYS:
        change(f"{way.__name__} unsafe", 0, way)
        for name, sync in SYNCS.items():
            change(f"{way.__name__} {name}", 0, way, sync)
    change("mapping msync", 0, synced_through_the_mapping)
    change("flag O_DSYNC", os.O_DSYNC, written)
    change("flag O_SYNC", os.O_SYNC, sent)
    change("shorter unsafe", 0, lambda file: os.ftruncate(file, 10))
    change("emptied unsafe", os.O_TRUNC)
    change("longer unsafe", 0, lambda file: os.posix_fallocate(file, 0, SIZE + 1))


def names() -> list[str]:
    every = [f"{way.__name__} {sync}" for way in WAYS for sync in ("unsafe", *SYNCS)]
    every += ["mapping msync", "flag O_DSYNC", "flag O_SYNC"]
    return [*every, "shorter unsafe", "emptied unsafe", "longer unsafe"]


def rename_things(mount: Path) -> None:
    """Make, move and remove names, then sync some of the folders."""
    for folder in ("safe", "unsafe"):
        place = mount / folder
        (place / "made").write_bytes(NEW)
        (place / "removed").unlink()
        (place / "moved").rename(place / "to")
        (place / "linked").hardlink_to(place / "stays")
        (place / "below").mkdir()
        # The bytes of a new file being safe says nothing about its name.
        file = os.open(place / "made", os.O_RDONLY)
        os.fsync(file)
        os.close(file)
    file = os.open(mount / "safe", os.O_RDONLY)
    os.fsync(file)
    os.close(file)


def after(program: Path, folder: Path, seed: int, work: Callable[[Path], None]) -> Path:
    """Return what is left of `before` after the work and a power cut."""
    with forgetful(program, folder / "before", folder, seed=seed) as disk:
        work(disk.mount)
        seen = {path.name: path.read_bytes() for path in disk.mount.iterdir() if path.is_file()}
        assert ".power" not in seen
        disk.cut()
        dead(disk)
        return disk.image.rename(folder / f"image-{seed}")


def dead(disk: ForgetfulDisk) -> None:
    for deed in (
        lambda: (disk.mount / "another").write_bytes(b""),
        lambda: disk.told.write_bytes(b"x"),
        lambda: list(disk.mount.iterdir()),
    ):
        with pytest.raises(OSError, match="Input/output error"):
            deed()


if LONG:

    @pytest.fixture(scope="session")
    def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
        return forgetter(tmp_path_factory.mktemp("forgetter"))

    def test_synced_bytes_last_and_the_others_by_chance(program: Path, tmp_path: Path) -> None:
        before = tmp_path / "before"
        before.mkdir()
        for name in names():
            (before / name).write_bytes(OLD)
        images = [after(program, tmp_path, seed, scribble) for seed in SEEDS]
        for name in names():
            found = {(image / name).read_bytes() for image in images}
            if name.endswith("unsafe"):
                assert OLD in found, name
                assert len(found) > 1, name
            else:
                assert found == {NEW}, name

    def test_synced_names_last_and_the_others_by_chance(program: Path, tmp_path: Path) -> None:
        old, new = {"removed", "moved", "stays"}, {"made", "to", "stays", "linked", "below"}
        for folder in ("safe", "unsafe"):
            (tmp_path / "before" / folder).mkdir(parents=True)
            for name in old:
                (tmp_path / "before" / folder / name).write_text(name)
        images = [after(program, tmp_path, seed, rename_things) for seed in SEEDS]
        assert {frozenset(os.listdir(image / "safe")) for image in images} == {frozenset(new)}
        assert all((image / "safe" / "to").read_text() == "moved" for image in images)
        found = [set(os.listdir(image / "unsafe")) for image in images]
        assert old in found
        assert new in found
        # A rename is there whole or not at all.
        assert all(("to" in names) != ("moved" in names) for names in found)

    def test_it_is_cut_where_it_was_told(program: Path, tmp_path: Path) -> None:
        (tmp_path / "before").mkdir()
        with forgetful(program, tmp_path / "before", tmp_path, seed=1) as disk:
            (disk.mount / "one").write_bytes(b"1")
            assert disk.counted() == (2, 0)
            disk.cut_at("ops", 2)
            (disk.mount / "two").touch()
            assert not disk.is_cut()
            with pytest.raises(OSError, match="Input/output error"):
                (disk.mount / "three").touch()
            assert disk.is_cut()
        with forgetful(program, tmp_path / "before", tmp_path, seed=1) as disk:
            disk.cut_at("acks", 1)
            disk.told.write_bytes(b"said")
            assert disk.is_cut()
            assert disk.kept.read_bytes() == b"said"
        assert not (tmp_path / "disk").exists()
