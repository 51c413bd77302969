"""Short administrative replies, filled from the clinic's own settings.

Rule of the room: nothing of the message is repeated but the placeholder of who signed it; an
urgent message gets the signed fixed text of its urgency or nothing.
"""

from collections.abc import Mapping

from triage.domain import Message, Priority, Redacted, Route, Suggestion, Urgency
from triage.drafting.facts import facts
from triage.drafting.language import guess
from triage.drafting.silence import is_silent, is_urgent
from triage.drafting.wording import Wording, fill, wordings
from triage.drafting.writer import writer_of

DEFAULT_LANGUAGE = "en"


class TemplateDrafter:
    """Proposes one of the shipped texts, in the language of the message.

    `settings` is the clinic's settings (see `triage.drafting.facts`). The patient-facing texts
    for urgent messages stay off until `urgent_texts_signed` is true; it is read at every draft,
    so a live mapping may turn it on.
    """

    name = "templates"

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = settings

    def draft(
        self, message: Message, redacted: Redacted, priority: Priority, *, language: str
    ) -> Suggestion | None:
        """Return the text for this route, or None when silence is better.

        `language` holds where the words of the message do not clearly say another.
        """
        if is_silent(message, redacted, priority):
            return None
        language = spoken(redacted, language)
        if is_urgent(priority):
            return self._urgent(priority.urgency, language)
        return self._routine(redacted, priority, language)

    def _urgent(self, urgency: Urgency, language: str) -> Suggestion | None:
        wording = wordings()[0][language]
        fixed = wording.urgent.get(urgency)
        if fixed is None or self._settings.get("urgent_texts_signed") is not True:
            return None
        values = self._facts(wording, language)
        body = wording.framed(fill(fixed.template.text, values), values)
        return Suggestion(fixed.template.subject, body, f"urgent_{urgency.word}", language)

    def _routine(self, redacted: Redacted, priority: Priority, language: str) -> Suggestion | None:
        wording = wordings()[0][language]
        template = wording.templates.get(priority.route)
        if template is None:
            return None
        values = self._facts(wording, language) | {
            "writer": writer_of(redacted) or "",
            "also": _listed(priority.also - {priority.route}, wording),
        }
        body = wording.framed(fill(template.text, values), values)
        return Suggestion(template.subject, body, priority.route.value, language)

    def _facts(self, wording: Wording, language: str) -> dict[str, str]:
        neutral = wordings()[1]
        return facts(self._settings, language, neutral=neutral, days=wording.days)


def spoken(redacted: Redacted, language: str) -> str:
    """Return the language to answer in: the message's own if it is clear, else `language`."""
    guessed = guess(f"{redacted.subject}\n{redacted.body}") or language
    return guessed if guessed in wordings()[0] else DEFAULT_LANGUAGE


def staff_note(urgency: Urgency, *, language: str = DEFAULT_LANGUAGE) -> str:
    """Return what staff should do about an urgent message, in words for staff only; else nothing.

    It is no suggestion and must never be put where a reply is written.
    """
    texts = wordings()[0]
    fixed = texts.get(language, texts[DEFAULT_LANGUAGE]).urgent.get(urgency)
    return fixed.note if fixed else ""


def _listed(routes: frozenset[Route], wording: Wording) -> str:
    names = [wording.asks[route] for route in Route if route in routes and route in wording.asks]
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {wording.frame['and']} {names[-1]}"
