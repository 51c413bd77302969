"""Text that may identify a patient, and opaque ids."""

import secrets
from dataclasses import dataclass, field


def new_id() -> str:
    """Return a fresh opaque id of 32 hexadecimal digits."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Protected:
    """Text that may identify a patient; printing, logging or formatting shows its length only."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """Return the text itself; `git grep 'reveal()'` lists every reader."""
        return self._text

    def __repr__(self) -> str:
        return f"Protected({len(self._text)} characters)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("Protected text is never pickled")


#: The empty protected text, for parts a message does not have.
NOTHING = Protected("")
