"""Words nobody else would write, planted as identifiers, and the places where they must not be."""

import base64
import io
import logging
import random
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from triage.cli.logs import AsJson, AsText
from triage.domain import Channel, Contact, Patient, Protected
from triage.errors import TriageError

#: Attributes of a page in which a browser finds the next address.
_LINKS = re.compile(r'(?:href|action|src|formaction|hx-[a-z]+|data-[a-z-]*url)="([^"]*)"')


#: What every form of a canary looks like, wherever it begins, and how many forms one has.
_LOOKS_LIKE_ONE = re.compile(
    rb"(?=(qz[a-z]{14}|(?:717a|517a)[0-9a-f]{28}|(?:uxp|cxp)[a-z0-9+/]{17}))"
)
_FORMS_OF_ONE = 5


@dataclass
class Canaries:
    """Unique words by the place they were planted in."""

    seed: int
    planted: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._forms: dict[bytes, str] = {}

    def new(self, place: str) -> str:
        """Return a fresh word like `Qzvokiraluteba` and remember where it went."""
        pairs = (
            self._chance.choice("bdfgklmnprstvz") + self._chance.choice("aeiou") for _ in "1234567"
        )
        word = "Qz" + "".join(pairs)
        self.planted[word] = place
        return word

    def found(self, text: str | bytes) -> dict[str, str]:
        """Return the canaries in a text, plain, in any case, hexadecimal or base64."""
        data = (text if isinstance(text, bytes) else text.encode("utf-8", "replace")).lower()
        if len(self._forms) != _FORMS_OF_ONE * len(self.planted):
            self._forms = {form: word for word in self.planted for form in _forms(word)}
        met = {self._forms.get(one[1]) for one in _LOOKS_LIKE_ONE.finditer(data)}
        return {word: self.planted[word] for word in met if word}

    def patient(self, number: int) -> tuple[Patient, tuple[Contact, ...]]:
        """Return a patient every field of whom is a canary."""
        key = f"p{number}"
        name = Protected(f"{self.new('patient name')} {self.new('patient name')}")
        ids = Protected(self.new("patient number")), Protected(self.new("patient birth"))
        person = Patient(key, "c1", name, ids[1], ids[0])
        made = []
        for channel in (Channel.EMAIL, Channel.PORTAL):
            address = self.new(f"{channel} address")
            if channel is Channel.EMAIL:
                address = f"{address.lower()}@example.org"
            made.append(
                Contact(
                    f"{key}-{channel}", "c1", key, channel, Protected(address), name, "self",
                    "roster", consent_to_email=True,
                )
            )  # fmt: skip
        return person, tuple(made)

    def mail(self, sender: str, sender_name: str, *words: str) -> bytes:
        """Return a mail with a canary in every part a mail has."""
        made = EmailMessage()
        made["From"] = f"{sender_name} <{sender}>"
        made["To"] = f"{self.new('recipient')} <desk@clinic.example>"
        made["Subject"] = f"About {self.new('subject')}"
        made["Message-ID"] = f"<{self.new('message id').lower()}@example.org>"
        made["X-Odd"] = self.new("header")
        body = (
            f"My name is {self.new('body')}, {' '.join(words)}.\n\n-- \n{self.new('signature')}\n"
        )
        made.set_content(
            body + f"> On Monday {self.new('quoted')} wrote:\n> {self.new('quoted')}\n"
        )
        made.add_alternative(
            f"<p title='{self.new('html')}'>{self.new('html')}</p>", subtype="html"
        )
        made.add_attachment(
            self.new("attachment").encode(), maintype="text", subtype="plain",
            filename=f"{self.new('file name')}.txt",
        )  # fmt: skip
        return made.as_bytes()


def _forms(word: str) -> list[bytes]:
    """Return a word as it may be met once everything is in small letters."""
    forms = [word.lower().encode()]
    for one in (word.encode(), word.lower().encode()):
        forms += [one.hex().encode(), base64.b64encode(one)[:-4].lower()]
    return forms


def links(page: str) -> list[str]:
    """Return every address a page holds."""
    return _LINKS.findall(page)


@dataclass
class Watched:
    """What got out while somebody watched."""

    log: io.StringIO = field(default_factory=io.StringIO)
    #: The words of every error of ours that was made, whoever caught it.
    errors: list[str] = field(default_factory=list)
    #: Arguments and environment of every process that was started.
    started: list[str] = field(default_factory=list)
    #: Files opened for writing, outside the database's own library.
    written: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def everything(self) -> dict[str, str]:
        """Return the places and what was seen there."""
        seen = {"log": self.log.getvalue(), "errors": "\n".join(self.errors)}
        seen |= {
            "process arguments": "\n".join(self.started),
            "file names": "\n".join(self.written),
        }
        return seen | {"addresses": "\n".join(self.addresses)}


_watching: list[Watched] = []


def _overhear(event: str, given: tuple[Any, ...]) -> None:
    for watched in _watching:
        if event == "subprocess.Popen":
            watched.started.append(repr(given))
        elif event == "open" and isinstance(given[1], str) and set(given[1]) & set("wax+"):
            watched.written.append(str(given[0]))


@contextmanager
def watching(formatters: Iterable[logging.Formatter] = ()) -> Iterator[Watched]:
    """Watch logs of every library at every level, errors, processes and files of this process."""
    watched = Watched()
    chosen = [*formatters] or [AsJson("test"), AsText("test")]
    handlers = [logging.StreamHandler(watched.log) for _ in chosen]
    for handler, formatter in zip(handlers, chosen, strict=True):
        handler.setFormatter(formatter)
    root, level, made = logging.getLogger(), logging.getLogger().level, TriageError.__init__

    def remember(self: TriageError, what: str = "") -> None:
        made(self, what)
        watched.errors.append(str(self))

    if not _watching:
        # Python never lets go of an audit hook; an empty list makes it deaf.
        sys.addaudithook(_overhear)
    _watching.append(watched)
    TriageError.__init__ = remember  # type: ignore[method-assign]  # Put back below.
    root.setLevel(logging.DEBUG)
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield watched
    finally:
        _watching.remove(watched)
        TriageError.__init__ = made  # type: ignore[method-assign]  # The original.
        root.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)


def bytes_under(*folders: Path) -> bytes:
    """Return the content and name of every file under some folders."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)
