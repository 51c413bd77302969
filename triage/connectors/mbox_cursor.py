"""How far an mbox was read, and whether what was read is still what stands there.

Rule of the room: only the digest of everything before a place lets reading go on from there; in
doubt the file is read as a whole, and the store tells old from new.
"""

import hashlib
from dataclasses import dataclass
from typing import BinaryIO, Self

_PIECE = 1 << 20
#: Hexadecimal digits of a digest that are kept.
_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the last mail begins and ends that was read, with the digest of all before each."""

    begin: int
    end: int
    before_begin: str
    before_end: str

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the mark that a cursor holds, or None when it is no cursor of ours."""
        parts = text.split(" ")
        if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts[:2]):
            return None
        return cls(int(parts[0]), int(parts[1]), parts[2], parts[3])

    def __str__(self) -> str:
        return f"{self.begin} {self.end} {self.before_begin} {self.before_end}"

    def resume(self, file: BinaryIO, size: int) -> int | None:
        """Return from where to read on in a file of this size; None for its very beginning.

        A file that only grew is read from its last mail on: that one may have been cut short.
        """
        if not 0 <= self.begin <= self.end <= size:
            return None
        digest = Prefix(file)
        if digest.upto(self.begin) != self.before_begin:
            return None
        same = size == self.end and digest.upto(self.end) == self.before_end
        return self.end if same else self.begin


class Prefix:
    """The digest of the beginning of a file, as far as it was asked for; places only grow."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._at = 0

    def upto(self, end: int) -> str:
        """Return the digest of the first `end` bytes."""
        while self._at < end:
            self._file.seek(self._at)
            piece = self._file.read(min(_PIECE, end - self._at))
            if not piece:
                break
            self._hash.update(piece)
            self._at += len(piece)
        return self._hash.hexdigest()[:_DIGITS]
