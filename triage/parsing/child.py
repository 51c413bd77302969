"""The reading child: takes one message at a time on its pipe and answers with a sheet.

Rule of the room: it has limits on memory and time, no secrets, no files to write and no word on
standard error; when it dies, only the reading of one message dies with it.
"""

import contextlib
import json
import resource
import signal
import sys
from typing import BinaryIO

from triage.parsing.form import read_form
from triage.parsing.mail import read_mail, skim_mail
from triage.parsing.portal import read_portal
from triage.parsing.sheet import Sheet, pack

MOST_MEMORY = 300_000_000
MOST_CPU_SECONDS = 5


def read(content: bytes, job: dict[str, str]) -> Sheet:
    """Read one message the way its job says."""
    trusted = job.get("trusted") or None
    if job.get("kind") == "skim":
        return skim_mail(content, trusted)
    if job.get("kind") == "portal":
        return read_portal(content)
    if job.get("kind") == "form":
        return read_form(content)
    return read_mail(content, trusted)


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the other side closes the pipe."""
    while len(sizes := questions.read(16)) == 16:
        job = json.loads(questions.read(int.from_bytes(sizes[:8], "big")))
        content = questions.read(int.from_bytes(sizes[8:], "big"))
        _allow_cpu(MOST_CPU_SECONDS)
        packed = pack(read(content, job))
        answers.write(len(packed).to_bytes(8, "big"))
        answers.write(packed)
        answers.flush()


def _allow_cpu(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _fence_in() -> None:
    # Who ends the whole group of processes asks the worker to finish what it began, and us with it.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def _warm_up() -> None:
    sample = (
        b"From: a@example.org\nSubject: =?utf-8?q?a?=\nContent-Type: text/html\n\n"
        b"<p>Yes.</p><p>On Mon, May 5, 2025 at 9:00 AM Desk &lt;d@example.org&gt; wrote:</p>"
    )
    read_mail(sample, "mx.example.org")
    with contextlib.suppress(ImportError):
        import charset_normalizer  # noqa: F401  # Loaded before the limits fall.


def main() -> None:
    """Load everything, then fence in, then say `ready` and serve."""
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    _warm_up()
    _fence_in()
    answers.write(b"ready")
    answers.flush()
    with contextlib.suppress(BrokenPipeError):
        serve(questions, answers)


if __name__ == "__main__":
    main()
