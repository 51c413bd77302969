"""Batches of landed messages as durable workflows, on DBOS.

DBOS remembers a begun batch and runs it again after a crash; filing is keyed by the raw message,
so running it twice files it once. A batch that keeps failing is split, and in the end its
messages are put in front of a person unread.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from threading import Timer
from typing import Any

from triage.classifiers.abstain import AlwaysAbstain
from triage.domain import NOTHING, Mark, Message, Protected, RawMessage
from triage.engine.ahead import Ahead
from triage.engine.serving import say
from triage.errors import blame
from triage.parsing import as_it_lies
from triage.pipeline import Rooms, file
from triage.redaction.withhold import WithholdEverything
from triage.store import Store
from triage.store.landing import FEW_TRIES

log = logging.getLogger(__name__)

#: Messages walked together; the encoder is fastest in batches.
BATCH = 32
#: Messages looked at in one round, so that a few that keep failing hold up nobody else.
ROUND = 8 * BATCH
#: After this many attempts a batch is walked one message at a time,
SPLIT_AFTER = FEW_TRIES
#: and after this many a message is shown to a person as it lies.
GIVE_UP_AFTER = 5
#: Looks at a batch that somebody else has begun, and seconds between two, before it is taken over.
LOOKS, PAUSE = 80, 0.25


class Jobs:
    """The durable part of a worker: finds landed messages and files them."""

    def __init__(
        self,
        store: Store,
        rooms: Rooms,
        database: Any,
        *,
        name: str = "worker",
        clinic: str | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        #: Only this clinic's messages are read; None reads everybody's (tests, one clinic).
        self._clinic = clinic
        #: Swapped as a whole when another model starts to serve.
        self.rooms = rooms
        self._name = name
        self._ahead = Ahead(store, by=name, clinic=clinic)
        self._database = database
        self._walk: Callable[[str, list[str]], int] | None = None
        self._pause = pause
        #: Runs that ended without being written off: a later one of the same name would only be
        #: given what became of them.
        self._left: set[str] = set()
        #: Runs this worker has begun and waits for -> what ends the wait, once their work is done.
        self._limits: dict[str, Timer | None] = {}

    def say_serving(self) -> None:
        """Let the audit say which models and rules file from now on."""
        say(self.rooms, self._store, clinic=self._clinic, by=self._name)

    def launch(self) -> None:
        """Start the engine; batches begun before a crash are taken up again."""
        from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer

        config: DBOSConfig = {
            "name": "triage",
            "system_database_engine": self._database,
            "system_database_url": self._database.url.render_as_string(hide_password=False),
            "executor_id": self._name,
            # The path's own version: a batch begun before an update is finished after it.
            "application_version": "1",
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "ERROR",
            "use_listen_notify": False,
        }
        DBOS(config=config)
        self._walk = self._register()
        DBOS.launch()

    def _register(self) -> Callable[[str, list[str]], int]:
        from dbos import DBOS

        @DBOS.step(name="read_and_file")
        def read_and_file(clinic: str, raw_ids: list[str]) -> int:
            filed = self._file(clinic, raw_ids)
            self._limit(str(DBOS.workflow_id))
            return filed

        @DBOS.workflow(name="read_batch")
        def read_batch(clinic: str, raw_ids: list[str]) -> int:
            return int(read_and_file(clinic, raw_ids))

        walk: Callable[[str, list[str]], int] = read_batch
        return walk

    def sweep(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """File one round of landed messages; return how many were filed.

        `progress` is told after every batch how many of it were filed. Where more wait than one
        round takes, all of them are first looked at, and those with a red flag filed before.
        """
        filed = 0
        waiting = self._store.landing.waiting(limit=ROUND, clinic=self._clinic)
        if len(waiting) == ROUND:
            # What one batch shows is filed before the next is looked at: no mail waits for all,
            # and what kills the process takes no more than one batch along.
            looks = {"at_once": BATCH, "at_most": BATCH}
            for flagged in self._ahead.flagged(self.rooms, **looks, beat=lambda: progress(0)):
                progress(0)
                filed += self._batches(flagged, progress)
            waiting = self._store.landing.waiting(limit=ROUND, clinic=self._clinic)
        return filed + self._batches(waiting, progress)

    def _batches(self, waiting: Sequence[tuple[str, str]], progress: Callable[[int], None]) -> int:
        """File messages in the order given, those of one clinic together; return how many."""
        filed = 0
        # Sorted by clinic alone: within one the order of arrival stays, or an answer would be
        # filed before the mail it answers, as a case of its own.
        for clinic, rows in groupby(sorted(waiting, key=_clinic_of), key=_clinic_of):
            raw_ids = [raw_id for _, raw_id in rows]
            for start in range(0, len(raw_ids), BATCH):
                count = self._batch(clinic, raw_ids[start : start + BATCH])
                progress(count)
                filed += count
        return filed

    def drain(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """Sweep as long as that files anything; return how many messages were filed."""
        filed = 0
        while count := self.sweep(progress):
            filed += count
        return filed

    def stop(self) -> None:
        """Let go of the engine; what is unfinished goes on at the next start."""
        from dbos import DBOS

        DBOS.destroy(destroy_registry=True)

    def _batch(self, clinic: str, raw_ids: list[str]) -> int:
        from dbos import DBOS, SetWorkflowID, error

        assert self._walk is not None, "launch() comes first"
        attempts = self._store.landing.attempts(raw_ids, clinic=clinic)
        job = batch_id(raw_ids, sum(attempts.values()))
        try:
            for old in tuple(self._left):
                self._forget(old)
            try:
                self._limits[job] = None
                with SetWorkflowID(job, workflow_id_reuse_policy="reject"):
                    run = DBOS.start_workflow(self._walk, clinic, raw_ids)
                filed = int(run.get_result())
            except error.DBOSWorkflowIDInUseError:
                filed = self._begun(job)
            finally:
                if limit := self._limits.pop(job, None):
                    limit.cancel()
            self._forget(job)
        except Exception as trouble:
            # The rows stay landed, so the next sweep tries them again.
            log.error("batch %(job)s failed: %(error)s", blame(trouble, job=job))
            self._left.add(job)
            return 0
        return filed

    def _limit(self, job: str) -> None:
        """End the wait for a run whose work is done but whose outcome nobody writes down.

        A worker that starts beside us takes our run over, and the engine lets us wait for its
        outcome: for ever, when that worker is killed. Cleared away, the run fails for us; what
        it filed is filed.
        """
        if job in self._limits:
            limit = self._limits[job] = Timer(LOOKS * PAUSE, self._clear, [job])
            limit.daemon = True
            limit.start()

    def _clear(self, job: str) -> None:
        try:
            self._forget(job)
        except Exception as trouble:
            log.error("run %(job)s stays: %(error)s", blame(trouble, job=job))

    def _begun(self, job: str) -> int:
        """Wait for a run begun by another worker, or before a restart; return what it filed.

        Not for ever: its process may be gone, and the engine's own wait would not see that the
        other one has already cleared it away. Then 0 is returned, and the next sweep begins anew.
        """
        from dbos import DBOS

        for _ in range(LOOKS):
            run = DBOS.get_workflow_status(job)
            if run is None or run.status not in ("PENDING", "ENQUEUED"):
                return int(run.output or 0) if run and run.status == "SUCCESS" else 0
            self._pause(PAUSE)
        return 0

    def _forget(self, job: str) -> None:
        """Clear a run away, so that its messages can be begun anew under the same name."""
        from dbos import DBOS

        DBOS.delete_workflow(job)
        self._left.discard(job)

    def _file(self, clinic: str, raw_ids: list[str]) -> int:
        """File a batch, else each message alone; never raises, so no text reaches the engine.

        The attempt is counted before anything is read: what kills the process counts, too, and
        a fault of the engine's own database does not.
        """
        tries = self._store.landing.attempt(raw_ids, clinic=clinic)
        done = 0
        # In their order: what was tried more often was looked at ahead, or by two workers, and
        # what comes after it may answer it.
        for fresh, run in groupby(raw_ids, key=lambda one: tries[one] <= SPLIT_AFTER):
            some = list(run)
            if fresh and self._filed(clinic, some, self._ahead.known(self.rooms)):
                done += len(some)
                continue
            for one in some:
                rooms = self.rooms if tries[one] < GIVE_UP_AFTER else unread_rooms(self.rooms)
                done += self._filed(clinic, [one], rooms)
        return done

    def _filed(self, clinic: str, raw_ids: list[str], rooms: Rooms) -> bool:
        try:
            file(raw_ids, rooms, self._store, clinic=clinic, by=self._name)
        except Exception as trouble:
            log.error("reading failed: %(error)s: %(raws)s", blame(trouble, raws=" ".join(raw_ids)))
            return False
        return True


def _clinic_of(row: tuple[str, str]) -> str:
    return row[0]


def batch_id(raw_ids: Iterable[str], attempt: int) -> str:
    """Return the id a batch always has, so that two sweeps cannot begin it twice."""
    named = "\n".join(raw_ids).encode()
    return f"read-{hashlib.sha256(named).hexdigest()[:32]}-{attempt}"


def unread_rooms(rooms: Rooms) -> Rooms:
    """Return rooms that only put a message in front of a person."""
    return replace(
        rooms,
        parse=_unread,
        redactor=WithholdEverything(),
        classifier=AlwaysAbstain(),
        drafter=None,
    )


def _unread(raw: RawMessage) -> Message:
    """Return a message nobody could read; the rules still see its bytes as text."""
    return Message(
        raw_id=raw.id,
        channel=raw.channel,
        sender=NOTHING,
        sender_name=NOTHING,
        subject=NOTHING,
        body=NOTHING,
        readings=(Protected(as_it_lies(raw.content)),),
        sender_doubtful=True,
        marks=frozenset({Mark.NOT_READ}),
    )
