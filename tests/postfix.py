"""A private Postfix on a high port: TLS, log-in through Dovecot, delivery into Dovecot's Maildirs.

Its own configuration, queue and log lie in one folder; nothing of the machine's Postfix is read.
Postfix starts its daemons as root and lets them step down by themselves, so only root can run it.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.servers import (
    PASSWORD,
    DovecotServer,
    Server,
    free_port,
    need,
)
from triage.connectors.smtp import SmtpOutbox

POSTFIX = Path("/usr/sbin/postfix")
MASTER = Path("/usr/lib/postfix/sbin/master")
#: A loaded machine may be slow; a server that has not come up or gone after so long is broken.
PATIENCE = 60.0

_MAIN = """
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
maillog_file = {home}/log/mail
maillog_file_prefixes = {home}
myhostname = mail.clinic.example
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_dns_support_level = disabled
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = example.org
virtual_mailbox_maps = texthash:{home}/conf/people
virtual_mailbox_base = {mail}
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {certificates}/server.pem
smtpd_tls_key_file = {certificates}/server.key
smtpd_tls_session_cache_database =
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{auth_port}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access texthash:{home}/conf/access,
    permit_sasl_authenticated, reject
smtpd_banner = mail.clinic.example ESMTP {home}
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
anvil_rate_time_unit = 1s
notify_classes =
{more}
"""

_SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
"""

#: What a Dovecot needs so that this Postfix can ask it about passwords.
_AUTH = """
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"""


class PostfixServer(Server):
    """Postfix as the clinic's submission server; `dovecot` knows the passwords, holds the mail."""

    def __init__(self) -> None:
        need(POSTFIX)
        if os.geteuid() != 0:
            if os.environ.get("CI") == "true":
                pytest.fail("only root can run Postfix")
            pytest.skip("only root can run Postfix")
        auth_port = free_port()
        self.dovecot = DovecotServer(more=_AUTH.format(port=auth_port))
        self.home = Path(tempfile.mkdtemp(prefix="postfix-"))
        self.home.chmod(0o755)
        self.port = free_port()
        for name in ("conf", "spool", "data", "log"):
            (self.home / name).mkdir()
        shutil.chown(self.home / "data", "postfix", "postfix")
        stat = self.dovecot.home.stat()
        self._words = {
            "home": self.home, "mail": self.dovecot.home / "mail", "uid": stat.st_uid,
            "gid": stat.st_gid, "certificates": self.dovecot.home, "auth_port": auth_port,
        }  # fmt: skip
        (self.home / "conf" / "master.cf").write_text(_SERVICES.format(port=self.port))
        (self.home / "conf" / "people").write_text(
            "".join(f"{one}@example.org clinic/\n" for one in ("pat", "pat1", "pat2"))
        )
        self.configure()
        self._process: subprocess.Popen[bytes] | None = None
        try:
            # Makes the folders of the queue with the owners Postfix wants.
            self._postfix("check")
            self.start()
        except BaseException:
            self.close()
            raise

    def configure(self, *, access: str = "", more: str = "") -> None:
        """Write the settings; a running server takes them over with `reload`."""
        self.changed = bool(access or more)
        (self.home / "conf" / "access").write_text(access)
        (self.home / "conf" / "main.cf").write_text(_MAIN.format(**self._words, more=more))
        # A file written this very second may still change: every daemon would wait to read it.
        hour_ago = time.time() - 3600
        for path in _files(self.home / "conf"):
            os.utime(path, (hour_ago, hour_ago))

    def reload(self) -> None:
        """Take over the settings at once: after its own reload old daemons linger for a moment."""
        self.stop()
        self.start()

    def start(self) -> None:
        """Start it, again after `stop`, with the same queue; return when it greets."""
        assert self._process is None, "it runs already, and would not be stopped any more"
        words = [str(MASTER), "-c", str(self.home / "conf"), "-d"]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            words, cwd=self.home, stdout=quiet, stderr=quiet, start_new_session=True
        )
        # Should this process be killed, its end of the pipe closes, and the guard ends the server.
        guard = ["sh", "-c", 'cat >/dev/null; kill -KILL "-$1"', "sh", str(self._process.pid)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)
        end = time.monotonic() + PATIENCE
        while not self._greets(end):
            if self._process.poll() is not None or time.monotonic() > end:
                log = "".join(path.read_text() for path in _files(self.home / "log"))
                raise RuntimeError(f"Postfix does not greet: {log[-2000:]}")
            time.sleep(0.02)

    @property
    def running(self) -> bool:
        return self._process is not None

    def _greets(self, end: float) -> bool:
        """Whether this very server, and no other on its port, says good day."""
        left = max(0.1, end - time.monotonic())
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), left) as line,
            line.makefile("rb") as words,
        ):
            greeting = words.readline()
            line.sendall(b"QUIT\r\n")
            return greeting.startswith(b"220 ") and str(self.home).encode() in greeting
        return False

    def stop(self) -> None:
        """Stop at once, as a machine that loses power; the queue stays.

        Returns when the last daemon is gone: one that is still dying holds the port and the locks.
        """
        if self._process is None:
            return
        with self._guard as guard:
            os.killpg(guard.pid, signal.SIGKILL)
        group, self._process = self._process, None
        end = time.monotonic() + PATIENCE
        while _alive(group.pid):
            assert time.monotonic() < end, "Postfix cannot be stopped"
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group.pid, signal.SIGKILL)
            time.sleep(0.002)
        group.wait()
        (self.home / "spool" / "pid" / "master.pid").unlink(missing_ok=True)

    def close(self) -> None:
        self.stop()
        self.dovecot.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def outbox(self, **settings: object) -> SmtpOutbox:
        """Return an outbox that logs in over verified TLS."""
        return SmtpOutbox({**self.settings, **settings}, PASSWORD)

    @property
    def settings(self) -> dict[str, object]:
        """Settings of an SmtpOutbox for this server; the secret is PASSWORD."""
        return {
            "name": "mail-out", "host": "127.0.0.1", "port": self.port,
            "security": "starttls", "ca_file": str(self.dovecot.certificates.ca_file),
            "sender": "desk@clinic.example", "user": "clinic",
            "timeout_seconds": PATIENCE, "answer_seconds": PATIENCE,
        }  # fmt: skip

    def empty(self) -> None:
        """Throw away what was delivered."""
        shutil.rmtree(self.dovecot.home / "mail" / "clinic", ignore_errors=True)

    @property
    def delivered(self) -> list[bytes]:
        """Every mail in the mailbox, as delivery wrote it."""
        folders = self.dovecot.home / "mail" / "clinic"
        return [path.read_bytes() for name in ("new", "cur") for path in _files(folders / name)]

    def queued(self) -> int:
        """How many whole mails lie in the queue; one cut off is no mail, and has no such mode."""
        names = ("incoming", "active", "deferred")
        files = [path for name in names for path in _files(self.home / "spool" / name)]
        return sum(_whole(path) for path in files)

    def _postfix(self, word: str) -> None:
        words = [str(POSTFIX), "-c", str(self.home / "conf"), word]
        subprocess.run(words, check=True, capture_output=True, cwd=self.home)


def _alive(group: int) -> bool:
    """Whether a process of this group still runs; one that is only not yet reaped does not."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of the program is in brackets, and may hold anything.
            state, _, its_group, *_ = path.read_text().rpartition(")")[2].split()
            if int(its_group) == group and state not in "ZX":
                return True
    return False


def _files(folder: Path) -> Iterable[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []


def _whole(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o100)
    except FileNotFoundError:
        # Delivered while we looked.
        return False
