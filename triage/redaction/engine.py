"""Presidio, put together without a model from a hub, without the network and without a log.

Rule of the room: this module and the yardstick in `stock.py` alone import Presidio (3 s, spaCy
with it), so only a redactor at work imports it. Of Presidio's own recognisers none is used: its
patterns go on after a time-out as if nothing had been there, its e-mail and URL recognisers ask
the network for a list of domains, its NER wants a model that is not here. Its registry, analyzer,
context words and anonymizer are.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from presidio_analyzer import (
    AnalysisExplanation,
    AnalyzerEngine,
    EntityRecognizer,
    RecognizerRegistry,
    RecognizerResult,
)
from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig
from presidio_anonymizer.entities import RecognizerResult as Replaced

from triage.domain import IdentifierType
from triage.errors import RedactionFailed
from triage.redaction.finding import Finder, Found

#: A find below this counts only when a context word stands near.
THRESHOLD = 0.5
LANGUAGE = "en"
_TAGGER = "tagger"
_WORD = re.compile(r"\w+|[^\w\s]+")


def silence() -> None:
    """Drop whatever Presidio logs: at debug level that is words of the message."""
    for name in ("presidio-analyzer", "presidio-anonymizer", "decision_process", "tldextract"):
        logger = logging.getLogger(name)
        if _nothing not in logger.filters:
            logger.addFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:
    del record
    return False


class TaggedArtifacts(NlpArtifacts):  # type: ignore[misc]  # Presidio is not typed for us.
    """A text and what the tagger found in it; its words are cut when somebody asks for them."""

    def __init__(self, text: str, tagged: Sequence[Found], nlp: "BlankNlp") -> None:
        super().__init__([], [], [], [], nlp, LANGUAGE)
        self.tagged, self._text = tagged, text

    def cut(self) -> None:
        """Fill in tokens, lemmas and keywords; a lemma is a word in lower case."""
        words = list(_WORD.finditer(self._text))
        self.tokens = [word[0] for word in words]
        self.tokens_indices = [word.start() for word in words]
        self.lemmas = [token.lower() for token in self.tokens]
        self.keywords = self.set_keywords(self.nlp_engine, self.lemmas, LANGUAGE)


class ContextWords(LemmaContextAwareEnhancer):  # type: ignore[misc]  # Presidio is untyped.
    """Presidio's context words for the few finds that need them; the others are not copied."""

    def __init__(self) -> None:
        super().__init__(
            context_prefix_count=6, context_suffix_count=3, context_matching_mode="whole_word"
        )

    def enhance_using_context(
        self,
        text: str,
        raw_results: Sequence[RecognizerResult],
        nlp_artifacts: TaggedArtifacts,
        recognizers: Sequence[EntityRecognizer],
        context: list[str] | None = None,
    ) -> list[RecognizerResult]:
        """Return all results, with the scores raised that have a context word near them."""
        helped = {recogniser.id for recogniser in recognizers if recogniser.context}
        key = RecognizerResult.RECOGNIZER_IDENTIFIER_KEY
        doubtful = [one for one in raw_results if one.recognition_metadata[key] in helped]
        if not doubtful:
            return list(raw_results)
        nlp_artifacts.cut()
        sure = [one for one in raw_results if one.recognition_metadata[key] not in helped]
        raised = super().enhance_using_context(text, doubtful, nlp_artifacts, recognizers, context)
        return [*sure, *raised]


class Registry(RecognizerRegistry):  # type: ignore[misc]  # Presidio is untyped.
    """Presidio's registry, all of which reads every text, in one order."""

    def get_recognizers(self, *_: Any, **__: Any) -> list[EntityRecognizer]:
        """Return every recogniser: sorting them by type takes longer than some of them do."""
        return list(self.recognizers)


class BlankNlp(NlpEngine):  # type: ignore[misc]  # Presidio is untyped.
    """Cuts a text into words of any language; knows no grammar and needs no model.

    A blank spaCy pipeline would do the same and takes half a minute over 8,000 commas.
    """

    def artifacts(self, text: str, tagged: Sequence[Found]) -> TaggedArtifacts:
        """Return a text with the tagger's finds beside it, not cut into words yet."""
        return TaggedArtifacts(text, tagged, self)

    def load(self) -> None:
        """Do nothing: a blank pipeline has nothing to load."""

    def is_loaded(self) -> bool:
        """Return True."""
        return True

    def process_text(self, text: str, language: str) -> TaggedArtifacts:
        """Return the words of `text`, without finds of the tagger."""
        del language
        artifacts = self.artifacts(text, ())
        artifacts.cut()
        return artifacts

    def process_batch(
        self, texts: Iterable[str], language: str, batch_size: int = 1, n_process: int = 1, **_: Any
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        """Yield each text with its words."""
        del batch_size, n_process
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        """Return False: every word may be context."""
        del word, language
        return False

    def is_punct(self, word: str, language: str) -> bool:
        """Whether a token has neither letter nor digit."""
        del language
        return not any(map(str.isalnum, word))

    def get_supported_entities(self) -> list[str]:
        """Return nothing: the tagger is a recogniser of its own."""
        return []

    def get_supported_languages(self) -> list[str]:
        """Return the one name under which all languages are read."""
        return [LANGUAGE]


class FinderRecognizer(EntityRecognizer):  # type: ignore[misc]  # Presidio is untyped.
    """One of our finders behind Presidio's interface; what it raises stops the analysis."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        super().__init__(
            supported_entities=[str(type) for type in finder.types],
            name=finder.name,
            supported_language=LANGUAGE,
            context=list(finder.context) or None,
        )

    def load(self) -> None:
        """Do nothing: patterns are compiled already."""

    def analyze(
        self, text: str, entities: Sequence[str], nlp_artifacts: NlpArtifacts = None
    ) -> list[RecognizerResult]:
        """Return what the finder finds."""
        del entities, nlp_artifacts
        return [
            _result(find, self, explained=bool(self.context)) for find in self._finder.find(text)
        ]


class TaggerRecognizer(EntityRecognizer):  # type: ignore[misc]  # Presidio is untyped.
    """Hands on what the tagger found in the whole batch; its threshold is the tagger's own."""

    def __init__(self, types: Sequence[str]) -> None:
        super().__init__(
            supported_entities=list(types),
            name=_TAGGER,
            supported_language=LANGUAGE,
            score_thresholds={"default": 0.0},
        )

    def load(self) -> None:
        """Do nothing: the tagger has run already."""

    def analyze(
        self, text: str, entities: Sequence[str], nlp_artifacts: Any = None
    ) -> list[RecognizerResult]:
        """Return the tagger's finds that came with the words."""
        del text, entities
        return [_result(find, self, explained=False) for find in nlp_artifacts.tagged]


def _result(find: Found, by: EntityRecognizer, *, explained: bool) -> RecognizerResult:
    why = AnalysisExplanation(recognizer=by.name, original_score=find.score) if explained else None
    return RecognizerResult(
        str(find.type),
        find.start,
        find.end,
        find.score,
        analysis_explanation=why,
        recognition_metadata={
            RecognizerResult.RECOGNIZER_NAME_KEY: by.name,
            RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: by.id,
        },
    )


class Analyzer:
    """Presidio's analyzer over our recognisers."""

    def __init__(self, finders: Sequence[Finder]) -> None:
        silence()
        self._nlp = BlankNlp()
        rows = [FinderRecognizer(finder) for finder in finders]
        types = [str(type) for type in IdentifierType]
        self._expected = frozenset([_TAGGER, *(finder.name for finder in finders)])
        self.registry = Registry(
            recognizers=[*rows, TaggerRecognizer(types)], supported_languages=[LANGUAGE]
        )
        self._engine = AnalyzerEngine(
            registry=self.registry,
            nlp_engine=self._nlp,
            log_decision_process=False,
            default_score_threshold=THRESHOLD,
            supported_languages=[LANGUAGE],
            context_aware_enhancer=ContextWords(),
        )
        self._types = types

    def find(self, text: str, tagged: Sequence[Found]) -> list[Found]:
        """Return every find in one window; raise when a recogniser failed or is missing."""
        missing = self._expected - {row.name for row in self.registry.recognizers}
        if missing:
            raise RedactionFailed(f"recogniser {', '.join(sorted(missing))}")
        if not text:
            return []
        results = self._engine.analyze(
            text,
            language=LANGUAGE,
            entities=self._types,
            nlp_artifacts=self._nlp.artifacts(text, tagged),
        )
        return [_found(result, len(text)) for result in results]


def _found(result: RecognizerResult, length: int) -> Found:
    name = result.recognition_metadata[RecognizerResult.RECOGNIZER_NAME_KEY]
    type = IdentifierType(result.entity_type)
    if not 0 <= result.start <= result.end <= length:
        raise RedactionFailed(f"recogniser {name}")
    return Found(result.start, result.end, type, float(result.score), name)


class Anonymizer:
    """Presidio's anonymizer with our placeholders."""

    def __init__(self) -> None:
        silence()
        self._engine = AnonymizerEngine()

    def replace(self, text: str, placeholders: Mapping[tuple[int, int], str]) -> str:
        """Return `text` with each (start, end) replaced; the spans do not overlap."""
        # One operator per placeholder: Presidio names operators by entity type.
        names = {placeholder: f"#{placeholder}" for placeholder in placeholders.values()}
        operators = {
            name: OperatorConfig("replace", {"new_value": placeholder})
            for placeholder, name in names.items()
        }
        spans = [
            Replaced(names[placeholder], start, end, 1.0)
            for (start, end), placeholder in placeholders.items()
        ]
        done = self._engine.anonymize(text, spans, operators, merge_entities_with_spaces=False)
        return str(done.text)
