"""Sends an approved reply by e-mail, and knows at which step the line broke.

Rule of the room: before the final dot nothing can have been delivered, so trying again is safe;
after it only a clear answer counts, and anything else is uncertain and never repeated by a machine.

For administrators. Settings: `host`, `sender` (the clinic's address), and optionally `sender_name`,
`user` (none: no log-in), `port` (465 for `tls`, else 587), `security` (`tls`, `starttls`, `plain`
on this machine only), `ca_file`, `timeout_seconds` (30), `answer_seconds` (45: how long the server
may think after the final dot, before a person has to look). The secret is the password. Let the
provider publish SPF and sign with DKIM for the domain of `sender`; triage does neither.
"""

import contextlib
import smtplib
from collections.abc import Iterator, Mapping
from selectors import EVENT_READ, DefaultSelector

from triage.connectors import Leaving
from triage.connectors.cutting import cut_after
from triage.connectors.enclosure import enclosures
from triage.connectors.letter import ADDRESS, Letter, Unwritable, compose
from triage.connectors.options import Options
from triage.connectors.proof import require_approval
from triage.connectors.tls import read_security
from triage.domain import Approval, Channel, Outgoing
from triage.errors import SendPostponed, SendRefused, SendUncertain

#: How long the server may think after the final dot, in seconds. A person looks within a minute.
ANSWER = 45.0
#: Step at which a trial failed -> what an administrator looks at.
_MEND = {
    "connect": "`host` and `port`, with `tls` also `ca_file` and `security`, or the network",
    "EHLO": "`port` and `security`",
    "STARTTLS": "`security`, `ca_file` or the name in `host`",
    "AUTH": "`user` or the secret",
    "MAIL": "`sender`, or let this log-in write as it",
}
#: How long the server may take to protest against the body, in seconds.
_GRACE = 0.05


class SmtpOutbox:
    """An SMTP submission server; see the module for its settings."""

    def __init__(self, settings: Mapping[str, object], secret: str) -> None:
        options = Options(settings, "outbox")
        self.name = options.name
        self.channel = Channel.EMAIL
        self._who = options.who
        self._host = options.text("host")
        self._security, self._context = read_security(options, self._host)
        default = 465 if self._security == "tls" else 587
        self._port = options.whole("port", default, least=1, most=65535)
        self._user = options.text("user", "")
        self._from = options.text("sender")
        self._from_name = options.text("sender_name", "")
        self._timeout = options.number("timeout_seconds", 30, least=0.1, most=600)
        self._patience = options.number("answer_seconds", ANSWER, least=0.1, most=3600)
        options.done()
        if not ADDRESS.fullmatch(self._from):
            raise options.wrong("sender")
        self._secret = secret

    def send(self, approval: Approval, outgoing: Outgoing, *, message_id: str) -> str:
        """Deliver `outgoing` to its one recipient; return the server's answer to the final dot."""
        return self.send_shown(approval, outgoing, message_id=message_id, leaving=lambda _: None)

    def send_shown(
        self, approval: Approval, outgoing: Outgoing, *, message_id: str, leaving: Leaving
    ) -> str:
        """Do as `send` does; `leaving` is shown the message before DATA."""
        require_approval(approval, outgoing, channel=self.channel, who=self._who, encloses=True)
        letter = Letter(
            from_name=self._from_name,
            from_address=self._from,
            to=outgoing.recipient,
            subject=outgoing.subject,
            body=outgoing.body,
            message_id=message_id,
            in_reply_to=outgoing.in_reply_to,
            # The same at every try, so that what is kept of one is kept of all.
            date=approval.approved_at,
            files=enclosures(outgoing, who=self._who),
        )
        try:
            message = compose(letter)
        except Unwritable as trouble:
            raise SendRefused(f"{self._who}, {trouble} cannot be written safely") from None
        return self._hand_over(message, outgoing.recipient.reveal(), leaving)

    def check(self) -> tuple[str, ...]:
        """Connect, log in and name the sender without sending anything; say what was found."""
        with contextlib.closing(_Talk(self._who)) as talk:
            try:
                self._greet(talk)
                talk.expect(2, "MAIL", f"FROM:<{self._from}>")
            except (SendPostponed, SendRefused) as trouble:
                what = str(trouble.args[0]).removeprefix(f"{self._who}, ")
                mend = _MEND.get(what.rpartition(" at ")[2], "the network")
                return (f"{self.name}: {self._host}:{self._port} fails: {what}. Mend {mend}.",)
        what = "accepts our log-in and our sender" if self._user else "accepts our sender"
        return (f"{self.name}: {self._host}:{self._port} {what}; nothing was sent.",)

    def _hand_over(self, message: bytes, recipient: str, leaving: Leaving) -> str:
        with contextlib.closing(_Talk(self._who)) as talk:
            self._greet(talk)
            talk.expect(2, "MAIL", f"FROM:<{self._from}>")
            talk.expect(2, "RCPT", f"TO:<{recipient}>")
            leaving(message)
            talk.expect(3, "DATA")
            talk.pour(message, seconds=self._timeout * 2 + len(message) / 32_768)
            return talk.final_dot(self._patience)

    def _greet(self, talk: "_Talk") -> None:
        """Reach the server, secure the line and log in; every failure here is SendPostponed."""
        own_name = self._from.rpartition("@")[2]
        with talk.nothing_left("connect", self._timeout * 3):
            if self._security == "tls":
                talk.line = smtplib.SMTP_SSL(
                    local_hostname=own_name, timeout=self._timeout, context=self._context
                )
            else:
                talk.line = smtplib.SMTP(local_hostname=own_name, timeout=self._timeout)
            # The library verifies the certificate against this name, also after STARTTLS.
            talk.line._host = self._host  # type: ignore[attr-defined]  # set by its own constructor
            talk.positive(talk.line.connect(self._host, self._port))
        with talk.nothing_left("EHLO", self._timeout * 3):
            talk.line.ehlo_or_helo_if_needed()
        if self._security == "starttls":
            with talk.nothing_left("STARTTLS", self._timeout * 3):
                talk.positive(talk.line.starttls(context=self._context))
                talk.line.ehlo_or_helo_if_needed()
        if self._user:
            with talk.nothing_left("AUTH", self._timeout * 3):
                talk.line.login(self._user, self._secret)


class _Talk:
    """One conversation with the server, command by command."""

    def __init__(self, who: str) -> None:
        self._who = who
        # A name is given, or the library would ask the DNS for ours.
        self.line: smtplib.SMTP = smtplib.SMTP(local_hostname="localhost")

    def expect(self, first_digit: int, verb: str, words: str = "") -> None:
        """Say one command before the final dot; 4xx or a broken line postpones, 5xx refuses."""
        with self.nothing_left(verb, float(self.line.timeout) * 2):
            code, _ = self.line.docmd(verb, words)
        if code // 100 == first_digit:
            return
        if code // 100 == 5:
            raise SendRefused(f"{self._who}, {code} at {verb}")
        raise SendPostponed(f"{self._who}, {code} at {verb}")

    def pour(self, message: bytes, *, seconds: float) -> None:
        """Send the message without its final dot; a server may not deliver it yet."""
        doubled = message.replace(b"\r\n.", b"\r\n..")
        with self.nothing_left("the body", seconds):
            self.line.send(doubled)
            # A server that has hung up or protested is noticed now, while nothing is uncertain.
            if _speaks_unasked(self.line):
                raise smtplib.SMTPResponseException(self.line.getreply()[0], "")

    def final_dot(self, seconds: float) -> str:
        """Send the dot and return the answer; from here on silence and breaks are uncertain."""
        try:
            with cut_after(lambda: self.line.sock, seconds):
                if self.line.sock is not None:
                    self.line.sock.settimeout(seconds)
                self.line.send(b".\r\n")
                code, answer = self.line.getreply()
        except Exception as error:
            raise SendUncertain(f"{self._who}, {type(error).__name__} after the end") from None
        if 200 <= code < 300:
            return _receipt(code, answer)
        if 400 <= code < 500:
            raise SendPostponed(f"{self._who}, {code} after the end")
        if 500 <= code < 600:
            raise SendRefused(f"{self._who}, {code} after the end")
        raise SendUncertain(f"{self._who}, no clear answer after the end")

    def positive(self, answer: tuple[int, bytes]) -> None:
        """Raise SMTPResponseException unless the code of `answer` is 2xx."""
        if answer[0] // 100 != 2:
            raise smtplib.SMTPResponseException(answer[0], "")

    @contextlib.contextmanager
    def nothing_left(self, step: str, seconds: float) -> Iterator[None]:
        """Turn every failure into SendPostponed: at this step nothing can have been delivered.

        The step as a whole may take so many seconds, on whichever line it is by then.
        """
        try:
            with cut_after(lambda: self.line.sock, seconds):
                yield
        except smtplib.SMTPResponseException as error:
            raise SendPostponed(f"{self._who}, {error.smtp_code} at {step}") from None
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            # `from None`: the library's error quotes the server, and the server quotes addresses.
            raise SendPostponed(f"{self._who}, {type(error).__name__} at {step}") from None

    def close(self) -> None:
        """Say good-bye; what happens to the line now changes nothing."""
        with contextlib.suppress(Exception):
            if self.line.sock is not None:
                self.line.sock.settimeout(2)
                self.line.quit()
        with contextlib.suppress(Exception):
            self.line.close()


def _speaks_unasked(line: smtplib.SMTP) -> bool:
    """Whether the server says something, or has hung up, although it is not its turn."""
    if line.sock is None:
        return False
    with DefaultSelector() as selector:
        selector.register(line.sock, EVENT_READ)
        return bool(selector.select(_GRACE))


def _receipt(code: int, answer: bytes) -> str:
    """Return the server's words without anything that looks like an address, 200 characters."""
    words = answer.decode("ascii", "replace").split()
    kept = [word for word in words if "@" not in word and word.isprintable()]
    return f"{code} {' '.join(kept)}"[:200].strip()
