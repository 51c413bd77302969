"""Patient text is sealed and opened here, and nowhere else in the store.

Rule of the room: a sealed value opens only in the table, column and row it was sealed for.
Stored bytes: version (1), key id (4), nonce (12), AES-256-GCM ciphertext and tag.
"""

import hashlib
import hmac
import json
import secrets
import string
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from triage.domain import NOTHING, Channel, Protected
from triage.errors import StoreRefused, WrongKey
from triage.store.keys import Keys, key_id

_VERSION = b"\x01"
_NONCE = 12
_HEAD = len(_VERSION) + 4
#: Only ASCII letters fold: a Kelvin sign must never become the k of somebody else's address.
_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True, slots=True)
class SealedValue:
    """Encrypted bytes and the place they belong to; the only thing a sealed column accepts."""

    table: str
    column: str
    stored: bytes = field(repr=False)


class Vault:
    """Seals, opens and indexes; holds the data and index keys."""

    def __init__(self, keys: Keys) -> None:
        self._ciphers = {key_id(key): AESGCM(key) for key in keys.data}
        self._newest = key_id(keys.data[0])
        self._index = keys.index

    def seal(self, table: str, column: str, row_id: str, plain: str | bytes) -> SealedValue:
        """Encrypt `plain` for exactly this table, column and row."""
        data = plain.encode("utf-8", "surrogatepass") if isinstance(plain, str) else plain
        head = _VERSION + self._newest
        nonce = secrets.token_bytes(_NONCE)
        place = _place(head, table, column, row_id)
        sealed = self._ciphers[self._newest].encrypt(nonce, data, place)
        return SealedValue(table, column, head + nonce + sealed)

    def open(self, value: SealedValue, row_id: str) -> bytes:
        """Decrypt; raise WrongKey for an unknown key, StoreRefused for bytes moved or changed."""
        head, rest = value.stored[:_HEAD], value.stored[_HEAD:]
        cipher = self._ciphers.get(head[1:])
        if head[:1] != _VERSION or cipher is None:
            raise WrongKey(f"{value.table}.{value.column} of row {row_id}")
        place = _place(head, value.table, value.column, row_id)
        try:
            return cipher.decrypt(rest[:_NONCE], rest[_NONCE:], place)
        except InvalidTag:
            where = f"{value.table}.{value.column} of row {row_id}"
            raise StoreRefused(f"{where} was changed from outside") from None

    def text(self, value: SealedValue | None, row_id: str) -> Protected:
        """Decrypt text; a missing value is the empty text."""
        if value is None:
            return NOTHING
        return Protected(self.open(value, row_id).decode("utf-8", "surrogatepass"))

    def words(self, value: SealedValue | None, row_id: str) -> tuple[str, ...]:
        """Decrypt a sequence that `seal` was given as `dump(...)`."""
        return () if value is None else tuple(json.loads(self.open(value, row_id)))

    def blind(self, purpose: str, clinic: str, text: str) -> bytes:
        """Return the 32-byte index that finds equal texts of one clinic without showing them."""
        return hmac.new(self._index, _joined(purpose, clinic, text), hashlib.sha256).digest()

    def blind_address(self, clinic: str, channel: Channel, address: str) -> bytes:
        """Return the blind index of an address: e-mail folds ASCII case, the portal nothing."""
        trimmed = address.strip()
        normal = trimmed.translate(_FOLD) if channel is Channel.EMAIL else trimmed
        return self.blind(f"address {channel}", clinic, normal)


def dump(words: object) -> str:
    """Write a sequence of texts so that `Vault.words` reads it back."""
    return json.dumps(words, ensure_ascii=True, separators=(",", ":"))


def _place(head: bytes, *names: str) -> bytes:
    return head + _joined(*names)


def _joined(*parts: str) -> bytes:
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
