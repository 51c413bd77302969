"""A mail's bytes become a tree of parts, with a limit on everything that can be piled up.

Rule of the room: what goes over a limit stays unopened and is reported; no part is walked twice
and no walk is deeper than `DEEPEST`.
"""

import base64
import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message as Headers
from email.parser import BytesHeaderParser
from email.policy import compat32

from triage.parsing.charset import decode
from triage.parsing.headers import LONGEST_VALUE, clean, readable

DEEPEST = 30
MOST_PARTS = 1_000
MOST_HEADERS = 1_000
LONGEST_HEADERS = 256_000

_END_OF_HEADERS = re.compile(rb"\r?\n[ \t]*\r?\n")
_KIND = re.compile(r"\s*([\w.+-]+/[\w.+-]+)")
_BASE64_ONLY = re.compile(rb"[A-Za-z0-9+/=\s]+")
_PACKED = frozenset({"base64", "quoted-printable"})
#: A boundary given in one piece; together with one in numbered pieces there are two.
_TWO_READINGS = re.compile(r"boundary\*?=|boundary\*0\*?=")
_ONCE_ONLY = ("content-type", "content-transfer-encoding", "content-disposition")


@dataclass(slots=True)
class Troubles:
    """What went wrong while one mail was taken apart."""

    #: A limit was passed: parts of the mail were left unopened.
    over_limit: bool = False
    damaged: bool = False
    #: Two readers could see two different mails.
    ambiguous: bool = False
    parts: int = 0


@dataclass(slots=True)
class Part:
    """One node of the tree; a leaf has `content`, a container has `children`."""

    headers: Headers
    kind: str
    raw: bytes = b""
    children: list["Part"] = field(default_factory=list)
    #: Text before the first and after the last boundary, which some readers show.
    around: list[bytes] = field(default_factory=list)

    @property
    def charset(self) -> str:
        """The declared charset, or nothing."""
        return parameter(self.headers, "charset")

    @property
    def encoding(self) -> str:
        """The declared transfer encoding in lower case, or nothing."""
        declared = clean(value_of(self.headers, "content-transfer-encoding")).lower()
        return declared.split(";")[0].strip()

    @property
    def filename(self) -> str:
        """The file name a sender gave, cleaned of control characters and folders."""
        name = parameter(self.headers, "filename", "content-disposition")
        name = name or parameter(self.headers, "name")
        return readable(name)[0].replace("\\", "/").rsplit("/", 1)[-1][:200]

    @property
    def is_attachment(self) -> bool:
        """Whether the sender wants it saved rather than read in place."""
        disposition = value_of(self.headers, "content-disposition").strip().lower()
        return disposition.startswith("attachment") or (
            bool(self.filename) and not disposition.startswith("inline")
        )

    def walk(self) -> Iterator["Part"]:
        """Yield this part and everything below it, outermost first."""
        yield self
        for child in self.children:
            yield from child.walk()


def value_of(headers: Headers, name: str) -> str:
    """Return a field's first raw value, or nothing; never raises."""
    return next((str(value) for key, value in headers.raw_items() if key.lower() == name), "")


def values_of(headers: Headers, name: str) -> list[str]:
    """Return every raw value of a field."""
    return [str(value) for key, value in headers.raw_items() if key.lower() == name]


def parameter(headers: Headers, name: str, of: str = "content-type") -> str:
    """Return one parameter of a structured field, or nothing; never raises."""
    raw = value_of(headers, of)[:LONGEST_VALUE]
    single = Headers()
    # Names of files often come as bare bytes, against the standard.
    single["Content-Type"] = clean(decode(raw.encode("utf-8", "surrogateescape"))[0])
    try:
        found = single.get_param(name)
        if isinstance(found, tuple):
            charset, _, value = found
            # The standard parser leaves the bytes as Latin-1; only charsets on the list are used.
            # Letters beyond it came bare, and can be read as they are.
            beyond = max(value, default="") > "\u00ff"
            return value if beyond else decode(value.encode("latin-1"), charset or "")[0]
    except Exception:
        # The standard parser raises half a dozen kinds on broken RFC 2231 continuations.
        return ""
    return found or ""


def take_apart(content: bytes, troubles: Troubles, depth: int = 0, kind: str = "") -> Part:
    """Return the tree of one mail or one part; `kind` is the default content type."""
    troubles.parts += 1
    headers, body = _split_headers(content, troubles)
    declared = value_of(headers, "content-type")
    match = _KIND.match(declared)
    found = match[1].lower() if match else (kind or "text/plain")
    if declared and match is None:
        troubles.damaged = True
    _look_for_doubles(headers, troubles)
    part = Part(headers, found, body)
    if found.startswith(("multipart/", "message/rfc822")) and part.encoding in _PACKED:
        # RFC 2046 forbids it: some readers unpack the parts, others see none.
        troubles.ambiguous = True
    if found.startswith("multipart/"):
        _open_multipart(part, troubles, depth)
    elif found == "message/rfc822" and depth < DEEPEST:
        part.children = [take_apart(decoded(part, Troubles()), troubles, depth + 1)]
    return part


def _split_headers(content: bytes, troubles: Troubles) -> tuple[Headers, bytes]:
    if content.startswith((b"\n", b"\r\n")):
        return Headers(), content.lstrip(b"\r\n")
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    end = _END_OF_HEADERS.search(content, 0, LONGEST_HEADERS)
    head = content[: end.start() + 1] if end else content[:LONGEST_HEADERS]
    body = content[end.end() :] if end else content[len(head) :]
    if end is None and len(content) > LONGEST_HEADERS:
        troubles.over_limit = True
    try:
        headers = BytesHeaderParser(policy=compat32).parsebytes(head)
    except Exception:
        troubles.damaged = True
        return Headers(), content
    # Lines that are no header at all belong to the text.
    left_over = headers.get_payload()
    if isinstance(left_over, str) and left_over.strip():
        troubles.damaged = True
        body = left_over.encode("utf-8", "surrogateescape") + b"\n\n" + body
    items = list(headers.raw_items())
    if len(items) > MOST_HEADERS or any(len(value) > 4 * LONGEST_VALUE for _, value in items):
        troubles.over_limit = True
    return headers, body


def _look_for_doubles(headers: Headers, troubles: Troubles) -> None:
    for name in _ONCE_ONLY:
        if len({clean(value).lower() for value in values_of(headers, name)}) > 1:
            troubles.ambiguous = True
    kind = value_of(headers, "content-type")[:LONGEST_VALUE].lower()
    if len(_TWO_READINGS.findall(kind)) > 1 or kind.count("charset") > 1 or "boundary='" in kind:
        troubles.ambiguous = True


def _open_multipart(part: Part, troubles: Troubles, depth: int) -> None:
    boundary = parameter(part.headers, "boundary").encode("utf-8", "replace").rstrip()
    if depth >= DEEPEST:
        troubles.over_limit = True
        return
    if not boundary:
        troubles.damaged = True
        return
    pieces = _pieces(part, boundary, troubles)
    default = "message/rfc822" if part.kind == "multipart/digest" else "text/plain"
    for piece in pieces:
        if troubles.parts >= MOST_PARTS:
            troubles.over_limit = True
            return
        part.children.append(take_apart(piece, troubles, depth + 1, default))


def _pieces(part: Part, boundary: bytes, troubles: Troubles) -> list[bytes]:
    line = re.compile(rb"^--" + re.escape(boundary) + rb"(--)?[ \t]*\r?$", re.M)
    alike = re.compile(rb"^--" + re.escape(boundary), re.M | re.I)
    if len(alike.findall(part.raw)) > len(line.findall(part.raw)):
        # A reader that compares less strictly splits the mail in other places.
        troubles.ambiguous = True
    pieces: list[bytes] = []
    start: int | None = None
    for edge in line.finditer(part.raw):
        if start is None:
            part.around.append(part.raw[: edge.start()])
        else:
            pieces.append(_without_last_break(part.raw[start : edge.start()]))
        start = edge.end() + 1
        if edge[1]:
            part.around.append(part.raw[start:])
            return pieces
        if len(pieces) > MOST_PARTS:
            troubles.over_limit = True
            return pieces
    troubles.damaged = True
    if start is not None:
        pieces.append(part.raw[start:])
    return pieces


def _without_last_break(piece: bytes) -> bytes:
    if piece.endswith(b"\r\n"):
        return piece[:-2]
    return piece.removesuffix(b"\n")


def decoded(part: Part, troubles: Troubles, encoding: str | None = None) -> bytes:
    """Undo a leaf's transfer encoding as far as it goes."""
    if encoding is None:
        encoding = part.encoding
    if encoding == "base64":
        return _from_base64(part.raw, troubles)
    if encoding == "quoted-printable":
        return quopri.decodestring(part.raw)
    if encoding in {"x-uuencode", "uuencode", "x-uue", "uue"}:
        return _from_uuencode(part.raw, troubles)
    if encoding not in {"", "7bit", "8bit", "binary", "7-bit", "8-bit"}:
        troubles.damaged = True
    return part.raw


def _from_base64(raw: bytes, troubles: Troubles) -> bytes:
    packed = b"".join(raw.split())
    if packed and not _BASE64_ONLY.fullmatch(packed):
        troubles.damaged = True
        letters = re.sub(rb"[^A-Za-z0-9+/=]", b"", packed)
        if len(letters) < 0.9 * len(packed) or b" " in raw.strip():
            # It says base64 and is plain words.
            return raw
        packed = letters
    # Several pieces, each padded, may have been glued together.
    whole = bytearray()
    for piece in re.findall(rb"[^=]+={0,2}", packed):
        bare = piece.rstrip(b"=")
        if len(bare) % 4 == 1 or len(piece) % 4:
            troubles.damaged = True
            bare = bare[: len(bare) - 1] if len(bare) % 4 == 1 else bare
        try:
            whole += base64.b64decode(bare + b"=" * (-len(bare) % 4))
        except (binascii.Error, ValueError):
            troubles.damaged = True
    return bytes(whole)


def _from_uuencode(raw: bytes, troubles: Troubles) -> bytes:
    whole = bytearray()
    for line in raw.splitlines():
        if line.startswith((b"begin ", b"end")) or not line.strip():
            continue
        try:
            whole += binascii.a2b_uu(line)
        except binascii.Error:
            troubles.damaged = True
    return bytes(whole)


def looks_like_base64(raw: bytes) -> bytes | None:
    """Return the words inside an undeclared base64 text, or None when it is no such thing."""
    packed = b"".join(raw.split())
    if len(packed) < 60 or len(packed) % 4 or not _BASE64_ONLY.fullmatch(packed):
        return None
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        return None
