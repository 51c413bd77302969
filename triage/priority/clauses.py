"""The clause a sign stands in: its tense, and whether it is only a condition.

Rule of the room: every look around a hit is bounded, so that a hostile text costs no more than
its length.
"""

from triage.priority.matching import Hit, Text
from triage.priority.table import Table


def one_of(words: str) -> frozenset[str]:
    """Return a line of plain words as a set."""
    return frozenset(words.split())


def overlap(one: Hit, other: Hit) -> bool:
    """Say whether two stretches of words share a word."""
    return one.start < other.end and other.start < one.end


#: How far a clause is followed to each side, in words.
REACH = 24
_SUBJECTS = one_of(
    "i im ive he hes she shes it its we they theyre you my our his her the this that there now "
    "yo el ella mi me se le la lo nos ahora hoy has have had is was"
)
_TURNS = one_of("but however although though because so while except pero aunque porque")
_JOINS = one_of("and or nor then y e o u ni")
_PRONOUNS = one_of("i im ive he hes she shes it its we they theyre you youre")
#: "I wonder if", "as if", "even if": no condition.
_INDIRECT = one_of(
    "know sure unsure wonder wondering see ask asking asked tell check even as like idea doubt "
    "clue decide figure se sabe como aun"
)
_CONDITIONS = one_of("if suppose supposing assuming unless imagine")
#: These open a whole imagined scene, which goes on to the end of the sentence.
_SCENES = one_of("suppose supposing imagine say")
#: "Say his throat closed", but not "they say his throat closed".
_AFTER_SAY = one_of("his her he she my i the that somebody someone its")
#: "Que hacer si se desmaya": only then "si" is surely no yes.
_BEFORE_SI = one_of("hacer hago hace hacemos pasa por sobre saber")
_AFTER_SI = one_of("algun alguna alguien llegara")
_PEOPLE = one_of(
    "he she baby son daughter husband wife mom mother dad father kid child hijo hija mama papa "
    "esposo esposa bebe nino nina i my mi"
)
_HAPPENING = one_of("is isnt wont cant cannot hes shes im keeps esta estan not no sigue")


class Clauses:
    """The clauses of one text."""

    def __init__(self, text: Text, table: Table) -> None:
        self._words = text.words
        self._present = _stems(table, "present_tense")
        self._past = _stems(table, "past_tense")
        #: Asked for again and again: by every rule that weighs the same hit.
        self._around: dict[Hit, Hit] = {}
        self._tenses: dict[Hit, str] = {}

    def around(self, hit: Hit) -> Hit:
        """Return the clause a hit stands in."""
        if hit not in self._around:
            self._around[hit] = self._clause(hit)
        return self._around[hit]

    def _clause(self, hit: Hit) -> Hit:
        words, sentence = self._words, self._words[hit.start].sentence
        start, end = hit.start, hit.end
        while start > max(0, hit.start - REACH) and not self._begins(start):
            start -= 1
        while (
            end < min(len(words), hit.end + REACH)
            and words[end].sentence == sentence
            and not self._begins(end)
        ):
            end += 1
        return Hit(start, end)

    def _begins(self, at: int) -> bool:
        words = self._words
        word = words[at]
        if (
            at == 0
            or word.sentence != words[at - 1].sentence
            or word.paused
            or word.exact in _TURNS
        ):
            return True
        follower = words[at + 1].exact if at + 1 < len(words) else ""
        return word.exact in _JOINS and follower in _SUBJECTS

    def tense(self, hit: Hit) -> str:
        """Return "present", "past" or "" for the clause of a hit; a list takes its first verb's."""
        if hit not in self._tenses:
            self._tenses[hit] = self._tense(hit)
        return self._tenses[hit]

    def _tense(self, hit: Hit) -> str:
        clause = self.around(hit)
        found = self._tense_of(clause)
        sentence = self._words[hit.start].sentence
        at = clause.start
        while not found and at > max(0, hit.start - REACH):
            at -= 1
            if self._words[at].sentence != sentence:
                break
            found = self._tense_of(Hit(at, at + 1))
        return found

    def _tense_of(self, clause: Hit) -> str:
        words = self._words[clause.start : clause.end]
        # "Started" has the stem of "starts".
        if any(
            word.stem in self._present and word.exact[-2:] != "ed" for word in words if word.stem
        ):
            return "present"
        if any(word.stem in self._past for word in words if word.stem):
            return "past"
        # Regular verbs; the ones that are also states ("swollen", "confused") need an "is".
        return "past" if any(len(w.exact) > 4 and w.exact.endswith("ed") for w in words) else ""

    def supposed(self, hit: Hit) -> bool:
        """Say whether a hit is in a condition: "if his throat closes", but not "I cough if ..."."""
        words, sentence = self._words, self._words[hit.start].sentence
        for at in range(hit.start - 1, max(-1, hit.start - REACH), -1):
            if words[at].sentence != sentence:
                return False
            if self._condition(at):
                before = words[at - 1] if at else None
                asks = before is not None and before.sentence == sentence and not words[at].paused
                if asks and before is not None and before.exact in _INDIRECT:
                    return False
                return not self._left(at, hit) and not self.happening(at, hit)
        return False

    def _condition(self, at: int) -> bool:
        words = self._words
        word = words[at]
        if word.exact not in _SCENES:
            return word.exact in _CONDITIONS or self._spanish_if(at)
        first = at == 0 or words[at - 1].sentence != word.sentence
        follower = words[at + 1].exact if at + 1 < len(words) else ""
        if word.exact == "say":
            return first and follower in _AFTER_SAY
        return first or words[at - 1].exact not in {"i", "cant", "dont", "you", "id"}

    def _spanish_if(self, at: int) -> bool:
        words = self._words
        if words[at].exact != "si" or at + 1 >= len(words):
            return False
        before = {word.exact for word in words[max(0, at - 2) : at]}
        return bool(before & _BEFORE_SI) or words[at + 1].exact in _AFTER_SI

    def _left(self, condition: int, hit: Hit) -> bool:
        """The condition has ended before the hit: "if I lie flat I can't breathe"."""
        words = self._words
        if words[condition].exact in _SCENES:
            return any(words[at].exact in _TURNS for at in range(condition + 1, hit.start))
        for at in range(condition + 1, hit.start + 1):
            word = words[at]
            joined = words[at - 1].exact in _JOINS or word.exact in _JOINS
            parted = word.paused and at > condition + 1 and not joined
            if word.exact in _TURNS or (parted and not self._in_list(at)):
                return True
            if word.exact in {"and", "y"} and self._goes_on(condition, at):
                return True
            if at >= condition + 3 and not joined:
                if word.exact in _PRONOUNS and words[at - 1].exact not in _INDIRECT:
                    return True
                if word.exact == "my" and any(
                    one.stem in self._present for one in words[at + 1 : at + 4]
                ):
                    return True
        return False

    def _goes_on(self, condition: int, at: int) -> bool:
        """The main sentence goes on: "he cries if you touch it, and there are purple dots"."""
        words = self._words
        first = words[condition]
        trailing = not first.paused and condition > 0
        trailing = trailing and words[condition - 1].sentence == first.sentence
        follower = words[at + 1].exact if at + 1 < len(words) else ""
        return (trailing and words[at].paused) or follower in {"there", "now", "hay", "ahora"}

    def _in_list(self, at: int) -> bool:
        """A comma of "a, b or c", not the one that ends a clause."""
        return any(
            one.exact in _JOINS and one.sentence == self._words[at].sentence
            for one in self._words[at + 1 : at + 5]
        )

    def happening(self, condition: int, hit: Hit) -> bool:
        """ "What do I do if he won't wake up": a known person, and it goes on now."""
        words = self._words[condition + 1 : hit.end]
        if words and words[0].exact == "no" and self._words[condition].exact == "si":
            return True
        return any(
            word.exact in {"hes", "shes"}
            or (word.exact in _HAPPENING and at > 0 and words[at - 1].exact in _PEOPLE)
            for at, word in enumerate(words[:5])
        ) and not any(word.exact in {"ever", "were"} for word in words)


def _stems(table: Table, name: str) -> frozenset[str]:
    return frozenset(
        pattern.parts[0].phrase[0]
        for pattern in table.lists[name]
        if len(pattern.parts) == 1 and len(pattern.parts[0].phrase) == 1
    )
