"""Every test of the classifiers uses a cache of its own."""

from collections.abc import Iterator

import pytest

from tests import tiny


@pytest.fixture(autouse=True)
def own_cache() -> Iterator[None]:
    with tiny.own_cache():
        yield
