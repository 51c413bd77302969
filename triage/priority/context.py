"""Whether a sign is there now: not denied, not past, not supposed, not gone, not a joke.

Rule of the room: in doubt a sign counts. A word that says "now" in the same sentence outweighs
a word that says "then".
"""

from triage.priority import forms
from triage.priority.clauses import Clauses, one_of
from triage.priority.matching import Counts, Hit, Text
from triage.priority.table import Part, Rule, Table

#: How far before a sign a denial still reaches: as a list ("no fever, cough or chest pain") ...
LIST_REACH = 16
#: ... without a list, and directly ("not short of breath").
REACH, NEXT_REACH = 5, 3
#: How far "last year" or "what if" reaches, and how soon "is gone" must follow.
SENTENCE_REACH, GONE_REACH = 16, 6
#: Between "no" and a Spanish verb stand its pronouns: "no me falta el aire".
_CLITICS = one_of("me te se le les lo la nos he ha han hemos vuelto a")
#: "Like last year" compares; it does not date the sign.
_COMPARES = one_of("like as than since como desde igual similar to")
#: The answers of a form; and how the sentence goes on where no leaflet is quoted any more.
_NOS = one_of("no none denied negative n ninguno ninguna never nunca")
_OPENS = one_of("i im ive he hes she shes my we it its that tengo tiene mi")


class Context:
    """The surroundings of every hit in one text."""

    def __init__(self, text: Text, table: Table, *, automatic: bool = False) -> None:
        self._text = text
        #: Lists whose hits are true whatever stands around them.
        self.facts = table.facts
        self._clauses = Clauses(text, table)
        self._answered_no = forms.denied(text.text)
        #: Written by a machine; or by a seller, who also says "now" and "he".
        self._automatic = automatic or bool(text.hits("machine"))
        self._bulk = len(text.hits("bulk")) >= 2
        self._asked = _bare_questions(text)
        self._is_calm: bool | None = None
        self._known: dict[Hit, frozenset[str]] = {}

    def counts_for(self, rule: Rule) -> Counts:
        """Return the judge of hits that one rule asks."""
        ignored = frozenset({"gone"}) if rule.even_if_gone else frozenset[str]()
        return _Judge(self, self.facts, ignored)

    def against(self, hit: Hit) -> frozenset[str]:
        """Return what speaks against a hit: denied, past, supposed, gone, joke, bulk."""
        if hit not in self._known:
            self._known[hit] = frozenset(self._reasons(hit))
        return self._known[hit]

    def _reasons(self, hit: Hit) -> set[str]:
        reasons = set()
        now = self._now(hit)
        if self._denied(hit):
            reasons.add("denied")
        if self._gone(hit):
            reasons.add("gone")
        if not now and self._past(hit):
            reasons.add("past")
        if self._supposed(hit, now=now):
            reasons.add("supposed")
        if self._joked(hit):
            reasons.add("joke")
        if not now and self._over(hit):
            reasons.add("over")
        if self._recited(hit, now=now):
            reasons.add("bulk")
        if self._pet(hit):
            reasons.add("pet")
        return reasons

    def _now(self, hit: Hit) -> bool:
        """A word for now; "has been" says nothing of another clause ("... and has been well")."""
        clause = self._clauses.around(hit)
        return any(
            _overlap(cue, clause) or self._text.words[cue.end - 1].exact != "been"
            for cue in self._near("now", hit)
        )

    def _past(self, hit: Hit) -> bool:
        """A word such as "last year" dates the sign, and does not only compare with it."""
        clause = self._clauses.around(hit)
        for cue in self._near("past", hit):
            before = [word.exact for word in self._text.words[max(0, cue.start - 2) : cue.start]]
            if _COMPARES & set(before) or self._negated(cue):
                continue
            if _overlap(cue, clause) or self._clauses.tense(hit) != "present":
                return True
        return False

    def _supposed(self, hit: Hit, *, now: bool) -> bool:
        if self._text.words[hit.start].sentence in self._asked:
            return True
        if self._clauses.supposed(hit) and not self._in_clause("right_now", hit):
            return True
        return not now and any(
            not self._left(cue, hit) for cue in self._near("hypothetical", hit, before=True)
        )

    def _left(self, cue: Hit, hit: Hit) -> bool:
        """ "The leaflet says to call about X, and I have X": the second X is no longer supposed."""
        words = self._text.words
        if self._clauses.happening(cue.end - 1, hit) and words[cue.end - 1].exact in {"if", "si"}:
            return True
        return any(
            words[at].exact in {"but", "pero"}
            or (
                words[at].exact in {"and", "well", "y"}
                and words[at + 1].exact in _OPENS
                and words[cue.end - 1].exact not in {"if", "si"}
            )
            for at in range(cue.end, hit.start)
        )

    def _joked(self, hit: Hit) -> bool:
        return any(
            one.start < hit.end + 6
            and hit.start < one.end + 6
            and self._sentence(hit) in {self._sentence(one), self._text.words[one.end - 1].sentence}
            for one in self._of("joking")
        )

    def _over(self, hit: Hit) -> bool:
        """The writer says elsewhere that all is well, or asks only for papers about it."""
        if self._clauses.tense(hit) == "present" or self._turned(hit):
            return False
        return self._calm() or self._papers(hit)

    def _calm(self) -> bool:
        if self._is_calm is None:
            self._is_calm = any(
                not self._negated(cue) and not self._excepted(cue) for cue in self._of("calm")
            )
        return self._is_calm

    def _excepted(self, cue: Hit) -> bool:
        """ "I am fine otherwise, only ...", "he was fine. Then ...": all is not well."""
        return any(
            0 <= one.start - cue.end <= (6 if self._sentence(one) == self._sentence(cue) else 1)
            for one in self._of("excepts")
        )

    def _turned(self, hit: Hit) -> bool:
        """A new matter begins before the sign: "also", "by the way", "but"."""
        return any(
            self._sentence(one) == self._sentence(hit) and 0 <= hit.start - one.end <= REACH * 2
            for one in self._of("new_matter")
        )

    def _papers(self, hit: Hit) -> bool:
        """ "The bill for my chest pain", or a dated event in a message about a record of it."""
        papers = self._of("papers")
        if not papers:
            return False
        if any(
            self._sentence(one) == self._sentence(hit) and 0 <= hit.start - one.end <= LIST_REACH
            for one in papers
        ):
            return True
        return bool(self._near("dated", hit))

    def _recited(self, hit: Hit, *, now: bool) -> bool:
        if self._bulk:
            return not self._in_sentence("writer", hit)
        return self._automatic and not (now and self._in_sentence("first_person", hit))

    def _pet(self, hit: Hit) -> bool:
        """ "My dog had a seizure": whose sign it is stands right before it."""
        return any(
            self._sentence(one) == self._sentence(hit) and 0 <= hit.start - one.end <= 2
            for one in self._of("pet_has")
        )

    def _of(self, name: str) -> list[Hit]:
        return self._text.hits(name)

    def _sentence(self, hit: Hit) -> int:
        return self._text.words[hit.start].sentence

    def _near(self, name: str, hit: Hit, *, before: bool = False) -> list[Hit]:
        """Return the words of a list in the sentence of a hit, and not in the hit itself."""
        found = []
        for cue in self._of(name):
            if self._sentence(cue) != self._sentence(hit) or _overlap(cue, hit):
                continue
            gap = hit.start - cue.end if cue.start < hit.start else cue.start - hit.end
            if gap <= SENTENCE_REACH and (cue.start < hit.start or not before):
                found.append(cue)
        return found

    def _in_sentence(self, name: str, hit: Hit) -> bool:
        return bool(self._near(name, hit))

    def _in_clause(self, name: str, hit: Hit) -> bool:
        clause = self._clauses.around(hit)
        return any(_overlap(cue, clause) for cue in self._near(name, hit))

    def _denied(self, hit: Hit) -> bool:
        at = self._text.words[hit.start].start
        if any(start <= at < end for start, end in self._answered_no):
            return True
        return self._negated(hit) or self._negated_within(hit) or self._answered(hit)

    def _negated(self, hit: Hit) -> bool:
        spared = self._of("does_not_negate")
        for name, is_list in (("negates_list", True), ("negates_next", False)):
            for cue in self._of(name):
                if cue.end > hit.start or self._sentence(cue) != self._sentence(hit):
                    continue
                if self._spanish(cue, hit):
                    return True
                if any(_overlap(cue, one) for one in spared):
                    continue
                if self._reaches(cue, hit, is_list=is_list):
                    return True
        return False

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
            and not any(_overlap(cue, one) for one in self._of("does_not_negate"))
            and not any(word.paused for word in self._text.words[cue.end : gap.end + 1])
            for cue in self._of("negates_next")
        )

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
        spared = any(one.start == hit.end for one in self._of("does_not_negate"))
        last = words[hit.end + 1] if hit.end + 1 < len(words) else None
        # The answer stands between the sign and a pause.
        ticked = last is None or last.paused or last.sentence != after.sentence
        return (asked and not spared) or ticked

    def _gone(self, hit: Hit) -> bool:
        words = self._text.words
        for cue in self._of("gone"):
            if self._sentence(cue) != self._sentence(hit):
                continue
            follows = 0 <= cue.start - hit.end <= GONE_REACH
            # "Ya se me quitó el dolor": in Spanish the verb may come first.
            leads = 0 <= hit.start - cue.end <= 2 and words[cue.start].exact in {"ya", "se", "no"}
            if (follows or leads) and not self._gone_denied(cue) and not self._back(cue):
                return True
        return False

    def _gone_denied(self, cue: Hit) -> bool:
        return any(
            0 <= cue.start - one.end <= 2
            for name in ("negates_list", "negates_next")
            for one in self._of(name)
        )

    def _back(self, cue: Hit) -> bool:
        """ "It went away but came back an hour ago."""
        return any(
            0 <= one.start - cue.end <= GONE_REACH * 2
            and self._text.words[one.start].sentence - self._sentence(cue) <= 1
            for one in self._of("back_again")
        )


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


def _bare_questions(text: Text) -> frozenset[int]:
    """Return the sentences of a questionnaire or a seller: "Chest pain? Numb arm?"."""
    people = {hit.start for hit in text.hits("first_person")}
    words = text.words
    bare, start = set(), 0
    for at, word in enumerate(words):
        last = at + 1 == len(words)
        if not last and words[at + 1].sentence == word.sentence:
            continue
        after = text.text[word.end : words[at + 1].start] if not last else text.text[word.end :]
        if "?" in after[:3] and at - start < 12 and not people & set(range(start, at + 1)):
            bare.add(word.sentence)
        start = at + 1
    return frozenset(bare) if len(bare) >= 2 else frozenset()
