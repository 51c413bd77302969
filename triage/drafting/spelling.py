"""How words are spelled: letters without accents, and the names of medicines in two languages.

Rule of the room: a medicine is a word of the list, or one that ends the way medicines do.
"""

import re
import unicodedata
from functools import cache
from importlib.resources import files

#: How the names of medicines end that are in no list.
_ENDINGS = (
    r"(?:pril|olol|sartan|statin|prazol|cilin|micin|floxacin|azepam|zolam|gliptin|gliflozin|formin"
    r"|triptan|dipin|conazol|ciclovir|setron|oxetin|tidin|glutid|parin|xaban|mab|ciclin)"
)


def folded(text: str) -> str:
    """Return lower-case letters without accents; a ñ is an n, and an i without its dot an i."""
    # Patterns that ignore case take one i for the other.
    plain = unicodedata.normalize("NFKD", text.casefold()).replace("ı", "i")
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


def drug_key(word: str) -> str:
    """Return how a drug sounds, so that `amoxicilina` is `amoxicillin`."""
    plain = folded(word).replace("ph", "f").replace("th", "t").replace("y", "i")
    return re.sub(r"(.)\1", r"\1", plain).rstrip("aeo")


def is_drug(key: str) -> bool:
    """Whether a word, as it sounds, is the name of a medicine."""
    return key in _drugs() or (len(key) >= 7 and re.search(f"{_ENDINGS}$", key) is not None)


@cache
def names_of_drugs() -> str:
    """Return a pattern for the names of medicines as they are written."""
    listed = "|".join(sorted((word.rstrip("aeo") for word in _listed()), key=len, reverse=True))
    endings = _ENDINGS.replace("cilin", "cill?in").replace("ciclovir", "c[iy]clovir")
    return f"(?:(?:{listed})[aeo]?|\\w{{2,}}{endings}[aeo]?)"


@cache
def _listed() -> tuple[str, ...]:
    lines = files("triage.drafting").joinpath("drugs.txt").read_text("utf-8").splitlines()
    words = [line for line in lines if line and not line.startswith("#")]
    return tuple(word for line in words for word in line.split())


@cache
def _drugs() -> frozenset[str]:
    return frozenset(map(drug_key, _listed()))
