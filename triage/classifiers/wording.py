"""One way to turn a message into the classifier's input, in training and in serving alike."""

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from triage.classifiers import variation
from triage.domain import Route
from triage.encoder import LabelledText

#: What a mail program puts before quoted text; only the newest part of a thread counts.
_QUOTED = re.compile(r"^[ \t]*>.*$\n?", re.M)
_REPLY = re.compile(r"^\s*((re|fw|fwd|rv|aw)\s*:\s*)+", re.I)
_GREETING = re.compile(
    r"\A\s*(hi|hello|hey|dear|good (morning|afternoon|evening)|hola|buenas?)\b"
    r"[^\n,.!]{0,40}[,.!\n]\s*",
    re.I,
)
#: How often each variation is used; several may meet in one text.
_OFTEN = (
    (variation.lower, 0.3),
    (variation.slang, 0.1),
    (variation.typos, 0.3),
    (variation.accents, 0.1),
    (variation.names, 0.12),
    (variation.genders, 0.15),
    (variation.hedged, 0.08),
    (variation.signed, 0.08),
    (variation.shouted, 0.03),
)
#: How often two messages are put into one, so that the second request or danger is learned, and
#: how much such a text counts; longer ones are left alone.
JOINED, JOINED_WEIGHT, JOINED_WORDS = 0.15, 0.7, 130


def compose(subject: str, body: str) -> str:
    """Return subject and body as one text; lines quoted with `>` are left out."""
    subject = _REPLY.sub("", subject).strip()
    body = _QUOTED.sub("", body).strip()
    return f"{subject}\n{body}".strip()


def vary_all(texts: Sequence[LabelledText], chance: random.Random) -> list[LabelledText]:
    """Return the texts of one epoch: each as another person might write it, some of them joined."""
    varied = [replace(each, text=vary(each.text, chance)) for each in texts]
    return [
        joined(each, chance.choice(varied)) if chance.random() < JOINED else each for each in varied
    ]


def vary(text: str, chance: random.Random) -> str:
    """Return the text as another hurried person might have typed it; what it asks stays."""
    if chance.random() < 0.2:
        text = _GREETING.sub("", text)
    if chance.random() < 0.15:
        # The subject line is missing or says nothing.
        text = text.partition("\n")[2] or text
    for change, often in _OFTEN:
        if chance.random() < often:
            text = change(text, chance)
    return text


def joined(first: LabelledText, second: LabelledText) -> LabelledText:
    """Return one message that asks for what both ask; the more urgent one decides the route.

    A message that is not for us, or one too long, stays alone.
    """
    words = len(first.text.split()) + len(second.text.split())
    not_ours = Route.NOT_FOR_US in (first.route, second.route)
    if first.text == second.text or not_ours or words > JOINED_WORDS:
        return first
    leading = second if (second.urgency or 0) > (first.urgency or 0) else first
    asked = {first.route, second.route, *first.also, *second.also}
    _, _, rest = second.text.partition("\n")
    return LabelledText(
        text=f"{first.text}\n{rest or second.text}",
        route=leading.route,
        also=frozenset(asked - {leading.route, Route.URGENT_CLINICAL}),
        urgency=leading.urgency,
        weight=JOINED_WEIGHT * min(first.weight, second.weight),
    )
