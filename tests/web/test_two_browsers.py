"""Two people press Claim on one case at the same moment, and each answers as if it were theirs.

Over HTTP to two web processes' worth of the real application, each with a store of its own on one
database. What two real Chromiums show of it is in tests/journeys/test_browser.py.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Barrier

import pytest
from httpx2 import Client, Response

from tests.desk.test_together import close, wrote
from tests.journeys.served import serving_app
from tests.sizes import many
from tests.store.practice import add_staff, ana, signing_key
from triage.desk import Desk
from triage.domain import User
from triage.store import Keys, Store, open_store
from triage.store.proof import BrowserKey
from triage.store.sessions import open_in
from triage.web.app import create_app
from triage.web.security import csrf_token
from triage.web.visitor import COOKIE

TAKEN, LATE = 303, 409


@dataclass(frozen=True)
class Window:
    """One signed-in person at one web process."""

    person: User
    client: Client
    token: str
    key: BrowserKey
    store: Store

    def post(self, path: str, **form: str) -> Response:
        return self.client.post(path, data={"csrf": csrf_token(self.token), **form})

    def attempt(self, case_id: str, together: Barrier | None = None) -> tuple[int, int]:
        """Claim and answer, whatever the claim said; return how both ended.

        Who was refused saves and approves all the same, as a page that was open before would.
        """
        path = f"/case/{case_id}"
        if together:
            together.wait()
        claimed = self.post(f"{path}/claim").status_code
        self.post(f"{path}/draft", subject="Re", body=f"From {self.person.username}.")
        # What the page's script reads from the page.
        file = self.store.cases.get(case_id, clinic=self.person.clinic, by="test")
        if file.draft is None:
            return claimed, 0
        digest = file.draft.outgoing.digest
        form = {"digest": digest, "proof": self.key.prove(file.draft.id, digest)}
        answered = self.post(f"{path}/approve", **form, seen=file.newest)
        return claimed, answered.status_code


@pytest.fixture
def windows(store: Store, store_url: str, keys: Keys, clinic: str) -> Iterator[list[Window]]:
    store.people.import_roster([ana(clinic)], clinic=clinic, by="test")
    found, now = [], datetime.now(UTC)
    with ExitStack() as open_now:
        for person in (add_staff(store, clinic), add_staff(store, clinic, "milo")):
            own = open_store(store_url, keys)
            open_now.callback(own.close)
            app = create_app(Desk(own, mail_domain="clinic.example"), clinic_name="Harbour")
            address = open_now.enter_context(serving_app(app))
            with store.transactions.write() as work:
                token = open_in(work, clinic, person.id, now=now, factor_at=now)
            more = {"headers": {"Origin": address}, "cookies": {COOKIE: token}, "timeout": 60}
            client = open_now.enter_context(Client(base_url=address, **more))  # type: ignore[arg-type]  # As it takes them.
            # `add_staff` enrolled it: a session's own key is of that day, this one is for ever.
            found.append(Window(person, client, token, signing_key(person.id), own))
        yield found


def outcome(store: Store, clinic: str, case_id: str) -> list[str]:
    """Return who approved each reply of a case; take them back and close it for the next try."""
    file = store.cases.get(case_id, clinic=clinic, by="test")
    for reply in file.replies:
        moment = store.transactions.clock()
        store.replies.recall(reply.id, clinic=clinic, by="test", now=moment)
    store.cases.release(case_id, clinic=clinic, by="test")
    close(store, clinic, case_id)
    return [reply.approval.approver for reply in file.replies]


@pytest.mark.bar(10)
def test_of_two_browsers_one_gets_the_claim_and_one_reply_is_made(
    store: Store,
    clinic: str,
    windows: list[Window],
    record_property: Callable[[str, object], None],
) -> None:
    tries, both = many(2, long=1000), Barrier(2)
    won = {window.person.id: 0 for window in windows}
    with ThreadPoolExecutor(2) as pool:
        for _ in range(tries):
            case_id = wrote(store, clinic)
            ends = list(pool.map(lambda one, case=case_id: one.attempt(case, both), windows))  # type: ignore[misc]  # Bound at once.
            assert sorted(claimed for claimed, _ in ends) == [TAKEN, LATE]
            (winner,) = (
                one.person.id
                for one, (claimed, _) in zip(windows, ends, strict=True)
                if claimed == TAKEN
            )
            assert outcome(store, clinic, case_id) == [winner]
            won[winner] += 1
    record_property("tried", tries)
    record_property("won", sorted(won.values()))
    assert sum(won.values()) == tries


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_claim_that_asks_nobody_is_seen_to_answer_a_patient_twice(
    store: Store,
    clinic: str,
    windows: list[Window],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sabotage, one after the other so that it does not hang on chance: there are two fences."""
    monkeypatch.setattr(type(store.cases), "claim", type(store.cases).take_over)
    case_id, (dora, milo) = wrote(store, clinic), windows
    assert dora.attempt(case_id) == (TAKEN, TAKEN)
    # Both have it; a reply that is on its way still stops the second.
    assert milo.attempt(case_id) == (TAKEN, 0)
    monkeypatch.setattr("triage.desk.replies.obstacle", lambda *_, **__: "")
    assert milo.attempt(case_id) == (TAKEN, TAKEN)
    assert len(outcome(store, clinic, case_id)) == 2
