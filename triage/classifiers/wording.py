"""One way to turn a message into the classifier's input, in training and in serving alike."""

import random
import re

#: What a mail program puts before quoted text; only the newest part of a thread counts.
_QUOTED = re.compile(r"^[ \t]*>.*$\n?", re.M)
_REPLY = re.compile(r"^\s*((re|fw|fwd|rv|aw)\s*:\s*)+", re.I)
_GREETING = re.compile(
    r"\A\s*(hi|hello|hey|dear|good (morning|afternoon|evening)|hola|buenas?)\b"
    r"[^\n,.!]{0,40}[,.!\n]\s*",
    re.I,
)
_ACCENTS = str.maketrans("áéíóúñ’", "aeioun'")


def compose(subject: str, body: str) -> str:
    """Return subject and body as one text; lines quoted with `>` are left out."""
    subject = _REPLY.sub("", subject).strip()
    body = _QUOTED.sub("", body).strip()
    return f"{subject}\n{body}".strip()


def vary(text: str, chance: random.Random) -> str:
    """Return the text as another hurried person might have typed it; what it asks stays."""
    if chance.random() < 0.3:
        text = text.lower()
    if chance.random() < 0.2:
        text = _GREETING.sub("", text)
    if chance.random() < 0.1:
        text = text.translate(_ACCENTS)
    if chance.random() < 0.15:
        # The subject line is missing or says nothing.
        text = text.partition("\n")[2] or text
    if chance.random() < 0.3:
        text = " ".join(_slip(word, chance) for word in text.split(" "))
    return text


def _slip(word: str, chance: random.Random) -> str:
    """Drop, double or swap one letter of one word in twenty; placeholders stay whole."""
    if len(word) < 4 or not word.isalpha() or chance.random() > 0.05:
        return word
    place = chance.randrange(1, len(word) - 1)
    kind = chance.randrange(3)
    if kind == 0:
        return word[:place] + word[place + 1 :]
    if kind == 1:
        return word[:place] + word[place] + word[place:]
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
