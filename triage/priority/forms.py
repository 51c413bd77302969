"""Forms inside a message: which of their lines are answered with no, or left without a tick.

Rule of the room: only a plain no counts; a line that a person may have ticked stays a sign.
"""

import re

_TICK = r"[xX✓✔✗*]"
_EMPTY = r"(?:\[\s{0,3}\]|\(\s{0,3}\)|[☐□▢])"
_TICKED = rf"(?:\[\s?{_TICK}\s?\]|\(\s?{_TICK}\s?\)|[☒☑✅])"
_BOX = rf"(?:{_EMPTY}|{_TICKED})"
_YES, _NO = r"(?i:yes|y|s[ií])", r"(?i:no|n)"
_LINK = r"[\s/,|]{0,4}"
#: Both answers are printed and the no is ticked, in each order and with the box on each side.
_TICKED_NO = re.compile(
    rf"{_EMPTY}\s?{_YES}\b{_LINK}{_TICKED}\s?{_NO}\b|{_TICKED}\s?{_NO}\b{_LINK}{_EMPTY}\s?{_YES}\b"
    rf"|\b{_YES}\s?{_EMPTY}{_LINK}\b{_NO}\s?{_TICKED}|\b{_NO}\s?{_TICKED}{_LINK}\b{_YES}\s?{_EMPTY}"
)
#: "Chest pain ..... N", "Fainting - never": the answer is all that is said, or a new label follows.
_NONE = r"\b(?i:no|n|none|never|denied|denies|negative|n/a|ningun[oa]|nunca)\b"
_WRITTEN_NO = re.compile(
    rf"(?:[:?=]|\.\.|…|__)[\s._–—-]{{0,9}}{_NONE}(?=\s*(?:$|[\n,;.|)\]/\d]|[A-ZÁÉÍÓÚÑ¿¡][a-zñ]))"
    rf"|\s[-–—]\s?{_NONE}(?=\s*(?:$|[\n,;.|)\]/]))"
)
#: Another answer ends where the next label begins.
_ANSWERED = re.compile(
    rf"{_TICKED_NO.pattern}|{_WRITTEN_NO.pattern}|{_BOX}"
    r"|[:?=][\s.]{0,9}\b(?i:yes|y|s[ií])\b|[.!;]\s|\n"
)
_ONE_BOX = re.compile(_BOX)
_IS_EMPTY = re.compile(_EMPTY)
_BESIDE = re.compile(rf"\s?(?:{_YES}|{_NO})\b")
_BULLET = re.compile(r"[ \t]*(?:[-*•]|\d{1,2}[.)])?[ \t]*")
#: A label is no longer than this, and in a list of labels answered as one each has few words.
_LABEL, _FEW_WORDS = 160, 4
#: Words of somebody who tells a story; a printed label has none, and no answer to one erases it.
_TELLS = re.compile(
    r"\b(?:i|i['’]?m|i['’]?ve|my|we|our|he|she|s?he['’]?s|they|his|her|can['’]?t|won['’]?t|mi|mis|me"
    r"|tengo|tiene|puedo|puede|estoy|está)\b",
    re.I,
)


def denied(text: str) -> list[tuple[int, int]]:
    """Return where labels stand that somebody answered with no or left unticked."""
    spans = []
    for found in _answers(text):
        spans.append((_label_start(text, found.start()), found.start()))
    return spans + _unticked(text)


def _answers(text: str) -> list[re.Match[str]]:
    return [*_TICKED_NO.finditer(text), *_WRITTEN_NO.finditer(text)]


def _label_start(text: str, end: int) -> int:
    start = max(0, end - _LABEL)
    for found in _ANSWERED.finditer(text, start, end):
        # Dots that lead to the answer ("pain ..... N") belong to this label.
        if text[found.end() : end].strip(" .…_:-–"):
            start = found.end()
    return _printed(text, start, end)


def _printed(text: str, start: int, end: int) -> int:
    """Return where the printed label begins; a person's own words before it are no label."""
    pieces = list(re.finditer(r"[^,]+", text[start:end]))
    while len(pieces) > 1 and any(
        _TELLS.search(one[0]) or len(one[0].split()) > _FEW_WORDS for one in pieces
    ):
        start += pieces[0].end() + 1
        pieces = list(re.finditer(r"[^,]+", text[start:end]))
    return end if _TELLS.search(text[start:end]) else start


def _unticked(text: str) -> list[tuple[int, int]]:
    """Return the labels of empty boxes that carry no yes or no of their own."""
    spans, at = [], 0
    for line in text.split("\n"):
        boxes = [one for one in _ONE_BOX.finditer(line) if not _BESIDE.match(line, one.end())]
        leading = bool(boxes) and _BULLET.fullmatch(line, 0, boxes[0].start()) is not None
        for place, box in enumerate(boxes):
            if not _IS_EMPTY.fullmatch(box[0]):
                continue
            if leading:
                last = place + 1 == len(boxes)
                start, end = box.end(), len(line) if last else boxes[place + 1].start()
            else:
                start, end = boxes[place - 1].end() if place else 0, box.start()
            if not _TELLS.search(line[start:end]):
                spans.append((at + start, at + end))
        at += len(line) + 1
    return spans
