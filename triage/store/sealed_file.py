"""Files that are encrypted from the first byte that reaches the disk to the last.

Rule of the room: a file opens with its key and for its purpose only, whole or not at all; one
that was cut, joined or changed is refused. Plain lines exist in memory only.
"""

import os
import secrets
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from triage.errors import StoreRefused

_MAGIC = b"triage sealed 1\n"
_CHUNK = 1 << 20
_SALT = 16
_LENGTH = struct.Struct(">I")


def write_sealed(path: Path, lines: Iterable[bytes], *, key: bytes, purpose: str) -> None:
    """Write lines, compressed and encrypted, to a file that is there whole or not at all."""
    draft = path.with_name(f".{path.name}.part")
    salt = secrets.token_bytes(_SALT)
    cipher = _cipher(key, salt)
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(_MAGIC + salt)
            for number, (chunk, last) in enumerate(_chunks(lines)):
                sealed = cipher.encrypt(_nonce(number), chunk, _place(purpose, last))
                file.write(_LENGTH.pack(len(sealed)) + sealed)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        # Half a file on a full disk would keep it full.
        draft.unlink(missing_ok=True)
        raise
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def read_sealed(path: Path, *, key: bytes | Sequence[bytes], purpose: str) -> Iterator[bytes]:
    """Yield the lines; raise StoreRefused at the first byte that is not as it was written.

    Of several keys, as while they are being rotated, one of them opens the whole file.
    """
    keys = (key,) if isinstance(key, bytes) else tuple(key)
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise StoreRefused(f"{path.name} is not a backup")
        salt, unpack, rest = file.read(_SALT), zlib.decompressobj(), b""
        ciphers = [_cipher(each, salt) for each in keys]
        number, last = 0, False
        while not last:
            head = file.read(_LENGTH.size)
            if len(head) < _LENGTH.size:
                raise StoreRefused(f"{path.name} was cut")
            sealed = file.read(_LENGTH.unpack(head)[0])
            ciphers, chunk, last = _opened(ciphers, sealed, number, purpose, path.name)
            *whole, rest = (rest + unpack.decompress(chunk)).split(b"\n")
            yield from whole
            number += 1
        if file.read(1) or rest:
            raise StoreRefused(f"{path.name} has something behind its end")


def _opened(
    ciphers: list[AESGCM], sealed: bytes, number: int, purpose: str, name: str
) -> tuple[list[AESGCM], bytes, bool]:
    for cipher in ciphers:
        for last in (False, True):
            try:
                opened = cipher.decrypt(_nonce(number), sealed, _place(purpose, last))
            except (InvalidTag, ValueError):
                continue
            return [cipher], opened, last
    raise StoreRefused(f"{name} does not open with this key, or was changed")


def _chunks(lines: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield compressed chunks; the last one says so."""
    pack, held = zlib.compressobj(1), bytearray()
    for line in lines:
        held += pack.compress(line + b"\n")
        while len(held) >= _CHUNK:
            yield bytes(held[:_CHUNK]), False
            del held[:_CHUNK]
    held += pack.flush()
    yield bytes(held), True


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(hashes.SHA256(), 32, salt, b"triage backup").derive(key)
    return AESGCM(derived)


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _place(purpose: str, last: bool) -> bytes:
    return f"{purpose} {'last' if last else 'more'}".encode()
