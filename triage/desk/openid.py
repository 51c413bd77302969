"""Signing in through the organisation's own log-in, an OpenID provider.

Rule of the room: the provider says who somebody is, an administrator said which of us that is,
and what they may do stays ours; whoever began a log-in has to end it, in the same browser, once.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from triage.desk.rights import Right, require
from triage.desk.signing import Entry, SignInDesk, neighbourhood
from triage.domain import Errand, User, Vouched
from triage.errors import NotFound, NotYourself, ProviderRefused
from triage.store import Store

#: Longest name of a person at a provider, as its standard says.
LONGEST_SUBJECT = 255


class Provider(Protocol):
    """One identity provider; `triage.connectors.openid` has the one there is."""

    issuer: str
    #: What stands on the button.
    label: str

    def address(self, errand: Errand) -> str:
        """Return where to send the browser; raise ProviderRefused."""
        ...

    def vouch(self, code: str, errand: Errand, *, said_by: str = "") -> Vouched:
        """Return who is there; raise ProviderRefused."""
        ...


class OpenIdDesk:
    """The side door: begin at the provider, come back, and be known or not."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        signing: SignInDesk,
        provider: Provider | None,
        clinic: str | None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._signing = signing
        self._provider = provider if clinic else None
        self._clinic = clinic or ""

    @property
    def label(self) -> str:
        """What stands on the button; empty where there is no provider."""
        return self._provider.label if self._provider else ""

    def begin(self, *, address: str = "") -> tuple[str, str]:
        """Return where to send the browser, and the secret it keeps until it comes back.

        Raises NotFound without a provider, TooManyTries, or ProviderRefused.
        """
        provider, now = self._there(), self._clock()
        self._store.tries.begin(_knocks(address), now=now)
        secret = secrets.token_urlsafe(32)
        errand = errand_of(secret)
        try:
            place = provider.address(errand)
        except ProviderRefused as refused:
            self._store.accounts.refused(refused.why, clinic=self._clinic)
            raise
        self._store.accounts.begin(errand.state, now=now)
        return place, secret

    def come_back(
        self, secret: str, answer: Mapping[str, str], *, address: str = "", browser: str = ""
    ) -> Entry:
        """Open a session for whom the provider vouches; raise ProviderRefused with the reason.

        `answer` is what the browser brings: `state`, and `code` or `error`.
        """
        provider, now = self._there(), self._clock()
        try:
            errand = errand_of(secret)
            if not secret or not _same(errand.state, answer.get("state", "")):
                # Begun in another browser, or by somebody who wants this one to be them.
                raise ProviderRefused("stale")
            self._store.accounts.come_back(errand.state, now=now)
            if "error" in answer:
                raise ProviderRefused("declined")
            said_by = answer.get("iss", "")
            vouched = provider.vouch(answer.get("code", ""), errand, said_by=said_by)
        except ProviderRefused as refused:
            self._store.accounts.refused(refused.why, clinic=self._clinic)
            raise
        token = self._store.accounts.enter(vouched, clinic=self._clinic, now=now)
        self._store.tries.succeeded(_knocks(address))
        return self._signing.entered(token, browser)

    def subjects(self, actor: User) -> Mapping[str, str]:
        """Return user id -> account at the provider, of everybody who is linked."""
        require(actor, Right.MANAGE_USERS)
        if self._provider is None or actor.clinic != self._clinic:
            return {}
        issuer = self._provider.issuer
        return self._store.accounts.subjects(clinic=actor.clinic, issuer=issuer)

    def link(self, actor: User, user_id: str, account: str) -> None:
        """Say whom the provider means by an account; the person signs in again.

        Nobody does it for themselves: a session left open would be a way in for good. Raises
        NotYourself, NameTaken for another's account, NotFound.
        """
        require(actor, Right.MANAGE_USERS)
        provider = self._there()
        if actor.clinic != self._clinic:
            raise NotFound("provider")
        if user_id == actor.id:
            raise NotYourself(f"user {user_id}")
        issuer, clinic = provider.issuer, actor.clinic
        self._store.accounts.link(user_id, issuer, account, clinic=clinic, by=actor.id)

    def unlink(self, actor: User, user_id: str) -> None:
        """Let the provider no longer speak for a person; raise NotFound."""
        require(actor, Right.MANAGE_USERS)
        self._store.accounts.unlink(user_id, clinic=actor.clinic, by=actor.id)

    def _there(self) -> Provider:
        if self._provider is None:
            raise NotFound("provider")
        return self._provider


def errand_of(secret: str) -> Errand:
    """Return what belongs to a browser's secret: the database keeps a digest of the state only."""

    def part(name: str) -> str:
        made = hmac.new(secret.encode("utf-8", "replace"), name.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(made.digest()).rstrip(b"=").decode("ascii")

    return Errand(part("state"), part("nonce"), part("verifier"))


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "replace"))


def _knocks(address: str) -> Mapping[str, str]:
    return {"openid": neighbourhood(address)}
