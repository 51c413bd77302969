"""A share's interval is the exact one."""

import pytest
from scipy.stats import beta

from triage.domain import Share


@pytest.mark.parametrize("of", [1, 2, 7, 60, 299, 9440, 100_000])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.33, 0.5, 0.98, 1.0])
def test_the_interval_is_clopper_and_pearsons(of: int, part: float) -> None:
    hits = round(of * part)
    low = beta.ppf(0.025, hits, of - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, of - hits) if hits < of else 1.0
    assert Share(hits, of).interval() == pytest.approx((low, high), abs=1e-9)


def test_the_interval_is_that_of_the_tables() -> None:
    # Nothing missed in 299 leaves at most 1 % missed, one-sided 95 %.
    assert Share(299, 299).interval(0.90)[0] == pytest.approx(0.99, abs=0.0005)
    assert Share(5, 10).interval() == pytest.approx((0.187, 0.813), abs=0.001)


def test_of_nothing_nothing_is_claimed() -> None:
    assert Share(0, 0).interval() == (0.0, 1.0)
    assert Share(0, 0).value == 0.0
    assert str(Share(0, 0)) == "none to count"
    assert str(Share(5, 10)) == "5/10 = 50.0% (18.7% to 81.3%)"


def test_flags_are_counted() -> None:
    assert Share.among([True, False, True]) == Share(2, 3)
    assert Share.among(iter(())) == Share(0, 0)
