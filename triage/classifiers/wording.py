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
#: A greeting up to its comma or line end; after "hi" come people, never the matter itself.
_HELLO = r"hi|hello|hey|dear|good (?:morning|afternoon|evening)|hola|buen[oa]s (?:d[ií]as|tardes)"
_PEOPLE = (
    r"dr\.?|dra\.?|doctora?|mrs?\.?|ms\.?|all|there|team|everyone|staff|office|again"
    r"|\[[A-Z]+_\d+\]"
)
_GREETING = re.compile(
    rf"^[ \t]*(?:{_HELLO})(?:[ \t]+(?:{_PEOPLE})){{0,3}}[ \t]*(?:[,.!]+[ \t]*\n?|\n)\s*",
    re.I | re.M,
)
#: The subject line is left out only where so many words remain to say what is wanted.
_WORDS_LEFT = 12
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
    varied = [replace(each, text=vary(_shortened(each, chance), chance)) for each in texts]
    return [
        joined(each, chance.choice(varied)) if chance.random() < JOINED else each for each in varied
    ]


def vary(text: str, chance: random.Random) -> str:
    """Return the text as another hurried person might have typed it; what it asks stays."""
    if chance.random() < 0.2:
        text = _GREETING.sub("", text, count=1) or text
    for change, often in _OFTEN:
        if chance.random() < often:
            text = change(text, chance)
    return text


def _shortened(whole: LabelledText, chance: random.Random) -> str:
    """Return the text, now and then without its first line, as many mails have no subject.

    A danger may stand in that line alone, so urgent texts keep it.
    """
    _, _, rest = whole.text.partition("\n")
    spare = not whole.urgency and len(rest.split()) >= _WORDS_LEFT
    return rest if spare and chance.random() < 0.15 else whole.text


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
    return LabelledText(
        text=f"{first.text}\n{second.text}",
        route=leading.route,
        also=frozenset(asked - {leading.route, Route.URGENT_CLINICAL}),
        urgency=leading.urgency,
        weight=JOINED_WEIGHT * min(first.weight, second.weight),
    )
