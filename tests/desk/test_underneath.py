"""What changed between a page and the press of its button: a colleague's words stay."""

from datetime import timedelta

import pytest

from tests.proofs import enrol
from tests.store.practice import ana, reading, signing_key
from triage.desk import Desk
from triage.domain import Protected, Role, User, new_id
from triage.errors import ChangedUnderneath
from triage.store import Store

EMPTY = ""


@pytest.fixture
def staff(store: Store, clinic: str) -> dict[str, User]:
    store.people.import_roster([ana(clinic)], clinic=clinic, by="test")
    found = {}
    for name, role in {"dora": Role.SECRETARY, "wim": Role.WRITER, "nia": Role.NURSE}.items():
        found[name] = User(f"user-{name}", clinic, name, name.title(), frozenset({role}))
        store.people.add_user(found[name], "correct horse battery")
        enrol(store, signing_key(found[name].id), clinic=clinic, user_id=found[name].id)
    return found


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store, mail_domain="clinic.example", undo=timedelta(minutes=5))


@pytest.fixture
def case_id(store: Store, clinic: str, staff: dict[str, User]) -> str:
    came = reading(store, clinic, uid=new_id())
    return store.cases.file(came, clinic=clinic, by="worker")


def save(desk: Desk, person: User, case_id: str, *, had: str | None) -> str:
    """Save a person's words and return their digest."""
    body = Protected(f"From {person.username}.")
    draft = desk.replies.save(person, case_id, subject=Protected("Re"), body=body, had=had)
    return draft.outgoing.digest


def saved(desk: Desk, person: User, case_id: str) -> str:
    draft = desk.queue.open(person, case_id).draft
    return draft.outgoing.body.reveal() if draft else ""


def test_a_page_opened_before_a_colleague_saved_does_not_replace_the_words(
    desk: Desk, staff: dict[str, User], case_id: str
) -> None:
    wim, dora, nia = staff["wim"], staff["dora"], staff["nia"]
    desk.queue.claim(wim, case_id)
    digest = save(desk, wim, case_id, had=EMPTY)
    desk.together.ask(wim, case_id, words=Protected(""))
    for stale in (EMPTY, "0" * 64):
        with pytest.raises(ChangedUnderneath):
            save(desk, dora, case_id, had=stale)
    with pytest.raises(ChangedUnderneath):
        desk.rewriting.acknowledge(dora, case_id, had=EMPTY)
    assert saved(desk, dora, case_id) == "From wim."
    assert [ask.by for ask, _ in desk.together.mine(nia).asked] == [wim.id]
    # Whoever was shown them may write on; and their own words never stand in anybody's way.
    after = save(desk, dora, case_id, had=digest)
    assert save(desk, dora, case_id, had=EMPTY) == save(desk, dora, case_id, had=after) == after
    with pytest.raises(ChangedUnderneath):
        save(desk, wim, case_id, had=digest)


def test_words_that_are_gone_are_not_written_on(
    store: Store, desk: Desk, staff: dict[str, User], case_id: str
) -> None:
    """They were approved meanwhile, or dropped because the case is another patient's."""
    with pytest.raises(ChangedUnderneath):
        save(desk, staff["dora"], case_id, had="0" * 64)
    assert saved(desk, staff["dora"], case_id) == ""
