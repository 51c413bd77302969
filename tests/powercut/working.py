"""A morning in a practice, acknowledged step by step, and the questions asked after a power cut.

Run as a program it works on a SQLite database, so that its own process can be recorded:
`python -m tests.powercut.working URL KEYS LOG STEPS
LIBRARY`, where LIBRARY is the version SQLite says it has: an old one keeps a rollback journal.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from tests.powercut.recording import Acks
from tests.proofs import browser_key, enrol
from tests.store.practice import MASTER, add_staff, ana, approval, draft, reading
from triage.domain import Clinic, Head, ReplyState
from triage.errors import NotFound
from triage.store import Keys, Store, open_store, verify_database

NOON_ID = "clinic-a"
#: A reply never goes back to an earlier one of these.
_LADDER = (ReplyState.QUEUED, ReplyState.SENDING, ReplyState.SENT)


def move_in(url: str, keys: Keys) -> None:
    """Make the clinic, its one secretary and its one patient."""
    store = open_store(url, keys)
    store.people.add_clinic(Clinic(NOON_ID, "Harbour Family Practice", "UTC"))
    add_staff(store, NOON_ID)
    store.people.import_roster([ana(NOON_ID)], clinic=NOON_ID, by="test")
    store.close()


def work(store: Store, steps: int, acknowledge: Callable[[str], None]) -> None:
    """Let mail come in and replies go out; acknowledge each commit once the store says so."""
    # This process knows no key of another one's browser.
    key = browser_key(MASTER, "user-dora")
    enrol(store, key, clinic=NOON_ID, user_id="user-dora")
    for number in range(steps):
        found = reading(store, NOON_ID, uid=str(number))
        acknowledge(f"landed {found.raw.id} raw words {number}")
        case_id = store.cases.file(found, clinic=NOON_ID, by="worker")
        acknowledge(f"filed {case_id} {found.raw.id}")
        words = draft(store, NOON_ID, case_id)
        yes = approval(words)
        yes = replace(yes, proof=key.prove(yes.reply_id, yes.digest))
        message_id = f"<{yes.reply_id}@clinic.example>"
        store.replies.approve(yes, words, not_before=yes.approved_at, message_id=message_id)
        acknowledge(f"reply {yes.reply_id} queued")
        assert store.replies.claim(yes.reply_id, clinic=NOON_ID, by="sender")
        acknowledge(f"reply {yes.reply_id} sending")
        store.replies.settle(yes.reply_id, ReplyState.SENT, clinic=NOON_ID, by="sender")
        acknowledge(f"reply {yes.reply_id} sent")
        for head in store.audit.heads():
            acknowledge(f"audit {head.chain} {head.number} {head.digest}")


def work_unsafely(url: str, keys: Keys, steps: int, acknowledge: Callable[[str], None]) -> None:
    """Work although the engine is set so that it may lose what it confirmed."""
    with patch("triage.store.refuse_unsafe"):
        store = open_store(url, keys)
        work(store, steps, acknowledge)
        store.close()


def lost(url: str, keys: Keys, acks: Sequence[str]) -> list[str]:
    """Open the store as a process would after the cut; return every acknowledged fact it lacks."""
    heads: dict[str, Head] = {}
    # The newest thing said of each: a reply on its way is asked for once.
    newest = {tuple(fact.split(" ")[:2]): fact for fact in acks if not fact.startswith("audit")}
    for fact in acks:
        if fact.startswith("audit"):
            _, chain, number, digest = fact.split(" ")
            heads[chain] = Head(chain, int(number), digest)
    store = open_store(url, keys)
    missing = [fact for fact in newest.values() if not _kept(store, *fact.split(" ", 2))]
    store.close()
    verdict = verify_database(url, keys, heads=heads.values())
    if not verdict.holds:
        missing.append(f"audit at {verdict.broken_at}: {verdict.why}")
    return missing


def _kept(store: Store, kind: str, name: str, rest: str) -> bool:
    try:
        if kind == "landed":
            raw = store.landing.raw(name, clinic=NOON_ID, by="test")
            return raw.content == rest.encode()
        if kind == "filed":
            messages = store.cases.get(name, clinic=NOON_ID, by="test").messages
            return rest in {message.raw_id for message in messages}
        state = store.replies.get(name, clinic=NOON_ID, by="test").state
    except NotFound:
        return False
    return _LADDER.index(state) >= _LADDER.index(ReplyState(rest))


def work_with(url: str, folder: str, log: str, steps: int, library: str) -> None:
    """Work with the keys in a folder and a SQLite that says it has this version."""
    version = tuple(int(part) for part in library.split("."))
    with patch("triage.store.engine._library_version", return_value=version):
        work_unsafely(url, Keys.load(Path(folder)), steps, Acks(Path(log)))


if __name__ == "__main__":
    url, folder, log, steps, library = sys.argv[1:]
    work_with(url, folder, log, int(steps), library)
