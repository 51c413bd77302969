"""The shipped sentences, read once, and how their slots are filled.

Rule of the room: a sentence is whole or absent; no slot is ever left standing in a text.
"""

import functools
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from triage.domain import Route, Urgency

SLOT = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """One text: a subject line and sentences with slots."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class UrgentText:
    """The fixed words for one urgency: a note for staff and a text for the patient."""

    #: What staff should do; never goes to a patient.
    note: str
    template: Template
    #: Who reviewed it, in words.
    review: str


@dataclass(frozen=True, slots=True)
class Wording:
    """All texts of one language."""

    frame: Mapping[str, str]
    days: Mapping[str, str]
    #: What a message may also ask for, in words that follow "about".
    asks: Mapping[Route, str]
    templates: Mapping[Route, Template]
    #: What a day that has to be moved begins with; its places in brackets are `filling.PLACES`.
    away: Template
    urgent: Mapping[Urgency, UrgentText]

    def framed(self, text: str, values: Mapping[str, str]) -> str:
        """Put greeting, further requests, closing and the emergency line around a text."""
        frame = self.frame
        parts = (
            sentence(frame["greeting"], values) or frame["greeting_without_name"],
            text,
            sentence(frame["also"], values),
            sentence(frame["closing"], values) or frame["closing_without_name"],
            sentence(frame["emergency"], values),
        )
        return "\n\n".join(part for part in parts if part)


@functools.cache
def wordings() -> tuple[Mapping[str, Wording], frozenset[str]]:
    """Return language -> texts, and the slots that read the same in every language."""
    table = tomllib.loads(
        files("triage.drafting").joinpath("templates.toml").read_text(encoding="utf-8")
    )
    neutral = frozenset(table.pop("neutral"))
    return {language: _wording(texts) for language, texts in table.items()}, neutral


def urgent_digest() -> str:
    """Return the SHA-256 of all urgent texts; a clinician's signature is bound to it."""
    every = {
        language: [
            [urgency.word, one.note, one.template.subject, one.template.text]
            for urgency, one in sorted(texts.urgent.items())
        ]
        for language, texts in sorted(wordings()[0].items())
    }
    return hashlib.sha256(json.dumps(every, ensure_ascii=False).encode("utf-8")).hexdigest()


def fill(text: str, values: Mapping[str, str]) -> str:
    """Fill the slots of a text; a sentence (one line) with an empty slot is left out."""
    paragraphs = []
    for paragraph in text.strip().split("\n\n"):
        sentences = [sentence(line, values) for line in paragraph.split("\n")]
        if any(sentences):
            paragraphs.append(" ".join(one for one in sentences if one))
    return "\n\n".join(paragraphs)


def sentence(line: str, values: Mapping[str, str]) -> str:
    """Fill one sentence, or return nothing when one of its slots has no value."""
    if not all(values.get(slot) for slot in SLOT.findall(line)):
        return ""
    # One pass, so that braces inside a value are never taken for a slot.
    return SLOT.sub(lambda slot: values[slot[1]], line)


def _wording(texts: Mapping[str, Mapping[str, object]]) -> Wording:
    return Wording(
        frame=_words(texts["frame"]),
        days=_words(texts["days"]),
        asks={Route(route): words for route, words in _words(texts["asks"]).items()},
        templates={Route(route): _template(one) for route, one in texts["templates"].items()},
        away=_template(texts["away"]),
        urgent={Urgency.of(word): _urgent(one) for word, one in texts["urgent"].items()},
    )


def _words(table: object) -> dict[str, str]:
    if not isinstance(table, dict):
        raise TypeError("templates.toml: a table of words is missing")
    return {str(key): str(value) for key, value in table.items()}


def _template(table: object) -> Template:
    words = _words(table)
    return Template(words["subject"], words["text"])


def _urgent(table: object) -> UrgentText:
    words = _words(table)
    return UrgentText(words["note"], _template(table), words["review"])
