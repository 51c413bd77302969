"""Passwords are hashed with Argon2id; checking takes as long for a user nobody knows.

Rule of the room: no password is kept, compared or logged in plain.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher


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
