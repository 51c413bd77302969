"""The leak meter: what can still be read in a text that was redacted.

Rule of the room: it trusts nothing the redactor said. It asks the roster again and looks for the
few forms that are an identifier whatever stands around them; its patterns are its own.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from triage.domain import NO_BACKGROUND, Background, IdentifierType, Redacted
from triage.redaction.checks import luhn, npi
from triage.redaction.known import known_people
from triage.redaction.plain import plain

#: What stands in the place of an identifier; nothing in it is a leak.
_PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(IdentifierType)})_\d{{1,4}}\]")
#: Stands for it: no name or number reaches across, and no line looks shorter for it.
_GAP = " ; ; ; "


@dataclass(frozen=True, slots=True)
class _Form:
    type: IdentifierType
    pattern: "re.Pattern[str]"
    check: Callable[[str], bool] = bool


_FORMS = (
    _Form(IdentifierType.SSN, re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")),
    _Form(IdentifierType.EMAIL, re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.[A-Za-z]{2,24}\b")),
    _Form(IdentifierType.URL, re.compile(r"\bhttps?://[^\s\[\]]{4,}|\bwww\.[\w-]+\.[^\s\[\]]{2,}")),
    _Form(
        IdentifierType.PHONE,
        re.compile(r"(?<![\w.$])(?:\+?1[ .-]?)?\(?[2-9]\d\d\)?[ .-]\d{3}[ .-]\d{4}(?!\w)"),
    ),
    _Form(
        IdentifierType.IP,
        re.compile(
            r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.])"
        ),
    ),
    _Form(IdentifierType.ACCOUNT, re.compile(r"(?<!\d)(?:\d{4}[ -]?){3}\d{4}(?!\d)"), luhn),
    _Form(IdentifierType.LICENSE, re.compile(r"(?<!\d)[12]\d{9}(?!\d)"), npi),
    _Form(
        IdentifierType.MRN,
        re.compile(r"\b(?:mrn|medical record(?: number| no\.?)?)[ :#]*[A-Z]{0,3}-?\d{4,}", re.I),
    ),
    _Form(
        IdentifierType.DATE,
        re.compile(
            r"(?<![\w/.-])(?:0?[1-9]|1[0-2])[/.-](?:0?[1-9]|[12]\d|3[01])[/.-](?:19|20)\d\d\b"
        ),
    ),
    _Form(
        IdentifierType.ADDRESS,
        re.compile(
            r"\b\d{1,6} (?:[NSEW]\.? )?(?:[A-Z][\w'-]+ ){1,3}"
            r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way)\b"
        ),
    ),
)

Leaks = Mapping[IdentifierType, int]


class LeakMeter:
    """Counts by type what is still readable; it never says what or where."""

    def __call__(self, redacted: Redacted, background: Background = NO_BACKGROUND) -> Leaks:
        """Count over everything of a message that is stored or handed to a model."""
        counts: Counter[IdentifierType] = Counter()
        for text in (redacted.subject, redacted.body, redacted.files):
            counts.update(self.text(text, background))
        return dict(counts)

    def text(self, text: str, background: Background = NO_BACKGROUND) -> Leaks:
        """Count in one text."""
        bare = plain(_PLACEHOLDER.sub(_GAP, text)).text
        found = {(find.start, find.end): find.type for find in known_people(bare, background)}
        for start, end, kind in _strict(bare):
            if not any(low < end and start < high for low, high in found):
                found[start, end] = kind
        return Counter(found.values())


def _strict(text: str) -> Iterator[tuple[int, int, IdentifierType]]:
    for form in _FORMS:
        for match in form.pattern.finditer(text):
            if form.check(match[0]):
                yield *match.span(), form.type
