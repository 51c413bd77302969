"""Whether a sign is there now: not denied, not past, not supposed, not gone, not a joke.

Rule of the room: in doubt a sign counts. A word that says "now" in the same sentence outweighs
a word that says "then".
"""

from triage.priority.matching import Counts, Hit, Text
from triage.priority.table import Part, Rule, Table

#: How far before a sign a denial still reaches: as a list ("no fever, cough or chest pain") ...
LIST_REACH = 16
#: ... without a list, and directly ("not short of breath").
REACH, NEXT_REACH = 5, 3
#: How far "last year" or "what if" reaches, and how soon "is gone" must follow.
SENTENCE_REACH, GONE_REACH = 16, 6


class Context:
    """The surroundings of every hit in one text."""

    def __init__(self, text: Text, table: Table, *, automatic: bool = False) -> None:
        self._text = text
        self._facts = table.facts
        # One footer line proves nothing; two, or one line only machines write, do.
        self._bulk = automatic or len(text.hits("bulk")) >= 2 or bool(text.hits("machine"))
        self._is_calm: bool | None = None
        self._known: dict[Hit, frozenset[str]] = {}

    def counts_for(self, rule: Rule) -> Counts:
        """Return the judge of hits that one rule asks."""
        ignored = frozenset({"gone"}) if rule.even_if_gone else frozenset[str]()
        return _Judge(self, self._facts, ignored)

    def against(self, hit: Hit) -> frozenset[str]:
        """Return what speaks against a hit: denied, past, supposed, gone, joke, bulk."""
        if hit not in self._known:
            self._known[hit] = frozenset(self._reasons(hit))
        return self._known[hit]

    def _reasons(self, hit: Hit) -> set[str]:
        reasons = set()
        now = self._in_sentence("now", hit)
        if self._denied(hit):
            reasons.add("denied")
        if self._gone(hit):
            reasons.add("gone")
        if not now and self._in_sentence("past", hit):
            reasons.add("past")
        if not now and (self._in_sentence("hypothetical", hit, before=True) or self._after_if(hit)):
            reasons.add("supposed")
        if any(one.start < hit.end + 6 and hit.start < one.end + 6 for one in self._of("joking")):
            reasons.add("joke")
        if not now and self._calm():
            reasons.add("calm")
        if self._bulk and not (now and self._in_sentence("first_person", hit)):
            reasons.add("bulk")
        return reasons

    def _after_if(self, hit: Hit) -> bool:
        """ "If wheezing, give two puffs": the word stands right before the sign."""
        before = self._text.words[hit.start - 1] if hit.start else None
        first = self._text.words[hit.start]
        same = before is not None and before.sentence == first.sentence and not first.paused
        return same and before is not None and before.exact in {"if", "si"}

    def _calm(self) -> bool:
        """The writer says elsewhere that all is well: then a sign must say "now" itself."""
        if self._is_calm is None:
            self._is_calm = any(not self._denied(hit) for hit in self._of("calm"))
        return self._is_calm

    def _of(self, name: str) -> list[Hit]:
        return self._text.hits(name)

    def _sentence(self, hit: Hit) -> int:
        return self._text.words[hit.start].sentence

    def _in_sentence(self, name: str, hit: Hit, *, before: bool = False) -> bool:
        for cue in self._of(name):
            if self._sentence(cue) != self._sentence(hit) or _overlap(cue, hit):
                continue
            gap = hit.start - cue.end if cue.start < hit.start else cue.start - hit.end
            if gap <= SENTENCE_REACH and (cue.start < hit.start or not before):
                return True
        return False

    def _denied(self, hit: Hit) -> bool:
        spared = self._of("does_not_negate")
        for name, is_list in (("negates_list", True), ("negates_next", False)):
            for cue in self._of(name):
                if cue.end > hit.start or self._sentence(cue) != self._sentence(hit):
                    continue
                if any(_overlap(cue, one) for one in spared):
                    continue
                if self._reaches(cue, hit, is_list=is_list):
                    return True
        return self._answered_no(hit)

    def _reaches(self, cue: Hit, hit: Hit, *, is_list: bool) -> bool:
        gap = hit.start - cue.end
        if gap > LIST_REACH:
            return False
        between = Hit(cue.end, hit.start)
        if any(_overlap(between, one) for one in self._of("ends_negation")) and gap:
            return False
        if not is_list:
            paused = any(word.paused for word in self._text.words[cue.end : hit.start + 1])
            return gap <= NEXT_REACH and not paused
        words = self._text.words[cue.end : hit.start + 1]
        listed = any(
            word.paused or word.exact in {"or", "nor", "ni", "o", "and", "y"} for word in words
        )
        return gap <= REACH or listed

    def _answered_no(self, hit: Hit) -> bool:
        """A form's "Chest pain: no" or "¿Fiebre? No"."""
        words = self._text.words
        if hit.end >= len(words):
            return False
        after = words[hit.end]
        gap = self._text.text[words[hit.end - 1].end : after.start]
        asked = any(one in gap for one in ":?=[-–") and "\n" not in gap
        last = words[hit.end + 1] if hit.end + 1 < len(words) else None
        # "chest pain NO, fainting NO": the answer stands between the sign and a pause.
        ticked = last is None or last.paused or last.sentence != after.sentence
        return (asked or ticked) and after.exact in {
            "no",
            "none",
            "denied",
            "negative",
            "n",
            "ninguno",
            "ninguna",
        }

    def _gone(self, hit: Hit) -> bool:
        for cue in self._of("gone"):
            if 0 <= cue.start - hit.end <= GONE_REACH and self._sentence(cue) == self._sentence(
                hit
            ):
                denied = any(
                    0 <= cue.start - one.end <= 2
                    for name in ("negates_list", "negates_next")
                    for one in self._of(name)
                )
                if not denied:
                    return True
        return False


class _Judge(Counts):
    def __init__(self, context: Context, facts: frozenset[str], ignored: frozenset[str]) -> None:
        self._context = context
        self._facts = facts
        self._ignored = ignored

    def __call__(self, part: Part, hit: Hit) -> bool:
        if part.names and all(name in self._facts for name in part.names):
            return True
        if not part.names and not part.phrase:
            return True
        return not self._context.against(hit) - self._ignored


def _overlap(one: Hit, other: Hit) -> bool:
    return one.start < other.end and other.start < one.end
