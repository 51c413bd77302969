"""Safety-bar 2 and 9: what a portal listed and what is stored here are compared after each look.

A real FHIR server, both engines, the keeper's own cycle. The oracle is the keeper without the
comparison, which must be seen to lose messages in the same scene.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.test_fhir_polling import message
from tests.faults.test_reconcile import alarms, delete_rows, stored
from tests.servers import PASSWORD, FhirServer
from tests.sizes import many
from triage.connectors.fhir import FhirInbox
from triage.connectors.fhir_page import canonical
from triage.engine import InboxKeeper
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

    def __init__(self, server: FhirServer, store: Store, clinic: str) -> None:
        server.clear()
        self.server, self.now = server, START + timedelta(hours=24)
        step = timedelta(hours=23) / MESSAGES
        self.written = [message(f"m{n}", START + n * step) for n in range(MESSAGES)]
        server.seed(*self.written)
        self.inbox = FhirInbox(
            {**server.settings, "poll_seconds": 0.05}, PASSWORD, clock=lambda: self.now
        )
        self.keeper = InboxKeeper(self.inbox, store, clinic=clinic, poll=0.0, clock=lambda: 0.0)
        assert self.keeper.once()

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
