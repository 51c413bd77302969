"""A child process with limits reads messages, so that no bytes can hang or kill the worker.

Rule of the room: the child gets bytes and gives plain values; one that dies or is late is
replaced, and its message is marked as not read. What nobody could read is searched as it lies.
"""

import atexit
import json
import os
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping

from triage.parsing.sheet import Sheet, unpack

#: Wall-clock seconds for one message, and for a fresh child to load.
PATIENCE = 8.0
START_PATIENCE = 60.0
#: An answer can hold every attachment, decoded, and the readings.
LARGEST_ANSWER = 200_000_000
#: After so many messages a child is replaced, so that nothing it leaks adds up.
MESSAGES_PER_CHILD = 5_000
#: A child that is gone within so many seconds was ended from outside, and not by the message.
SOON = 1.0
#: So many unread messages in a row are no accident: no child can be started or understood.
TOO_MANY = 3
#: Bytes of an unreadable message that the red-flag rules look at all the same, and what in them
#: is packed data and says by chance what nobody wrote.
READABLE, _PACKED = 200_000, re.compile(r"[A-Za-z0-9+/=]{60,}")
_CHUNK = 1 << 16


def as_it_lies(content: bytes) -> str:
    """Return the text a message's bytes show to whoever opens them without reading them."""
    return _PACKED.sub(" ", content[:READABLE].decode("utf-8", "replace"))


class ChildLost(Exception):
    """The child died, was late or answered nonsense; the next message gets a new one."""


class ChildGone(ChildLost):
    """The child was not there any more before it can have read much."""


class Child:
    """One reading child and its pipes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.answered = 0
        # Nothing of the worker's environment goes in: it may hold keys.
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "triage.parsing.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        try:
            self._receive(5, self._clock() + START_PATIENCE)
        except BaseException:
            self.kill()
            raise

    def ask(self, content: bytes, job: Mapping[str, str], patience: float) -> Sheet:
        """Have one message read; raise ChildLost when that is not possible."""
        began = self._clock()
        try:
            return self._ask(content, job, began + patience)
        except ChildGone as gone:
            if self._clock() - began > SOON:
                raise ChildLost from gone
            raise

    def _ask(self, content: bytes, job: Mapping[str, str], deadline: float) -> Sheet:
        head = json.dumps(dict(job)).encode("utf-8")
        sizes = len(head).to_bytes(8, "big") + len(content).to_bytes(8, "big")
        self._send(b"".join((sizes, head, content)), deadline)
        length = int.from_bytes(self._receive(8, deadline), "big")
        if length > LARGEST_ANSWER:
            raise ChildLost
        try:
            sheet = unpack(self._receive(length, deadline))
        except (ValueError, KeyError, TypeError) as error:
            raise ChildLost from error
        self.answered += 1
        return sheet

    def kill(self) -> None:
        """End the child and close its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def forget(self) -> None:
        """After a fork: close this process's copies of the pipes; the child is the parent's."""
        os.close(self._to)
        os.close(self._from)

    def _send(self, packed: bytes, deadline: float) -> None:
        view = memoryview(packed)
        while view:
            self._wait(self._to, select.POLLOUT, deadline)
            try:
                view = view[os.write(self._to, view[: 16 * _CHUNK]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChildGone from error

    def _receive(self, length: int, deadline: float) -> bytes:
        pieces, missing = [], length
        while missing:
            self._wait(self._from, select.POLLIN, deadline)
            try:
                piece = os.read(self._from, min(missing, 16 * _CHUNK))
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChildLost from error
            if not piece:
                raise ChildGone
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _wait(self, pipe: int, event: int, deadline: float) -> None:
        left = deadline - self._clock()
        poll = select.poll()
        poll.register(pipe, event)
        if left <= 0 or not poll.poll(left * 1000):
            raise ChildLost


class Sandbox:
    """Keeps one child alive for this process; calls from several threads take turns."""

    def __init__(self, *, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._turn = threading.Lock()
        self._child: Child | None = None
        self._owner = os.getpid()
        self.restarts = 0
        #: Messages in a row that no child read.
        self.lost = 0
        atexit.register(self.close)

    def read(self, content: bytes, job: Mapping[str, str]) -> Sheet:
        """Have one message read; a sheet marked as not read when no child survives it."""
        with self._turn:
            for again in (True, False):
                try:
                    sheet = self._ask(content, job)
                except ChildGone:
                    self._drop()
                    if again:
                        continue
                except (ChildLost, OSError):
                    self._drop()
                else:
                    self.lost = 0
                    return sheet
                break
            self.lost += 1
            return self._unread(content, job)

    def _unread(self, content: bytes, job: Mapping[str, str]) -> Sheet:
        """Return a sheet without a reading; the rules still see what lies there."""
        sheet = Sheet(not_read=True, sender_doubtful=True)
        if job.get("kind") not in ("portal", "form"):
            try:
                # Subject and sender help the person who has to open the original; the sender is
                # judged by the same verdicts as ever.
                sheet = self._ask(content[:64_000], {**job, "kind": "skim"})
            except (ChildLost, OSError):
                self._drop()
        sheet.add_reading(as_it_lies(content))
        return sheet

    def close(self) -> None:
        """End the child, if this process started it."""
        if self._child is not None and self._owner == os.getpid():
            self._child.kill()
        self._child = None

    def _ask(self, content: bytes, job: Mapping[str, str]) -> Sheet:
        if self._child is not None and self._owner != os.getpid():
            # This process was forked: that child belongs to the parent.
            self._child.forget()
            self._child = None
        if self._child is not None and self._child.answered >= MESSAGES_PER_CHILD:
            self._drop()
        if self._child is None:
            self._child, self._owner = Child(), os.getpid()
        return self._child.ask(content, job, self._patience)

    def _drop(self) -> None:
        self.restarts += 1
        if self._child is not None:
            self._child.kill()
        self._child = None
