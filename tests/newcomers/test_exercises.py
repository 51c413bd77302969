"""The exercises that ship, and what is refused in a file of one's own."""

import csv
import re
from pathlib import Path

import pytest

from triage.cli.demo.practice import SAMPLES
from triage.cli.newcomers.reading import EXERCISES, read_exercises
from triage.domain import Channel, Exercise, Urgency
from triage.errors import BadExercise

ONE = """
[[exercise]]
id = "refill"
from = "Penny Banks <pennybanks@example.com>"
subject = "Refill"
body = "Please renew it."
sorted = { route = "refill" }
expect = { route = "refill", outcomes = ["answered"] }
why = "A plain refill."
"""


def test_those_that_ship_are_what_a_trainer_needs(exercises: tuple[Exercise, ...]) -> None:
    assert 20 <= len(exercises) <= 25
    urgent = [one for one in exercises if one.expected.sorting.urgency > Urgency.ROUTINE]
    assert len(urgent) == 2
    assert {one.sorted.urgency > Urgency.ROUTINE for one in urgent} == {True, False}
    assert {one.expected.sorting.route for one in exercises} >= {
        *("refill", "reschedule", "billing_dispute", "not_for_us", "results", "referral"),
        *("clinical_question", "records_forms", "insurance_authorization", "general"),
    }
    assert sum(bool(re.search("[áéíóúñ¿]", one.body)) for one in exercises) >= 4
    for kind in ("never_say", "no_reply", "patient", "together"):
        assert any(getattr(one.expected, kind) for one in exercises), kind
    assert any(one.automatic for one in exercises)
    assert {one.channel for one in exercises} == {Channel.EMAIL, Channel.PORTAL}
    again = {one.id: one for one in exercises}
    twice = [(one, again[one.expected.together]) for one in exercises if one.expected.together]
    assert any(one.channel is not other.channel for one, other in twice)
    assert sum(one.sorted != one.expected.sorting for one in exercises) >= 4
    assert all(one.expected.why.endswith(".") for one in exercises)
    begun = [one for one in exercises if one.begun]
    assert all(any(word in one.begun for word in one.expected.never_say) for one in begun)
    assert len(begun) == 2


def test_nobody_in_them_exists(exercises: tuple[Exercise, ...]) -> None:
    with (SAMPLES / "roster.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    known = {row["patient_id"]: row["email"] for row in rows}
    for one in exercises:
        if one.expected.patient:
            assert one.sender == known[one.expected.patient], one.id
        words = f"{one.sender} {one.body} {one.begun}"
        hosts = re.findall(r"(?:@|://)([\w.-]+\w)", words)
        assert all(re.search(r"\bexample(\.(com|net|org))?$", host) for host in hosts), one.id


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ('id = "refill"', 'id = ""', "id"),
        ("Penny Banks <pennybanks@example.com>", "Penny Banks", "refill, from"),
        ("<pennybanks@example.com>", "<Practitioner/1>", "refill, from"),
        ("<pennybanks@example.com>", '<Patient/1>"\nautomatic = true\n#', "refill, automatic"),
        ('why = "A plain refill."', "", "refill, why"),
        ('why = "A plain', 'because = "A plain', "because"),
        ('{ route = "refill" }', '{ route = "refills" }', "refill, sorted"),
        ('{ route = "refill" }', '{ route = "refill", urgency = "today" }', "refill, sorted"),
        ('{ route = "refill" }', '{ route = "refill", also = ["refill"] }', "refill, sorted.also"),
        ('{ route = "refill" }', '{ route = "refill", patient = "P" }', "refill, sorted, patient"),
        ('["answered"]', "[]", "refill, expect.outcomes"),
        ('["answered"]', '["done"]', "refill, expect.outcomes"),
        ('["answered"]', '["answered"], no_reply = true', "refill, expect.outcomes"),
        ('["answered"]', '["answered"], together = "refill"', "refill, expect.together"),
        ('["answered"]', '["answered"], never_say = [1]', "refill, expect.never_say"),
        ('body = "Please', 'automatic = "yes"\nbody = "Please', "refill, automatic"),
        ('body = "Please', 'automatic = true\nbegun = "x"\nbody = "Please', "refill, begun"),
        ("[[exercise]]", "[exercise]", "[[exercise]]"),
        ("[[exercise]]", "[[exercise", "line"),
        ("[[exercise]]", f"{ONE}[[exercise]]", "same id"),
    ],
)
def test_a_wrong_line_is_refused_with_its_place(
    tmp_path: Path, before: str, after: str, place: str
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(ONE)
    assert len(read_exercises(path)) == 1
    path.write_text(ONE.replace(before, after))
    assert path.read_text() != ONE
    with pytest.raises(BadExercise, match=re.escape(place)):
        read_exercises(path)


def test_its_manual_names_every_line() -> None:
    manual = (EXERCISES.parent / "README.md").read_text(encoding="utf-8")
    for line in re.findall(r"^(\w+) =", EXERCISES.read_text(encoding="utf-8"), re.MULTILINE):
        assert f"`{line}`" in manual, line
