"""Mails the watch sends: alerts to staff and the test mail to the clinic's own mailbox.

Rule of the room: nothing here knows a patient, a case or a contact. Whoever is written to stands
in triage.toml, and the words are those of a `Notice` or the fixed ones of the test mail.

For administrators. Settings of both: `host`, `sender`, and optionally `user`, `port` (465 for
`tls`, else 587), `security` (`tls`, `starttls`, `plain` on this machine only), `ca_file`,
`timeout_seconds` (20). The secret is the password. An alert door has `to`, a list of addresses; the
test mail has `to`, one address, and `inbox`, the name of the inbox it must arrive in.
"""

import contextlib
import smtplib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from triage.connectors.letter import ADDRESS, Letter, Unwritable, compose
from triage.connectors.options import Options
from triage.connectors.tls import read_security
from triage.domain import (
    CANARY_HEADER,
    CANARY_SUBJECT,
    CANARY_WORDS,
    NOTHING,
    Notice,
    Protected,
    new_id,
)
from triage.errors import AlertFailed


def _now() -> datetime:
    return datetime.now(UTC)


class MailAlert:
    """Alerts by e-mail to the staff addresses of the settings."""

    def __init__(
        self,
        settings: Mapping[str, object],
        secret: str,
        *,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        options = Options(settings, "alert")
        self.name = options.name
        self._to = tuple(_address(options, one) for one in options.words("to", ()))
        self._post = _Post(options, secret, clock)
        options.done()

    def tell(self, notice: Notice) -> None:
        """Send the notice to each address; one that fails keeps no other from being told.

        AlertFailed then says how many were reached.
        """
        failed: AlertFailed | None = None
        reached = 0
        for address in self._to:
            try:
                self._post.send(address, notice.subject, notice.body)
                reached += 1
            except AlertFailed as trouble:
                failed = trouble
        if failed is not None:
            raise AlertFailed(str(failed.args[0]), reached=reached)


class CanaryMail:
    """The test mail through the real mailbox."""

    def __init__(
        self,
        settings: Mapping[str, object],
        secret: str,
        *,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        options = Options(settings, "canary")
        #: The inbox it must arrive in.
        self.inbox = options.text("inbox")
        self._to = _address(options, options.text("to"))
        self._post = _Post(options, secret, clock)
        options.done()

    def send(self, mark: str) -> None:
        """Send the fixed words with this mark to the clinic's own mailbox; raise AlertFailed."""
        self._post.send(self._to, CANARY_SUBJECT, CANARY_WORDS, more=(f"{CANARY_HEADER}: {mark}",))


class _Post:
    """A submission server. An alert sent twice harms nobody, so nothing is remembered here."""

    def __init__(self, options: Options, secret: str, clock: Callable[[], datetime]) -> None:
        self._who = options.who
        self._host = options.text("host")
        self._security, self._context = read_security(options, self._host)
        default = 465 if self._security == "tls" else 587
        self._port = options.whole("port", default, least=1, most=65535)
        self._user = options.text("user", "")
        self._from = _address(options, options.text("sender"), "sender")
        self._timeout = options.number("timeout_seconds", 20, least=0.1, most=60)
        self._secret = secret
        self._clock = clock

    def send(self, to: str, subject: str, body: str, *, more: Sequence[str] = ()) -> None:
        """Hand one mail over; raise AlertFailed, which names the door and no address."""
        letter = Letter(
            from_name="triage watch",
            from_address=self._from,
            to=Protected(to),
            subject=Protected(subject),
            body=Protected(body),
            message_id=f"<watch.{new_id()}@{self._from.rpartition('@')[2]}>",
            in_reply_to=NOTHING,
            date=self._clock(),
        )
        # RFC 3834: so that nobody's automatic answer comes back.
        head = "".join(f"{line}\r\n" for line in ("Auto-Submitted: auto-generated", *more))
        try:
            self._hand_over(to, head.encode("ascii") + compose(letter))
        except (OSError, smtplib.SMTPException, Unwritable, UnicodeError) as trouble:
            # The library's own words quote the server, and the server quotes addresses.
            raise AlertFailed(f"{self._who}, {type(trouble).__name__}") from None

    def _hand_over(self, to: str, message: bytes) -> None:
        own, seconds = self._from.rpartition("@")[2], self._timeout
        if self._security == "tls":
            line: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, own, timeout=seconds, context=self._context
            )
        else:
            line = smtplib.SMTP(self._host, self._port, own, timeout=seconds)
        with contextlib.closing(line):
            if self._security == "starttls":
                line.starttls(context=self._context)
            if self._user:
                line.login(self._user, self._secret)
            line.sendmail(self._from, [to], message)
            with contextlib.suppress(smtplib.SMTPException, OSError):
                line.quit()


def _address(options: Options, text: str, key: str = "to") -> str:
    if not ADDRESS.fullmatch(text):
        raise options.wrong(key)
    return text
