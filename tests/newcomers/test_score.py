"""What the score sheet says of people who practise: everything right, and each trap fallen into."""

import pytest

from tests.newcomers.trainees import WORDS, Trainee
from triage.domain import Aspect, Channel, Exercise, Result, ScoreSheet
from triage.errors import UnconfirmedFact, WrongPatient


def missed(sheet: ScoreSheet) -> dict[str, set[Aspect]]:
    """Return exercise -> what was missed of it."""
    found: dict[str, set[Aspect]] = {}
    for line in sheet.lines:
        for one in line.findings:
            if one.result is Result.MISSED:
                found.setdefault(line.exercise.id, set()).add(one.aspect)
    return found


def test_somebody_who_does_everything_right_has_everything(trainee: Trainee) -> None:
    trainee.practise()
    sheet = trainee.sheet()
    assert missed(sheet) == {}
    assert sheet.number(Result.OPEN) == 0
    assert {line.exercise.id for line in sheet.lines} == {one.id for one in trainee.exercises}
    assert all(line.took is not None for line in sheet.lines)
    assert set(sheet.counts) == set(Aspect)
    assert all(counts[Result.RIGHT] for counts in sheet.counts.values())


def test_who_wrote_by_mail_and_through_the_portal_is_one_patient(trainee: Trainee) -> None:
    again = trainee.desk.queue.open(trainee.me, trainee.cases["referral-again"])
    assert {one.channel for one in again.file.messages} == {Channel.PORTAL}
    linked = [one.case_id for one in again.file.chain.cases]
    assert linked == [trainee.cases["referral-first"]]


def test_somebody_who_falls_into_each_trap_is_told_each(trainee: Trainee) -> None:
    """The sabotage of all the rest: whatever is done wrongly shows on the sheet."""
    me, desk, cases = trainee.me, trainee.desk, trainee.cases

    def promise(one: Exercise) -> None:
        trainee.read(one)
        with pytest.raises(UnconfirmedFact):
            trainee.approve(one)
        trainee.approve(one, confirm=True)
        trainee.answered.append((one, "answered"))

    def another_patient(one: Exercise) -> None:
        trainee.read(one)
        with pytest.raises(WrongPatient):
            trainee.approve(one)
        trainee.finish(one)

    def answer_anybody(one: Exercise) -> None:
        trainee.read(one)
        desk.queue.link(me, cases[one.id], patient_id="P-1043", contact_id=contact.id)
        trainee.answer(one, WORDS)
        trainee.answered.append((one, "answered"))

    def father(one: Exercise) -> None:
        trainee.read(one)
        trainee.link(one, "P-1039")
        trainee.finish(one)

    def carelessly(one: Exercise) -> None:
        trainee.read(one)
        trainee.finish(one)

    def unread(one: Exercise) -> None:
        trainee.close(one, "no_reply_needed")

    def too_calm(one: Exercise) -> None:
        trainee.read(one)
        trainee.close(one, "phoned")

    known = trainee.store.people.contacts("P-1043", clinic=me.clinic, by="test")
    contact = next(one for one in known if one.channel is Channel.EMAIL)
    trainee.instead = {
        "charged-twice": promise,
        "wrong-name": another_patient,
        "stranger": answer_anybody,
        "school-form": father,
        "move-es": carelessly,
        "armchair": too_calm,
        "phishing": carelessly,
        "referral-again": carelessly,
        "referral-first": unread,
    }
    trainee.practise(
        *("school-form", "chest", "armchair", "charged-twice", "wrong-name", "stranger"),
        *("move-es", "phishing", "referral-again", "referral-first"),
    )
    sheet = trainee.sheet()
    assert missed(sheet) == {
        "school-form": {Aspect.WHOSE},
        "chest": {Aspect.URGENT},
        "armchair": {Aspect.SORTING},
        "charged-twice": {Aspect.TRAP},
        "wrong-name": {Aspect.TRAP},
        "stranger": {Aspect.TRAP, Aspect.OUTCOME},
        "move-es": {Aspect.SORTING},
        "phishing": {Aspect.SORTING},
        "referral-again": {Aspect.TOGETHER},
        "referral-first": {Aspect.OUTCOME},
    }
    told = {line.exercise.id: " ".join(one.words for one in line.findings) for line in sheet.lines}
    assert "only the desk stopped it" in told["wrong-name"]
    assert "words that may not be in it" in told["charged-twice"]
    assert "A routine message was finished first" in told["chest"]
    assert sheet.number(Result.OPEN) > 0
