"""The ways people write one message differently, for training and for the release gate.

Rule of the room: a variation never changes what a message asks for or how soon; placeholders such
as [NAME_1] stay whole or become another name.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from triage.classifiers.groups import language

#: Varies one text (subject, line feed, body) with the given source of chance.
Variation = Callable[[str, random.Random], str]

_WORD = re.compile(r"\[[A-Z_]+_\d+\]|[^\W\d_]+(?:['’][^\W\d_]+)*")
_PERSON = re.compile(r"\[NAME_(\d+)\]")
_ACCENTS = str.maketrans("áéíóúñü’", "aeiounu'")

#: How people shorten words on a phone, English and Spanish; none of them is a sign of danger.
SLANG: Mapping[str, str] = {
    "you": "u", "your": "ur", "are": "r", "please": "pls", "thanks": "thx", "thank you": "ty",
    "because": "cuz", "going to": "gonna", "want to": "wanna", "got to": "gotta", "to": "2",
    "for": "4", "tomorrow": "tmrw", "today": "2day", "tonight": "2nite", "though": "tho",
    "appointment": "appt", "doctor": "doc", "prescription": "rx", "medication": "meds",
    "message": "msg", "about": "abt", "with": "w/", "without": "w/o", "and": "n", "okay": "k",
    "before": "b4", "people": "ppl", "insurance": "ins", "information": "info", "really": "rly",
    "morning": "mornin", "through": "thru", "right now": "rn", "don't know": "dunno",
    "let me": "lemme", "give me": "gimme", "por favor": "x fa", "porque": "pq", "que": "q",
    "también": "tmb", "estoy": "toy", "gracias": "grax", "mensaje": "msj", "para": "pa",
}  # fmt: skip
#: Beside a number "2" for "to" would make another number of it.
_SHORTENED = "|".join(sorted(map(re.escape, SLANG), key=len)[::-1])
_SLANG = re.compile(rf"(?<!\d )\b({_SHORTENED})\b(?! ?[\d$])", re.I)

#: Words that change with a person's gender, both ways.
_GENDERS = (
    ("he", "she"), ("his", "her"), ("him", "her"), ("himself", "herself"), ("he's", "she's"),
    ("father", "mother"), ("dad", "mom"), ("husband", "wife"), ("son", "daughter"),
    ("brother", "sister"), ("grandfather", "grandmother"), ("grandpa", "grandma"),
    ("uncle", "aunt"), ("nephew", "niece"), ("boy", "girl"), ("man", "woman"), ("mr", "mrs"),
    ("boyfriend", "girlfriend"),
)  # fmt: skip
_GENDERS_SPANISH = (
    ("esposo", "esposa"), ("hijo", "hija"), ("papá", "mamá"), ("padre", "madre"),
    ("hermano", "hermana"), ("abuelo", "abuela"), ("niño", "niña"), ("tío", "tía"),
)  # fmt: skip


def _both_ways(pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Return word to word; of two words for one the first stands."""
    backwards = {other: one for one, other in reversed(pairs)}
    return {**dict(reversed(pairs)), **backwards}


_OTHER = _both_ways(_GENDERS)
_OTHER_SPANISH = _both_ways(_GENDERS_SPANISH)
#: What only one of them can have; such a message keeps its gender.
_BODILY = re.compile(
    r"pregnan|period|uter|ovar|menstru|breast|birth|postpartum|vagin|prostat|testic|erect|penis"
    r"|embaraz|parto|regla|pap smear|midwife|ob.?gyn|contraction|miscarr|cervi",
    re.I,
)

#: Invented people of many places, for what a redactor may have left readable.
NAMES = (
    "Amara Okonkwo", "Thu Trang Vo", "Dmitri Belov", "Ximena Arroyo", "Fatou Diallo",
    "Priya Raghunathan", "Kwame Mensah", "Siobhan Keane", "Yusuf Demir", "Mei-Ling Hsu", "Will Day",
    "Grace Young", "Penny Mark", "Jose Luis Tapia", "Hyun-woo Seo", "Ngozi", "Raj", "Bubba", "Kay",
    "Olena Hrytsenko", "Tariq Haddad", "Leilani Kealoha", "Bob Stone", "Marisol", "Aiyana Begay",
    "Hans Vogel", "Chiara Conti", "Pedro", "Sunita", "Joy Love", "Jean-Marie Moreau",
)  # fmt: skip

_SIGNATURES = (
    "Sent from my iPhone", "Thanks, [NAME_1]", "Best regards,\n[NAME_1]\n[PHONE_1]",
    "[NAME_1] | [ORG_1] | [PHONE_1]\nThis message is confidential.", "- [NAME_1]", "v/r\n[NAME_1]",
    "Enviado desde mi celular", "Get Outlook for Android", "Have a blessed day!\n[NAME_2]",
    "Gracias, [NAME_1]",
)  # fmt: skip
_HEDGES = (
    "Sorry to bother you.", "Not sure who to ask, but", "I know you are busy.", "Quick one:",
    "Hope everyone is well.", "probably a silly message but", "Perdón la molestia.", "Hi again,",
    "ok so", "Just following up.", "my wife told me to write this", "No rush I guess.",
)  # fmt: skip


def lower(text: str, chance: random.Random) -> str:
    """Return the text without capitals; placeholders keep theirs."""
    del chance
    return _each_word(text, lambda word: word if word.startswith("[") else word.lower())


def typos(text: str, chance: random.Random) -> str:
    """Return the text with one letter of about one word in fifteen dropped, doubled or swapped."""
    return _each_word(text, lambda word: _slip(word, chance, share=0.066))


def slang(text: str, chance: random.Random) -> str:
    """Return the text with most of the words people shorten on a phone shortened."""
    return _SLANG.sub(
        lambda found: SLANG[found[0].lower()] if chance.random() < 0.7 else found[0], text
    )


def spaces(text: str, chance: random.Random) -> str:
    """Return the text with extra blanks, tabs and empty lines."""
    pieces = re.split(r"( +|\n)", text)
    more = {" ": ("  ", "   ", " \t"), "\n": ("\n\n", " \n", "\n\n\n")}
    return "".join(
        chance.choice(more[piece]) if piece in more and chance.random() < 0.25 else piece
        for piece in pieces
    )


def names(text: str, chance: random.Random) -> str:
    """Return the text with every name's placeholder replaced by some invented name."""
    chosen: dict[str, str] = {}
    return _PERSON.sub(lambda found: chosen.setdefault(found[1], chance.choice(NAMES)), text)


def genders(text: str, chance: random.Random) -> str:
    """Return the text about a person of the other gender, unless the matter forbids that."""
    del chance
    if _BODILY.search(text):
        return text
    # "He" and "son" are Spanish words, too, and other ones.
    pairs = _OTHER if language(text) == "English" else _OTHER_SPANISH
    return _each_word(text, partial(_other_gender, pairs))


#: What a release gate does to a message, by name.
PERTURBATIONS: Mapping[str, Variation] = {
    "lower case": lower,
    "typos": typos,
    "slang": slang,
    "white space": spaces,
    "names": names,
    "genders": genders,
}


def accents(text: str, chance: random.Random) -> str:
    """Return the text without accents."""
    del chance
    return text.translate(_ACCENTS)


def signed(text: str, chance: random.Random) -> str:
    """Return the text with a signature under it."""
    return f"{text}\n{chance.choice(_SIGNATURES)}"


def hedged(text: str, chance: random.Random) -> str:
    """Return the text with a few words before it that say nothing."""
    subject, _, body = text.partition("\n")
    return f"{subject}\n{chance.choice(_HEDGES)} {body}" if body else text


def shouted(text: str, chance: random.Random) -> str:
    """Return the text in capitals."""
    del chance
    return text.upper()


def _each_word(text: str, change: Callable[[str], str]) -> str:
    return _WORD.sub(lambda found: change(found[0]), text)


def _other_gender(pairs: Mapping[str, str], word: str) -> str:
    other = pairs.get(word.lower())
    if other is None:
        return word
    return other.capitalize() if word[0].isupper() else other


def _slip(word: str, chance: random.Random, *, share: float) -> str:
    """Drop, double or swap one letter of a word; placeholders and short words stay whole."""
    if len(word) < 4 or not word.isalpha() or chance.random() > share:
        return word
    place = chance.randrange(1, len(word) - 1)
    kind = chance.randrange(3)
    if kind == 0:
        return word[:place] + word[place + 1 :]
    if kind == 1:
        return word[:place] + word[place] + word[place:]
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
