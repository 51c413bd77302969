"""Fetching the pages' files once, and serving them to nobody by accident."""

from pathlib import Path

import pytest
from fastapi import FastAPI

from triage.errors import BadSettings, MissingAssets
from triage.web import assets
from triage.web.serve import check_address, serve


@pytest.fixture
def npm_runs(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Stand in for npm: lays the wanted files where npm would and counts its runs."""
    runs: list[Path] = []

    def lay(folder: Path, which: list[str]) -> None:
        runs.append(folder)
        for source in (*assets.WANTED, *assets.WANTED_BY_TESTS):
            path = folder / "node_modules" / source
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)

    monkeypatch.setattr(assets, "_npm_ci", lay)
    return runs


def test_files_are_fetched_once_for_each_lock(tmp_path: Path, npm_runs: list[Path]) -> None:
    into = tmp_path / "vendor"
    with pytest.raises(MissingAssets):
        assets.require_assets(into)
    assets.install_assets(into)
    assets.install_assets(into)
    assert len(npm_runs) == 1
    assets.require_assets(into)
    (into / "htmx.min.js").unlink()
    assets.install_assets(into)
    (into / ".lock").write_text("an older lock")
    assets.install_assets(into)
    assert len(npm_runs) == 3
    assert not npm_runs[0].exists()


def test_an_unreachable_registry_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(MissingAssets, match="ECONNREFUSED"):
        assets.install_assets(tmp_path / "vendor")
    assert not (tmp_path / "vendor").exists()


def test_the_lock_is_exact_and_every_package_is_checked() -> None:
    import json

    lock = json.loads((assets.HERE / "package-lock.json").read_text())
    wanted = json.loads((assets.HERE / "package.json").read_text())
    packages = {name: row for name, row in lock["packages"].items() if name}
    assert all(row["integrity"].startswith("sha512-") for row in packages.values())
    assert not [row for row in packages.values() if row.get("hasInstallScript")]
    asked = {**wanted["dependencies"], **wanted["devDependencies"]}
    assert {f"node_modules/{name}": version for name, version in asked.items()} == {
        name: row["version"] for name, row in packages.items()
    }


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_this_machine_may_be_served_without_tls(host: str) -> None:
    check_address(host, encrypted=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "desk.example.org", "::", ""])
def test_other_machines_may_not(host: str) -> None:
    with pytest.raises(BadSettings, match="certificate"):
        serve(FastAPI(), host, 8080)
    check_address(host, encrypted=True)
