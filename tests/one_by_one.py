"""Lets a saboteur land every message by itself, past the quick way for those nobody knows."""

from collections.abc import Callable
from typing import Any

import pytest

from triage.store import landing


def land_one_by_one(patch: pytest.MonkeyPatch, land: Callable[..., str | None]) -> None:
    """Land each arrival with `land(work, arrival, clinic, at=...)` from now on."""

    def land_all(work: Any, arrivals: Any, clinic: str, **_: object) -> list[str | None]:
        return [land(work, arrival, clinic, at=work.now) for arrival in arrivals]

    patch.setattr(landing, "land_all", land_all)
