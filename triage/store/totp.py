"""Codes of an authenticator app (RFC 6238): six digits, every 30 seconds.

Rule of the room: a code is good once. `cryptography`, kept here already, computes it; no further
library is needed for one HMAC.
"""

import base64
import hmac
import re
import secrets
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.twofactor.totp import TOTP

#: Seconds a code is shown.
STEP = 30
#: How many steps a clock may be wrong, either way.
SKEW = 1
_DIGITS = 6
_SECRET = 20


def new_secret() -> bytes:
    """Return 20 random bytes, as long as the hash behind the codes."""
    return secrets.token_bytes(_SECRET)


def spelled(secret: bytes) -> str:
    """Return a secret the way people type it into an app: Base32 without padding."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")


def unspelled(words: str) -> bytes:
    """Return the bytes of a secret that `spelled` wrote; blanks do not matter."""
    letters = re.sub(r"\s", "", words).upper()
    return base64.b32decode(letters + "=" * (-len(letters) % 8))


def code_at(secret: bytes, moment: datetime) -> str:
    """Return the code an app shows at a moment."""
    return _code(secret, step_of(moment))


def step_of(moment: datetime) -> int:
    """Return the number of the 30-second step a moment lies in."""
    return int(moment.timestamp()) // STEP


def matching_step(secret: bytes, code: str, *, now: datetime, after: int) -> int | None:
    """Return the step a code belongs to, or None when it is wrong, too old or not newer.

    `after` is the step of the last code that was taken; it and everything before are used up.
    """
    given = re.sub(r"[\s-]", "", code).encode("utf-8", "surrogatepass")
    here, found = step_of(now), None
    for step in range(here - SKEW, here + SKEW + 1):
        # Every step is computed and compared, so that the time tells nothing.
        if hmac.compare_digest(_code(secret, step).encode(), given) and step > after:
            found = step
    return found


def _code(secret: bytes, step: int) -> str:
    return _codes(secret).generate(step * STEP).decode("ascii")


def _codes(secret: bytes) -> TOTP:
    return TOTP(secret, _DIGITS, hashes.SHA1(), STEP)  # noqa: S303  # What every app understands; as an HMAC it is not broken.
