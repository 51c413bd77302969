"""Short administrative replies, filled from the clinic's own settings.

Rule of the room: nothing of the message is repeated but the placeholder of who signed it; an
urgent message gets the signed fixed text of its urgency or nothing.
"""

from collections.abc import Mapping

from triage.domain import Message, Priority, Redacted, Route, Suggestion, Urgency
from triage.drafting.facts import facts
from triage.drafting.language import guess
from triage.drafting.own_words import words_for
from triage.drafting.silence import is_silent, is_urgent
from triage.drafting.wording import Template, Wording, fill, wordings
from triage.drafting.writer import writer_of

DEFAULT_LANGUAGE = "en"


class TemplateDrafter:
    """Proposes one of the shipped texts, or the clinic's own, in the language of the message.

    `settings` is the clinic's settings (see `triage.drafting.facts`); `own_templates` in it is
    asked at every draft, so that what was released a moment ago serves (`own_words`). The
    patient-facing texts for urgent messages stay off until `urgent_texts_signed` is true; it is
    read at every draft, so a live mapping may turn it on.
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
        values = _values(self._settings, wording, language)
        body = wording.framed(fill(fixed.template.text, values), values)
        return Suggestion(fixed.template.subject, body, f"urgent_{urgency.word}", language)

    def _routine(self, redacted: Redacted, priority: Priority, language: str) -> Suggestion | None:
        serving = words_for(self._settings, priority.route, language)
        if serving is None:
            return None
        also = priority.also - {priority.route}
        subject, body = said(self._settings, serving[0], language, redacted, also)
        return Suggestion(subject, body, serving[1], language)


def said(
    settings: Mapping[str, object],
    template: Template,
    language: str,
    redacted: Redacted,
    also: frozenset[Route] = frozenset(),
) -> tuple[str, str]:
    """Return subject and body of a template for one message, the writer's placeholder in place."""
    wording = wordings()[0][language]
    who = {"writer": writer_of(redacted) or "", "also": _listed(also, wording)}
    values = _values(settings, wording, language) | who
    return template.subject, wording.framed(fill(template.text, values), values)


def _values(settings: Mapping[str, object], wording: Wording, language: str) -> dict[str, str]:
    return facts(settings, language, neutral=wordings()[1], days=wording.days)


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
