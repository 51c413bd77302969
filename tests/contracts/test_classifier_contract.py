"""Every classifier in the table keeps what a classifier promises."""

from collections.abc import Iterator
from importlib import import_module

import pytest

from tests import tiny
from triage.classifiers import BUILTIN, Classifier
from triage.testing import check_classifier

#: The first test of a machine trains and exports the tiny models.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def own_cache() -> Iterator[None]:
    with tiny.own_cache():
        yield


@pytest.mark.parametrize("name", BUILTIN)
def test_it_passes_the_check_that_plugins_pass(name: str) -> None:
    module, _, attribute = BUILTIN[name].rpartition(".")
    settings = {"model_dir": str(tiny.router()), "threads": 1}
    classifier: Classifier = getattr(import_module(module), attribute)(settings)
    assert classifier.name
    check_classifier(classifier)
