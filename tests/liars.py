"""Servers that misbehave on purpose: an IMAP server that lies and an SMTP server that hangs up."""

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from tests.servers import PASSWORD, Server


class Refused(Exception):
    """The server says NO to this command."""


class Listener(Server):
    """Accepts connections on loopback and serves each in a thread."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), line:
            self.talk(line, line.makefile("rb"))

    def talk(self, line: socket.socket, words: BinaryIO) -> None:
        raise NotImplementedError


@dataclass
class Lies:
    """What the IMAP server says wrongly; each is off at first."""

    no_uid_validity: bool = False
    uid_validity: int = 7
    #: None: the truth, one more than the highest UID.
    uid_next: int | None = None
    no_uid_next: bool = False
    #: UIDs that FETCH answers nothing for, NIL, nothing in a literal, half, or a literal too long.
    silent: set[int] = field(default_factory=set)
    nil: set[int] = field(default_factory=set)
    empty: set[int] = field(default_factory=set)
    cut: set[int] = field(default_factory=set)
    too_long: set[int] = field(default_factory=set)
    #: UIDs whose bytes are others at each answer, as with a program that makes the MIME anew.
    wavering: set[int] = field(default_factory=set)
    #: UIDs that SEARCH and FETCH do not know although EXISTS counts them.
    vanished: set[int] = field(default_factory=set)
    #: UIDs whose answers do not say the UID, only the sequence number.
    nameless: set[int] = field(default_factory=set)
    #: UIDs at which a question for sizes is refused, or ends in BYE.
    size_refused: set[int] = field(default_factory=set)
    size_ends_it: set[int] = field(default_factory=set)
    #: Mailboxes at which it hangs up; gone, it hangs up on whoever comes.
    hangs_up_at: set[str] = field(default_factory=set)
    gone: bool = False
    #: Says BYE instead of answering the first this many FETCHes of a body.
    byes: int = 0
    garbage: bool = False
    drip: bool = False
    #: Seconds that it takes for each KB of an answer to FETCH.
    slow: float = 0.0


class LyingImap(Listener):
    """A minimal IMAP server over a dict of messages, as honest as its `lies` let it be."""

    def __init__(self, messages: dict[int, bytes]) -> None:
        self.messages = messages
        self.lies = Lies()
        self.answers = 0
        super().__init__()

    @property
    def settings(self) -> dict[str, object]:
        return {
            "name": "front-desk", "host": "127.0.0.1", "port": self.port, "user": "clinic",
            "security": "plain", "timeout_seconds": 0.5,
        }  # fmt: skip

    def talk(self, line: socket.socket, words: BinaryIO) -> None:
        if self.lies.gone:
            return
        line.sendall(b"* OK ready\r\n")
        while raw := words.readline():
            tag, _, command = raw.decode().strip().partition(" ")
            verb = command.upper().removeprefix("UID ").split(" ")[0]
            try:
                answer = self._answer(verb, command, line, words)
            except Refused:
                line.sendall(f"{tag} NO [SERVERBUG] internal error\r\n".encode())
                continue
            if answer is None:
                return
            if verb == "FETCH" and self.lies.slow:
                while answer:
                    line.sendall(answer[:1024])
                    answer = answer[1024:]
                    time.sleep(self.lies.slow)
            line.sendall(answer + f"{tag} OK done\r\n".encode())
            if verb == "LOGOUT":
                return

    def _answer(self, verb: str, command: str, line: socket.socket, words: object) -> bytes | None:
        if verb == "CAPABILITY":
            return b"* CAPABILITY IMAP4rev1\r\n"
        if verb == "LOGIN":
            return b"" if PASSWORD in command else None
        if verb == "EXAMINE":
            if command.split()[1].strip('"') in self.lies.hangs_up_at:
                return None
            return self._examine()
        if verb == "SEARCH":
            found = " ".join(str(uid) for uid in self._uids(command.split("UID")[-1]))
            return f"* SEARCH {found}\r\n".encode()
        if verb == "FETCH":
            return self._fetch(command, line)
        return b""

    def _known(self) -> list[int]:
        return sorted(set(self.messages) - self.lies.vanished)

    def _uids(self, words: str) -> list[int]:
        known, found = self._known(), set()
        for part in re.split(r"[ ,]+", words.strip()):
            low, _, high = part.replace("*", str(max(known, default=0))).partition(":")
            ends = sorted((int(low), int(high or low)))
            found |= {uid for uid in known if ends[0] <= uid <= ends[1]}
        return sorted(found)

    def _examine(self) -> bytes:
        lies = self.lies
        following = max(self.messages, default=0) + 1 if lies.uid_next is None else lies.uid_next
        lines = [b"* FLAGS ()", b"* %d EXISTS" % len(self.messages), b"* 0 RECENT"]
        if not lies.no_uid_validity:
            lines.append(b"* OK [UIDVALIDITY %d] fine" % lies.uid_validity)
        if not lies.no_uid_next:
            lines.append(b"* OK [UIDNEXT %d] fine" % following)
        return b"".join(line + b"\r\n" for line in lines)

    def _fetch(self, command: str, line: socket.socket) -> bytes | None:
        uids = self._uids(command.split(" ")[2])
        if "BODY" not in command:
            if self.lies.size_refused & set(uids):
                raise Refused
            if self.lies.size_ends_it & set(uids):
                line.sendall(b"* BYE internal error\r\n")
                return None
            return b"".join(
                b"%sRFC822.SIZE %d)\r\n" % (self._opens(uid), len(self.messages[uid]))
                for uid in uids
            )
        if self.lies.byes:
            self.lies.byes -= 1
            line.sendall(b"* BYE shutting down\r\n")
            return None
        if self.lies.garbage:
            return b"* 1 FETCH (UID UID ((((\r\n"
        if self.lies.drip:
            self._drip(line)
        piece = re.search(r"<(\d+)\.(\d+)>", command)
        return self._bodies(uids, line, piece and (int(piece[1]), int(piece[2])))

    def _opens(self, uid: int) -> bytes:
        """Begin the answer for a message: its place in the mailbox, and its UID as a rule."""
        number = sorted(self.messages).index(uid) + 1
        name = b"" if uid in self.lies.nameless else b"UID %d " % uid
        return b"* %d FETCH (%s" % (number, name)

    def _bodies(
        self, uids: list[int], line: socket.socket, piece: tuple[int, int] | None = None
    ) -> bytes | None:
        answer, label = b"", b"BODY[]" if piece is None else b"BODY[]<%d>" % piece[0]
        for uid in uids:
            body = b"" if uid in self.lies.empty else self.messages[uid]
            if uid in self.lies.wavering:
                self.answers += 1
                body += b"boundary %d\r\n" % self.answers
            if piece is not None:
                body = body[piece[0] : sum(piece)]
            if uid in self.lies.silent:
                continue
            if uid in self.lies.nil:
                answer += b"%s%s NIL)\r\n" % (self._opens(uid), label)
                continue
            length = len(body) + (1000 if uid in self.lies.too_long else 0)
            answer += b"%s%s {%d}\r\n" % (self._opens(uid), label, length)
            if uid in self.lies.cut:
                line.sendall(answer + body[: len(body) // 2])
                return None
            answer += body + b")\r\n"
        return answer

    def _drip(self, line: socket.socket) -> None:
        stop = threading.Event()
        line.sendall(b"* 1 FETCH (UID 1 BODY[] {100000}\r\n")
        while not stop.wait(0.02):
            line.sendall(b"x")


class BreakingSmtp(Listener):
    """An SMTP server that hangs up (or falls silent, or says `reply`) at one step, then behaves.

    `step`: connect, banner, EHLO, STARTTLS, TLS (after the yes to STARTTLS), AUTH, MAIL, RCPT,
    DATA, body, dot (before the answer to it) or sent (right after the answer). `breaks` counts the
    conversations that still break, `mails` holds what was accepted. With a `context` it offers
    STARTTLS.
    """

    def __init__(
        self,
        step: str,
        *,
        breaks: int = 1,
        how: str = "close",
        reply: str = "",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.step, self.breaks, self.how, self.reply = step, breaks, how, reply
        self.context = context
        self.mails: list[bytes] = []
        super().__init__()

    def talk(self, line: socket.socket, words: BinaryIO) -> None:
        breaking, self.breaks = self.breaks > 0, max(self.breaks - 1, 0)

        def at(step: str) -> bool:
            return breaking and step == self.step

        if at("connect"):
            self._break(line)
            return
        if at("banner"):
            line.sendall(b"22")
            self._break(line)
            return
        line.sendall(b"220 here\r\n")
        while raw := words.readline():
            verb = raw.decode("ascii", "replace").split()[0].upper()
            if at(verb):
                if not self._break(line):
                    return
                continue
            if verb == "EHLO":
                more = b"250-STARTTLS\r\n" if self.context else b""
                line.sendall(b"250-here\r\n" + more + b"250 AUTH PLAIN\r\n")
            elif verb == "STARTTLS" and self.context:
                line.sendall(b"220 go on\r\n")
                if at("TLS"):
                    self._break(line)
                    return
                line = self.context.wrap_socket(line, server_side=True)
                words = line.makefile("rb")
            elif verb == "DATA":
                line.sendall(b"354 go on\r\n")
                if not self._data(line, words, at):
                    return
            elif verb == "QUIT":
                line.sendall(b"221 bye\r\n")
                return
            else:
                line.sendall(b"235 fine\r\n" if verb == "AUTH" else b"250 fine\r\n")

    def _data(self, line: socket.socket, words: BinaryIO, at: Callable[[str], bool]) -> bool:
        lines: list[bytes] = []
        while (raw := words.readline()) not in (b".\r\n", b""):
            lines.append(raw)
            if at("body") and len(lines) > 3:
                return self._break(line)
        # From here on the server has the mail, whatever becomes of the line.
        if not (at("dot") and self.reply):
            self.mails.append(b"".join(lines))
        if at("dot"):
            return self._break(line)
        line.sendall(b"250 2.0.0 Ok: queued as 4711\r\n")
        return not at("sent")

    def _break(self, line: socket.socket) -> bool:
        """Break as told; return whether the conversation goes on."""
        if self.reply:
            line.sendall(self.reply.encode() + b"\r\n")
            return True
        if self.how == "silent":
            threading.Event().wait(3)
        return False
