"""The clinic's own words for a question that a clinician has to answer.

Rule of the room: as in `templates`: administrative words from the clinic's settings, no advice.
"""

from collections.abc import Mapping

from triage.domain import Protected, Route
from triage.drafting.facts import facts
from triage.drafting.own_words import words_for
from triage.drafting.wording import fill, wordings


def acknowledgement(
    settings: Mapping[str, object], *, language: str, name: Protected
) -> tuple[Protected, Protected]:
    """Return subject and body, in this language where the texts ship in it."""
    texts, neutral = wordings()
    wording = texts.get(language, texts["en"])
    spoken = language if language in texts else "en"
    found = words_for(settings, Route.CLINICAL_QUESTION, spoken)
    template = found[0] if found else wording.templates[Route.CLINICAL_QUESTION]
    values = facts(settings, spoken, neutral=neutral, days=wording.days)
    values |= {"writer": name.reveal()}
    body = wording.framed(fill(template.text, values), values)
    return Protected(template.subject), Protected(body)
