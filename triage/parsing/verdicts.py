"""What the clinic's own mail server found out about a sender (RFC 8601).

Rule of the room: only lines under the clinic's own server id count; anybody can write others.
"""

from collections.abc import Sequence

_BAD = frozenset({"fail", "softfail", "permerror", "policy"})


def failed(values: Sequence[str], trusted_authserv_id: str) -> bool:
    """Say whether any verdict of the trusted server speaks against the sender; never raises."""
    own = trusted_authserv_id.strip().lower()
    return any(_failed(value, own) for value in values[:20])


def _failed(value: str, own: str) -> bool:
    import authres

    line = " ".join(value[:8_000].split())
    if line.split(";")[0].split(" ")[0].strip().lower() != own:
        return False
    try:
        header = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {line}")
        results = {(one.method.lower(), (one.result or "").lower()) for one in header.results}
    except Exception:
        # Our own server's line that cannot be read proves nothing good.
        return True
    about_domain = {result for method, result in results if method == "dmarc"}
    if about_domain:
        # DMARC weighs SPF and DKIM; a mailing list may break one of the two.
        return bool(about_domain & _BAD)
    return any(result in _BAD for method, result in results if method in {"spf", "dkim"})
