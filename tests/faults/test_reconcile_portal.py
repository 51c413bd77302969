"""Safety-bar 2 and 9: what a portal listed and what is stored here are compared after each look.

A real FHIR server, both engines, the keeper's own cycle. The oracle is the keeper without the
comparison, which must be seen to lose messages in the same scene.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.test_fhir_polling import message
from tests.faults.test_reconcile import alarms, delete_rows, stored
from tests.servers import PASSWORD, FhirServer
from tests.sizes import many
from triage.connectors.fhir import FhirInbox
from triage.connectors.fhir_client import Answer, Unreachable
from triage.connectors.fhir_page import canonical
from triage.domain import Arrival, Listing
from triage.engine import InboxKeeper
from triage.errors import InboxUnreachable
from triage.store import Keys, Store

pytestmark = [pytest.mark.bar(2), pytest.mark.bar(9)]

MESSAGES = many(12, long=400)
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def running() -> Iterator[FhirServer]:
    with FhirServer() as server:
        yield server


class Portal:
    """A portal with messages of one day, and the keeper that lands them."""

    def __init__(self, server: FhirServer, store: Store, clinic: str, *kinds: str) -> None:
        server.clear()
        self.server, self.now = server, START + timedelta(hours=24)
        step = timedelta(hours=23) / MESSAGES
        self.written = [message(f"m{n}", START + n * step) for n in range(MESSAGES)]
        server.seed(*self.written)
        more = {"poll_seconds": 0.05, "resources": [*kinds] or ["Communication"]}
        self.inbox = FhirInbox({**server.settings, **more}, PASSWORD, clock=lambda: self.now)
        self.keeper = InboxKeeper(self.inbox, store, clinic=clinic, poll=0.0, clock=lambda: 0.0)
        self.get = self.inbox._client.get
        assert self.keeper.once()

    def missing(self, store: Store, clinic: str) -> list[str]:
        """The ids of what is not stored here, the oldest first."""
        here = stored(store, clinic)
        return [str(one["id"]) for one in self.written if digest(canonical(one)) not in here]

    def break_off(self, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
        """Answer 5xx to whatever is asked at these addresses, in the middle of all that works."""

        def fails(address: str, query: Mapping[str, str] | None = None) -> Answer:
            if address in addresses:
                raise Unreachable("503", sent=True)
            return self.get(address, query)

        monkeypatch.setattr(self.inbox._client, "get", fails)

    @property
    def digests(self) -> list[str]:
        """What must be stored."""
        return sorted(digest(canonical(one)) for one in self.written)


def digest(content: bytes) -> str:
    from hashlib import sha256

    return sha256(content).hexdigest()


def damage(store_url: str, keys: Keys) -> None:
    delete_rows(store_url, keys, with_bytes=5, ledger_only=5)


def test_what_is_missing_here_is_fetched_again_and_an_alarm(
    running: FhirServer, store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    portal = Portal(running, store, clinic)
    assert stored(store, clinic) == portal.digests
    assert "missing here" not in alarms(store)
    damage(store_url, keys)
    # One more came meanwhile: it is new, and no message that was missing.
    portal.written.append(message("late", portal.now))
    running.seed(portal.written[-1])
    assert portal.keeper.once()
    assert stored(store, clinic) == portal.digests
    (balance,) = store.mailboxes.balances(clinic=clinic)
    assert (balance.listed, balance.owed, balance.repaired) == (MESSAGES + 1, 0, 10)
    assert "missing here" in alarms(store)
    # And it is quiet again: one more cycle finds nothing to mend.
    assert portal.keeper.once()
    assert store.mailboxes.balances(clinic=clinic)[0].repaired == 10
    portal.inbox.close()


def test_oracle_without_the_comparison_messages_are_lost(
    running: FhirServer,
    store: Store,
    store_url: str,
    keys: Keys,
    clinic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    portal = Portal(running, store, clinic)
    monkeypatch.setattr("triage.engine.inboxes.reconcile", lambda *_, **__: 0)
    damage(store_url, keys)
    for _ in range(2):
        assert portal.keeper.once()
    assert len(stored(store, clinic)) == MESSAGES - 5
    portal.inbox.close()


def test_words_that_changed_in_the_portal_are_owed_until_it_is_listed_anew(
    running: FhirServer, store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    portal = Portal(running, store, clinic)
    delete_rows(store_url, keys, with_bytes=MESSAGES, ledger_only=0)
    first = portal.written[0]
    portal.written[0] = first | {"payload": [{"contentString": "other words"}]}
    running.seed(portal.written[0])
    assert portal.keeper.once()
    assert [one.fate for one in store.mailboxes.debts(clinic=clinic)] == ["owed"]
    assert "1 message lies in the mailbox" in alarms(store)
    portal.now += timedelta(minutes=61)
    assert portal.keeper.once()
    assert stored(store, clinic) == portal.digests
    assert store.mailboxes.debts(clinic=clinic) == []
    portal.inbox.close()


@pytest.mark.parametrize("failing", [1, 5])
def test_one_that_cannot_be_read_by_its_id_hides_no_other_and_all_come_within_two_cycles(
    running: FhirServer,
    store: Store,
    store_url: str,
    keys: Keys,
    clinic: str,
    monkeypatch: pytest.MonkeyPatch,
    failing: int,
) -> None:
    portal = Portal(running, store, clinic)
    delete_rows(store_url, keys, with_bytes=5, ledger_only=0)
    lost = portal.missing(store, clinic)
    portal.break_off(monkeypatch, *(f"Communication/{one}" for one in lost[:failing]))
    assert not portal.keeper.once(), "what fails is told"
    assert portal.missing(store, clinic) == lost[:failing]
    assert store.mailboxes.owed(clinic=clinic) == failing
    portal.now += timedelta(seconds=5)
    assert portal.keeper.once()
    assert stored(store, clinic) == portal.digests
    (balance,) = store.mailboxes.balances(clinic=clinic)
    assert (balance.listed, balance.owed, balance.repaired) == (MESSAGES, 0, 5)
    assert "missing here" in alarms(store)
    portal.inbox.close()


def test_oracle_stopping_at_the_first_that_fails_leaves_all_unseen_without_an_alarm(
    running: FhirServer,
    store: Store,
    store_url: str,
    keys: Keys,
    clinic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sabotage: one failure ends the fetching, and the next look is a near one."""
    portal = Portal(running, store, clinic)
    inbox, far_at = portal.inbox, portal.inbox._far_at

    def fetch(listing: Listing, uids: Collection[str]) -> Iterator[tuple[Arrival, ...]]:
        for uid in sorted(uids):
            resource = inbox._one(f"Communication/{uid.partition('/')[0]}", "Communication")
            yield (inbox._arrival("Communication", uid, resource or {}),)

    monkeypatch.setattr(inbox, "fetch", fetch)
    delete_rows(store_url, keys, with_bytes=MESSAGES, ledger_only=0)
    portal.break_off(monkeypatch, "Communication/m0")
    assert not portal.keeper.once()
    inbox._far_at = far_at
    portal.now += timedelta(seconds=5)
    assert portal.keeper.once(), "all seems well"
    # Only what the near look reached has come.
    assert len(portal.missing(store, clinic)) > MESSAGES / 2
    assert store.mailboxes.owed(clinic=clinic) == 0
    inbox.close()


def task(name: str, stamp: datetime) -> dict[str, Any]:
    """A task with words of its own."""
    written = message(name, stamp)
    words = {"intent": "order", "description": f"words of {name}", "status": "requested"}
    return {"resourceType": "Task", "id": name, "meta": written["meta"], **words}


def test_a_kind_that_cannot_be_searched_hides_no_other_and_that_one_is_compared(
    running: FhirServer,
    store: Store,
    store_url: str,
    keys: Keys,
    clinic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    portal = Portal(running, store, clinic, "Communication", "Task")
    for _ in range(2):
        portal.written.append(task(f"t{len(portal.written)}", portal.now))
        running.seed(portal.written[-1])
        assert portal.keeper.once()
    assert stored(store, clinic) == portal.digests
    portal.break_off(monkeypatch, "Communication")
    delete_rows(store_url, keys, with_bytes=MESSAGES + 2, ledger_only=0)
    portal.written.append(task("t-late", portal.now))
    running.seed(portal.written[-1])
    assert not portal.keeper.once(), "what fails is told"
    assert portal.keeper.trouble == "MailboxUnreachable"
    assert store.beats.all()[0].notes == ("inbox_failing",)
    # All tasks are here again, the messages were asked for by their ids.
    assert stored(store, clinic) == portal.digests
    assert "missing here" in alarms(store)
    portal.inbox.close()


def test_oracle_one_kind_taken_for_the_whole_portal_leaves_the_other_uncompared(
    running: FhirServer,
    store: Store,
    store_url: str,
    keys: Keys,
    clinic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sabotage: what fails at one kind is told as if nothing answered."""
    portal = Portal(running, store, clinic, "Communication", "Task")
    portal.break_off(monkeypatch, "Communication")
    delete_rows(store_url, keys, with_bytes=MESSAGES, ledger_only=0)
    monkeypatch.setattr(FhirInbox, "_summed", lambda *_: InboxUnreachable("portal"))
    assert not portal.keeper.once()
    assert len(portal.missing(store, clinic)) == MESSAGES
    portal.inbox.close()


def test_a_portal_of_which_no_kind_can_be_searched_is_out_of_reach(
    running: FhirServer, store: Store, clinic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal = Portal(running, store, clinic, "Communication", "Task")
    portal.break_off(monkeypatch, "Communication", "Task")
    assert not portal.keeper.once()
    assert portal.keeper.trouble == "InboxUnreachable"
    portal.inbox.close()


def test_what_is_owed_stays_owed_while_its_kind_cannot_be_searched(
    running: FhirServer,
    store: Store,
    store_url: str,
    keys: Keys,
    clinic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    portal = Portal(running, store, clinic, "Communication", "Task")
    routed = task("t-routes", portal.now) | {"focus": {"reference": "Communication/m1"}}
    portal.written.append(routed)
    running.seed(routed)
    assert portal.keeper.once()
    delete_rows(store_url, keys, with_bytes=MESSAGES + 1, ledger_only=0)
    by_id = [f"Communication/{one['id']}" for one in portal.written]
    portal.break_off(monkeypatch, *by_id)
    assert not portal.keeper.once()
    assert store.mailboxes.owed(clinic=clinic) == MESSAGES
    # The next look finds only what the task leads to: that one comes, the others are no less owed.
    portal.break_off(monkeypatch, "Communication")
    assert not portal.keeper.once()
    assert store.mailboxes.owed(clinic=clinic) == MESSAGES - 1
    portal.break_off(monkeypatch)
    assert portal.keeper.once()
    assert stored(store, clinic) == portal.digests
    assert store.mailboxes.balances(clinic=clinic)[0].repaired == MESSAGES
    portal.inbox.close()
