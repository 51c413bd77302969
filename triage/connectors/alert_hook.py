"""Alerts to a web address of the settings, and the sign of life for a watcher elsewhere.

Rule of the room: the same few facts as in the mail, as JSON; redirects are never followed, and the
answer is not read.

For administrators. Settings: `url` (https, or http to this machine), and optionally `ca_file`,
`timeout_seconds` (10). The secret, where there is one, is sent as a bearer token. The body is
`{"clinic", "at", "alarms": [{"fault", "part", "new"}], "ended": [...], "text"}`; `text` is what
chat services show.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from triage.connectors.options import Options
from triage.connectors.tls import is_loopback, read_context
from triage.domain import Notice
from triage.errors import AlertFailed


class HookAlert:
    """Alerts by HTTP POST to the one address of the settings."""

    def __init__(self, settings: Mapping[str, object], secret: str) -> None:
        options = Options(settings, "alert")
        self.name = options.name
        self._way = _Way(options, secret)
        options.done()

    def tell(self, notice: Notice) -> None:
        """Post the notice; anything but a 2xx answer is AlertFailed."""
        self._way.post(
            {
                "clinic": notice.clinic,
                "at": notice.at.isoformat(),
                "alarms": [
                    {"fault": one.fault.value, "part": one.part, "new": new}
                    for one, new in notice.alarms
                ],
                "ended": [{"fault": one.fault.value, "part": one.part} for one in notice.ended],
                "text": f"{notice.subject}\n{notice.body}",
            }
        )


class LifeSign:
    """Tells a watcher elsewhere that the watch lives and can tell staff; says nothing else."""

    def __init__(self, settings: Mapping[str, object], secret: str) -> None:
        options = Options(settings, "heartbeat")
        self.name = options.name
        self._way = _Way(options, secret)
        options.done()

    def give(self) -> None:
        """Ask the address once; raise AlertFailed."""
        self._way.post(None)


class _Way:
    def __init__(self, options: Options, secret: str) -> None:
        self._who = options.who
        self._url = options.text("url")
        parts = urlsplit(self._url)
        near = parts.scheme == "http" and is_loopback(parts.hostname or "")
        if not parts.hostname or not (parts.scheme == "https" or near):
            raise options.wrong("url")
        self._verify = read_context(options, options.text("ca_file", ""))
        self._timeout = options.number("timeout_seconds", 10, least=0.1, most=60)
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def post(self, facts: Mapping[str, object] | None) -> None:
        client = httpx.Client(
            verify=self._verify, timeout=self._timeout, trust_env=False, follow_redirects=False
        )
        try:
            with client, client.stream("POST", self._url, json=facts, headers=self._headers) as got:
                status = got.status_code
        except (httpx.HTTPError, OSError) as trouble:
            raise AlertFailed(f"{self._who}, {type(trouble).__name__}") from None
        if status // 100 != 2:
            raise AlertFailed(f"{self._who}, {status}")
