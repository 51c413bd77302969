"""Patient text is sealed and opened here, and nowhere else in the store.

Rule of the room: a sealed value opens only in the table, column and row it was sealed for.
Stored bytes: version (1), key id (4 in version 1, 16 in version 2), nonce (12), AES-256-GCM
ciphertext and tag. Version 1 is sealed with a master key itself: nothing new is, except the check
of the keys; `triage keys rotate` moves what is left of it.
"""

import hashlib
import hmac
import json
import secrets
import string
from copy import copy

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection

from triage.domain import NOTHING, Channel, Protected
from triage.errors import StoreRefused, WrongKey
from triage.store.current import CurrentKeys
from triage.store.keyring import DataKey, Keyring
from triage.store.keys import Keys, key_id
from triage.store.sealed import SealedValue

#: Sealed with a master key itself, and with the data key of an owner.
OLD, NEW = b"\x01", b"\x02"
_NONCE = 12
_HEADS = {OLD: 5, NEW: 17}
#: Only ASCII letters fold: a Kelvin sign must never become the k of somebody else's address.
_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Vault:
    """Seals, opens and indexes; holds the master keys, the index keys and the ring of data keys."""

    def __init__(self, keys: Keys, ring: Keyring | None = None) -> None:
        self.ring = ring
        self._ciphers = {key_id(key): AESGCM(key) for key in keys.data}
        self._newest = key_id(keys.data[0])
        self.current = CurrentKeys(keys)
        self._connection: Connection | None = None
        self._serving: dict[str, bytes] = {}

    def within(self, connection: Connection) -> "Vault":
        """Return the same vault for one transaction, which says itself which keys serve in it."""
        mine = copy(self)
        mine._connection, mine._serving = connection, {}
        return mine

    def made_with(self, index: bytes) -> "Vault":
        """Return the same vault with an index key that does not serve yet."""
        mine = copy(self)
        mine._serving = {**self._serving, "index": index}
        return mine

    def serving(self, name: str) -> bytes:
        """Return the index or audit key that this transaction is to use."""
        if self._connection is None:
            return self.current.newest(name)
        if name not in self._serving:
            self._serving[name] = self.current.read(self._connection, name)
        return self._serving[name]

    def seal(
        self,
        table: str,
        column: str,
        row_id: str,
        plain: str | bytes,
        *,
        under: DataKey | None = None,
    ) -> SealedValue:
        """Encrypt `plain` for exactly this table, column and row, under the key of its owner."""
        data = plain.encode("utf-8", "surrogatepass") if isinstance(plain, str) else plain
        if under is None:
            head, cipher = OLD + self._newest, self._ciphers[self._newest]
        else:
            head, cipher = NEW + bytes.fromhex(under.id), AESGCM(under.secret)
        nonce = secrets.token_bytes(_NONCE)
        sealed = cipher.encrypt(nonce, data, _place(head, table, column, row_id))
        return SealedValue(table, column, head + nonce + sealed)

    def open(self, value: SealedValue, row_id: str) -> bytes:
        """Decrypt; raise WrongKey for an unknown key, StoreRefused for bytes moved or changed,
        Erased when the key was destroyed.
        """
        size = _HEADS.get(value.stored[:1], 1)
        head, rest = value.stored[:size], value.stored[size:]
        cipher = self._cipher(head)
        if cipher is None:
            raise WrongKey(f"{value.table}.{value.column} of row {row_id}")
        place = _place(head, value.table, value.column, row_id)
        try:
            return cipher.decrypt(rest[:_NONCE], rest[_NONCE:], place)
        except (InvalidTag, ValueError):
            where = f"{value.table}.{value.column} of row {row_id}"
            raise StoreRefused(f"{where} was changed from outside") from None

    def _cipher(self, head: bytes) -> AESGCM | None:
        if head[:1] == NEW and self.ring is not None:
            return AESGCM(self.ring.key(head[1:].hex()).secret)
        return self._ciphers.get(head[1:]) if head[:1] == OLD else None

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
        return _blind(self.serving("index"), purpose, clinic, text)

    def blinds(self, purpose: str, clinic: str, text: str) -> list[bytes]:
        """Return every index this text may have been given, the one that serves first.

        What was erased cannot be given a new one: it is known again by the old.
        """
        first = self.serving("index")
        keys = (first, *(key for key in self.current.all("index") if key != first))
        return [_blind(key, purpose, clinic, text) for key in keys]

    def blind_address(self, clinic: str, channel: Channel, address: str) -> bytes:
        """Return the blind index of an address: e-mail folds ASCII case, the portal nothing."""
        trimmed = address.strip()
        normal = trimmed.translate(_FOLD) if channel is Channel.EMAIL else trimmed
        return self.blind(f"address {channel}", clinic, normal)


def _blind(key: bytes, purpose: str, clinic: str, text: str) -> bytes:
    return hmac.new(key, _joined(purpose, clinic, text), hashlib.sha256).digest()


def dump(words: object) -> str:
    """Write a sequence of texts so that `Vault.words` reads it back."""
    return json.dumps(words, ensure_ascii=True, separators=(",", ":"))


def _place(head: bytes, *names: str) -> bytes:
    return head + _joined(*names)


def _joined(*parts: str) -> bytes:
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
