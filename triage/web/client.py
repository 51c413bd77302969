"""What a notebook asks of a running desk: redacted rows, over the same audited door as a person.

Rule of the room: a data scientist has a log-in, never the store's file or key.
"""

import json
import re
from http.cookiejar import CookieJar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

from triage.errors import BadSettings, LeakFound, NotAllowed, NotSignedIn, TooManyTries

#: Longest wait for the desk, in seconds.
PATIENCE = 60.0


def training_rows(
    url: str, username: str, password: str, *, code: str = "", without_leaking: bool = False
) -> list[dict[str, object]]:
    """Return the clinic's redacted rows and labels as the desk at `url` hands them out.

    Each row is {"id", "channel", "subject", "body", "route", "also", "urgency", "phi", "files",
    "thread", "source", "model"}. `code` is what an authenticator app shows, for who has one.
    Raises NotSignedIn, NotAllowed, TooManyTries, BadSettings when no desk answers, or LeakFound
    when a row still shows an identifier and is not to be left out.
    """
    desk = build_opener(HTTPCookieProcessor(CookieJar()))
    words = {"username": username, "password": password}
    page = _ask(desk, url, "/log-in", words)
    if 'action="/log-in/code"' in page and code:
        words = {"csrf": _csrf(page, username), "code": code, "username": username}
        page = _ask(desk, url, "/log-in/code", words)
    if 'action="/log-in/' in page:
        raise NotSignedIn(username)
    form = {"csrf": _csrf(page, username), "without_leaking": str(without_leaking).lower()}
    rows = _ask(desk, url, "/models/training", form)
    # Only a line end parts rows; a message may hold other signs that split a text into lines.
    return [json.loads(line) for line in rows.split("\n") if line]


def _csrf(page: str, username: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    if found is None:
        raise NotSignedIn(username)
    return found.group(1)


def _ask(desk: OpenerDirector, url: str, path: str, form: dict[str, str]) -> str:
    """Post a form and return the page it leads to."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise BadSettings(f"{url} is no address of a desk")
    origin = url.rstrip("/")
    request = Request(  # noqa: S310  # The scheme was checked above.
        origin + path, urlencode(form).encode(), {"Origin": origin}
    )
    try:
        with desk.open(request, timeout=PATIENCE) as answer:
            return str(answer.read().decode("utf-8"))
    except HTTPError as trouble:
        if trouble.code == 401:
            raise NotSignedIn(form.get("username", "")) from None
        if trouble.code == 429:
            raise TooManyTries(int(trouble.headers.get("Retry-After", "60"))) from None
        if trouble.code == 409:
            raise LeakFound("the audit names the cases") from None
        raise NotAllowed(f"{path} answered {trouble.code}") from None
    except URLError:
        raise BadSettings(f"no desk answers at {url}") from None
