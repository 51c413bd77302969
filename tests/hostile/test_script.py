"""Safety-bar 35: no script of a stranger runs in real Chromium, whichever fence stands alone.

Short form: 100 of the public vectors behind each fence alone, 60 behind both and in every field.
Long form (TRIAGE_LONG=1): all of them everywhere. The oracle is the bare page, in which at least
a tenth of the same vectors must run.
"""

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Browser

from tests.hostile.stage import Fences, Seen, watch
from tests.hostile.vectors import scripts, some
from tests.sizes import LONG

pytestmark = [pytest.mark.bar(35), pytest.mark.browser, pytest.mark.timeout(2400 if LONG else 180)]
SEED = 35
VECTORS = some(scripts(), 100, seed=SEED)


def harmless(seen: Seen, vectors: list[str]) -> None:
    assert seen.frames >= len(vectors), "a vector was not shown at all"
    assert seen.ran == set()
    assert seen.asked == []


def test_the_vectors_are_seen_to_run_without_any_fence(browser: Browser) -> None:
    seen = watch(browser, VECTORS, Fences(sanitiser=False, policy=False))
    assert len(seen.ran) >= len(VECTORS) / 10
    assert seen.asked


def test_nothing_runs_or_loads_with_the_sanitiser_alone(browser: Browser) -> None:
    harmless(watch(browser, VECTORS, Fences(sanitiser=True, policy=False)), VECTORS)


def test_nothing_runs_with_policy_and_sandbox_alone(browser: Browser) -> None:
    seen = watch(browser, VECTORS, Fences(sanitiser=False, policy=True))
    assert seen.frames >= len(VECTORS)
    assert seen.ran == set()


def test_nothing_runs_or_loads_in_any_field_of_a_message(browser: Browser) -> None:
    some_of_them = some(VECTORS, 60, seed=SEED)
    harmless(watch(browser, some_of_them, Fences(sanitiser=True, policy=True)), some_of_them)


def test_the_desk_s_own_page_is_seen_to_fail_with_torn_fences(browser: Browser) -> None:
    torn = some(VECTORS, 100, seed=SEED)
    seen = watch(browser, torn, Fences(sanitiser=False, policy=True, torn=True))
    assert len(seen.ran) >= len(torn) / 20
