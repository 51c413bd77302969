"""Everything triage remembers is kept here: encrypted, committed before it is believed.

Rule of the room: the only room with SQL; every public method is one transaction, scoped by its
clinic, with the audit row of what it read or wrote inside. No driver's exception leaves it.
To add a table: `tables/`, a migration beside the others, and its grants in `roles.py`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from triage.store.accounts import Accounts
from triage.store.assignments import Assignments
from triage.store.audit_log import AuditLog
from triage.store.backgrounds import Backgrounds
from triage.store.beats import Beats
from triage.store.bystanders import Bystanders
from triage.store.calm import Calms
from triage.store.canaries import Canaries
from triage.store.cases import Cases
from triage.store.chain import verify_database
from triage.store.checks import Checks
from triage.store.colleagues import Colleagues
from triage.store.contacts import Contacts
from triage.store.departures import Departures
from triage.store.due import Due
from triage.store.engine import connect, refuse_unsafe
from triage.store.erasures import ErasureList
from triage.store.escalations import Escalations
from triage.store.factors import SecondFactors
from triage.store.forms import Forms
from triage.store.glass import Glass
from triage.store.jobs import jobs_database
from triage.store.keyring import Keyring
from triage.store.keys import Keys
from triage.store.keystore import KeyStore, connect_keys
from triage.store.labels import Labels
from triage.store.landing import Landing
from triage.store.leaks import LeakCounts
from triage.store.life import Life
from triage.store.listening import Listening
from triage.store.mailboxes import Mailboxes
from triage.store.notes import Notes
from triage.store.paper import Paper
from triage.store.patient_copy import copy_of
from triage.store.people import People
from triage.store.picks import Picks
from triage.store.practice_settings import PracticeSettings
from triage.store.proof import ProofKeys
from triage.store.replies import Replies
from triage.store.schema import check_key_store, check_schema, migrate
from triage.store.searches import Searches
from triage.store.second import SecondApprovers
from triage.store.signatures import Signatures
from triage.store.snoozes import Snoozes
from triage.store.templates import OwnTemplates
from triage.store.trail import COMMAND
from triage.store.transaction import Transactions, told, utcnow
from triage.store.tries import Tries
from triage.store.views import Views
from triage.store.waiting import Counts
from triage.store.wire import Wire

__all__ = [
    "Keys",
    "Life",
    "Store",
    "jobs_database",
    "migrate",
    "open_life",
    "open_store",
    "verify_database",
]


class Store:
    """The open store; each attribute is one shelf."""

    def __init__(self, transactions: Transactions, clinic: str = "") -> None:
        self._transactions = transactions
        #: For the other parts of this room.
        self.transactions = transactions
        self.landing = Landing(transactions)
        self.mailboxes = Mailboxes(transactions)
        self.backgrounds = Backgrounds(transactions)
        self.cases = Cases(transactions)
        self.search = Searches(transactions)
        self.replies = Replies(transactions)
        self.wire = Wire(transactions)
        self.departures = Departures(transactions)
        self.people = People(transactions)
        self.contacts = Contacts(transactions)
        self.templates = OwnTemplates(transactions)
        self.bystanders = Bystanders(transactions)
        self.checks = Checks(transactions)
        self.forms = Forms(transactions)
        self.glass = Glass(transactions)
        self.paper = Paper(transactions)
        self.factors = SecondFactors(transactions)
        self.proof_keys = ProofKeys(transactions)
        self.tries = Tries(transactions)
        self.accounts = Accounts(transactions)
        self.labels = Labels(transactions)
        self.leaks = LeakCounts(transactions)
        self.audit = AuditLog(transactions)
        self.signatures = Signatures(transactions)
        self.beats = Beats(transactions, clinic)
        self.canaries = Canaries(transactions)
        self.counts = Counts(transactions)
        self.practice = PracticeSettings(transactions)
        self.due = Due(transactions)
        self.escalations = Escalations(transactions)
        self.notes = Notes(transactions)
        self.colleagues = Colleagues(transactions)
        self.assignments = Assignments(transactions)
        self.snoozes = Snoozes(transactions)
        self.views = Views(transactions)
        self.calm = Calms(transactions)
        self.listening = Listening(transactions)
        self.picks = Picks(transactions)
        self.second = SecondApprovers(transactions)

    def copy_of(self, patient_id: str, *, clinic: str, by: str) -> dict[str, Any]:
        """Return everything about one patient, for the copy they may ask for; audited."""
        return copy_of(self._transactions, patient_id, clinic=clinic, by=by)

    def close(self) -> None:
        """Let go of the database; safe to call twice."""
        self._transactions.close()


def open_life(url: str, keys: Keys, store: Store, *, lists: Sequence[Path]) -> Life:
    """Return the part of the store that erases, and finish what it left half-done.

    Run as the owner of the tables: it alone may destroy keys. `lists` are the files of the
    erasure list; put one of them on another volume. The caller closes it.
    """
    apart = KeyStore(connect_keys(url, keys, owner=True))
    life = Life(store.transactions, apart, ErasureList(lists, keys.named("audit")))
    life.finish()
    return life


def open_store(
    url: str,
    keys: Keys,
    *,
    clock: Callable[[], datetime] = utcnow,
    part: str = COMMAND,
    clinic: str = "",
) -> Store:
    """Open a migrated database that is safe to trust.

    `url` is `sqlite:///path` or `postgresql+psycopg://role@/name?host=…`; `part` is the kind of
    process that asks (web, worker, sender, command), whose audit chains it writes; its signs of
    life are those of `clinic`, where several share the store. Raises
    StoreRefused when the engine's settings could lose a commit or a guard is missing, WrongKey
    when a key is not the database's own, StoreLocked when another process does not let go.
    """
    engine = connect(url, keys)
    ring: Keyring | None = None
    try:
        with told(), engine.connect() as connection:
            refuse_unsafe(connection)
            check_schema(connection, keys)
            ring = Keyring(KeyStore(connect_keys(url, keys)), keys)
            check_key_store(connection, ring)
    except BaseException:
        engine.dispose()
        if ring is not None:
            ring.close()
        raise
    return Store(Transactions(engine, keys, clock, ring, part=part), clinic)
