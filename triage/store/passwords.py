"""Passwords are hashed with Argon2id; checking takes as long for a user nobody knows.

Rule of the room: no password is kept, compared or logged in plain; how many guesses one would
take is estimated by zxcvbn on this machine, and nobody else is asked.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from triage.errors import WeakPassword

if TYPE_CHECKING:
    from argon2 import PasswordHasher

#: Characters of a password people choose themselves.
SHORTEST, LONGEST = 12, 128
#: Of 0 to 4: the best, for which zxcvbn reckons with ten thousand million guesses and more.
_STRONG_ENOUGH = 4
#: Shorter words of a name are in too many good passwords.
_TELLING = 4
#: As much as is looked at; what follows can only make it better.
_LOOKED_AT = 72


def refuse_weak(password: str, *, about: Iterable[str], same: bool) -> None:
    """Raise WeakPassword for what is short, known to everybody, or made of `about`.

    `same` says that it is the one the person has now.
    """
    from zxcvbn import zxcvbn

    if len(password) < SHORTEST:
        raise WeakPassword("short")
    if len(password) > LONGEST:
        raise WeakPassword("long")
    if same:
        raise WeakPassword("same")
    if zxcvbn(password[:_LOOKED_AT])["score"] < _STRONG_ENOUGH:
        raise WeakPassword("common")
    # What is left has to be hard to guess without the names on the door.
    left = password.casefold()
    for word in sorted((word for text in about for word in re.split(r"\W+", text)), key=len):
        if len(word) >= _TELLING:
            left = left.replace(word.casefold(), "")
    if not left or zxcvbn(left[:_LOOKED_AT])["score"] < _STRONG_ENOUGH:
        raise WeakPassword("about")


def hash_password(password: str) -> str:
    """Return the Argon2id hash with its own salt and settings inside."""
    return _hasher().hash(password)


def password_fits(hashed: str | None, password: str) -> bool:
    """Whether the password is the one that was hashed; no hash at all never fits."""
    from argon2.exceptions import InvalidHashError, VerificationError

    # Made before it is needed: the first unknown name must not take longer than the others.
    nobody = _nobody()
    try:
        _hasher().verify(hashed or nobody, password)
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobody() -> str:
    """Return a hash to try against when there is no such user, so that both take equally long."""
    return hash_password("nobody has this password")
