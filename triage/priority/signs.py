"""Where subject, portal topic and text tell different stories, and how a message sounds.

Rule of the room: these are signs on the case for whoever reads it; they raise nothing and lower
nothing.
"""

import re
from collections.abc import Iterator, Mapping

from triage.domain import Classification, Mark, Message, Priority, Route, Urgency
from triage.priority.tone import tones
from triage.priority.words import fold, stem, visible

_ANSWER = re.compile(r"\s*(re|aw|sv|rif)\s*:", re.I)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
#: So much of a subject is read.
_READ = 200
#: Below this a classifier is not sure enough to hold a subject against it.
_SURE = 0.9
#: What a subject that names one thing says it is about; English and Spanish.
_NAMED: Mapping[Route, tuple[str, ...]] = {
    Route.REFILL: ("refill", "refills", "resurtir", "resurtido", "renovar receta", "resurtirme"),
    Route.BILLING_DISPUTE: (
        *("bill", "bills", "billing", "billed", "invoice", "charge", "charged", "charges"),
        *("copay", "factura", "cobro", "cobraron", "cobranza"),
    ),
    Route.RESCHEDULE: (
        *("appointment", "appt", "reschedule", "rescheduling", "cita", "reprogramar"),
    ),
}
_URGENT = ("urgent", "urgently", "asap", "sos", "urgente", "urgentísimo")
_EMERGENCY = ("emergency", "emergencia", "911")
#: After these words a subject speaks of an emergency as of a thing: a plan, a bill, a room.
_THING = frozenset(
    (
        *("action", "admission", "ambulance", "bill", "care", "charge", "charges", "claim"),
        *("code", "contact", "contacts", "department", "dept", "form", "instructions"),
        *("management", "medicine"),
        *("non", "not", "no", "plan", "plans", "record", "records", "response", "room"),
        *("services", "slot", "supply", "surgery", "visit", "wasnt", "isnt", "ambulancia"),
        *("contacto", "cuenta", "cobro", "factura", "sala", "plan", "seguro"),
    )
)


def signs(
    message: Message, classification: Classification | None, priority: Priority
) -> frozenset[Mark]:
    """Return the signs of one message; nothing but danger is looked for in what is not for us."""
    route, urgency = priority.route, priority.urgency
    found = contradictions(message, classification, urgency)
    told = {Mark.CONTRADICTION} if found else set()
    if route is Route.NOT_FOR_US and urgency is Urgency.ROUTINE:
        return frozenset(told)
    return tones(message) | told


def contradictions(
    message: Message, classification: Classification | None, urgency: Urgency
) -> tuple[str, ...]:
    """Say in whole sentences what contradicts the text."""
    return tuple(_found(message, classification, urgency))


def _found(
    message: Message, classification: Classification | None, urgency: Urgency
) -> Iterator[str]:
    subject = _words(message.subject.reveal())
    calls_it_urgent, named = _urgent(subject), _route(subject)
    if urgency is not Urgency.ROUTINE:
        if message.topic and not _urgent_topic(message.topic):
            yield f"The portal topic is “{message.topic[:60]}”, but the text tells of danger."
        if named and not calls_it_urgent:
            name = _word(named)
            yield f"The subject speaks of {name}, but the text tells of danger."
    elif not (classification and classification.route is Route.NOT_FOR_US):
        # Whoever advertises calls everything urgent.
        if calls_it_urgent:
            yield "The subject calls it urgent, but no danger was found in the text."
        if named and classification and _sure_of_another(classification, named):
            name, what = _word(named), _word(classification.route)
            yield f"The subject speaks of {name}, but the classifier reads {what}."


def _urgent_topic(topic: str) -> bool:
    return any(word in topic.lower() for word in ("urgent", "symptom", "emergency"))


def _sure_of_another(classification: Classification, named: Route) -> bool:
    return (
        not classification.abstained
        and classification.confidence >= _SURE
        and named not in {classification.route, *classification.also}
    )


def _words(subject: str) -> list[str]:
    """Return the words of a subject; none of an answer's, which is as old as its conversation."""
    if _ANSWER.match(subject):
        return []
    return [stem(fold(word)) for word in _WORD.findall(visible(subject[:_READ]))]


def _stems(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(" ".join(stem(fold(word)) for word in one.split()) for one in words)


def _urgent(subject: list[str]) -> bool:
    """Whether a subject calls itself urgent, and does not only name a plan, a bill or a room."""
    spoken = set(subject)
    return bool(spoken & _ALARMS) and not spoken & _THINGS


def _route(subject: list[str]) -> Route | None:
    """Return the one thing a subject names; nothing where it names several or none."""
    said = f" {' '.join(subject)} "
    found = [
        route for route, words in _ROUTES.items() if any(f" {word} " in said for word in words)
    ]
    return found[0] if len(found) == 1 else None


def _word(route: Route) -> str:
    return route.value.replace("_", " ")


_ALARMS = _stems(_URGENT + _EMERGENCY)
_THINGS = _stems(tuple(_THING))
_ROUTES = {route: _stems(words) for route, words in _NAMED.items()}
