"""Whether a sign is there now: not denied, not past, not supposed, not gone, not a joke.

Rule of the room: in doubt a sign counts. A word that says "now" in the same sentence outweighs
a word that says "then".
"""

from triage.priority.clauses import Clauses, one_of, overlap
from triage.priority.denials import LIST_REACH, REACH, Denials
from triage.priority.matching import Counts, Hit, Text
from triage.priority.papers import Papers
from triage.priority.table import Part, Rule, Table

#: What speaks against a sign and yet never silences it: who sent it, and what else stands there.
SOFT = frozenset({"bulk"})
#: How far "last year" or "what if" reaches.
SENTENCE_REACH = 16
#: "Like last year" compares; it does not date the sign.
_COMPARES = one_of("like as than since como desde igual similar to")
#: How the sentence goes on where no leaflet is quoted any more.
_OPENS = one_of("i im ive he hes she shes my we it its that tengo tiene mi")
#: A joke silences its own words, and one that ends in "a" the next.
_JOKE_REACH = 2
_OWNERS = one_of("my his her their")
#: Words of now that tell of another moment when another clause holds them.
_MOMENT = one_of("woke up just minutes ago started starting began this lunch")
#: "We are fine now" says nothing of when the sign was.
_WELL = one_of("fine well ok okay good gone bien better normal home clear over")
_DEATH = one_of("died passed late deceased decedent murio fallecio difunto difunta death")
_THIRD, _OWN = one_of("he him his she her they"), one_of("i im ive my me we our mi yo")
_NONES = one_of("not nothing none no isnt nada")


class Context:
    """The surroundings of every hit in one text."""

    def __init__(self, text: Text, table: Table, *, automatic: bool = False) -> None:
        self._text = text
        #: Lists whose hits are true whatever stands around them.
        self.facts = table.facts
        self._clauses = Clauses(text, table)
        self._denials = Denials(text)
        #: Written by a machine; or by a seller, who also says "now" and "he".
        self._automatic = automatic or bool(text.hits("machine"))
        #: A seller's words, less one.
        self._bulk = max(0, len(text.hits("bulk")) - 1)
        self._printed = Papers(text)
        self._is_calm: bool | None = None
        self._known: dict[Hit, frozenset[str]] = {}

    def counts_for(self, rule: Rule, but: frozenset[str] = frozenset()) -> Counts:
        """Return the judge of hits that one rule asks; the reasons `but` speak against none."""
        ignored = frozenset({"gone"}) if rule.even_if_gone else frozenset[str]()
        return _Judge(self, self.facts, ignored | but)

    def against(self, hit: Hit) -> frozenset[str]:
        """Return what speaks against a hit: denied, past, supposed, gone, joke, bulk."""
        if hit not in self._known:
            self._known[hit] = frozenset(self._reasons(hit))
        return self._known[hit]

    def _reasons(self, hit: Hit) -> set[str]:
        reasons = set()
        now = self._now(hit)
        if self._denials.denied(hit):
            reasons.add("denied")
        if self._denials.gone(hit):
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
        clause, words = self._clauses.around(hit), self._text.words
        was = self._clauses.tense(hit) == "past"
        for cue in self._near("now", hit):
            if overlap(cue, clause):
                return True
            last = words[cue.end - 1].exact
            beside = {word.exact for word in words[max(0, cue.start - 2) : cue.end + 2]}
            other = last in _MOMENT or words[cue.start].exact == "all"
            if last == "been" or (was and (other or beside & (_WELL | _NONES))):
                continue
            return True
        return False

    def _past(self, hit: Hit) -> bool:
        """A word such as "last year" dates the sign, and does not only compare with it."""
        clause = self._clauses.around(hit)
        for cue in self._near("past", hit):
            before = [word.exact for word in self._text.words[max(0, cue.start - 2) : cue.start]]
            if _COMPARES & set(before) or self._denials.negated(cue):
                continue
            if overlap(cue, clause) or self._clauses.tense(hit) != "present":
                return True
        return False

    def _supposed(self, hit: Hit, *, now: bool) -> bool:
        if self._printed.on(hit):
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
                words[at].paused
                and words[at].exact in _OPENS
                and words[cue.end - 1].exact not in {"if", "si"}
            )
            or (
                words[at].exact in {"and", "well", "y"}
                and words[at + 1].exact in _OPENS
                and words[cue.end - 1].exact not in {"if", "si"}
            )
            for at in range(cue.end, hit.start)
        )

    def _joked(self, hit: Hit) -> bool:
        words = self._text.words
        return any(
            one.start < hit.end
            and hit.start < one.end + (_JOKE_REACH if self._frames(one) else 0)
            and self._sentence(hit) in {self._sentence(one), words[one.end - 1].sentence}
            # "Lost my balance" is no money.
            and not (words[one.start].exact == "balance" and words[one.start - 1].exact in _OWNERS)
            for one in self._of("joking")
        )

    def _frames(self, joke: Hit) -> bool:
        """ "Nearly had a ...": what is joked about comes next."""
        return self._text.words[joke.end - 1].exact in {"a", "an", "un", "me", "with"}

    def _over(self, hit: Hit) -> bool:
        """The writer says elsewhere that all is well, or asks only for papers about it."""
        tense = self._clauses.tense(hit)
        if tense == "present" or self._turned(hit):
            return False
        # A fragment without a verb is how danger is written in haste; "I'm fine" denies no such.
        calm = tense == "past" and self._calm()
        return calm or self._papers(hit) or self._of_the_dead(hit)

    def _of_the_dead(self, hit: Hit) -> bool:
        """ "Gerald passed on May 2. He couldn't breathe": of one who died."""
        words, clause = self._text.words, self._clauses.around(hit)
        said = {word.exact for word in words[clause.start : clause.end]}
        if self._clauses.tense(hit) != "past" or not said & _THIRD or said & _OWN:
            return False
        return any(
            0 <= self._sentence(hit) - self._sentence(cue) <= 2
            and {word.exact for word in words[cue.start : cue.end]} & _DEATH
            for cue in self._of("past")
        )

    def _calm(self) -> bool:
        if self._is_calm is None:
            self._is_calm = any(
                not self._denials.negated(cue) and not self._excepted(cue)
                for cue in self._of("calm")
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
        """Said by a machine or a seller, and not by somebody of themselves or their family."""
        if self._bulk > 3 and not now:
            return True
        if self._bulk:
            return not self._said_by("writer", hit)
        return self._automatic and not self._said_by("first_person", hit)

    def _said_by(self, name: str, hit: Hit) -> bool:
        """Whether one of a list stands in the sentence of a hit, be it in the hit itself."""
        return any(self._sentence(one) == self._sentence(hit) for one in self._of(name))

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
            if self._sentence(cue) != self._sentence(hit) or overlap(cue, hit):
                continue
            gap = hit.start - cue.end if cue.start < hit.start else cue.start - hit.end
            if gap <= SENTENCE_REACH and (cue.start < hit.start or not before):
                found.append(cue)
        return found

    def _in_sentence(self, name: str, hit: Hit) -> bool:
        return bool(self._near(name, hit))

    def _in_clause(self, name: str, hit: Hit) -> bool:
        clause = self._clauses.around(hit)
        return any(overlap(cue, clause) for cue in self._near(name, hit))


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
