"""Presidio takes seconds to import: one redactor serves the tests that do not change it."""

import pytest

from tests.redaction.redacting import Patterns


@pytest.fixture(scope="session")
def patterns() -> Patterns:
    redactor = Patterns()
    redactor.load()
    return redactor
