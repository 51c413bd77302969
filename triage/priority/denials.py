"""Whether a sign is denied, taken back, or told to be gone.

Rule of the room: a denial reaches only what stands in its own sentence, and never over a "but".
"""

from triage.priority import forms
from triage.priority.clauses import one_of, overlap
from triage.priority.matching import Hit, Text

#: How far before a sign a denial still reaches: as a list ("no fever, cough or chest pain") ...
LIST_REACH = 16
#: ... without a list, and directly ("not short of breath").
REACH, NEXT_REACH = 5, 3
#: How soon "is gone" must follow.
GONE_REACH = 6
#: Between "no" and a Spanish verb stand its pronouns: "no me falta el aire".
_CLITICS = one_of("me te se le les lo la nos he ha han hemos vuelto a")
#: A "gone" word that is half of another saying ("passed out", "has gone gray", "is over 103") must
#: end its thought or go on like this.
_HALF = one_of("passed clear gone over down")
_ENDS_GONE = one_of(
    "now away in after within quickly and but so since before by though off completely entirely "
    "ya pero y"
)
#: "Dad went down" is a fall, "his fever went down" is not.
_FALLEN = one_of("went came is")
_SOMEBODY = one_of(
    "i he she they who mom mother dad father husband wife son daughter baby kid child grandma "
    "grandpa brother sister friend im hes shes and"
)
#: What keeps "gone" from being so: "until it is gone", "can't get it under control".
_NOT_YET = one_of(
    "cant cannot wont couldnt unable hasnt havent not isnt never until till hope hoping wait "
    "waiting if no"
)
#: "Never had a pain like this" tells a new pain, "never had a seizure" none.
_NEVER, _EXPERIENCED = one_of("never nunca"), one_of("had felt been tenido sentido")
_LIKE_THIS = one_of("like this so such before until worse as that asi como tan antes")
#: The answers of a form, a person who answers, and a bare no.
_NOS = one_of("no none denied negative n ninguno ninguna never nunca")
_OPENS = one_of("i im ive he hes she shes my we it its that tengo tiene mi")
_TAKEN_BACK = one_of("havent hasnt didnt dont doesnt wasnt isnt hadnt")


class Denials:
    """The denials of one text."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._answered_no = forms.denied(text.text)

    def denied(self, hit: Hit) -> bool:
        """Say whether a hit is denied, answered with no, or taken back."""
        at = self._text.words[hit.start].start
        if any(start <= at < end for start, end in self._answered_no):
            return True
        return (
            self.negated(hit)
            or self._negated_within(hit)
            or self._answered(hit)
            or self._taken_back(hit)
        )

    def _taken_back(self, hit: Hit) -> bool:
        """ "I said he swallowed it. He did not.": the next sentence is a bare no."""
        words, sentence = self._text.words, self._text.words[hit.start].sentence
        following = [
            word.exact
            for word in words[hit.end : hit.end + LIST_REACH + 4]
            if word.sentence == sentence + 1
        ]
        if not 2 <= len(following) <= 3 or following[0] not in _OPENS:
            return False
        said = following[1:]
        return said[0] in _TAKEN_BACK or (len(said) == 2 and said[1] == "not")

    def negated(self, hit: Hit) -> bool:
        """Say whether a denial before a hit reaches it."""
        spared = self._text.hits("does_not_negate")
        for name, is_list in (("negates_list", True), ("negates_next", False)):
            for cue in self._text.hits(name):
                if cue.end > hit.start or self._sentence(cue) != self._sentence(hit):
                    continue
                if self._spanish(cue, hit):
                    return True
                if self._only_now(cue, hit):
                    continue
                if any(overlap(cue, one) for one in spared):
                    continue
                if self._reaches(cue, hit, is_list=is_list):
                    return True
        return False

    def _only_now(self, cue: Hit, hit: Hit) -> bool:
        """ "I never had a pain like this": it is new, not absent."""
        words = self._text.words
        if words[cue.end - 1].exact not in _NEVER | _EXPERIENCED:
            return False
        if not {word.exact for word in words[cue.start : cue.end + 1]} & _EXPERIENCED:
            return False
        return any(
            word.exact in _LIKE_THIS and word.sentence == words[hit.start].sentence
            for word in words[hit.end : hit.end + REACH + 1]
        )

    def _spanish(self, cue: Hit, hit: Hit) -> bool:
        """ "No se me hinchan las piernas": only pronouns stand between."""
        words = self._text.words[cue.start : hit.start]
        return (
            words[0].exact in {"no", "ni"}
            and 1 < len(words) <= REACH
            and all(word.exact in _CLITICS for word in words[1:])
        )

    def _negated_within(self, hit: Hit) -> bool:
        """ "Lips aren't blue": the denial stands between the two parts of one entry."""
        gap = self._text.gaps.get(hit)
        if gap is None:
            return False
        return any(
            gap.start <= cue.start < cue.end <= gap.end
            and not any(overlap(cue, one) for one in self._text.hits("does_not_negate"))
            and not any(word.paused for word in self._text.words[cue.end : gap.end + 1])
            for cue in self._text.hits("negates_next")
        )

    def _reaches(self, cue: Hit, hit: Hit, *, is_list: bool) -> bool:
        gap = hit.start - cue.end
        if gap > LIST_REACH:
            return False
        between = Hit(cue.end, hit.start)
        if any(overlap(between, one) for one in self._text.hits("ends_negation")) and gap:
            return False
        if not is_list:
            paused = any(word.paused for word in self._text.words[cue.end : hit.start + 1])
            return gap <= NEXT_REACH and not paused
        words = self._text.words[cue.end : hit.start + 1]
        listed = any(
            word.paused or word.exact in {"or", "nor", "ni", "o", "and", "y"} for word in words
        )
        return gap <= REACH or listed

    def _answered(self, hit: Hit) -> bool:
        """A form's "Chest pain: no", or "chest pain NO, fainting NO"."""
        words = self._text.words
        if hit.end >= len(words):
            return False
        after = words[hit.end]
        if after.exact not in _NOS:
            return False
        gap = self._text.text[words[hit.end - 1].end : after.start]
        asked = any(one in gap for one in ":?=-–") and "\n" not in gap
        spared = any(one.start == hit.end for one in self._text.hits("does_not_negate"))
        last = words[hit.end + 1] if hit.end + 1 < len(words) else None
        # The answer stands between the sign and a pause.
        ticked = last is None or last.paused or last.sentence != after.sentence
        return (asked and not spared) or ticked

    def gone(self, hit: Hit) -> bool:
        """Say whether a hit was there and is no more."""
        words = self._text.words
        for cue in self._text.hits("gone"):
            if self._sentence(cue) != self._sentence(hit) or not self._says_gone(cue):
                continue
            follows = 0 <= cue.start - hit.end <= GONE_REACH
            # "Ya se me quitó el dolor": in Spanish the verb may come first.
            leads = 0 <= hit.start - cue.end <= 2 and words[cue.start].exact in {"ya", "se", "no"}
            if (follows or leads) and not self._gone_denied(cue) and not self._back(cue):
                return True
        return False

    def _says_gone(self, cue: Hit) -> bool:
        words = self._text.words
        first, last = words[cue.start], words[cue.end - 1]
        if last.exact == "down" and first.exact in _FALLEN and cue.start:
            return words[cue.start - 1].exact not in _SOMEBODY
        if last.stem == "clear" and last.exact not in {"clear", "cleared"}:
            return False
        if last.exact not in _HALF or cue.end >= len(words):
            return True
        after = words[cue.end]
        if last.exact == "passed" and after.exact == "away":
            return False
        if after.exact == "to" and cue.end + 1 < len(words):
            # "Down to 98", not "down to my leg".
            return words[cue.end + 1].number is not None
        return after.sentence != last.sentence or after.paused or after.exact in _ENDS_GONE

    def _gone_denied(self, cue: Hit) -> bool:
        before = self._text.words[max(0, cue.start - 4) : cue.start]
        if any(word.exact in _NOT_YET and word.sentence == self._sentence(cue) for word in before):
            return True
        return any(
            0 <= cue.start - one.end <= 2
            for name in ("negates_list", "negates_next")
            for one in self._text.hits(name)
        )

    def _back(self, cue: Hit) -> bool:
        """ "It went away but came back an hour ago."""
        return any(
            0 <= one.start - cue.end <= GONE_REACH * 2
            and self._text.words[one.start].sentence - self._sentence(cue) <= 1
            for one in self._text.hits("back_again")
        )

    def _sentence(self, hit: Hit) -> int:
        return self._text.words[hit.start].sentence
