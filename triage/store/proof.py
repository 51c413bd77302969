"""Proof keys: a browser's key for one session, and the last look at what it signed.

Rule of the room: the private half never comes here. A key that was enrolled is only believed
once its certificate holds, and that takes the master which the sender alone reads.
"""

import hashlib
import hmac
import re
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Row, select

from triage.domain import Approval, ProofKey, Reply, approved_words, approver_key, certificate_of
from triage.errors import NoProofKey
from triage.store import tables
from triage.store.sessions import ABSOLUTE, living
from triage.store.transaction import Transactions, Work

#: A page may have been open for a moment before its script enrols.
_LATE = timedelta(minutes=1)
_CURVE, _SIGNING = ec.SECP256R1(), ec.ECDSA(hashes.SHA256())
_PUBLIC, _CERTIFICATE = re.compile(r"04[0-9a-f]{128}"), re.compile(r"[0-9a-f]{64}")
_HALF = 32


class ProofKeys:
    """Which browsers may sign for whom."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def enrol(
        self, token: str, *, public: str, until: datetime, certificate: str, now: datetime
    ) -> str:
        """Keep the public half of a key made in this session; return its id.

        Raises NotSignedIn, and NoProofKey for a session without its second factor or a key that
        is none or would outlive every session.
        """
        table = tables.proof_keys
        with self._transactions.write() as work:
            row = living(work, token, now=now)
            if row.factor_at is None:
                raise NoProofKey("a session without its second factor")
            shaped = _PUBLIC.fullmatch(public) and _CERTIFICATE.fullmatch(certificate)
            if not shaped or not now < until <= now + ABSOLUTE + _LATE:
                raise NoProofKey("this is no proof key of a session")
            key_id = key_id_of(public)
            work.add(
                table,
                id=key_id,
                clinic=row.clinic,
                user_id=row.user_id,
                session_id=row.id,
                public=public,
                until=until,
                certificate=certificate,
                made_at=now,
            )
            work.note(
                "proof_key.enrolled", clinic=row.clinic, by=row.user_id, detail={"key": key_id}
            )
        return key_id


def alive(work: Work, approval: Approval) -> bool:
    """Whether the proof names a key of its approver whose session has not ended."""
    keys, sessions = tables.proof_keys, tables.sessions
    query = (
        select(keys.c.id)
        .join(sessions, sessions.c.id == keys.c.session_id)
        .where(
            keys.c.id == approval.key_id,
            keys.c.clinic == approval.clinic,
            keys.c.user_id == approval.approver,
            keys.c.until >= approval.approved_at,
        )
    )
    return work.first(query) is not None


def read(row: Row[Any] | None) -> ProofKey | None:
    """Read a row of `proof_keys`, where there is one."""
    if row is None:
        return None
    return ProofKey(row.id, row.clinic, row.user_id, row.public, row.until, row.certificate)


def key_id_of(public: str) -> str:
    """Return the name of a public key: SHA-256 of its bytes."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()


def proves(reply: Reply, master: bytes) -> bool:
    """Whether the named approver's browser signed exactly these words, for this reply.

    Nothing the web process or whoever writes rows can make passes: the certificate needs the
    approver's own key, and a copied key or signature belongs to another person or reply. Where
    two must approve, another person's browser signed them before.
    """
    if not _stands(reply, reply.approval, master):
        return False
    first = reply.first
    if not reply.needs_two:
        return True
    return (
        first is not None
        and first.approver != reply.approval.approver
        and _stands(reply, first, master)
    )


def _stands(reply: Reply, approval: Approval, master: bytes) -> bool:
    digest = reply.outgoing.digest
    key, (_, _, signature) = approval.key, approval.proof.partition(":")
    if key is None or approval.reply_id != reply.id:
        return False
    wanted = certificate_of(approver_key(master, approval.approver), key.public, key.until)
    return (
        hmac.compare_digest(approval.digest.encode(), digest.encode())
        and hmac.compare_digest(key.certificate.encode(), wanted.encode())
        and key.id == approval.key_id == key_id_of(key.public)
        and (key.user_id, key.clinic) == (approval.approver, reply.clinic)
        and approval.clinic == reply.clinic
        and approval.approved_at <= key.until
        and _signed(key.public, signature, approved_words(reply.id, digest))
    )


def _signed(public: str, signature: str, words: bytes) -> bool:
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, bytes.fromhex(public))
        halves = bytes.fromhex(signature)
        if len(halves) != 2 * _HALF:
            return False
        r, s = (int.from_bytes(half, "big") for half in (halves[:_HALF], halves[_HALF:]))
        key.verify(encode_dss_signature(r, s), words, _SIGNING)
    except (InvalidSignature, ValueError):
        return False
    return True


class BrowserKey:
    """What a browser makes and keeps, for the demonstration and tests that have no browser."""

    def __init__(self, own: bytes, until: datetime) -> None:
        self._private = ec.generate_private_key(_CURVE)
        point = self._private.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        self.public = point.hex()
        self.until = until
        self.certificate = certificate_of(own, self.public, until)

    def prove(self, reply_id: str, digest: str) -> str:
        """Return the proof for one reply's words."""
        made = self._private.sign(approved_words(reply_id, digest), _SIGNING)
        halves = (half.to_bytes(_HALF, "big").hex() for half in decode_dss_signature(made))
        return f"{key_id_of(self.public)}:{''.join(halves)}"
