"""What every answer carries and every request must satisfy before a handler sees it.

Rule of the room: refuse first. Nothing here reads a session; who may do what is the Desk's matter.
"""

import hashlib
import hmac
import logging
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triage.web.tongue import tongue, wanted

log = logging.getLogger("triage.web")

#: Names a browser on this very machine may ask for.
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
#: Nothing inline, nothing from elsewhere; mail HTML sits in a sandboxed frame that inherits this.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "object-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
#: Our own static files hold nothing about anybody, and their address changes with them.
KEEP = "public, max-age=31536000, immutable"
#: No form of ours is longer, in bytes.
LARGEST_FORM = 1_000_000
#: Where machines deliver: each delivery is signed, and each door has a limit of its own below this.
MACHINES, LARGEST_DELIVERY = "/hook/", 25_000_000
#: But where a supervisor puts a file on the list of forms.
UPLOADS = {"/forms": 5_100_000}
#: Said in the reader's language by whoever has no page to say it on.
REFUSALS = (
    HOST := "This address is not one this desk answers to.",
    ORIGIN := "This did not come from a page of this desk.",
    LENGTH := "A form must say how long it is.",
    TOO_LONG := "This form is too long.",
    FAULT := "Something went wrong here and nothing was changed. Go back and try again.",
)
SAFE_METHODS = frozenset({"GET", "HEAD"})


def csrf_token(session: str) -> str:
    """Return the token a page of this session puts into its forms.

    Derived from the session, so it needs no storage, and from it the session cannot be found.
    """
    return hmac.new(session.encode(), b"form", hashlib.sha256).hexdigest()


def csrf_holds(session: str, given: str) -> bool:
    """Whether a form came from a page of this session."""
    return hmac.compare_digest(csrf_token(session).encode(), given.encode())


class Gate:
    """Stands before the application: host, origin and size in, headers out, no trace of a fault."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] = LOOPBACK) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what did not come from our own pages; dress what goes out."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        started = False

        async def dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _dress(MutableHeaders(scope=message), scope, message["status"])
            await send(message)

        refusal = self._refusal(scope)
        if refusal:
            await PlainTextResponse(_in_words(refusal, scope), status_code=400)(
                scope, receive, dressed
            )
            return
        try:
            await self._app(scope, receive, dressed)
        except Exception as fault:
            # The type says enough; a message or a traceback could quote what a patient wrote.
            facts = {"error": type(fault).__name__, "method": scope["method"]}
            log.error("a page failed: %(error)s in %(method)s", facts)
            if started:
                raise ConnectionAbortedError from None
            await PlainTextResponse(_in_words(FAULT, scope), status_code=500)(
                scope, receive, dressed
            )

    def _refusal(self, scope: Scope) -> str:
        headers = Headers(scope=scope)
        if urlsplit(f"//{headers.get('host', '')}").hostname not in self._hosts:
            return HOST
        if scope["method"] in SAFE_METHODS:
            return ""
        machine = scope["path"].startswith(MACHINES)
        if not machine and not _from_our_own_page(headers, scope):
            return ORIGIN
        if not headers.get("content-length", "0").isdigit() or "transfer-encoding" in headers:
            return LENGTH
        longest = LARGEST_DELIVERY if machine else UPLOADS.get(scope["path"], LARGEST_FORM)
        if int(headers.get("content-length", "0")) > longest:
            return TOO_LONG
        return ""


def _in_words(text: str, scope: Scope) -> str:
    """Return it in the language the person chose, where that is known by now, or the browser's."""
    known = scope.get("state", {}).get("language", "")
    return tongue(known or wanted(Headers(scope=scope).get("accept-language", ""))).say(text)


def _from_our_own_page(headers: Headers, scope: Scope) -> bool:
    """Whether the browser itself says that a form was sent from one of our pages.

    Under `no-referrer` a browser sends `Origin: null` with a form, and says `same-origin` in
    Sec-Fetch-Site, which no page can forge. Older browsers send the origin only.
    """
    origin = headers.get("origin", "null")
    site = headers.get("sec-fetch-site")
    if origin != "null" and origin != f"{scope['scheme']}://{headers.get('host')}":
        return False
    return site == "same-origin" if site is not None else origin != "null"


def _dress(headers: MutableHeaders, scope: Scope, status: int) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if status == 200 and scope["path"].startswith("/static/"):
        headers["Cache-Control"] = KEEP
    if scope["scheme"] == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
