"""Makes a text shorter by what is only polite, and changes no fact.

Rule of the room: whole sentences go or stay; one with a fact, an instruction or a question stays.
"""

import re

from triage.domain import Protected
from triage.drafting.stated import keys_of

_COURTESY = re.compile(
    r"^(?:many )?thank(?:s| you)\b(?!.*\b(?:please|call|bring|send)\b)"
    r"|^we (?:really |very much |always )?(?:appreciate|value|hope|understand|apologi[sz]e)\b"
    r"|^(?:i|we) hope\b|^(?:we are|we.re|i am|i.m) (?:so |very |truly )?(?:sorry|happy|glad)\b"
    r"|^(?:please )?(?:do not|don.t|feel free to) (?:hesitate|reach|contact|ask)\b"
    r"|^(?:if|should) you have any (?:other |further |more )?(?:questions?|concerns?)\b"
    r"|^if we can help with anything else\b|^have a (?:nice|good|great|lovely)\b"
    r"|^your (?:health|time|patience|trust)\b.*\b(?:important|appreciate)"
    r"|^(?:muchas )?gracias\b|^(?:le )?agradecemos\b|^esperamos que\b|^(?:lo )?lamentamos\b"
    r"|^(?:no dude|si tiene (?:alguna|m[aá]s|otras?) (?:duda|pregunta)s?)\b"
    r"|^si podemos ayudarle en algo m[aá]s\b|^que tenga (?:un )?buen\b|^con (?:mucho )?gusto\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])[ \t]+(?=[A-ZÁÉÍÓÚÑ¿¡])")
#: A paragraph of so few words is a salutation, a closing or a name.
_FRAME = 4


def shortened(body: Protected) -> Protected:
    """Return the text without its courtesies; the same text where nothing can go."""
    text = body.reveal()
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [_line(line) for line in paragraph.split("\n")]
        kept = "\n".join(line for line in lines if line)
        if kept:
            paragraphs.append(kept)
    short = Protected("\n\n".join(paragraphs))
    # Checked and not only meant: a text that says anything else is not offered.
    return short if keys_of(short) == keys_of(body) and len(paragraphs) > 1 else body


def is_same(body: Protected, other: Protected | None) -> bool:
    """Whether two texts differ in blanks and line ends at most."""
    return other is not None and body.reveal().split() == other.reveal().split()


def _line(line: str) -> str:
    if len(line.split()) <= _FRAME:
        return line
    return " ".join(one for one in _SENTENCE.split(line) if not _is_courtesy(one))


def _is_courtesy(sentence: str) -> bool:
    plain = sentence.strip()
    return (
        _COURTESY.search(plain) is not None and "?" not in plain and not keys_of(Protected(plain))
    )
