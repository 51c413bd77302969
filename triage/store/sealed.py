"""Encrypted bytes together with the place they belong to."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SealedValue:
    """Encrypted bytes and the place they belong to; the only thing a sealed column accepts."""

    table: str
    column: str
    stored: bytes = field(repr=False)
