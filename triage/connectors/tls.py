"""Decides when a connection is safe enough to carry a password and a patient's words.

Rule of the room: certificates are always verified, TLS 1.2 is the oldest spoken, and plain text
never leaves this machine.
"""

import ipaddress
import ssl
from pathlib import Path

from triage.connectors.options import Options

#: How a mail connection may be secured; `plain` is for loopback only.
SECURITIES = ("tls", "starttls", "plain")


def is_loopback(host: str) -> bool:
    """Say whether `host` is this very machine: `localhost`, 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def verified(ca_file: str) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name.

    `ca_file` names a PEM file of the authorities to trust; empty means those of the system.
    Raises OSError or ssl.SSLError when the file cannot be used.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def read_security(options: Options, host: str) -> tuple[str, ssl.SSLContext | None]:
    """Read `security` and `ca_file`; refuse plain text to any other machine with BadSettings."""
    security = options.one_of("security", SECURITIES)
    ca_file = options.text("ca_file", "")
    if security == "plain":
        if not is_loopback(host):
            raise options.wrong("security (plain only to this machine)")
        return security, None
    return security, read_context(options, ca_file)


def read_context(options: Options, ca_file: str) -> ssl.SSLContext:
    """Load `ca_file`; a missing or broken file is BadSettings, found at start, not at night."""
    if ca_file and not Path(ca_file).is_file():
        raise options.wrong("ca_file")
    try:
        return verified(ca_file)
    except (OSError, ssl.SSLError):
        raise options.wrong("ca_file") from None
