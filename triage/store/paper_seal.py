"""The list for a time without a machine is sealed so that only a code on paper opens it.

Rule of the room: the machine that writes the list cannot read it back. It holds a public key; the
private one lies in the same file, wrapped with a code that is printed once and kept on paper. What
is used (PBKDF2, ECDH on P-256, HKDF, AES-GCM) is what every browser brings along, so that the
file opens without triage, its database and a network.
"""

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from triage.errors import BadSettings, WrongCode

#: No I, L, O or U: what is read from paper cannot be mistaken.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUPS, LETTERS = 5, 4
#: The code has 100 random bits, so that this only slows down who has it almost.
ITERATIONS = 600_000
_INFO = b"triage downtime list"


def make_key(path: Path, *, iterations: int = ITERATIONS) -> str:
    """Make the key of the list, keep its public half and return the code that opens the list."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(GROUPS * LETTERS))
    private = ec.generate_private_key(ec.SECP256R1())
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    wrapped = AESGCM(_from_code(code, salt, iterations)).encrypt(nonce, plain, None)
    kept = {
        "public": _text(private.public_key().public_bytes(*_POINT)),
        "salt": _text(salt),
        "iterations": iterations,
        "nonce": _text(nonce),
        "wrapped": _text(wrapped),
    }
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return spelled(code)


def read_key(path: Path) -> Mapping[str, object]:
    """Read what `make_key` kept; raise BadSettings for anything else."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b64decode(kept["public"]))
    except (ValueError, TypeError, KeyError):
        raise BadSettings(f"{path.name} is not a key; run `triage downtime setup` again") from None
    return {name: kept[name] for name in ("public", "salt", "iterations", "nonce", "wrapped")}


def seal(key: Mapping[str, object], content: Mapping[str, object]) -> dict[str, object]:
    """Seal a list with the public key; only the code on paper opens what is returned."""
    public = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), b64decode(str(key["public"]))
    )
    once, nonce = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(12)
    point = once.public_key().public_bytes(*_POINT)
    cipher = AESGCM(_shared(once.exchange(ec.ECDH(), public), point))
    plain = json.dumps(content, ensure_ascii=False).encode()
    return {
        "key": dict(key),
        "point": _text(point),
        "nonce": _text(nonce),
        "sealed": _text(cipher.encrypt(nonce, plain, None)),
    }


def unseal(sealed: Mapping[str, object], code: str) -> dict[str, object]:
    """Open a list with its code; raise WrongCode when the code or the file is another."""
    key, point = sealed["key"], b64decode(str(sealed["point"]))
    assert isinstance(key, dict)
    try:
        plain = AESGCM(
            _from_code(unspelled(code), b64decode(key["salt"]), int(key["iterations"]))
        ).decrypt(b64decode(key["nonce"]), b64decode(key["wrapped"]), None)
        private = load_der_private_key(plain, None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        cipher = AESGCM(_shared(private.exchange(ec.ECDH(), other), point))
        opened = cipher.decrypt(
            b64decode(str(sealed["nonce"])), b64decode(str(sealed["sealed"])), None
        )
    except (InvalidTag, ValueError):
        raise WrongCode("downtime list") from None
    found: dict[str, object] = json.loads(opened)
    return found


def spelled(code: str) -> str:
    """Return a code in groups, as it stands on paper."""
    return "-".join(code[at : at + LETTERS] for at in range(0, len(code), LETTERS))


def unspelled(text: str) -> str:
    """Return the letters of a code however somebody typed it."""
    plain = "".join(letter for letter in text.upper() if letter.isalnum())
    return plain.translate(str.maketrans("ILOU", "110V"))


_POINT = (Encoding.X962, PublicFormat.UncompressedPoint)


def _from_code(code: str, salt: bytes, iterations: int) -> bytes:
    return PBKDF2HMAC(hashes.SHA256(), 32, salt, iterations).derive(code.encode())


def _shared(secret: bytes, point: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, point, _INFO).derive(secret)


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
