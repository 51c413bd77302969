"""The clinic's own words for a question that a clinician has to answer.

Rule of the room: as in `templates`: administrative words from the clinic's settings, no advice.
"""

from collections.abc import Mapping

from triage.domain import Protected, Route
from triage.drafting.facts import facts
from triage.drafting.wording import fill, wordings


def acknowledgement(
    settings: Mapping[str, object], *, language: str, name: Protected
) -> tuple[Protected, Protected]:
    """Return subject and body, in this language where the texts ship in it."""
    texts, neutral = wordings()
    wording = texts.get(language, texts["en"])
    spoken = language if language in texts else "en"
    template = wording.templates[Route.CLINICAL_QUESTION]
    values = facts(settings, spoken, neutral=neutral, days=wording.days)
    body = wording.framed(fill(template.text, values), values | {"writer": name.reveal()})
    return Protected(template.subject), Protected(body)
