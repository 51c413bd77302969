"""Stock Presidio as a redactor: a yardstick to measure ours against, never what serves.

Rule of the room: Presidio's own defaults, untouched - recognisers, thresholds, context words,
anonymizer - but for two things: a blank spaCy pipeline instead of a downloaded model, so nothing
here finds names, and no network. Where the choice is ours it is made in Presidio's favour. Unlike
ours it goes on when a pattern runs out of time.
"""

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import RecognizerResult as Replaced

from triage.domain import IdentifierType as Type
from triage.domain import Message, Redacted, Span
from triage.redaction.engine import LANGUAGE, silence

#: Presidio's entity types under our names, in its favour where it draws the line elsewhere.
#: Of a practice's record numbers, MEMBER_ID and most numbers of OTHER_ID it has no notion.
OURS: Mapping[str, Type] = {
    "PERSON": Type.NAME,
    "LOCATION": Type.ADDRESS,
    "ORGANIZATION": Type.ORG,
    # What only a model of spaCy would be asked for, under the names its recogniser gives them.
    "AGE": Type.AGE,
    "ID": Type.OTHER_ID,
    "EMAIL": Type.EMAIL,
    # Nationality, religion or politics: we leave these readable, and have no type for them.
    "NRP": Type.OTHER_ID,
    # Weekdays and times, too, where a model finds them; its pattern finds numeric dates alone.
    "DATE_TIME": Type.DATE,
    "PHONE_NUMBER": Type.PHONE,
    "EMAIL_ADDRESS": Type.EMAIL,
    "URL": Type.URL,
    "IP_ADDRESS": Type.IP,
    # Whatever names a machine rather than a person.
    "MAC_ADDRESS": Type.DEVICE,
    "UUID": Type.OTHER_ID,
    "US_SSN": Type.SSN,
    # A tax number of those without a social security number, in the same form.
    "US_ITIN": Type.SSN,
    "CREDIT_CARD": Type.ACCOUNT,
    "US_BANK_NUMBER": Type.ACCOUNT,
    "IBAN_CODE": Type.ACCOUNT,
    "CRYPTO": Type.ACCOUNT,
    "US_DRIVER_LICENSE": Type.LICENSE,
    "US_PASSPORT": Type.LICENSE,
    # DEA registration numbers.
    "MEDICAL_LICENSE": Type.LICENSE,
    # The number of a British patient; here it can only be taken for a record number.
    "UK_NHS": Type.MRN,
}

#: Domains that are kept for examples, and real ones as long. Invented messages use the former,
#: and stock Presidio takes nothing for an address whose domain is not real.
RESERVED = {".example": ".support", ".invalid": ".support", ".test": ".tech"}
_RESERVED = re.compile(rf"(?:{'|'.join(map(re.escape, RESERVED))})(?!\w)", re.IGNORECASE)


class BlankSpacy(SpacyNlpEngine):  # type: ignore[misc]  # Presidio is untyped.
    """Presidio's spaCy engine around a pipeline without a model."""

    def load(self) -> None:
        """Make the pipeline; nothing is downloaded."""
        self.nlp = {LANGUAGE: spacy.blank(LANGUAGE)}

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """Cut `text` into words; their lower case stands in for lemmas, so that context counts."""
        doc = self.nlp[language](text)
        for token in doc:
            token.lemma_ = token.lower_
        return self._doc_to_nlp_artifact(doc, language)


class StockPresidio:
    """Hides what Presidio finds as it comes; takes no settings."""

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        """Load Presidio (3 s)."""
        del settings
        silence()
        _stay_offline()
        nlp = BlankSpacy()
        nlp.load()
        registry = RecognizerRegistry(supported_languages=[LANGUAGE])
        registry.load_predefined_recognizers(languages=[LANGUAGE], nlp_engine=nlp)
        self.analyzer = AnalyzerEngine(
            registry=registry, nlp_engine=nlp, supported_languages=[LANGUAGE]
        )
        self._anonymizer = AnonymizerEngine()
        self.name = f"stock Presidio {version('presidio-analyzer')}"

    def redact(
        self, messages: Sequence[Message], backgrounds: Sequence[object] = ()
    ) -> list[Redacted]:
        """Hide identifiers in subject and body; what raises withholds the whole message.

        What the clinic knows is passed over: stock Presidio has no use for it.
        """
        del backgrounds
        return [self._redact(message) for message in messages]

    def _redact(self, message: Message) -> Redacted:
        try:
            subject, in_subject = self._field("subject", message.subject.reveal())
            body, in_body = self._field("body", message.body.reveal())
        except Exception:
            return Redacted("", "", withheld=frozenset({"subject", "body"}), redactor=self.name)
        return Redacted(subject, body, spans=(*in_subject, *in_body), redactor=self.name)

    def _field(self, field: str, text: str) -> tuple[str, list[Span]]:
        # The surest find comes last, so that it has the last word on a type.
        shown = _RESERVED.sub(lambda match: RESERVED[match[0].lower()], text)
        results = self.analyzer.analyze(shown, language=LANGUAGE)
        results.sort(key=lambda result: result.score)
        found = [Replaced(one.entity_type, one.start, one.end, one.score) for one in results]
        written = self._anonymizer.anonymize(text, found)
        return str(written.text), [_span(field, result) for result in results]


def _span(field: str, result: Any) -> Span:
    kind = OURS.get(result.entity_type, Type.OTHER_ID)
    return Span(field, result.start, result.end, kind, result.entity_type, float(result.score))


def _stay_offline() -> None:
    """Give the e-mail and URL recognisers the list of domains that is installed with tldextract.

    They call `tldextract.extract`, which else asks the network for a newer list.
    """
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(
        suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True
    )
