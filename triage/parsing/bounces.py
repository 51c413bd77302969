"""Delivery reports (RFC 3464), and the older letters that say the same in words.

Rule of the room: a report is only ever a claim. It says why and which Message-IDs came back; the
store decides whether one of them is ours. A delay or a success is no failure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from triage.domain import Undelivered
from triage.parsing.charset import decode
from triage.parsing.headers import message_ids
from triage.parsing.parts import Part, Troubles, decoded, value_of, values_of

_MOST_IDS = 20
_LOOKED_AT = 200_000

_STATUS_PARTS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_HEADER_PARTS = frozenset(
    {"text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}
)
_MAIL_PARTS = frozenset({"message/rfc822", "message/global"})
#: Complaints and receipts come in the same wrapping and say nothing about delivery.
_OTHER_REPORTS = frozenset({"message/feedback-report", "message/disposition-notification"})
_NO_FAILURES = ("delay", "deliver", "relay", "expand")
_FIELD = re.compile(r"^(action|status)[ \t]*:([^\n]*)", re.I | re.M)
_GIVEN_BACK = re.compile(
    r"^[ \t>|*]*(?:x-)?(?:original-)?message-id[ \t]?:[ \t]{0,9}\n?[ \t>|]{0,9}(<[^<>\s]{1,500}>)",
    re.I | re.M,
)
_CODE = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_MAILER = re.compile(
    r"^(mailer-?daemon|postmaster|mail-?daemon|bounces?\b|mdaemon|maildelivery|ppbounce)", re.I
)
_FAILED = re.compile(
    r"undeliver(?:able|ed)|(?:could|can)\s?(?:not|n't)\s+(?:be\s+|get\s+)?(?:deliver|send|sent)"
    r"|(?:wasn't|unable|was not able|not able|impossible)\s+to\s+(?:be\s+)?(?:deliver|send|relay)"
    r"|deliver[a-z]*\s+(?:has failed|failed|failure|to the following)"
    r"|status notification(?: \(|: )(?:failure|error)"
    r"|fail(?:ed|ure)\s+(?:to deliver|delivery|notice|permanently)|returned (?:mail|to sender)"
    r"|permanent (?:fatal )?error|fatal error|not (?:been )?delivered|did\s+not\s+reach"
    r"|no such (?:user|mailbox|address)|(?:user|recipient|address) (?:is )?unknown|unknown user"
    r"|mailbox (?:is )?(?:full|unavailable)"
    r"|(?:message|mail) (?:was |has been )?(?:rejected|refused)|mail fail"
    r"|no se (?:ha podido|pudo|puede) entregar|no (?:entregado|pudo ser entregado)"
    r"|(?:correo|mensaje) (?:devuelto|rechazado)|error permanente",
    re.I,
)
_WAITING = re.compile(
    r"\bdelay(?:ed)?\b|still (?:being )?(?:trying|retried)|will be retried"
    r"|(?:continue|keep) (?:to try|trying)|not yet (?:been )?delivered|warning message only"
    r"|do not need to re-?send|\bretras(?:o|ado)|se seguir[aá] intentando|aplazad[oa]",
    re.I,
)
_GIVEN_UP = re.compile(r"giv(?:en|ing) up|permanent|no longer|expired|too long|definitiv", re.I)

#: What the words of a report mean, for codes that say nothing; the first that fits.
_WORDS: tuple[tuple[Undelivered, re.Pattern[str]], ...] = (
    (Undelivered.MAILBOX_FULL, re.compile(r"quota|mailbox (is )?full|over ?quota|lleno", re.I)),
    (
        Undelivered.TOO_LARGE,
        re.compile(r"too (large|big)|size (limit|exceed)|exceeds .{0,30}size", re.I),
    ),
    (
        Undelivered.NO_SERVER,
        re.compile(
            r"(host|domain)( name)? (not found|unknown|does not)|unknown (host|domain)|nxdomain"
            r"|unrouteable|no (mx|such domain)|dominio",
            re.I,
        ),
    ),
    (
        Undelivered.NO_MAILBOX,
        re.compile(
            r"unknown (user|address|recipient|local)|(user|recipient|address|mailbox)( name)?"
            r"( is)? (unknown|not found|unavailable|disabled|inactive|rejected)"
            r"|no such (user|mailbox|address|recipient|account)|does(n't| not) exist|invalid (user"
            r"|recipient|mailbox)|no (existe|encontrad)|not a valid",
            re.I,
        ),
    ),
    (
        Undelivered.UNREACHABLE,
        re.compile(r"timed? ?out|expired|unreachable|refused to connect|connection|too long", re.I),
    ),
    (
        Undelivered.REFUSED,
        re.compile(r"spam|block|polic|reject|denied|refused|dmarc|spf|dkim|blacklist", re.I),
    ),
)
#: The second and third number of a code (RFC 3463); None stands for any third number.
_CODES: dict[tuple[int, int | None], Undelivered] = {
    (1, 2): Undelivered.NO_SERVER,
    (1, 10): Undelivered.NO_SERVER,
    (1, 7): Undelivered.REFUSED,
    (1, 8): Undelivered.REFUSED,
    (1, None): Undelivered.NO_MAILBOX,
    (2, 1): Undelivered.NO_MAILBOX,
    (2, 2): Undelivered.MAILBOX_FULL,
    (2, 3): Undelivered.TOO_LARGE,
    (3, 4): Undelivered.TOO_LARGE,
    (4, 4): Undelivered.NO_SERVER,
    (4, 310): Undelivered.NO_SERVER,
    (4, None): Undelivered.UNREACHABLE,
    (7, None): Undelivered.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Report:
    """What one delivery report says of a failure."""

    why: Undelivered
    status: str
    about: tuple[str, ...]


def read_report(
    tree: Part, *, sender: str, subject: str, body: str, automatic: bool
) -> Report | None:
    """Return what a mail says about mails that failed; None when it is no such report."""
    kinds = {part.kind for part in tree.walk()}
    by_mailer = is_from_a_mailer(tree, sender) or (automatic and bool(_FAILED.search(subject)))
    if kinds & _OTHER_REPORTS or not by_mailer:
        return None
    told = "\n".join(_status_texts(tree))
    words = f"{subject}\n{body[:_LOOKED_AT]}"
    failed = _by_fields(told)
    if failed is False or (failed is None and not _by_words(tree, words)):
        return None
    status = _status(told) or _status(words)
    return Report(_why(status, told or words, words), status, tuple(_given_back(tree, body)))


def gives_back(tree: Part, sender: str) -> bool:
    """Whether it says of itself that it gives a mail back, of whose words it repeats some."""
    return (
        tree.kind == "multipart/report"
        or bool(values_of(tree.headers, "x-failed-recipients"))
        or _MAILER.match(sender) is not None
    )


def is_from_a_mailer(tree: Part, sender: str) -> bool:
    """Whether a mail server may have written it; answers to it go nowhere."""
    # Web forms, too, are sent so that nothing comes back to them.
    return gives_back(tree, sender) or value_of(tree.headers, "return-path").strip() == "<>"


def _text(part: Part) -> str:
    return decode(decoded(part, Troubles())[:_LOOKED_AT], part.charset)[0].replace("\r\n", "\n")


def _status_texts(tree: Part) -> Iterator[str]:
    for part in tree.walk():
        if part.kind in _STATUS_PARTS:
            yield _text(part)


def _by_fields(told: str) -> bool | None:
    """Say whether any recipient's fields tell of a failure; None when they tell nothing."""
    outcomes: list[bool] = []
    for block in re.split(r"\n[ \t]*\n", told):
        fields = {name.lower(): value.strip().lower() for name, value in _FIELD.findall(block)}
        action, status = fields.get("action", ""), fields.get("status", "")
        if action.startswith(_NO_FAILURES):
            # The action outweighs the code: a mail that is still on its way has not failed.
            outcomes.append(False)
        elif action.startswith("fail") or status.startswith("5"):
            outcomes.append(True)
    return any(outcomes) if outcomes else None


def _by_words(tree: Part, words: str) -> bool:
    """Whether a letter without fields says in words that a mail will not arrive."""
    if values_of(tree.headers, "x-failed-recipients"):
        return True
    if _WAITING.search(words) and not _GIVEN_UP.search(words):
        return False
    return _FAILED.search(words) is not None


def _status(text: str) -> str:
    """Return the first code of a failure; a permanent one before a passing one."""
    found = [match for match in _CODE.finditer(text) if match[1] != "2"]
    permanent = [match for match in found if match[1] == "5"]
    # 5.0.0 only says that something failed; a code beside it may say what.
    telling = [match for match in permanent or found if match[2] != "0"]
    best = next(iter(telling or permanent or found), None)
    return best[0] if best else ""


def _why(status: str, told: str, words: str) -> Undelivered:
    match = _CODE.fullmatch(status)
    if match:
        kind, detail = int(match[2]), int(match[3])
        by_code = _CODES.get((kind, detail)) or _CODES.get((kind, None))
        if by_code:
            return by_code
    said = (reason for text in (told, words) for reason, sign in _WORDS if sign.search(text))
    return next(said, Undelivered.UNKNOWN)


def _given_back(tree: Part, body: str) -> list[str]:
    """Return the Message-IDs of the mails inside a report, the report's own left out."""
    found: list[str] = []
    for part in tree.walk():
        if part.kind in _MAIL_PARTS:
            for child in part.children:
                found += message_ids(value_of(child.headers, "message-id"))
        elif part.kind in _HEADER_PARTS | _STATUS_PARTS:
            found += _GIVEN_BACK.findall(_text(part))
    found += _GIVEN_BACK.findall(body[:_LOOKED_AT])
    own = set(message_ids(value_of(tree.headers, "message-id")))
    return [one for one in dict.fromkeys(found) if one not in own][:_MOST_IDS]
