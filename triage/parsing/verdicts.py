"""What the clinic's own mail server found out about a sender (RFC 8601).

Rule of the room: a server prepends its line, so only the topmost one under the clinic's own
server id may speak for a sender; anybody can write the lines below it, and those only ever add
doubt. Where nobody named that server, no line speaks for a sender and any may add doubt.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

_BAD = frozenset({"fail", "softfail", "permerror", "policy"})
#: Method, result and the domains it is about, of every verdict on a line.
_Results = Sequence[tuple[str, str, tuple[str, ...]]]
#: method -> where its line names the domain it speaks about.
_ABOUT = {
    "dmarc": (("header", "from"),),
    "dkim": (("header", "d"), ("header", "i")),
    "spf": (("smtp", "mailfrom"),),
}
#: What is looked for in a line that cannot be read.
_DMARC_IS_BAD = re.compile(rf"\bdmarc\s*=\s*(?:{'|'.join(sorted(_BAD))})\b", re.I)
#: A server writes one line, or one for each of its filters; more than that nobody reads.
_LINES = 50


def unproven(values: Sequence[str], trusted_authserv_id: str, sender: str) -> bool:
    """Whether the trusted server leaves it in doubt that `sender` wrote this; never raises.

    `values` are the Authentication-Results from top to bottom. No line of that server, a line
    that cannot be read, and a pass for another domain than the sender's are doubt.
    """
    own = trusted_authserv_id.strip().lower()
    lines = [line for value in values[:_LINES] if _writer(line := _one_line(value)) == own]
    try:
        found = [_results(line) for line in lines]
    except Exception:
        # Our own server's line that cannot be read proves nothing good.
        return True
    if not found or any(_dmarc_is_bad(results) for results in found):
        return True
    return not _vouches(found[0], sender.rpartition("@")[2].lower())


def doubted(values: Sequence[str], sender: str) -> bool:
    """Whether a line leaves it in doubt that `sender` wrote this; for an inbox without an id.

    A failed DMARC counts whoever says so. The topmost line that weighed the sender is the server's
    own, if it writes any, and is read as if it were; a pass there is no more than no doubt.
    Without a line nothing is known, and the banner says that nobody checks. Never raises.
    """
    top: _Results | None = None
    for value in values[:_LINES]:
        line = _one_line(value)
        try:
            # Microsoft 365 writes no id before its verdicts.
            results = _results(f"unnamed; {line}" if "=" in line.partition(";")[0] else line)
        except Exception:
            if _DMARC_IS_BAD.search(line):
                return True
            continue
        if _dmarc_is_bad(results):
            return True
        weighed = not results or any(method in _ABOUT for method, _, _ in results)
        top = results if top is None and weighed else top
    return top is not None and not _vouches(top, sender.rpartition("@")[2].lower())


def _one_line(value: str) -> str:
    return " ".join(value[:8_000].split())


def _writer(line: str) -> str:
    return line.split(";", maxsplit=1)[0].split(" ", maxsplit=1)[0].strip().lower()


def _results(line: str) -> _Results:
    """Return (method, result, domains it is about) of every verdict on a line."""
    import authres

    header = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {line}")
    return [
        (one.method.lower(), (one.result or "").lower(), tuple(_domains(one)))
        for one in header.results
    ]


def _domains(result: Any) -> Iterator[str]:
    wanted = _ABOUT.get(result.method.lower(), ())
    for part in result.properties:
        if (part.type.lower(), part.name.lower()) in wanted and part.value:
            yield str(part.value).strip('"<>').rpartition("@")[2].lower()


def _dmarc_is_bad(results: _Results) -> bool:
    return any(method == "dmarc" and result in _BAD for method, result, _ in results)


def _vouches(results: _Results, domain: str) -> bool:
    """Whether DMARC, else DKIM or SPF, passed for the very domain that From names.

    DMARC weighs the other two, because a mailing list may break one of them. Where its domain
    publishes no policy, both must have stood unbroken and one of them must fit.
    """
    passed = {
        method
        for method, result, about in results
        if method in _ABOUT and result == "pass" and any(_fits(domain, one) for one in about)
    }
    if any(method == "dmarc" and result == "pass" for method, result, _ in results):
        return "dmarc" in passed
    broken = any(method in ("dkim", "spf") and result in _BAD for method, result, _ in results)
    return bool(passed) and not broken


def _fits(domain: str, vouched: str) -> bool:
    """Whether a verdict about `vouched` covers mail from `domain`: the same, or a part of it."""
    return bool(domain) and (
        domain == vouched or ("." in vouched and domain.endswith(f".{vouched}"))
    )
