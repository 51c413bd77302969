"""Which groups a message belongs to: its language, its channel, the kind of its writer.

Rule of the room: a group is told from the redacted text and the channel alone, the same way when a
model is measured and when it serves; a group the model serves badly is not routed by it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from triage.domain import Channel, Share

#: A group this far below all messages together is left to people.
FALLS_BEHIND = 0.05
#: Fewer messages than this say nothing about a group.
LEAST = 12

_SPANISH = frozenset(
    """
    el la los las de del que y en un una por para con mi me se su es no lo le ya pero muy como está
    esta estoy tengo necesito quiero hola gracias cita favor porque cuando hoy mañana desde hace
    usted ustedes nos sin sobre también más mis sus fue soy tiene hija hijo mamá papá receta
    """.split()  # noqa: SIM905 -- a word a line would fill the page.
)
_ENGLISH = frozenset(
    """
    the a an of to and in is it for my i me you that on with have has was are be this at not we
    can please need or if do but from she he her his they will your get would so been had
    """.split()  # noqa: SIM905 -- a word a line would fill the page.
)
_BOTH = _SPANISH & _ENGLISH
_WORD = re.compile(r"[^\W\d_]+")

_MACHINE = re.compile(
    r"unsubscribe|out of (the )?office|automatic(ally)? (reply|generated)|auto-?reply|undeliver"
    r"|delivery (has )?(failed|status)|mailer-daemon|do not reply|no-?reply|newsletter|webinar"
    r"|% off|limited time|click (here|below)|verify your (account|password)|view in browser"
    r"|manage (your )?preferences|free (demo|trial|quote)|special offer|darse de baja"
    r"|our (platform|solution|product)s?\b|schedule a (quick )?(call|demo)",
    re.I,
)
_BUSINESS = re.compile(
    r"\b(your|our|mutual|above[- ]named|shared|the|this) (patient|member|client|insured|enrollee)"
    r"\b"
    r"|on behalf of (our|my) (client|member|student)|\b(pharmacist|pharmacy tech|paralegal|claims "
    r"(examiner|adjuster)|case manager|school nurse|human resources|hr department|home health)\b"
    r"|we (represent|received (a|the|your) (claim|referral|request|prescription))|fax(ed)? (back|to"
    r" us|the)|(our|this) (office|agency|facility|firm|pharmacy|district|school|lab) \w+"
    r"|subpoena|date of loss|utilization|npi\b|provider relations"
    r"|to whom it may concern|subrogation",
    re.I,
)
_FAMILY = re.compile(
    r"\b(my|our) (son|daughter|kid|kiddo|child|children|baby|toddler|boy|girl|mom|mother|mum|dad|"
    r"father|husband|wife|partner|grand\w+|brother|sister|aunt|uncle|niece|nephew|in-?law|roommate"
    r"|neighbor|client|twins?|little (one|guy|girl|man))\b|\b(mi|mis) (hij[oa]s?|niñ[oa]s?|bebé"
    r"|mamá|papá|madre|padre|espos[oa]|marido|abuel[oa]|herman[oa]|niet[oa]|suegr[oa]|tí[oa])\b",
    re.I,
)


def groups_of(text: str, channel: Channel) -> frozenset[str]:
    """Return the groups of a redacted text: `language: …`, `channel: …`, `writer: …`."""
    return frozenset(
        {f"language: {language(text)}", f"channel: {channel.value}", f"writer: {writer(text)}"}
    )


def language(text: str) -> str:
    """Return English, Spanish or mixed, by the small words of the text."""
    words = [word.lower() for word in _WORD.findall(text)]
    spanish = sum(word in _SPANISH and word not in _BOTH for word in words)
    english = sum(word in _ENGLISH and word not in _BOTH for word in words)
    if spanish >= 2 and english >= 2 and min(spanish, english) * 4 >= max(spanish, english):
        return "mixed"
    return "Spanish" if spanish > english else "English"


def writer(text: str) -> str:
    """Return what kind of writer the wording suggests: machine, business, family or patient."""
    for kind, cues in (("machine", _MACHINE), ("business", _BUSINESS), ("family", _FAMILY)):
        if cues.search(text):
            return kind
    return "patient"


def by_group(groups: Sequence[Iterable[str]], right: Sequence[bool]) -> dict[str, Share]:
    """Return the share of right routes in each group; both arguments in the same order."""
    answers: dict[str, list[bool]] = {}
    for names, is_right in zip(groups, right, strict=True):
        for name in names:
            answers.setdefault(name, []).append(is_right)
    return {name: Share.among(answers[name]) for name in sorted(answers)}


def behind(shares: Mapping[str, Share], overall: Share) -> tuple[str, ...]:
    """Return the groups that fall more than FALLS_BEHIND below all messages together.

    One of too few messages to say is not named: it is measured when there are more.
    """
    return tuple(
        name
        for name, share in shares.items()
        if share.of >= LEAST and share.value < overall.value - FALLS_BEHIND
    )
