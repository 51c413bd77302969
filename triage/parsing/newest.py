"""What the writer says now is told apart from older text, signatures and disclaimers.

Rule of the room: in doubt a line stays in the newest part; hiding a patient's words is worse
than showing an old line twice.
"""

import re
from dataclasses import dataclass

from triage.parsing.purpose import Purpose, passes_on

#: Longer text is not separated: the whole of it counts as new.
SEPARATED_UP_TO = 200_000
_MOST_LINES = 5_000
_MOST_ATTRIBUTIONS = 5
_LONGEST_SIGNATURE = 12
#: A signature has at most so many times the words of what it signs.
_OUTWEIGHED = 2

_QUOTED = re.compile(r"^[ \t]{0,3}>")
#: A patient may begin a line with ">101 fever"; alone, such a line is not a quotation.
_MORE_THAN = re.compile(r"^[ \t]{0,3}>\s*\d")
#: The marks of a quoted line; of ">>101 fever" the second one says "more than".
_MARKS = re.compile(r"^[ \t]{0,3}>(?:[ \t]?>(?!\d))*[ \t]?")
_DEVICE = re.compile(
    r"^\s*(sent (from|via) (my|the|a|yahoo|mail|gmail|proton|aol|outlook|\w+(?= ?<http))\b"
    r"|get outlook for|sent with |enviado (desde|con) (mi|el|un|mail|yahoo|outlook|correo)\b"
    r"|enviado do meu|(obtener|descargar) outlook|envoyé (de|depuis|à partir de) |inviato da "
    r"|(gesendet (von|mit)|von meinem) (mein|outlook|mail|iphone|ipad|android|handy))"
    r"[^.,!?<>]{0,40}\.?\s*(<[^<>]{0,300}>)?\s*$",
    re.I,
)
#: The line above a signature; patients' mail programs use more than the one RFC 3676 names.
_DELIMITER = re.compile(r"(--|---|__|[—–]{1,12})")
#: A list's own lines stand below a longer rule.
_LIST_RULE = re.compile(r"_{20,}")
#: "On Friday, Ana <a@example.org> wrote:", also wrapped over several lines, also in Spanish.
_SOMEBODY_WROTE = re.compile(
    r"^\s*(on\b.{6,300}?\bwrote|el\b.{6,300}?\bescribi[oó])\s*:\s*$", re.I | re.S
)
_TIME = re.compile(r"\d{1,2}[:.]\d\d")
#: How a line ends that says who wrote when, in whatever language: an address in angle brackets,
#: at most two words and the colon.
_FROM_ADDRESS = re.compile(
    r"<\s{0,9}[^<>\s]{1,100}@[^<>\s]{1,100}\s{0,9}>(\s{1,9}[^\W\d]{2,12}){0,2}(\(a\))?\s{0,9}:\s{0,9}"
)
_ON = re.compile(r"\s*-{0,6}\s*on\b", re.I)
_ORIGINAL = re.compile(
    r"^\s*-{2,}\s*(original message|mensaje original|message d'origine|ursprüngliche nachricht"
    r"|messaggio originale|mensagem original|oprindelig besked|oorspronkelijk bericht)\s*-{2,}\s*$",
    re.I,
)
_HEADER_FROM = re.compile(r"^\s*\*?(from|de|von|van|da|fra|från)\s*:\*?\s*\S", re.I)
_HEADER_NEXT = re.compile(
    r"^\s*\*?(sent|date|to|cc|subject|enviado( el)?|fecha|para|asunto|envoyé( le)?|à|a|objet|sujet"
    r"|copie à|gesendet|datum|an|betreff|verzonden|aan|onderwerp|inviato|data|oggetto|dato|til"
    r"|emne|message du)\s*:",
    re.I,
)
_ADDRESS_ONLY = re.compile(r"^\s*<[^<>\s]{1,200}@[^<>\s]{1,200}>\s*$")
_RULE = re.compile(r"^\s*[_=-]{4,}\s*$")
_DATED = re.compile(r"\d.*:\s*$|@.*:\s*$")
_DISCLAIMER = re.compile(
    r"^\W*(confidentiality (notice|note|statement)|confidential:|privileged (and|&) confidential"
    r"|(this|the) (e-?mail|message|communication|transmission|information)\b.{0,120}?"
    r"\b(confidential|intended (only|solely)|privileged)"
    r"|aviso (de confidencialidad|legal)"
    r"|este (correo|mensaje|e-?mail)\b.{0,120}?\b(confidencial|destinatario)"
    r"|(please )?consider the environment)",
    re.I | re.S,
)


@dataclass(frozen=True, slots=True)
class Newest:
    """A text in three: what is new, what is older, and who signs."""

    body: str
    quoted: str = ""
    signature: str = ""


def separate(text: str, purpose: Purpose = Purpose.ANSWERS) -> Newest:
    """Tell the newest part of a plain text from what it quotes and how it is signed.

    What is passed on is news, all of it. Words without a mark are old only in an answer.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if purpose is Purpose.PASSES_ON:
        return Newest(_unmarked(lines))
    if len(text) > SEPARATED_UP_TO or len(lines) > _MOST_LINES:
        return Newest(text)
    older = _quoted_lines(lines)
    if _begins_with_another(lines, older):
        return Newest(_unmarked(lines))
    _add_attributed(lines, older, unmarked=purpose is Purpose.ANSWERS)
    new = [line for line, old in zip(lines, older, strict=True) if not old]
    quoted = [line for line, old in zip(lines, older, strict=True) if old]
    if not "".join(new).strip():
        # Nothing but quotation: a forward, or a reply whose words we cannot tell apart.
        return Newest(_unmarked(lines))
    cut = older.index(True) if True in older else len(lines)
    below = [line for line, old in zip(lines[cut:], older[cut:], strict=True) if not old]
    top = _sign_off(lines[:cut])
    tail = _sign_off(below, said=_count(top[0]))
    body = _joined([*top[0], *tail[0]])
    signature = _joined([*top[1], *tail[1]])
    if not body and not _only_a_device(signature):
        body, signature = signature, ""
    return Newest(body, _joined(quoted), signature)


def _joined(lines: list[str]) -> str:
    return "\n".join(lines).strip()


def _only_a_device(signature: str) -> bool:
    return all(_DEVICE.match(line) for line in signature.split("\n") if line.strip())


def _quoted_lines(lines: list[str]) -> list[bool]:
    marked = [bool(_QUOTED.match(line)) for line in lines]
    for at, line in enumerate(lines):
        alone = not any(marked[max(0, at - 1) : at]) and not any(marked[at + 1 : at + 2])
        if marked[at] and alone and _MORE_THAN.match(line):
            marked[at] = False
    return marked


def _unmarked(lines: list[str]) -> str:
    """Return the text without the marks of quotation, which hide words from models."""
    marked = zip(lines, _quoted_lines(lines), strict=True)
    return _joined([_MARKS.sub("", line) if quoted else line for line, quoted in marked])


def _begins_with_another(lines: list[str], older: list[bool]) -> bool:
    """Whether the first thing repeated is what the writer passes on."""
    over = next((at for at, line in enumerate(lines) if passes_on(_MARKS.sub("", line))), None)
    if over is None or True in older[:over]:
        return False
    found = _attribution(lines[:over], 0, older[:over])
    return found is None


def _add_attributed(lines: list[str], older: list[bool], *, unmarked: bool) -> None:
    """Mark "On ... wrote:" lines, and what follows them where no `>` shows its end.

    Only if `unmarked` may words be old that no `>` marks. What is passed on stays new.
    """
    passed_on = next((at for at, line in enumerate(lines) if passes_on(line)), len(lines))
    start = 0
    for _ in range(_MOST_ATTRIBUTIONS):
        found = _attribution(lines, start, older)
        if found is None or found[0] >= passed_on:
            break
        first, end = found
        following = next((at for at in range(end, len(lines)) if lines[at].strip()), None)
        if following is None or not older[following]:
            if not unmarked:
                start = end
                continue
            older[first:] = [True] * (len(lines) - first)
            return
        older[first:end] = [True] * (end - first)
        start = following
    older[passed_on:] = [False] * (len(lines) - passed_on)


def _attribution(lines: list[str], start: int, older: list[bool]) -> tuple[int, int] | None:
    """Return where the next line that introduces a quotation begins and where it ends."""
    found = [_kept_library(lines, start), _own(lines, start, older)]
    return min((one for one in found if one is not None), default=None)


def _own(lines: list[str], start: int, older: list[bool]) -> tuple[int, int] | None:
    for at in range(start, len(lines)):
        line = lines[at][:300]
        if older[at] or not line.strip():
            continue
        for end in range(at + 1, min(at + 5, len(lines) + 1)):
            if older[end - 1] or not lines[end - 1].strip():
                # No mail program leaves a line empty in what it writes above a quotation.
                break
            if _wrote("\n".join(one[:300] for one in lines[at:end])):
                return at, end
        if _ORIGINAL.match(line):
            return at, at + 1
        if _HEADER_FROM.match(line) and _header_block(lines, at):
            return _top_of_block(lines, at, start), _header_block(lines, at)
        if _DATED.search(line) and any(older[at + 1 : at + 2]):
            return at, at + 1
    return None


def _wrote(text: str) -> bool:
    """Whether these lines say who wrote when; in steps, so that no text makes it slow."""
    if _SOMEBODY_WROTE.match(text):
        return True
    if not _TIME.search(text[:200]) or "@" not in text:
        return False
    if text.rstrip("-: \t\n").lower().endswith(" wrote"):
        return _ON.match(text) is not None and len(text) < 500
    head, angle, rest = text.partition("<")
    first = head.split("\n", 1)[0]
    dated = _TIME.search(first) is not None and sum(map(str.isdigit, first)) >= 5
    return dated and len(head) < 300 and _FROM_ADDRESS.fullmatch(angle + rest) is not None


def _top_of_block(lines: list[str], at: int, start: int) -> int:
    """Return where a header block begins: with a header above From, or the rule over it."""
    while at > start and _HEADER_NEXT.match(lines[at - 1]):
        at -= 1
    above = at
    while above > start and not lines[above - 1].strip():
        above -= 1
    return above - 1 if above > start and _RULE.match(lines[above - 1]) else at


def _header_block(lines: list[str], at: int) -> int:
    """Return the line after a copied From/Sent/To/Subject block, or 0 where there is none."""
    end = at + 1
    if end < len(lines) and _ADDRESS_ONLY.match(lines[end]):
        end, at = end + 1, at + 1
    while end < min(at + 8, len(lines)) and _HEADER_NEXT.match(lines[end]):
        end += 1
    return end if end >= at + 3 else 0


def _kept_library(lines: list[str], start: int) -> tuple[int, int] | None:
    import quotequail

    # quotequail also stops at the first ">" line; those are told apart already.
    rest = [" " if _QUOTED.match(line) else line[:500] for line in lines[start:]]
    text, limit = "\n".join(rest), len(rest) + 2
    before = quotequail.quote(text, limit=limit, quote_intro_line=True)
    if len(before) < 2:
        return None
    after = quotequail.quote(text, limit=limit, quote_intro_line=False)
    first = start + before[0][1].count("\n") + (1 if before[0][1] else 0)
    end = start + after[0][1].count("\n") + 1 if len(after) > 1 else len(lines)
    return min(first, len(lines)), max(min(end, len(lines)), first + 1)


def _sign_off(lines: list[str], *, said: int = 0) -> tuple[list[str], list[str]]:
    """Return (words, signature) of one stretch of new text, above which so many words stand."""
    kept, signed = _without_disclaimers(lines)
    last = len(kept)
    while last and not kept[last - 1].strip():
        last -= 1
    if last and _DEVICE.match(kept[last - 1]):
        signed = [kept[last - 1], *signed]
        last -= 1
    for at in range(last - 1, max(-1, last - 2 - _LONGEST_SIGNATURE), -1):
        if _delimits(kept, at) and not _outweighed(said, kept[:last], at):
            return kept[:at], [*kept[at + 1 : last], *signed]
    return kept[:last], signed


def _delimits(lines: list[str], at: int) -> bool:
    line = lines[at].strip()
    if _LIST_RULE.fullmatch(line):
        return any("mailing list" in below for below in lines[at + 1 : at + 2])
    return _DELIMITER.fullmatch(line) is not None


def _outweighed(said: int, lines: list[str], at: int) -> bool:
    """Whether so much stands below a mere line of dashes that it is the message itself."""
    above = said + _count(lines[:at])
    # Only mail programs write the blank that RFC 3676 asks for; forms rule off with dashes.
    drawn = lines[at] != "-- " and not lines[at].strip(" \t-")
    return drawn and 0 < _OUTWEIGHED * above < _count(lines[at + 1 :])


def _count(lines: list[str]) -> int:
    return sum(len(line.split()) for line in lines)


def _without_disclaimers(lines: list[str]) -> tuple[list[str], list[str]]:
    kept: list[str] = []
    signed: list[str] = []
    paragraph: list[str] = []
    for line in [*lines, ""]:
        paragraph.append(line)
        if not line.strip():
            legal = _DISCLAIMER.match("\n".join(paragraph))
            (signed if legal else kept).extend(paragraph)
            paragraph = []
    return kept, signed
