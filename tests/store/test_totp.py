"""Codes are those of RFC 6238, and each is good once."""

from datetime import UTC, datetime, timedelta

import pytest

from triage.store.totp import STEP, code_at, matching_step, new_secret, spelled, step_of, unspelled

SECRET = b"12345678901234567890"
NOW = datetime(2026, 11, 23, 9, 0, 5, tzinfo=UTC)
#: Appendix B of RFC 6238, the last six of its eight digits.
VECTORS = {
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
    20000000000: "353130",
}


@pytest.mark.parametrize(("second", "code"), VECTORS.items())
def test_the_codes_are_those_of_the_standard(second: int, code: str) -> None:
    assert code_at(SECRET, datetime.fromtimestamp(second, UTC)) == code


def test_the_clock_may_be_wrong_by_one_step_and_no_more() -> None:
    taken = {
        late: matching_step(SECRET, code_at(SECRET, NOW + timedelta(seconds=STEP * late)),
                            now=NOW, after=-1)
        for late in range(-3, 4)
    }  # fmt: skip
    here = step_of(NOW)
    assert taken == {-3: None, -2: None, -1: here - 1, 0: here, 1: here + 1, 2: None, 3: None}


def test_a_used_step_and_all_before_it_are_over() -> None:
    code, here = code_at(SECRET, NOW), step_of(NOW)
    assert matching_step(SECRET, code, now=NOW, after=here - 1) == here
    assert matching_step(SECRET, code, now=NOW, after=here) is None
    assert matching_step(SECRET, code, now=NOW, after=here + 1) is None


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "\ud800", "0" * 9999])
def test_what_is_no_code_is_refused_without_a_fault(code: str) -> None:
    assert matching_step(SECRET, code, now=NOW, after=-1) is None


def test_a_secret_is_160_random_bits_and_survives_being_typed() -> None:
    made = {new_secret() for _ in range(50)}
    assert len(made) == 50
    for secret in made:
        typed = f" {spelled(secret).lower()[:4]} {spelled(secret)[4:]} "
        assert (len(secret), unspelled(typed)) == (20, secret)
