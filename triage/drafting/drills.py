"""Errors planted in a suggestion on purpose, to see whether whoever approves reads it.

Rule of the room: the sentences are fixed and few, so that words with one of them in it are known
again whatever was changed around it, and never leave.
"""

import hashlib

from triage.domain import Protected
from triage.drafting.language import guess

#: Obviously wrong to anybody who reads them; no practice says this to a patient.
PLANTED = {
    "en": (
        "Your appointment is on Sunday at 3:10 in the morning.",
        "Please bring the vaccination card of your dog.",
        "The fee for this message is $900.",
    ),
    "es": (
        "Su cita es el domingo a las 3:10 de la mañana.",
        "Por favor traiga la cartilla de vacunas de su perro.",
        "Este mensaje cuesta $900.",
    ),
}


def is_due(case_id: str, one_in: int) -> bool:
    """Whether this case is one of those with a drill; nobody can tell by looking at it."""
    return one_in > 0 and _number(case_id) % one_in == 0


def planted(body: Protected, case_id: str) -> Protected:
    """Return a suggestion with one wrong sentence before its last paragraph."""
    text = body.reveal()
    sentences = PLANTED[guess(text) or "en"]
    sentence = sentences[_number(case_id) // 7 % len(sentences)]
    parts = text.split("\n\n")
    return Protected("\n\n".join([*parts[:-1], sentence, *parts[-1:]]))


def has_planted(*texts: Protected) -> bool:
    """Whether a planted sentence stands in one of these texts, however it is set."""
    joined = _plain(" ".join(text.reveal() for text in texts))
    return any(_plain(one) in joined for every in PLANTED.values() for one in every)


def _plain(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def _number(case_id: str) -> int:
    return int.from_bytes(hashlib.sha256(b"drill:" + case_id.encode()).digest()[:6], "big")
