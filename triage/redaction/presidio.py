"""The redactor: Presidio's analyzer and anonymizer with our recognisers and our tagger.

Rule of the room: every field is read in plain letters, everything found is hidden in the original,
and a field of which any part could not be judged is withheld whole. Presidio's stock recognisers
are not used; `engine.py` says why.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Protocol

from triage.domain import (
    NO_BACKGROUND,
    Background,
    Message,
    Redacted,
    Span,
)
from triage.encoder.absent import without_torch
from triage.errors import BadSettings, RedactionFailed
from triage.redaction.deadline import Deadline
from triage.redaction.echoes import echoes
from triage.redaction.fields import FIELDS, Fields, Tagged
from triage.redaction.finding import Finder, Found
from triage.redaction.known import known_people
from triage.redaction.placeholders import Naming, Surface, typed_placeholders
from triage.redaction.readable import credible, unreadable
from triage.redaction.spans import resolve
from triage.redaction.table import finders
from triage.redaction.whole import whole_names, whole_places

if TYPE_CHECKING:
    from triage.encoder.texts import TaggedSpan
    from triage.redaction.engine import Analyzer, Anonymizer

#: Patterns read this many characters at a time, each window with the end of the one before.
WINDOW, OVERLAP = 10_000, 400
#: Longest a field may take, in seconds.
SECONDS = 8.0
#: So many messages are tagged together, while recognisers read those before them.
PART = 8


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

    def redact(
        self, messages: Sequence[Message], backgrounds: Sequence[Background] = ()
    ) -> list[Redacted]:
        """Hide identifiers in every field; what could not be judged is withheld."""
        known = backgrounds or [NO_BACKGROUND] * len(messages)
        drafts = [Fields(*each) for each in zip(messages, known, strict=True)]
        parts = [drafts[low : low + PART] for low in range(0, len(drafts), PART)]
        return [
            self._redact(draft, tagged.get(id(draft)))
            for part, tagged in zip(parts, _ahead(self._tag, parts), strict=True)
            for draft in part
        ]

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

    def _tag(self, some: Sequence[Fields]) -> dict[int, Tagged]:
        """Run the tagger once over some messages; alone over each when that fails."""
        drafts = [draft for draft in some if draft.readable]
        try:
            tagger = self._ready().tagger
        except Exception:
            return {}
        if tagger is None:
            return {id(draft): {field: [] for field in FIELDS} for draft in drafts}
        try:
            # The names of files are a text of their own: no message is worded like them.
            filed = [draft for draft in drafts if draft.files]
            texts = [*(draft.joined for draft in drafts), *(draft.files for draft in filed)]
            answers = tagger.tag(texts)
            if len(answers) != len(texts):
                raise RedactionFailed("tagger")
        except Exception:
            if len(drafts) == 1:
                return {}
            alone = [self._tag([draft]) for draft in drafts]
            return {key: spans for part in alone for key, spans in part.items()}
        in_files = dict(zip(map(id, filed), answers[len(drafts) :], strict=True))
        return {
            id(draft): draft.placed(spans, in_files.get(id(draft), []))
            for draft, spans in zip(drafts, answers, strict=False)
        }

    def _redact(self, draft: Fields, tagged: Tagged | None) -> Redacted:
        nothing = Redacted("", "", withheld=frozenset(FIELDS), redactor=self.name)
        if tagged is None:
            return nothing
        found: dict[str, list[Found]] = {}
        for field in draft.readable:
            text = draft.reading(field)
            job = partial(self._find, text, tagged[field], draft.background)
            # Not even the kind of trouble is logged here: the path marks the message.
            with suppress(Exception):
                # Nothing can hang on an empty field, and handing it over costs more than reading.
                found[field] = self._deadline.run(job) if text else job()
        try:
            return self._deadline.run(partial(self._written, draft, found))
        except Exception:
            return nothing

    def _find(self, text: str, tagged: Sequence[Found], background: Background) -> list[Found]:
        """Return every find in one field."""
        analyzer = self._ready().analyzer
        found = [*typed_placeholders(text), *known_people(text, background)]
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

    def _written(self, draft: Fields, found: Mapping[str, list[Found]]) -> Redacted:
        """Return the redacted message; a field without an entry in `found` is withheld."""
        texts = {field: draft.reading(field) for field in found}
        again = echoes(texts, found)
        finds = {
            field: _settled([*found[field], *unreadable(again[field], text)], text)
            for field, text in texts.items()
        }
        places = {
            (field, find): draft.plain[field].original(find.start, find.end)
            for field in finds
            for find in finds[field]
        }
        surfaces = {
            (field, find): Surface(
                find.type,
                draft.original[field][start:end],
                texts[field][find.start : find.end],
                texts[field][max(find.start - 12, 0) : find.start],
            )
            for (field, find), (start, end) in places.items()
        }
        background = draft.background
        naming = Naming(background.earlier, surfaces.values(), background.counts)
        placeholders: dict[str, dict[tuple[int, int], str]] = {field: {} for field in texts}
        for key, surface in surfaces.items():
            placeholders[key[0]][places[key]] = naming.placeholder(surface)
        anonymizer = self._ready().anonymizer
        written = {
            field: anonymizer.replace(draft.original[field], placeholders[field]) for field in texts
        }
        return Redacted(
            subject=written.get("subject", ""),
            body=written.get("body", ""),
            files=written.get("files", ""),
            spans=tuple(_span(field, *place, find) for (field, find), place in places.items()),
            redactions=naming.redactions(),
            withheld=frozenset(FIELDS) - frozenset(found),
            redactor=self.name,
            channel=draft.channel,
        )


def _ahead(
    step: Callable[[Sequence[Fields]], dict[int, Tagged]], parts: Sequence[Sequence[Fields]]
) -> Iterator[dict[int, Tagged]]:
    """Yield the answer for each part while the next one is worked on; no answer is an empty one."""
    if len(parts) < 2:
        yield from map(step, parts)
        return
    answers: SimpleQueue[dict[int, Tagged]] = SimpleQueue()

    def work() -> None:
        for part in parts:
            try:
                answers.put(step(part))
            except BaseException:
                answers.put({})

    # A daemon, because a tagger that never returns must not keep the process alive.
    Thread(target=work, name="tagger", daemon=True).start()
    for _ in parts:
        yield answers.get()


def _settled(found: Sequence[Found], text: str) -> list[Found]:
    """Return what is hidden, without overlaps; a name or place is hidden whole or not at all."""
    once = resolve(found, text)
    return resolve([*once, *whole_names(once, text), *whole_places(once, text)], text)


def _span(field: str, start: int, end: int, find: Found) -> Span:
    return Span(field, start, end, find.type, find.found_by, min(max(find.score, 0.0), 1.0))


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
