"""Takes texts apart into the words search knows: folded once, for who indexes and for who asks.

Rule of the room: what leaves here is patient text and goes straight into a keyed digest.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from triage.domain.known import streets

#: Changed whenever a word would be folded otherwise; `triage store migrate` then indexes anew.
RULES = "1"
#: A longer run of letters is known by its beginning.
LONGEST = 40
#: Different words kept of one message; a mail may hold a million.
MOST = 2000
#: Words somebody may look for at once.
MOST_ASKED = 12

_PLACEHOLDER = re.compile(r"\[[A-Z_]+_\d+\]")
_APOSTROPHE = re.compile(r"(?<=\w)['’ʼ](?=\w)")
_WORD = re.compile(r"[^\W_]+")
_EMAIL = re.compile(r"[^\s@<>,;:()]+@[^\s@<>,;:()]+")
_ISO = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_SLASHED = re.compile(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b")
_DOTTED = re.compile(r"\b(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})\b")
#: At least seven digits with whatever people put between them.
_PHONE = re.compile(r"(?<!\w)\+?\(?\d(?:[\s().\-/]{0,2}\d){6,14}(?!\w)")
#: They stand in nearly every message and tell nothing apart; English and Spanish.
_EVERYWHERE = """
a am an and any are as at be been but by can could did do does for from had has have he her him his
how i if in into is it its me my no not of on or our out please she should so some that the their
them then there they this to too up us was we were what when where which who will with would you
your thank thanks hello hi dear regards
al con de del el ella en es esta este gracias hola la las le lo los me mi muy no nos o para pero
por que se si sin son su sus te tengo tu un una y ya yo
"""

#: What a digest is for, and the text it is made of.
Word = tuple[str, str]
WORD, NAME, BIRTH, PHONE, NUMBER = "word", "name", "birth", "phone", "number"
#: House number and street; nobody is searched by it, but a draft is looked through for it.
STREET = "street"


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that is looked for: a case fits when its messages or its patient do."""

    #: Words of messages; all of them must be there. None at all fits no message.
    words: tuple[Word, ...] = ()
    #: Marks of a patient; one of them is enough.
    people: tuple[Word, ...] = ()
    #: The sender's address, as it was written.
    address: str = ""


def words_of(*texts: str) -> set[str]:
    """Return the different words of some texts, folded; what stands everywhere is left out."""
    found: set[str] = set()
    for text in texts:
        for word in _words(_PLACEHOLDER.sub(" ", text)):
            if word not in _stop_words():
                found.add(word)
                if len(found) >= MOST:
                    return found
    return found


def marks_of(
    name: str, birth_date: str, mrn: str, phones: Iterable[str], addresses: Iterable[str] = ()
) -> set[Word]:
    """Return everything a patient can be found by."""
    found = {(NAME, word) for word in _words(name)}
    found |= {(BIRTH, day) for day in _days(birth_date)}
    found |= {(PHONE, short) for phone in phones if (short := _phone(phone))}
    found |= {(STREET, f"{at} {word}") for one in addresses for at, word in streets(one)}
    return found | {(NUMBER, number) for number in [_joined(mrn)] if number}


def terms_of(text: str) -> tuple[Term, ...]:
    """Return what is looked for; without the words that stand everywhere, if others are left."""
    text, found = text[:1000], list[Term]()
    for pattern, meaning in _SHAPES:
        for match in pattern.finditer(text):
            found.append(meaning(match.group()))
        text = pattern.sub(" ", text)
    for chunk in text.split():
        found += _chunk(chunk)
    telling = [term for term in found if term.words or term.address or not _is_stop(term)]
    # A stop word alone may still be somebody's name.
    return tuple(dict.fromkeys(telling or found))[:MOST_ASKED]


@cache
def _stop_words() -> frozenset[str]:
    return frozenset(_words(_EVERYWHERE))


def _is_stop(term: Term) -> bool:
    return any(purpose == NAME and word in _stop_words() for purpose, word in term.people)


def _words(text: str) -> Iterator[str]:
    """Yield words without case, accents and the plural's s; single letters are none."""
    plain = unicodedata.normalize("NFKD", _APOSTROPHE.sub("", text).casefold())
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    for word in _WORD.findall(letters):
        if len(word) > 1:
            yield _singular(word)[:LONGEST]


def _singular(word: str) -> str:
    many = len(word) > 4 and word.endswith("s") and not word.endswith("ss")
    return word[:-1] if many and word.isalpha() else word


def _chunk(chunk: str) -> list[Term]:
    """Read what stands between two spaces: a word, several, or a number with signs in it."""
    words = tuple(_words(chunk))
    if any(sign.isdigit() for sign in chunk):
        telling = tuple((WORD, word) for word in words)
        address = chunk if re.fullmatch(r"[A-Za-z]+/[\w.-]+", chunk) else ""
        return [Term(telling, ((NUMBER, _joined(chunk)),), address)]
    return [_word(word) for word in words]


def _word(word: str) -> Term:
    """Read a word of a message or a name; one that stands everywhere can only be a name."""
    return Term(() if word in _stop_words() else ((WORD, word),), ((NAME, word),))


def _email(text: str) -> Term:
    return Term(address=text.rstrip("."))


def _birth(text: str) -> Term:
    return Term(people=tuple((BIRTH, day) for day in _days(text)))


def _telephone(text: str) -> Term:
    digits = "".join(filter(str.isdigit, text))
    written = ((WORD, digits),) if text.isdigit() else ()
    return Term(written, ((PHONE, _phone(text)), (NUMBER, digits)))


_SHAPES = (
    (_EMAIL, _email),
    (_ISO, _birth),
    (_SLASHED, _birth),
    (_DOTTED, _birth),
    (_PHONE, _telephone),
)


def _days(text: str) -> Iterator[str]:
    """Yield a date as year-month-day; slashes are month/day, dots are day.month."""
    for year, month, day in _ISO.findall(text):
        yield f"{year}-{int(month):02}-{int(day):02}"
    for month, day, year in _SLASHED.findall(text):
        yield f"{year}-{int(month):02}-{int(day):02}"
    for day, month, year in _DOTTED.findall(text):
        yield f"{year}-{int(month):02}-{int(day):02}"


def _phone(text: str) -> str:
    """Return the digits of a telephone without the country's; too few are none."""
    digits = "".join(filter(str.isdigit, text)).lstrip("0")
    return digits[-10:] if len(digits) >= 7 else ""


def _joined(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())
