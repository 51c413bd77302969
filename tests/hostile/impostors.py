"""Servers that are not whom they claim to be, and write down every byte a client tells them.

Each speaks IMAP, SMTP or HTTP, over a line that is spoilt in one way; `Papers` makes the
certificates, good and bad.
"""

import datetime
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.liars import Listener

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
Context = ssl.SSLContext


class Papers:
    """A trusted authority, and every kind of certificate that does not prove anything."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._trusted, self._unknown = trustme.CA(), trustme.CA()
        self.ca_file = folder / "ca.pem"
        self._trusted.cert_pem.write_to_path(str(self.ca_file))

    def good(self) -> Context:
        return self._issued(self._trusted, "localhost", "127.0.0.1")

    def expired(self) -> Context:
        return self._issued(
            self._trusted, "localhost", not_before=NOW - 9 * DAY, not_after=NOW - DAY
        )

    def not_yet_valid(self) -> Context:
        return self._issued(
            self._trusted, "localhost", not_before=NOW + DAY, not_after=NOW + 9 * DAY
        )

    def another_name(self) -> Context:
        return self._issued(self._trusted, "localhost.evil.example", "evil.example", "127.0.0.2")

    def wild_name(self) -> Context:
        return self._issued(self._trusted, "*.localhost", "*.example")

    def common_name_only(self) -> Context:
        return self._issued(self._trusted, "evil.example", common_name="localhost")

    def unknown_authority(self) -> Context:
        return self._issued(self._unknown, "localhost")

    def self_signed(self) -> Context:
        return self._made(ec.generate_private_key(ec.SECP256R1()))

    def weak_key(self) -> Context:
        return self._made(rsa.generate_private_key(65537, 1024), by=self._trusted)

    def for_clients_only(self) -> Context:
        key = ec.generate_private_key(ec.SECP256R1())
        return self._made(key, by=self._trusted, use=ExtendedKeyUsageOID.CLIENT_AUTH)

    def signed_by_a_server(self) -> Context:
        """Return one signed with the key of an honest server, who is no authority."""
        honest = self._trusted.issue_cert("honest.example")
        loaded = serialization.load_pem_private_key(honest.private_key_pem.bytes(), None)
        issuer = x509.load_pem_x509_certificate(honest.cert_chain_pems[0].bytes())
        key = ec.generate_private_key(ec.SECP256R1())
        return self._made(key, signer=(issuer, loaded), chain=honest.cert_chain_pems[0].bytes())

    def old_protocol(self) -> Context:
        made = self.good()
        made.set_ciphers("ALL:@SECLEVEL=0")
        made.minimum_version = ssl.TLSVersion.TLSv1
        made.maximum_version = ssl.TLSVersion.TLSv1_1
        return made

    def nameless_cipher(self) -> Context:
        """Return a server that encrypts and proves nothing (anonymous Diffie-Hellman)."""
        made = Context(ssl.PROTOCOL_TLS_SERVER)
        made.set_ciphers("aNULL:@SECLEVEL=0")
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        return made

    def _issued(self, authority: trustme.CA, *names: str, **more: Any) -> Context:
        issued = authority.issue_cert(*names, **more)
        made = Context(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(made)
        return made

    def _made(
        self, key: Any, *, by: trustme.CA | None = None, use: Any = ExtendedKeyUsageOID.SERVER_AUTH,
        signer: tuple[Any, Any] | None = None, chain: bytes = b"",
    ) -> Context:  # fmt: skip
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        issuer, signing = name, key
        if by is not None:
            authority = x509.load_pem_x509_certificate(by.cert_pem.bytes())
            held = serialization.load_pem_private_key(by.private_key_pem.bytes(), None)
            issuer, signing = authority.subject, held
        if signer is not None:
            issuer, signing = signer[0].subject, signer[1]
        built = (
            x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + DAY)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(x509.ExtendedKeyUsage([use]), False)
            .sign(signing, hashes.SHA256())
        )
        self._number += 1
        path = self._folder / f"made-{self._number}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + built.public_bytes(serialization.Encoding.PEM)
            + chain
        )
        made = Context(ssl.PROTOCOL_TLS_SERVER)
        made.set_ciphers("DEFAULT:@SECLEVEL=0")
        made.load_cert_chain(path)
        return made


@dataclass(frozen=True)
class Trick:
    """How a line is spoilt: by its papers, or by what becomes of STARTTLS."""

    papers: Callable[[Papers], Context] = Papers.good
    #: honest, stripped, refused, silent (yes, then goes on in plain text), injected, greeted
    start: str = "honest"
    #: Whether a server on a port for TLS speaks plain text.
    plain: bool = False


class Impostor(Listener):
    """A server of one protocol that takes every log-in and remembers what it was told."""

    def __init__(self, trick: Trick, papers: Papers, *, at_once: bool) -> None:
        self.trick, self.at_once = trick, at_once
        self._context = trick.papers(papers)
        self.heard = b""
        super().__init__()

    def talk(self, line: socket.socket, words: BinaryIO) -> None:
        if self.at_once and not self.trick.plain:
            line = self._context.wrap_socket(line, server_side=True)
            words = line.makefile("rb")
        self.greet(line)
        while said := words.readline():
            self.heard += said
            answer = self.answer(said)
            if answer is None:
                line = self._start(line, said)
                words = line.makefile("rb")
                continue
            line.sendall(answer)

    def _start(self, line: socket.socket, said: bytes) -> socket.socket:
        start = self.trick.start
        yes, more = self.starting(said)
        line.sendall(yes + (more if start == "injected" else b""))
        if start == "silent":
            return line
        return self._context.wrap_socket(line, server_side=True)

    def greet(self, line: socket.socket) -> None:
        raise NotImplementedError

    def answer(self, said: bytes) -> bytes | None:
        """Return what to say, or None to start TLS."""
        raise NotImplementedError

    def starting(self, said: bytes) -> tuple[bytes, bytes]:
        """Return the yes to STARTTLS, and words slipped in behind it."""
        raise NotImplementedError


class ImapImpostor(Impostor):
    """Speaks as much IMAP as a log-in takes."""

    def greet(self, line: socket.socket) -> None:
        pre = self.trick.start == "greeted"
        line.sendall(b"* PREAUTH welcome\r\n" if pre else b"* OK here\r\n")

    def answer(self, said: bytes) -> bytes | None:
        tag, _, command = said.strip().partition(b" ")
        verb = command.split(b" ")[0].upper()
        offers = b"" if self.at_once or self.trick.start == "stripped" else b" STARTTLS"
        if verb == b"STARTTLS":
            return tag + b" NO not now\r\n" if self.trick.start in ("refused", "stripped") else None
        if verb == b"CAPABILITY":
            return b"* CAPABILITY IMAP4rev1%s\r\n%s OK done\r\n" % (offers, tag)
        return tag + b" OK done\r\n"

    def starting(self, said: bytes) -> tuple[bytes, bytes]:
        return said.split(b" ")[0] + b" OK begin\r\n", b"* CAPABILITY IMAP4rev1\r\n* PREAUTH x\r\n"


class SmtpImpostor(Impostor):
    """Speaks as much SMTP as a log-in takes."""

    def greet(self, line: socket.socket) -> None:
        line.sendall(b"220 here\r\n")

    def answer(self, said: bytes) -> bytes | None:
        verb = said.strip().split(b" ")[0].upper()
        offers = b"" if self.at_once or self.trick.start == "stripped" else b"250-STARTTLS\r\n"
        if verb == b"STARTTLS":
            return b"454 not now\r\n" if self.trick.start in ("refused", "stripped") else None
        if verb == b"EHLO":
            return b"250-here\r\n%s250 AUTH PLAIN LOGIN\r\n" % offers
        return b"235 fine\r\n" if verb == b"AUTH" else b"250 fine\r\n"

    def starting(self, said: bytes) -> tuple[bytes, bytes]:
        return b"220 go on\r\n", b"250-here\r\n250 AUTH PLAIN\r\n"


class HttpImpostor(Impostor):
    """Takes one HTTP request."""

    def greet(self, line: socket.socket) -> None:
        """Wait: a browser speaks first; one that speaks TLS to plain text is told at once."""
        if self.trick.plain:
            line.sendall(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")

    def answer(self, said: bytes) -> bytes | None:
        if said.strip():
            return b""
        body = b'{"resourceType": "Bundle", "entry": []}'
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
