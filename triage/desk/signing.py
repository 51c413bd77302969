"""Signing in: a password, for many people a second factor, and patience after failures.

Rule of the room: a session is nobody's until everything its person needs was given; whoever
fails learns neither which part was wrong nor whether the name exists.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.desk.rights import Right, needs_second_factor, require
from triage.domain import Standing, User
from triage.errors import (
    CodeWanted,
    EnrolmentWanted,
    NotAllowed,
    NotSignedIn,
    PasswordWanted,
    WeakPassword,
)
from triage.store import Store

#: A session without its second factor ends after this.
HALF_OPEN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of signing in: the session's new token, and the browser's once all is given."""

    token: str
    browser: str = ""


class SignInDesk:
    """The counter at the door."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def sign_in(
        self, username: str, password: str, *, address: str = "", browser: str = ""
    ) -> Entry:
        """Open a session; raise NotSignedIn, or TooManyTries before the password is looked at.

        `address` is where the request comes from, `browser` what this browser was given before.
        """
        # What no database keeps is nobody's name; asking for it must not fault either.
        username = username.replace("\0", "?").encode("utf-8", "replace").decode("utf-8")
        now = self._clock()
        knocks = self._knocks(username, address, browser, now)
        self._store.tries.begin(knocks, now=now)
        try:
            user = self._store.people.check_password(username, password)
        except NotSignedIn:
            self._store.tries.refused(username)
            raise
        self._store.tries.succeeded(knocks)
        token = self._store.people.open_session(user.id, now=now)
        return self.entered(token, browser)

    def who(self, token: str, *, watching: bool = False) -> User:
        """Return the person of a session.

        Raises NotSignedIn, CodeWanted, EnrolmentWanted or PasswordWanted.
        """
        standing = self._standing(token, watching=watching)
        if (missing := _missing(standing)) is not None:
            raise missing
        return standing.user

    def arriving(self, token: str) -> Standing:
        """Return how a session stands, second factor or not; raise NotSignedIn."""
        return self._standing(token, watching=True)

    def give_code(self, token: str, code: str, *, browser: str = "") -> Entry:
        """Take a code of the authenticator app; raise NotSignedIn or TooManyTries."""
        return self._with_code(self._store.factors.give, token, code, browser)

    def wants_password(self, token: str) -> bool:
        """Whether `offer` asks the present password first; raise NotSignedIn.

        Only a session that opens nothing before an app is enrolled goes without: one left open
        at a screen, however its person came in, would else be a way in for good.
        """
        standing = self.arriving(token)
        return not standing.enrolled and _missing(standing) is not EnrolmentWanted

    def offer(self, token: str, password: str = "") -> str:
        """Return the secret to type into an app; raise NotSignedIn, NotAllowed with one kept.

        Raises NotSignedIn for a wrong present password, too, where `wants_password` says that
        it is asked, or TooManyTries before it is looked at.
        """
        now = self._clock()
        if self.wants_password(token):
            knocks = {"own": self.arriving(token).user.id}
            self._store.tries.begin(knocks, now=now)
            self._store.accounts.confirm_password(token, password, now=now)
            self._store.tries.succeeded(knocks)
        return self._store.factors.offer(token, now=now)

    def enrol(self, token: str, code: str, *, browser: str = "") -> Entry:
        """Keep the offered secret once the app shows its code; raise as `give_code` does."""
        return self._with_code(self._store.factors.enrol, token, code, browser)

    def choose_password(self, token: str, new: str, *, browser: str = "") -> Entry:
        """Replace a password that somebody else made; every other session ends.

        Raises WeakPassword, NotSignedIn as long as something else is missing, and NotAllowed
        where nothing is: there the present one is asked, whoever made it and however its person
        came in.
        """
        missing = _missing(self._standing(token, watching=False))
        if missing is None:
            raise NotAllowed("a password is changed on one's own page")
        if missing is not PasswordWanted:
            raise NotSignedIn
        fresh = self._store.accounts.choose_password(token, new, old=None, now=self._clock())
        return self.entered(fresh, browser)

    def change_password(self, token: str, old: str, new: str) -> Entry:
        """Replace one's own password; every other session ends.

        Raises WeakPassword, NotSignedIn for a wrong old one, or TooManyTries.
        """
        now, user = self._clock(), self.who(token)
        knocks = {"own": user.id}
        self._store.tries.begin(knocks, now=now)
        try:
            fresh = self._store.accounts.choose_password(token, new, old=old, now=now)
        except WeakPassword:
            # The old one was right.
            self._store.tries.succeeded(knocks)
            raise
        self._store.tries.succeeded(knocks)
        return Entry(fresh)

    def choose_language(self, token: str, language: str) -> None:
        """Keep in which language this person reads the pages; raise as `who` does."""
        user = self.who(token)
        self._store.accounts.choose_language(user.id, language, clinic=user.clinic)

    def enrol_proof_key(self, token: str, *, public: str, until: datetime, certificate: str) -> str:
        """Keep the public half of the key this session's browser signs approvals with.

        Nothing is believed of it here: only the sender can tell whether the certificate is the
        person's own. Raises NotSignedIn, CodeWanted, EnrolmentWanted, NotAllowed or
        NoProofKey.
        """
        require(self.who(token), Right.APPROVE_REPLY)
        return self._store.proof_keys.enrol(
            token, public=public, until=until, certificate=certificate, now=self._clock()
        )

    def _with_code(self, check: Callable[..., str], token: str, code: str, browser: str) -> Entry:
        now, user = self._clock(), self.arriving(token).user
        # Who has the password but not the app must not make the person's own browser wait.
        known = self._store.tries.knows(browser, user.username, now=now)
        knocks = {"code": f"{browser if known else ''}\n{user.id}"}
        self._store.tries.begin(knocks, now=now)
        fresh = check(token, code, now=now)
        self._store.tries.succeeded(knocks)
        return self.entered(fresh, browser)

    def entered(self, token: str, browser: str) -> Entry:
        """Return the entry of a fresh session; a browser is remembered once nothing is missing."""
        standing = self.arriving(token)
        if _missing(standing) is not None:
            return Entry(token)
        tries = self._store.tries
        return Entry(token, tries.remember(browser, standing.user, now=self._clock()))

    def _standing(self, token: str, *, watching: bool) -> Standing:
        now = self._clock()
        standing = self._store.people.session(token, now=now, watching=watching)
        if _missing(standing) is not None and standing.opened_at <= now - HALF_OPEN:
            raise NotSignedIn
        return standing

    def _knocks(
        self, username: str, address: str, browser: str, now: datetime
    ) -> Mapping[str, str]:
        if self._store.tries.knows(browser, username, now=now):
            return {"browser": f"{browser}\n{username}"}
        knocks = {"account": username}
        if place := neighbourhood(address):
            knocks |= {"place": f"{place}\n{username}", "address": place}
        return knocks


def _complete(standing: Standing) -> bool:
    wanted = standing.enrolled or needs_second_factor(standing.user)
    return standing.factor_at is not None or not wanted


def _missing(standing: Standing) -> type[NotSignedIn] | None:
    """Return what is still to be given, as the error that asks for it."""
    if not _complete(standing):
        return CodeWanted if standing.enrolled else EnrolmentWanted
    # Who comes through a provider typed no password of ours.
    return PasswordWanted if standing.password_given and standing.way == "password" else None


def neighbourhood(address: str) -> str:
    """Return what one outsider holds of the net: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
