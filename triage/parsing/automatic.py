"""Mail that no person wrote by hand: automatic replies, delivery reports, lists (RFC 3834).

Rule of the room: such mail is still read, flagged and queued; it is only never answered.
"""

import re
from collections.abc import Mapping

_LISTS = ("list-id", "list-unsubscribe", "list-post", "x-failed-recipients", "x-autoreply")
_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
_ROBOTS = re.compile(r"^(mailer-daemon|postmaster|no-?reply|do-?not-?reply|bounces?)\b", re.I)
_SUBJECTS = re.compile(
    r"^\s*((automatic|auto)[ -]?(reply|response)|out of (the )?office( auto)?( ?reply)?\s*(:|$)"
    r"|undeliver(able|ed)( mail)?|delivery status notification|delivery (has )?failed"
    r"|returned mail|mail delivery (failed|failure|subsystem|system)|failure notice"
    r"|respuesta autom[aá]tica|fuera de (la )?oficina)",
    re.I,
)


def is_automatic(headers: Mapping[str, str], *, kind: str, sender: str, subject: str) -> bool:
    """Say whether a machine sent this.

    `headers` maps lower-case names to values; `kind` is the top content type; never raises.
    """
    submitted = headers.get("auto-submitted", "no").split(";")[0].strip().lower()
    return (
        submitted not in {"", "no"}
        or headers.get("precedence", "").strip().lower() in _BULK
        or any(name in headers for name in _LISTS)
        or headers.get("return-path", "").strip() == "<>"
        or kind == "multipart/report"
        or _ROBOTS.match(sender) is not None
        or _SUBJECTS.match(subject) is not None
    )
