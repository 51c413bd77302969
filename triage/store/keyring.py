"""The data keys of cases, patients, landed messages and forms, open in memory while in use.

Rule of the room: an owner whose key was destroyed is forgotten here within a second, and what was
sealed for it never opens again.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from triage.errors import Erased, WrongKey
from triage.store.keys import Keys, key_id
from triage.store.keystore import MASTER, ROUND, KeyStore, WrappedKey

#: What belongs to nobody's case: one key of the whole store.
STORE = "store:"
#: Seconds until another process's erasure is noticed.
_FRESH = 1.0
#: Keys kept in memory; beyond that all are forgotten and fetched again.
_MOST = 200_000
_NONCE = 12
_SIZE = 32


def of_case(case_id: str) -> str:
    """Return the owner of everything that is filed under a case."""
    return f"case:{case_id}"


def of_patient(patient_id: str) -> str:
    """Return the owner of a patient's and their contacts' data."""
    return f"patient:{patient_id}"


def of_raw(raw_id: str) -> str:
    """Return the owner of landed bytes, which have no case yet."""
    return f"raw:{raw_id}"


def of_form(form_id: str) -> str:
    """Return the owner of one of the clinic's own forms; the sender opens it and nobody's case."""
    return f"form:{form_id}"


@dataclass(frozen=True, slots=True)
class DataKey:
    """An open data key of one owner."""

    id: str
    owner: str
    secret: bytes = field(repr=False)


class Keyring:
    """Opens data keys with the master keys and makes new ones."""

    def __init__(
        self, store: KeyStore, keys: Keys, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.store = store
        self._keys = keys
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, DataKey] = {}
        self._owned: dict[str, DataKey] = {}
        self._round = b""
        self._looked = float("-inf")

    def key(self, key_id: str) -> DataKey:
        """Return the key a value was sealed with; raise Erased, or WrongKey for an unknown one."""
        self._refresh()
        found = self._open.get(key_id)
        if found is None:
            wrapped = self.store.by_id(key_id)
            if wrapped is None:
                raise WrongKey(f"data key {key_id} is not in the key store")
            found = self._remember(wrapped)
        return found

    def newest(self, owner: str) -> DataKey | None:
        """Return the key to seal with; None when the owner has none yet. Raises Erased."""
        self._refresh()
        if owner in self._owned:
            return self._owned[owner]
        wrapped = self.store.by_owner(owner)
        if any(one.wrapped is None for one in wrapped):
            raise Erased(owner)
        if not wrapped:
            return None
        with self._lock:
            found = self._owned[owner] = self._unwrap(wrapped[0])
        return found

    def fresh(self, owner: str) -> DataKey:
        """Return a new key that nobody knows yet; `keep` stores it before it may be relied on."""
        made = DataKey(secrets.token_hex(16), owner, secrets.token_bytes(_SIZE))
        with self._lock:
            self._open[made.id] = made
        return made

    def keep(self, made: list[DataKey], now: datetime) -> None:
        """Store fresh keys, synced; call it before the transaction that used them commits."""
        for _ in range(3):
            master = self.store.facts()[MASTER].decode()
            secret = self._master(master)
            if self.store.keep([wrap(key, secret) for key in made], now):
                with self._lock:
                    self._open |= {key.id: key for key in made}
                    self._owned |= {key.owner: key for key in made}
                return
        raise WrongKey("the master key changes again and again")

    def warm(self, kind: str) -> None:
        """Open every living key of a kind at once, before many rows are read."""
        self._refresh()
        for wrapped in self.store.of_kind(kind):
            if wrapped.wrapped is not None and wrapped.id not in self._open:
                self._remember(wrapped)

    def warm_owners(self, owners: Iterable[str]) -> None:
        """Open every living key of these owners that is not open yet."""
        self._refresh()
        missing = [owner for owner in owners if owner not in self._owned]
        for wrapped in self.store.by_owner(*missing) if missing else ():
            if wrapped.wrapped is not None and wrapped.id not in self._open:
                self._remember(wrapped)

    def rewrapped(self, wrapped: WrappedKey, master: bytes) -> WrappedKey:
        """Return the same data key under another master."""
        return wrap(self._unwrap(wrapped), master)

    def close(self) -> None:
        """Forget every key and let go of the key store."""
        self._forget()
        self.store.close()

    def _refresh(self) -> None:
        now = self._clock()
        if now - self._looked < _FRESH:
            return
        done = self.store.facts().get(ROUND, b"")
        if done != self._round or len(self._open) > _MOST:
            self._forget()
        self._round, self._looked = done, now

    def _forget(self) -> None:
        with self._lock:
            self._open.clear()
            self._owned.clear()

    def look_again(self) -> None:
        """Notice at once what was destroyed."""
        self._looked = float("-inf")

    def _remember(self, wrapped: WrappedKey) -> DataKey:
        found = self._unwrap(wrapped)
        with self._lock:
            self._open[found.id] = found
        return found

    def _unwrap(self, wrapped: WrappedKey) -> DataKey:
        if wrapped.wrapped is None:
            raise Erased(wrapped.owner)
        master = AESGCM(self._master(wrapped.master))
        nonce, rest = wrapped.wrapped[:_NONCE], wrapped.wrapped[_NONCE:]
        try:
            secret = master.decrypt(nonce, rest, _place(wrapped.id, wrapped.owner, wrapped.master))
        except InvalidTag:
            raise WrongKey(f"data key {wrapped.id} was changed from outside") from None
        return DataKey(wrapped.id, wrapped.owner, secret)

    def _master(self, name: str) -> bytes:
        """Return the master key of this name, reading the keys anew when it is not among them."""
        for keys in (self._keys, self._keys.again):
            current = keys() if callable(keys) else keys
            found = next((key for key in current.data if key_id(key).hex() == name), None)
            if found is not None:
                self._keys = current
                return found
        raise WrongKey(f"master key {name}")


def wrap(key: DataKey, master: bytes) -> WrappedKey:
    """Seal a data key with a master key, for exactly this id and owner."""
    name, nonce = key_id(master).hex(), secrets.token_bytes(_NONCE)
    sealed = AESGCM(master).encrypt(nonce, key.secret, _place(key.id, key.owner, name))
    return WrappedKey(key.id, key.owner, name, nonce + sealed)


def _place(*names: str) -> bytes:
    return b"triage data key\0" + "\0".join(names).encode()
