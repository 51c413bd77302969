"""Safety-bar 3: a server put back from a backup gives used numbers out again, and grows past us.

UIDVALIDITY stays as it was, so nothing but the messages themselves tells. The oracle is the cycle
without the look beneath, which must be seen to hide the mails of those numbers for good.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.liars import LyingImap
from tests.servers import PASSWORD, DovecotServer
from tests.sizes import ENGINES, many, on_engines
from triage.connectors.imap import ImapInbox
from triage.engine import InboxKeeper
from triage.store import Store
from triage.testing import mail

pytestmark = pytest.mark.bar(3)

OLD = [mail(f"old {n}", message_id=f"<old-{n}@example.org>") for n in range(many(12, long=1000))]
NEW = [mail(f"new {n}", message_id=f"<new-{n}@example.org>") for n in range(many(10, long=600))]
#: How many of the old mails there were when the backup was made: fewer than come in afterwards.
KEPT = len(OLD) // 2


def stored(store: Store, clinic: str) -> list[str]:
    raws = [raw_id for _, raw_id in store.landing.waiting(limit=10_000, clinic=clinic)]
    found = [store.landing.raw(raw_id, clinic=clinic, by="test").content for raw_id in raws]
    return digests(found)


def digests(mails: list[bytes]) -> list[str]:
    return sorted(hashlib.sha256(content).hexdigest() for content in mails)


def put_back(
    store: Store, clinic: str, *, meanwhile: Callable[[ImapInbox], None] = ImapInbox.close
) -> None:
    """Restore a server from its backup, let it grow past our mark, and look twice."""
    with DovecotServer() as server:
        server.append(OLD[:KEPT])
        server.stop()
        subprocess.run(["cp", "-a", server.home / "mail", server.home / "backup"], check=True)
        server.start()
        server.append(OLD[KEPT:])
        inbox = ImapInbox(server.settings, PASSWORD)
        keeper = InboxKeeper(inbox, store, clinic=clinic, poll=0.0, clock=lambda: 0.0)
        assert keeper.fetch() == len(OLD)
        meanwhile(inbox)
        server.stop()
        shutil.rmtree(server.home / "mail")
        (server.home / "backup").rename(server.home / "mail")
        server.start()
        assert server.append(NEW)[-1] > len(OLD)
        for _ in range(2):
            keeper.once()
        quiet = keeper.fetch()
        assert quiet == 0
        inbox.close()


#: What happens to the line while the server is put back.
MEANWHILE: dict[str, Callable[[ImapInbox], None]] = {
    "apart": ImapInbox.close,
    "at work": lambda _: None,
}


@pytest.mark.parametrize(
    ("store_url", "meanwhile"), on_engines(list(MEANWHILE), both="apart"), indirect=["store_url"]
)
def test_mail_under_used_numbers_is_found(
    store: Store, clinic: str, meanwhile: str, record_property: Callable[[str, object], None]
) -> None:
    record_property("tried", len(NEW))
    put_back(store, clinic, meanwhile=MEANWHILE[meanwhile])
    assert stored(store, clinic) == digests([*OLD, *NEW])


@pytest.mark.parametrize("store_url", ENGINES, indirect=True)
def test_oracle_without_the_look_beneath_it_stays_hidden(
    store: Store, clinic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triage.engine.inboxes.look_beneath", lambda *_, **__: None)
    put_back(store, clinic)
    hidden = set(digests(NEW)) - set(stored(store, clinic))
    assert len(hidden) == len(OLD) - KEPT


@pytest.mark.parametrize("store_url", ENGINES, indirect=True)
@pytest.mark.parametrize("other", [False, True], ids=["the same mail", "one other mail"])
def test_a_server_whose_bytes_waver_is_told_and_brings_in_nothing_twice(
    store: Store, clinic: str, other: bool
) -> None:
    """Which of them is another mail, and not the same one made anew, is asked twice."""
    with LyingImap(dict(enumerate(OLD[:6], 1))) as server:
        server.lies.wavering |= {4, 5, 6}
        inbox = ImapInbox(server.settings, PASSWORD)
        keeper = InboxKeeper(inbox, store, clinic=clinic, poll=0.0, clock=lambda: 0.0)
        assert keeper.fetch() == 6
        inbox.close()
        server.messages[7] = NEW[0]
        if other:
            server.lies.wavering.remove(5)
            server.messages[5] = NEW[1]
        assert keeper.once() is other
        assert keeper.trouble == ("" if other else "InboxLied")
        known = set(stored(store, clinic))
        assert digests([NEW[0]])[0] in known, "what is new comes in all the same"
        if other:
            assert digests([NEW[1]])[0] in known
        else:
            assert len(known) == 7
        inbox.close()
