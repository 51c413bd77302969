"""Measures a redactor on labelled messages: what was hidden, what was not, and what else was.

Rule of the room: an identifier counts as hidden only when every letter and digit of it is; a
withheld field hides everything in it, identifiers and other words alike; what is kept of a leak
is where it stands, never what it says.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from triage.domain import Channel, IdentifierType, Message, Protected, Redacted, Share
from triage.errors import BadRow
from triage.redaction import Redactor

#: These point to a person only together with others; all other types are direct identifiers.
INDIRECT = frozenset({IdentifierType.DATE, IdentifierType.AGE, IdentifierType.ORG})
#: Messages read together: the graph's int8 scales depend a little on them, so it is one number.
BATCH = 16
FIELDS = ("subject", "body")
_WORD = re.compile(r"[^\W_](?:[\w'’-]*[^\W_])?")
_WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Labelled:
    """One message with the identifiers a person marked in it."""

    id: str
    channel: Channel
    subject: str
    body: str
    #: (field, start, end, type); offsets count code points, end exclusive.
    phi: tuple[tuple[str, int, int, IdentifierType], ...]
    writer: str = ""
    lang: str = ""
    tags: frozenset[str] = frozenset()

    @property
    def message(self) -> Message:
        """The message as a redactor gets it."""
        nobody = Protected("")
        subject, body = Protected(self.subject), Protected(self.body)
        return Message(self.id, self.channel, nobody, nobody, subject, body)

    def text_of(self, field: str) -> str:
        """Return the text of `subject` or `body`."""
        return self.subject if field == "subject" else self.body


@dataclass(frozen=True, slots=True)
class Leak:
    """An identifier that stayed readable, or a part of it; offsets as in `Labelled.phi`."""

    id: str
    field: str
    start: int
    end: int
    type: IdentifierType
    #: Letters and digits that stayed readable, and how many there are.
    readable: int
    letters: int


@dataclass(frozen=True, slots=True)
class Score:
    """How well identifiers were hidden."""

    #: Type -> identifiers of which every letter and digit is hidden, whatever it was taken for.
    hidden: Mapping[IdentifierType, Share]
    #: The same over the direct identifiers, and over all types.
    direct: Share
    all: Share
    #: Of those that spans hide, how many under their own type.
    typed: Share
    #: Words that touch no identifier and are touched by a span all the same.
    others: Share
    #: Messages in which every identifier is hidden.
    clean: Share
    #: Fields of which nothing could be judged.
    withheld: int
    messages: int
    leaks: tuple[Leak, ...] = ()

    def together(self, types: Sequence[IdentifierType]) -> Share:
        """Return the share of hidden identifiers over several types."""
        return _sum(self.hidden[type] for type in types if type in self.hidden)

    def flat(self) -> dict[str, float]:
        """Return the numbers as metrics.json keeps them."""
        numbers = {
            **_flat("recall", self.all),
            **_flat("direct_recall", self.direct),
            **_flat("typed", self.typed),
            **_flat("other_words_hidden", self.others),
            **_flat("clean_messages", self.clean),
            "messages": float(self.messages),
            "withheld": float(self.withheld),
        }
        for type, share in self.hidden.items():
            numbers |= _flat(f"recall_{type}", share) | {f"count_{type}": float(share.of)}
        return numbers


def _flat(name: str, share: Share) -> dict[str, float]:
    low, high = share.interval()
    return {name: share.value, f"{name}_low": low, f"{name}_high": high}


def read_messages(path: Path) -> list[Labelled]:
    """Read labelled messages, one JSON object a line; raise BadRow with file and line.

    Only `id`, `body` and `phi` are needed; no id may occur twice. A channel nobody knows is read
    as e-mail: how a message came makes no difference to what must be hidden in it.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as trouble:
        raise BadRow(f"{path.name}: {type(trouble).__name__}") from None
    rows: dict[str, Labelled] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = _labelled(json.loads(line))
            if rows.setdefault(row.id, row) is not row:
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError):
            # What went wrong may quote the row, so only its place is passed on.
            raise BadRow(f"{path.name} line {number}") from None
    return list(rows.values())


def _labelled(row: Mapping[str, object]) -> Labelled:
    phi, tags = row.get("phi") or [], row.get("tags") or []
    if not isinstance(phi, list) or not isinstance(tags, list):
        raise TypeError
    channel = str(row.get("channel"))
    message = Labelled(
        id=str(row["id"]),
        channel=Channel(channel) if channel in set(Channel) else Channel.EMAIL,
        subject=str(row.get("subject") or ""),
        body=str(row.get("body") or ""),
        phi=tuple(
            (str(one["field"]), int(one["start"]), int(one["end"]), IdentifierType(one["type"]))
            for one in phi
        ),
        writer=str(row.get("writer") or ""),
        lang=str(row.get("lang") or ""),
        tags=frozenset(map(str, tags)),
    )
    for field, start, end, _ in message.phi:
        if field not in FIELDS or not 0 <= start < end <= len(message.text_of(field)):
            raise ValueError
    return message


def score(redactor: Redactor, messages: Sequence[Labelled], *, batch: int = BATCH) -> Score:
    """Redact `messages` and compare."""
    return compare(messages, redacted(redactor, messages, batch=batch))


def redacted(
    redactor: Redactor,
    messages: Sequence[Labelled],
    *,
    batch: int = BATCH,
    advance: Callable[[int], object] = lambda _: None,
) -> list[Redacted]:
    """Redact `messages`, `batch` at a time; `advance` hears how many more are done."""
    done: list[Redacted] = []
    for low in range(0, len(messages), batch):
        part = [each.message for each in messages[low : low + batch]]
        done += redactor.redact(part)
        advance(len(part))
    return done


def compare(messages: Sequence[Labelled], done: Sequence[Redacted]) -> Score:
    """Compare what was hidden with what should have been; same order, same length."""
    fates = [
        (message, _fates(message, found)) for message, found in zip(messages, done, strict=True)
    ]
    every = [fate for _, row in fates for fate in row]
    hidden = {
        type: Share.among(fate.readable == 0 for fate in every if fate.type is type)
        for type in IdentifierType
        if any(fate.type is type for fate in every)
    }
    return Score(
        hidden=hidden,
        direct=_sum(share for type, share in hidden.items() if type not in INDIRECT),
        all=_sum(hidden.values()),
        typed=Share.among(
            fate.taken_for == fate.type
            for fate in every
            if fate.readable == 0 and fate.taken_for != _WITHHELD
        ),
        others=Share.among(
            lost
            for message, found in zip(messages, done, strict=True)
            for lost in _others(message, found)
        ),
        clean=Share.among(all(fate.readable == 0 for fate in row) for _, row in fates),
        withheld=sum(len(found.withheld & set(FIELDS)) for found in done),
        messages=len(messages),
        leaks=tuple(
            Leak(message.id, *fate.at, fate.type, fate.readable, fate.letters)
            for message, row in fates
            for fate in row
            if fate.readable
        ),
    )


@dataclass(frozen=True, slots=True)
class _Fate:
    """What became of one identifier."""

    at: tuple[str, int, int]
    type: IdentifierType
    readable: int
    letters: int
    #: The type that most of its letters are hidden under.
    taken_for: str


def _fates(message: Labelled, found: Redacted) -> list[_Fate]:
    covers = {field: hidden_types(found, field, len(message.text_of(field))) for field in FIELDS}
    fates = []
    for field, start, end, type in message.phi:
        text = message.text_of(field)
        under = [covers[field][at] for at in range(start, end) if text[at].isalnum()]
        ((taken_for, _),) = Counter(under).most_common(1) or [("", 0)]
        fates.append(_Fate((field, start, end), type, under.count(""), len(under), taken_for))
    return fates


def hidden_types(redacted: Redacted, field: str, length: int) -> list[str]:
    """Return for each code point of a field the type it is hidden under, or an empty string."""
    covered = [_WITHHELD if field in redacted.withheld else ""] * length
    for span in redacted.spans:
        if span.field == field:
            covered[span.start : span.end] = [str(span.type)] * (min(span.end, length) - span.start)
    return covered


def _others(message: Labelled, found: Redacted) -> Iterator[bool]:
    """Yield for each word that touches no identifier whether any of it is hidden."""
    for field in FIELDS:
        text = message.text_of(field)
        covered = hidden_types(found, field, len(text))
        marked = [False] * len(text)
        for at, start, end, _ in message.phi:
            if at == field:
                marked[start:end] = [True] * (end - start)
        for word in _WORD.finditer(text):
            if not any(marked[word.start() : word.end()]):
                yield any(covered[word.start() : word.end()])


def _sum(shares: Iterable[Share]) -> Share:
    counted = list(shares)
    return Share(sum(share.hits for share in counted), sum(share.of for share in counted))
