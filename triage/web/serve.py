"""Runs the application for browsers.

Rule of the room: without a certificate the desk is reachable from this machine only; no line
is logged per request, because even an id in an address says who was looked at.
"""

import ipaddress
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from triage.errors import BadSettings
from triage.web.assets import require_assets

#: Seconds in which an answer that is under way is finished when the desk is stopped.
GOODBYE = 5


def serve(
    app: FastAPI,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    behind_tls: bool = False,
) -> None:
    """Serve until stopped.

    `behind_tls` says that a proxy in front speaks TLS. Raises BadSettings for an address that
    others reach while nobody speaks TLS, and MissingAssets before set-up.
    """
    check_address(host, encrypted=certificate is not None or behind_tls)
    require_assets()
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        date_header=True,
        # The process's own handler writes the lines: uvicorn's would print tracebacks.
        log_config=None,
        # Open queues listen for as long as they are let.
        timeout_graceful_shutdown=GOODBYE,
        proxy_headers=behind_tls,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


def check_address(host: str, *, encrypted: bool) -> None:
    """Raise BadSettings for an address beyond this machine without TLS."""
    if not encrypted and not _is_loopback(host):
        raise BadSettings(f"web host {host}: give a certificate, or 127.0.0.1")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
