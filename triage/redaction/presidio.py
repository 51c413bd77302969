"""The redactor: Presidio's analyzer and anonymizer with our recognisers and our tagger.

Rule of the room: every field is read in plain letters, everything found is hidden in the original,
and a field of which any part could not be judged is withheld whole. Presidio's stock recognisers
are not used; `engine.py` says why.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from triage.domain import IdentifierType, Message, Redacted, Span
from triage.encoder.absent import without_torch
from triage.errors import BadSettings, RedactionFailed
from triage.redaction.deadline import Deadline
from triage.redaction.echoes import echoes
from triage.redaction.finding import Finder, Found
from triage.redaction.placeholders import Naming, typed_placeholders
from triage.redaction.plain import Plain, plain
from triage.redaction.readable import credible, unreadable
from triage.redaction.spans import resolve
from triage.redaction.table import finders

if TYPE_CHECKING:
    from triage.encoder.texts import TaggedSpan
    from triage.redaction.engine import Analyzer, Anonymizer

FIELDS = ("subject", "body")
#: A field longer than this, in code points, is withheld: nobody writes that by hand.
LONGEST = 120_000
#: Patterns read this many characters at a time, each window with the end of the one before.
WINDOW, OVERLAP = 10_000, 400
#: Longest a field may take, in seconds.
SECONDS = 8.0


class Tagger(Protocol):
    """Marks identifiers in texts; `triage.encoder.serving.TaggerSession` is one."""

    def tag(self, texts: Sequence[str]) -> list[list["TaggedSpan"]]:
        """Return the spans of each text, same order."""
        ...


@dataclass(slots=True)
class _Engines:
    """What takes seconds to load."""

    analyzer: "Analyzer"
    anonymizer: "Anonymizer"
    tagger: Tagger | None


class PresidioRedactor:
    """Hides identifiers.

    Settings: `model_dir`: folder of a trained tagger, left out for the one that ships. `tagger`:
    "none" for patterns alone (tests only: most names then stay readable). `seconds`: longest a
    field may take.
    """

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        """Check the model's hashes, load nothing yet; raise BadSettings or MissingModel."""
        chosen = dict(settings or {})
        folder, seconds = chosen.get("model_dir") or "", chosen.get("seconds", SECONDS)
        if not isinstance(folder, str | Path) or not isinstance(seconds, int | float):
            raise BadSettings("redactor model_dir or seconds")
        self._folder = None if chosen.get("tagger") == "none" else checked(folder)
        self._deadline = Deadline(float(seconds))
        self._engines: _Engines | None = None
        self._lock = Lock()
        self.name = f"presidio/{self._folder.name if self._folder else 'patterns'}"

    def load(self) -> None:
        """Load Presidio and the tagger now; raise MissingModel or RedactionFailed."""
        self._ready()

    def redact(self, messages: Sequence[Message]) -> list[Redacted]:
        """Hide identifiers in subject and body; what could not be judged is withheld."""
        drafts = [_Fields(message) for message in messages]
        tagged = self._tag([draft for draft in drafts if draft.readable])
        return [self._redact(draft, tagged.get(id(draft))) for draft in drafts]

    def _ready(self) -> _Engines:
        with self._lock:
            if self._engines is None:
                with without_torch():
                    from triage.redaction.engine import Analyzer, Anonymizer

                tagger = load_tagger(self._folder) if self._folder else None
                self._engines = _Engines(Analyzer(self._finders()), Anonymizer(), tagger)
            return self._engines

    def _finders(self) -> Sequence[Finder]:
        return finders()

    def _tag(self, drafts: Sequence["_Fields"]) -> dict[int, list[Found]]:
        """Run the tagger once over the batch; alone over each message when that fails."""
        try:
            tagger = self._ready().tagger
        except Exception:
            return {}
        if tagger is None:
            return {id(draft): [] for draft in drafts}
        try:
            answers = tagger.tag([draft.joined for draft in drafts])
            if len(answers) != len(drafts):
                raise RedactionFailed("tagger")
        except Exception:
            if len(drafts) == 1:
                return {}
            alone = [self._tag([draft]) for draft in drafts]
            return {key: spans for part in alone for key, spans in part.items()}
        return {
            id(draft): [_from_tagger(span) for span in spans]
            for draft, spans in zip(drafts, answers, strict=True)
        }

    def _redact(self, draft: "_Fields", tagged: Sequence[Found] | None) -> Redacted:
        if tagged is None:
            return Redacted("", "", withheld=frozenset(FIELDS), redactor=self.name)
        found: dict[str, list[Found]] = {}
        for field in draft.readable:
            job = partial(self._find, draft.plain[field].text, draft.split(tagged, field))
            # Not even the kind of trouble is logged here: the path marks the message.
            with suppress(Exception):
                found[field] = self._deadline.run(job)
        try:
            return self._written(draft, found)
        except Exception:
            return Redacted("", "", withheld=frozenset(FIELDS), redactor=self.name)

    def _find(self, text: str, tagged: Sequence[Found]) -> list[Found]:
        """Return every find in one field."""
        analyzer = self._ready().analyzer
        found = typed_placeholders(text)
        believed = credible(tagged, text)
        for low in range(0, max(len(text), 1), WINDOW - OVERLAP):
            high = min(low + WINDOW, len(text))
            inside = [
                replace(find, start=max(find.start, low) - low, end=min(find.end, high) - low)
                for find in believed
                if find.start < high and low < find.end
            ]
            for find in analyzer.find(text[low:high], inside):
                found.append(replace(find, start=find.start + low, end=find.end + low))
            if high == len(text):
                break
        return unreadable(found, text)

    def _written(self, draft: "_Fields", found: Mapping[str, list[Found]]) -> Redacted:
        """Return the redacted message; a field without an entry in `found` is withheld."""
        texts = {field: draft.plain[field].text for field in found}
        again = echoes(texts, found)
        naming = Naming()
        spans: list[Span] = []
        written = dict.fromkeys(FIELDS, "")
        for field, text in texts.items():
            original = draft.original[field]
            placeholders: dict[tuple[int, int], str] = {}
            for find in resolve([*found[field], *unreadable(again[field], text)], text):
                start, end = draft.plain[field].original(find.start, find.end)
                placeholders[start, end] = naming.placeholder(
                    find.type, original[start:end], text[find.start : find.end]
                )
                score = min(max(find.score, 0.0), 1.0)
                spans.append(Span(field, start, end, find.type, find.found_by, score))
            written[field] = self._ready().anonymizer.replace(original, placeholders)
        return Redacted(
            subject=written["subject"],
            body=written["body"],
            spans=tuple(spans),
            redactions=naming.redactions(),
            withheld=frozenset(FIELDS) - frozenset(found),
            redactor=self.name,
        )


class _Fields:
    """Subject and body of one message, as they are and in plain letters."""

    def __init__(self, message: Message) -> None:
        self.original = {"subject": message.subject.reveal(), "body": message.body.reveal()}
        self.plain: dict[str, Plain] = {}
        for field, text in self.original.items():
            if len(text) <= LONGEST:
                self.plain[field] = plain(text)

    @property
    def readable(self) -> tuple[str, ...]:
        """The fields that are short enough to be judged."""
        return tuple(self.plain)

    @property
    def joined(self) -> str:
        """What the tagger reads: subject and body as one text."""
        return join(*(self.plain[field].text if field in self.plain else "" for field in FIELDS))

    def split(self, tagged: Sequence[Found], field: str) -> list[Found]:
        """Return the tagger's finds that lie in `field`, at their places there."""
        text = self.plain[field].text
        low = 0 if field == "subject" else len(self.joined) - len(text)
        high = low + len(text)
        return [
            replace(find, start=max(find.start, low) - low, end=min(find.end, high) - low)
            for find in tagged
            if find.start < high and low < find.end
        ]


def join(subject: str, body: str) -> str:
    """Return the one text that the tagger reads, in training as in service."""
    return f"{subject}\n\n{body}"


def checked(folder: str | Path) -> Path:
    """Return the model folder, or the one that ships for ""; raise MissingModel."""
    from triage.encoder.folder import read
    from triage.encoder.registry import SHIPPED, Registry

    path = Path(folder) if folder else Registry(SHIPPED.parent).folder("redactor")
    return read(path, kind="tagger").path


def load_tagger(folder: Path) -> Tagger:
    """Return the tagger in `folder`; raise MissingModel."""
    from triage.encoder.serving import TaggerSession

    return TaggerSession(folder)


def _from_tagger(span: "TaggedSpan") -> Found:
    return Found(span.start, span.end, IdentifierType(span.type), span.score, "tagger")
