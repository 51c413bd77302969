"""A clinic's own templates: what may be in them, and which words serve for a route.

Rule of the room: as the shipped ones: administrative words, slots that exist, no advice, nobody's
name. What breaks a rule never serves, whoever released it.
"""

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping

from triage.domain import Objection, OwnTemplate, Protected, Route
from triage.drafting import PLACEHOLDER
from triage.drafting.drills import has_planted
from triage.drafting.facts import facts
from triage.drafting.filling import PLACES
from triage.drafting.language import guess
from triage.drafting.scope import advice_in, rules
from triage.drafting.wording import SLOT, Template, fill, wordings

#: Under this name a drafter's settings hold what asks the store for the words that serve.
OWN = "own_templates"
LONGEST_SUBJECT, LONGEST_TEXT = 120, 4000
#: Slots that greeting and closing fill; in the middle of a text they read twice.
_OF_THE_FRAME = frozenset({"also"})
_PLACE = re.compile(r"\[[A-Za-z][A-Za-z_0-9 ]*\]")
#: Controls, signs without a width, private and broken ones.
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs"})
_LANGUAGES = {"en": "English", "es": "Spanish"}
Serving = Callable[[], Mapping[tuple[Route, str], OwnTemplate]]


def answered() -> tuple[Route, ...]:
    """Return the routes that have words: never the urgent one, whose texts a clinician signs."""
    return tuple(wordings()[0]["en"].templates)


def shipped(route: Route, language: str) -> Template | None:
    """Return the words that ship; None where nothing is ever suggested."""
    wording = wordings()[0].get(language)
    return wording.templates.get(route) if wording else None


def words_for(
    settings: Mapping[str, object], route: Route, language: str
) -> tuple[Template, str] | None:
    """Return the words that serve and what a suggestion from them is called; None for no words."""
    standard = shipped(route, language)
    if standard is None:
        return None
    ask = settings.get(OWN)
    own = ask().get((route, language)) if callable(ask) else None
    if own is None or objections(settings, route, language, own.subject, own.text):
        return standard, route.value
    return lines_of(own.subject, own.text), own.name


def lines_of(subject: Protected, text: Protected) -> Template:
    """Return typed words as a template."""
    return Template(subject.reveal(), text.reveal())


def changed_lines(before: Protected, after: Protected) -> tuple[Protected, ...]:
    """Return the lines that went and came, each with its sign; nothing where all stayed."""
    old, new = before.reveal().strip().split("\n"), after.reveal().strip().split("\n")
    found = difflib.unified_diff(old, new, lineterm="", n=1)
    return tuple(Protected(line) for line in found if not line.startswith(("---", "+++", "@@")))


def slots(settings: Mapping[str, object], language: str) -> dict[str, str]:
    """Return every slot that exists for a clinic, with what fills it; empty where nothing does."""
    texts, neutral = wordings()
    wording = texts[language]
    values = facts(settings, language, neutral=neutral, days=wording.days)
    used = {slot for one in wording.templates.values() for slot in SLOT.findall(one.text)}
    used |= {slot for words in wording.frame.values() for slot in SLOT.findall(words)}
    own = {key: value for key, value in values.items() if key != OWN}
    known = dict.fromkeys(sorted(used - _OF_THE_FRAME), "") | own
    return known | {"writer": ""}


def objections(
    settings: Mapping[str, object],
    route: Route,
    language: str,
    subject: Protected,
    text: Protected,
) -> tuple[Objection, ...]:
    """Return everything that keeps these words from being saved, in sentences."""
    if shipped(route, language) is None:
        return (Objection("For this topic and language nothing is ever suggested."),)
    title, words = subject.reveal(), text.reveal()
    return (
        *_shape(title, words),
        *_slots(settings, language, title, words),
        *_people(title, words),
        *_tongue(language, words),
        *_advice(subject, text),
    )


def empty_slots(
    settings: Mapping[str, object], language: str, subject: Protected, text: Protected
) -> tuple[str, ...]:
    """Return the slots of a text that the clinic's settings do not fill: their lines are left out.

    The writer's name comes from each message.
    """
    known = slots(settings, language)
    used = dict.fromkeys(SLOT.findall(f"{subject.reveal()}\n{text.reveal()}"))
    return tuple(slot for slot in used if slot != "writer" and not known.get(slot))


def _shape(title: str, words: str) -> list[Objection]:
    found = []
    if not title.strip() or not words.strip():
        found.append(Objection("Subject and words must both be there."))
    if len(title) > LONGEST_SUBJECT or "\n" in title:
        found.append(Objection(f"The subject is one line of at most {LONGEST_SUBJECT} signs."))
    if len(words) > LONGEST_TEXT:
        found.append(Objection(f"The words are longer than {LONGEST_TEXT} signs; shorten them."))
    if any(unicodedata.category(sign) in _UNSEEN for sign in title + words if sign != "\n"):
        found.append(Objection("There is an invisible sign in it; type the words again by hand."))
    return found


def _slots(
    settings: Mapping[str, object], language: str, title: str, words: str
) -> list[Objection]:
    found = []
    if SLOT.search(title):
        found.append(Objection("The subject is a fixed line; use braces in the words only."))
    known = slots(settings, language)
    for slot in dict.fromkeys(SLOT.findall(words)):
        if slot not in known:
            says = "No such place exists; choose one of those listed beside the text."
            found.append(Objection(says, Protected("{" + slot + "}")))
    for number, line in enumerate(words.split("\n"), 1):
        left = SLOT.sub("", line)
        if "{" in left or "}" in left:
            says = (
                f"Line {number}: a brace is open or does not close; a place is written {{phone}}, "
                "in small letters."
            )
            found.append(Objection(says, Protected(line.strip()[:80])))
    if words.strip() and not fill(words, dict.fromkeys(known, "x")):
        found.append(Objection("Nothing would be left of these words; write a whole sentence."))
    return found


def _people(title: str, words: str) -> list[Objection]:
    """Return what would put somebody's data, or a place for it, into everybody's reply."""
    text = f"{title}\n{words}"
    found = {one[0] for one in (*PLACEHOLDER.finditer(text), *_PLACE.finditer(text))}
    found |= {place for place in PLACES if place in text}
    says = "Square brackets stand for one patient's data; the greeting names whoever wrote."
    return [Objection(says, Protected(one)) for one in sorted(found)]


def _tongue(language: str, words: str) -> list[Objection]:
    heard = guess(words)
    if heard is None or heard == language:
        return []
    what, word = _LANGUAGES[heard], _LANGUAGES.get(language, language)
    return [Objection(f"These words read like {what}; this is the {word} text.")]


def _advice(subject: Protected, text: Protected) -> list[Objection]:
    named = {rule.id: rule.says for rule in rules()}
    found = [
        Objection(
            f"This is clinical advice ({because}), which no template gives; leave it to a"
            " clinician.",
            one.words,
        )
        for one in advice_in(subject, text)
        for because in [named[one.rule]]
    ]
    if has_planted(subject, text):
        found.append(Objection("This is a sentence of the drills; take it out."))
    return found
