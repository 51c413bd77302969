"""A test mail is taken out before the queue; nobody can make any other message invisible."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count

import pytest

from tests.connectors.test_imap_tokens import dovecot
from tests.servers import PASSWORD, DovecotServer, SmtpKeeper
from tests.sizes import many
from tests.token_giver import REFRESH, TokenGiver
from tests.watch.cast import CLINIC, PARTS, ROUND, Clock, Scene, opened
from triage.connectors.alert_mail import CanaryMail
from triage.connectors.imap import ImapInbox
from triage.domain import (
    CANARY_HEADER,
    CANARY_SUBJECT,
    CANARY_WORDS,
    Arrival,
    Channel,
    Position,
)
from triage.engine import InboxKeeper
from triage.errors import AlertFailed, StoreRefused
from triage.store import Keys, Store, tables

__all__ = ["dovecot"]
pytestmark = pytest.mark.bar(30)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_url: str, keys: Keys, clock: Clock) -> Iterator[Store]:
    found = opened(store_url, keys, clock)
    yield found
    found.close()


def written(mark: str, *, words: str = CANARY_WORDS, more: str = "", **heads: str) -> bytes:
    """Return a test mail as it arrives, or something that wants to pass for one."""
    given = {
        "Received": "from relay.example by mx.example",
        "From": "triage watch <watch@clinic.example>",
        "To": "desk@clinic.example",
        "Subject": CANARY_SUBJECT,
        CANARY_HEADER: mark,
        "Content-Type": "text/plain; charset=utf-8",
    } | {name.replace("_", "-"): value for name, value in heads.items()}
    lines = [f"{name}: {value}" for name, value in given.items() if value]
    return ("\r\n".join(lines) + f"\r\n{more}\r\n" + words.replace("\n", "\r\n")).encode()


UIDS = count(1)


def landed(store: Store, *mails: bytes, name: str = "front-desk") -> int:
    """Land mails; return how many of them go on to people."""
    arrivals = [
        Arrival(Position(name, "INBOX", "1", str(next(UIDS))), Channel.EMAIL, "message/rfc822", one)
        for one in mails
    ]
    return len(store.landing.land(arrivals, clinic=CLINIC))


def issued(store: Store) -> str:
    return store.canaries.issue("front-desk", clinic=CLINIC)[1]


def test_a_test_mail_is_remembered_and_goes_into_no_queue(store: Store, clock: Clock) -> None:
    mark = issued(store)
    assert landed(store, written(mark)) == 0
    (canary,) = store.canaries.newest("front-desk", clinic=CLINIC, since=clock() - timedelta(1))
    assert canary.seen_at == clock()
    assert store.landing.waiting(limit=9) == []
    assert store.landing.late(before=clock() + timedelta(1), clinic=CLINIC) == 0
    assert store.landing.ledger_counts("front-desk", clinic=CLINIC) == {"landed": 1}


FORGED: dict[str, Callable[[str], bytes]] = {
    "other words": lambda mark: written(mark, words="I have chest pain.\n"),
    "words before": lambda mark: written(mark, words="I have chest pain.\n" + CANARY_WORDS),
    "words after": lambda mark: written(mark, words=CANARY_WORDS + "I have chest pain.\n"),
    "another subject": lambda mark: written(mark, Subject="I have chest pain"),
    "two subjects": lambda mark: written(mark, more="Subject: I have chest pain\r\n"),
    "html": lambda mark: written(mark, Content_Type="text/html"),
    "many parts": lambda mark: written(mark, Content_Type="multipart/mixed; boundary=x"),
    "two types": lambda mark: written(mark, more="Content-Type: text/html\r\n"),
    "base64": lambda mark: written(mark, more="Content-Transfer-Encoding: base64\r\n"),
    "two marks": lambda mark: written(mark, more=f"{CANARY_HEADER}: {mark}\r\n"),
    "no header at all": lambda mark: written(mark, more="this is no header\r\n"),
    "no mark": lambda mark: written(""),
    "a mark of zeros": lambda mark: written(mark[:33] + "0" * 64),
    "another mark": lambda mark: written("0" * 32 + mark[32:]),
    "a cut mark": lambda mark: written(mark[:-1]),
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_one_is_a_normal_message(store: Store, how: str) -> None:
    mark = issued(store)
    assert landed(store, FORGED[how](mark)) == 1
    # The real one is none the worse for it, and shows that the attempt was near enough.
    assert landed(store, written(mark)) == 0


def test_a_replayed_one_is_a_normal_message(store: Store, clock: Clock) -> None:
    mark = issued(store)
    assert landed(store, written(mark)) == 0
    again = written(mark, Received="from elsewhere.example")
    assert landed(store, written(mark), again) == 2
    late = issued(store)
    clock.turn(13 * 3600)
    assert landed(store, written(late)) == 1
    assert landed(store, written(issued(store)), name="billing") == 1
    foreign = store.canaries.issue("front-desk", clinic="c2")[1]
    assert landed(store, written(foreign)) == 1


def test_a_store_that_trusts_every_mark_is_found(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: the words are no longer compared, and a patient becomes invisible."""
    found = re.compile(rb"X-Triage-Canary: (\w{32})\.(\w{64})")
    monkeypatch.setattr(
        "triage.store.canaries.canary_mark",
        lambda content: tuple(part.decode() for part in found.search(content).groups()),
    )
    assert landed(store, FORGED["other words"](issued(store))) == 0


def test_the_database_lets_nobody_file_a_message_as_a_test_mail(store: Store, clock: Clock) -> None:
    landed(store, written(""))
    mark = issued(store)
    ((_, raw_id),) = store.landing.waiting(limit=9)
    raws, canaries = tables.raw_messages, tables.canaries
    filed = raws.update().where(raws.c.id == raw_id).values(filed_at=clock())
    with pytest.raises(StoreRefused), store.transactions.write() as work:
        work.run(filed)
    used = canaries.update().where(canaries.c.id == mark[:32])
    with store.transactions.write() as work:
        work.run(
            canaries.insert(), [{"id": "x", "clinic": CLINIC, "inbox": "i", "sent_at": clock()}]
        )
    assert landed(store, written(mark)) == 0
    with pytest.raises(StoreRefused), store.transactions.write() as work:
        work.run(used.values(raw_id=raw_id))


class Way:
    """Hands test mails over, or does not."""

    inbox = "front-desk"

    def __init__(self) -> None:
        self.marks: list[str] = []
        self.broken = False

    def send(self, mark: str) -> None:
        if self.broken:
            raise AlertFailed("canary")
        self.marks.append(mark)


def test_two_misses_are_told_and_one_is_not(store: Store, clock: Clock) -> None:
    way = Way()
    scene = Scene(store, clock, canary=way)
    for _ in range(10):
        scene.pass_time(60)
        while way.marks:
            landed(store, written(way.marks.pop()))
    assert scene.door.told == []
    scene.pass_time(9 * 60)
    assert scene.door.told == [], "one is missed, the second may still come"
    scene.pass_time(6 * 60)
    assert scene.door.words == ["canary_missed:front-desk"]
    landed(store, written(way.marks[-1]))
    scene.pass_time(6 * 60)
    landed(store, written(way.marks[-1]))
    scene.pass_time(120)
    assert scene.door.told[-1].alarms == ()


def test_a_test_mail_that_cannot_be_handed_over_is_told_at_once(store: Store, clock: Clock) -> None:
    way = Way()
    way.broken = True
    scene = Scene(store, clock, canary=way)
    scene.pass_time(3 * ROUND)
    assert scene.door.words == ["canary_not_sent:front-desk"]


@pytest.mark.dovecot
def test_a_test_mail_goes_through_a_real_server_and_a_real_mailbox(store: Store) -> None:
    with DovecotServer() as server, SmtpKeeper() as keeper:
        settings = {
            "name": "canary", "inbox": "front-desk", "to": "clinic@example.org",
            "host": "127.0.0.1", "port": keeper.port, "security": "plain",
            "sender": "watch@example.org",
        }  # fmt: skip
        CanaryMail(settings, "").send(issued(store))
        ((recipients, mail),) = keeper.mails
        assert recipients == ["clinic@example.org"]
        server.append([mail, b"Subject: hello\r\n\r\nhello\r\n"])
        keeper_of = InboxKeeper(ImapInbox(server.settings, PASSWORD), store, clinic=CLINIC, poll=0)
        assert keeper_of.once()
        keeper_of._inbox.close()
        assert len(store.landing.waiting(limit=9)) == 1
        assert store.landing.ledger_counts("front-desk", clinic=CLINIC) == {"landed": 2}


QUOTA = """
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=20K
}
"""


@pytest.mark.dovecot
def test_a_full_mailbox_and_an_expired_password_are_in_the_heart_beat(store: Store) -> None:
    with DovecotServer(more=QUOTA) as server:
        door = ImapInbox(server.settings, PASSWORD)
        keeper = InboxKeeper(door, store, clinic=CLINIC, poll=0)

        def notes() -> tuple[str, ...]:
            return {beat.process: beat.notes for beat in store.beats.all()}["inbox:front-desk"]

        assert keeper.once()
        assert notes() == ()
        server.append([b"Subject: big\r\n\r\n" + b"x" * 19_600 + b"\r\n"])
        assert keeper.once()
        door.close()
        assert notes() == ("inbox_full",)
        refused = InboxKeeper(ImapInbox(server.settings, "expired"), store, clinic=CLINIC, poll=0)
        assert not refused.once()
        assert notes() == ("inbox_refused",)


@pytest.mark.dovecot
def test_a_revoked_token_is_told_within_180_seconds(
    store: Store,
    clock: Clock,
    dovecot: DovecotServer,
    record_property: Callable[[str, object], None],
) -> None:
    """The provider takes the permission back; the mailbox itself and the password are well."""
    times, longest = many(1, long=10), timedelta()
    with TokenGiver("desk", expires_in=60.0) as giver:
        settings = {**dovecot.settings, **giver.settings, "auth": "xoauth2", "user": "desk"}
        door = ImapInbox(settings, REFRESH, clock=lambda: clock.now.timestamp())
        keeper = InboxKeeper(door, store, clinic=CLINIC, poll=0)
        scene = Scene(store, clock)
        # Whether it lives is said by the keeper alone.
        scene.dead.add("inbox:front-desk")

        def live(seconds: float, *, well: bool) -> None:
            for _ in range(int(seconds / 30)):
                assert keeper.once() is well
                scene.pass_time(30)

        for _ in range(times):
            live(60, well=True)
            assert scene.door.told == []
            giver.answers = [(400, b'{"error": "invalid_grant"}')] * 20
            door.close()
            began = clock()
            while not scene.door.told and clock() - began < timedelta(minutes=5):
                live(30, well=False)
            assert scene.door.words == ["inbox_refused:front-desk"]
            longest = max(longest, scene.door.told[0].at - began)
            giver.answers.clear()
            live(150, well=True)
            assert [alarm.note for alarm in scene.door.told[-1].ended] == scene.door.words
            scene.door.told.clear()
            # An hour later nothing of it is remembered, and the next one is as fresh as the first.
            clock.turn(3700)
            for name in PARTS:
                store.beats.beat(name)
        door.close()
    record_property("tried", times)
    record_property("longest_seconds", longest.total_seconds())
    assert longest <= timedelta(seconds=180)
