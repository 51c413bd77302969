"""Says which machines one portal connector may talk to, by name and by address.

Rule of the room: a name is looked up once for each request, every address behind it is judged, and
the connection goes to the very address that was judged; what a name means can change in between.
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit, urlunsplit

from triage.connectors.options import Options
from triage.connectors.tls import is_loopback

#: Addresses that carry an IPv4 address in their last four bytes (NAT64, RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Elsewhere(Exception):
    """A link or a name leads to a machine that is not on the list."""


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach one URL: with the address in place of the name, which TLS still verifies."""

    url: str
    headers: dict[str, str]
    extensions: dict[str, str]


class Allowed:
    """The base address of a portal, and further servers its administrator named."""

    def __init__(self, options: Options) -> None:
        """Read `base_url`, `also_allowed` (for the log-in server) and `network`."""
        self.base = options.text("base_url").rstrip("/") + "/"
        if not safe(self.base):
            raise options.wrong("base_url (https, or http to this machine)")
        others = options.words("also_allowed", ("none",))
        others = () if others == ("none",) else others
        if not all(safe(other) for other in others):
            raise options.wrong("also_allowed (https, or http to this machine)")
        self._origins = {origin(address) for address in (self.base, *others)}
        self._private = options.one_of("network", ["public", "private"]) == "private"

    def within(self, address: str) -> str:
        """Return `address` as an absolute URL; raise Elsewhere unless it lies under the base."""
        try:
            url = urljoin(self.base, address)
            theirs = urlsplit(url)
            same = origin(url) == origin(self.base) and theirs.username is None
        except ValueError:
            raise Elsewhere("a link that cannot be read") from None
        ours, path = urlsplit(self.base).path, theirs.path
        inside = path.startswith(ours) or path == ours.rstrip("/")
        if not same or not inside or "/.." in path or "%2e" in path.lower() or "\\" in url:
            raise Elsewhere("a link to somewhere else")
        return url

    def permit(self, url: str) -> str:
        """Return the URL of a log-in server; raise Elsewhere unless its server was named."""
        if not safe(url) or origin(url) not in self._origins:
            raise Elsewhere("a log-in server that is not in also_allowed")
        return url

    def name(self, url: str) -> None:
        """Put the server of an address from the settings on the list; raise Elsewhere."""
        if not safe(url):
            raise Elsewhere("an address without TLS")
        self._origins.add(origin(url))

    def ways(self, url: str) -> list[Way]:
        """Return a way to every address behind the URL's name; raise Elsewhere or OSError."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if is_loopback(host) or _literal(host):
            # The administrator wrote the address itself.
            return [Way(url, {}, {})]
        found = look_up(host, port or 443)
        if not all(self._judge(address) for address in found):
            raise Elsewhere("a name that means a machine inside the network")
        return [_pinned(url, address) for address in found]

    def _judge(self, text: str) -> bool:
        address = _carried(ipaddress.ip_address(text))
        if address.is_global and not address.is_multicast:
            return True
        inside = address.is_private and not (address.is_loopback or address.is_link_local)
        return self._private and inside and not (address.is_unspecified or address.is_reserved)


def look_up(host: str, port: int) -> list[str]:
    """Return the addresses behind a name, each once, in the system's order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found))


def safe(address: str) -> bool:
    """Whether it is https, or http to this machine, without a user, a query or a fragment."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        origin(address)
    except ValueError:
        return False
    if not host or parts.username is not None or parts.query or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def origin(address: str) -> tuple[str, str, int]:
    """Return scheme, name and port: what makes two URLs one server; raise ValueError."""
    parts = urlsplit(address)
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, (parts.hostname or "").lower(), parts.port or default


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _carried(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address inside an IPv6 one, where it is only a wrapping of it."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _pinned(url: str, address: str) -> Way:
    parts = urlsplit(url)
    host = f"[{address}]" if ":" in address else address
    netloc = host if parts.port is None else f"{host}:{parts.port}"
    pinned = urlunsplit((parts.scheme, netloc, parts.path, parts.query, parts.fragment))
    return Way(pinned, {"Host": parts.netloc}, {"sni_hostname": parts.hostname or ""})
