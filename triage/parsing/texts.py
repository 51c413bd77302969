"""The words of a mail: what a mail program would show, and every other way to read it.

Rule of the room: `shown` picks one text for people and models; `readings` leaves nothing out,
because the red-flag rules look at the union.
"""

import quopri
import re
from collections.abc import Iterator

from triage.parsing import loose
from triage.parsing.alternatives import best_of
from triage.parsing.charset import decode
from triage.parsing.headers import readable
from triage.parsing.html import html_to_text, strip_tags
from triage.parsing.parts import (
    DEEPEST,
    Part,
    Troubles,
    decoded,
    looks_like_base64,
    parameter,
    take_apart,
    value_of,
    values_of,
)

_RAW_UP_TO = 200_000
#: Of a longer text part only so many bytes are read: as text they would take many times the memory.
_TEXT_UP_TO = 2_000_000
_READABLE_FILES = (".txt", ".text", ".md", ".csv", ".log", ".htm", ".html", ".eml")
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_NEVER_SHOWN = frozenset(
    {"text/calendar", "text/x-amp-html", "text/rfc822-headers", "text/vcard"}
    | {"text/css", "text/javascript"}
)
_MAILS = frozenset({"message/rfc822"})
_GIVEN_BACK = _MAILS | {"text/rfc822-headers"}
_HALF_ENCODED = re.compile(rb"=(?:[0-9A-F]{2}|\r?\n)")
_USUAL_PREAMBLE = re.compile(
    r"multi-?part (message )?in MIME|MIME[- ](formatted|encapsulated)", re.I
)
_BOUNDARY = re.compile(r"boundary=\"?([^\";\s]{1,200})", re.I)


def is_shown(part: Part) -> bool:
    """Whether a mail program would show this leaf as part of the text."""
    return (
        not part.is_attachment
        and part.kind not in _NEVER_SHOWN
        and (part.kind.startswith("text/") or part.kind in _HTML)
    )


def text_of(part: Part, troubles: Troubles) -> tuple[str, str]:
    """Return (visible text, other text) of one leaf."""
    content = decoded(part, troubles)
    text, damaged = decode(content[:_TEXT_UP_TO], part.charset)
    troubles.damaged = troubles.damaged or damaged or len(content) > _TEXT_UP_TO
    if part.kind in _HTML:
        return html_to_text(text)
    if part.kind in {"text/enriched", "text/richtext"}:
        return strip_tags(text), ""
    if "format=flowed" in value_of(part.headers, "content-type").lower():
        return re.sub(r"(?<=[^\s>-]) \r?\n(?![>\s])", " ", text), ""
    return text, ""


def _beginning(part: Part, encoding: str | None = None) -> bytes:
    return decoded(part, Troubles(), encoding)[:_TEXT_UP_TO]


def shown(part: Part, troubles: Troubles) -> tuple[list[str], str]:
    """Return (texts to show, HTML source if there is one) of a tree.

    It is one text, but for alternatives that disagree: each of them quotes and signs for itself.
    """
    if not part.children:
        text, source = _shown_leaf(part, troubles)
        return [text], source
    found = [shown(child, troubles) for child in _shown_children(part)]
    source = next((html for _, html in found if html), "")
    texts = [text.strip("\r\n") for several, _ in found for text in several if text.strip()]
    if part.kind == "multipart/alternative":
        return best_of(["\n\n".join(several) for several, _ in found]), source
    disagree = any(len(several) > 1 for several, _ in found)
    return texts if disagree else ["\n\n".join(texts)], source


def _shown_leaf(part: Part, troubles: Troubles) -> tuple[str, str]:
    if part.kind.startswith("multipart/"):
        # Its boundary is missing or never comes: the words are still in there.
        text = decode((b"\n".join(part.around) if part.around else part.raw)[:_RAW_UP_TO])[0]
        return strip_tags(text) if "</" in text else text, ""
    if not is_shown(part):
        return "", ""
    source = decode(_beginning(part), part.charset)[0] if part.kind in _HTML else ""
    return text_of(part, troubles)[0], source


def attached_words(tree: Part, troubles: Troubles) -> str:
    """Return the text of attached text files, for a mail that shows no words of its own."""
    found = [
        text_of(part, troubles)[0]
        for part in tree.walk()
        if not part.children and part.kind.startswith("text/") and part.kind not in _NEVER_SHOWN
    ]
    return "\n\n".join(text for text in found if text.strip())


def _shown_children(part: Part) -> list[Part]:
    if part.kind in {"multipart/signed", "multipart/report"}:
        return part.children[:1]
    if part.kind == "message/rfc822":
        return [] if part.is_attachment else part.children
    if part.kind == "multipart/related":
        first = next((child for child in part.children if shown_kind(child)), None)
        # Gateways for picture messages put each line typed into a part of its own.
        plain = (child for child in part.children if child.kind == "text/plain" and is_shown(child))
        return list({id(child): child for child in (first, *plain) if child}.values())
    texts = [child for child in part.children if child.kind != "message/rfc822"]
    return texts if any(shown_kind(child) for child in texts) else part.children


def left_out(tree: Part) -> Iterator[Part]:
    """Yield each text part that is neither shown nor inside a mail that is listed as a file."""
    used = {id(leaf) for leaf in _shown_leaves(tree)}
    for part in _walk_but(tree, _MAILS):
        if (
            not part.children
            and part.kind not in _MAILS
            and is_shown(part)
            and id(part) not in used
        ):
            yield part


def enclosed(tree: Part) -> Iterator[str]:
    """Yield the subject and words of each mail that came as a file and is not shown in place."""
    used = {id(leaf) for leaf in _shown_leaves(tree)}
    for part in _walk_but(tree, _MAILS):
        if part.kind in _MAILS and part.children and used.isdisjoint(map(id, part.walk())):
            inner = part.children[0]
            words = "\n\n".join(shown(inner, Troubles())[0]).strip()
            if words:
                yield f"{readable(value_of(inner.headers, 'subject'))[0]}\n\n{words}".strip()


def _shown_leaves(part: Part) -> Iterator[Part]:
    if not part.children:
        yield part
        return
    for child in _shown_children(part):
        yield from _shown_leaves(child)


def _walk_but(part: Part, kinds: frozenset[str]) -> Iterator[Part]:
    """Yield this part and what is below it, but nothing that is below a child of these kinds."""
    yield part
    for child in part.children:
        if child.kind in kinds:
            yield child
        else:
            yield from _walk_but(child, kinds)


def shown_kind(part: Part) -> bool:
    """Whether anything below this node would be shown."""
    return any(is_shown(leaf) for leaf in part.walk() if not leaf.children)


def readings(tree: Part, troubles: Troubles) -> Iterator[str]:
    """Yield every text the bytes may mean, the usual one first."""
    report = tree.kind == "multipart/report"
    for part in _walk_but(tree, _MAILS) if report else tree.walk():
        if report and part.kind in _GIVEN_BACK:
            # A delivery report quotes the mail that was not delivered: our own words.
            continue
        for edge in part.around:
            yield from _around(edge, troubles)
        if part.children or part.kind.startswith("multipart/"):
            yield from _other_containers(part, troubles)
        elif part.kind.startswith("text/") or part.kind in _HTML or _is_text_file(part):
            yield from text_of(part, troubles)
            yield from _other_decodings(part)
            yield from _other_charset(part, troubles)
            yield from _conditional(part)


def _is_text_file(part: Part) -> bool:
    return part.filename.lower().endswith(_READABLE_FILES)


def _around(edge: bytes, troubles: Troubles) -> Iterator[str]:
    text, _ = decode(edge[:_TEXT_UP_TO])
    if len(text.split()) >= 3 and not _USUAL_PREAMBLE.search(text[:400]):
        troubles.ambiguous = True
        yield text


def _other_charset(part: Part, troubles: Troubles) -> Iterator[str]:
    content = _beginning(part)
    other = loose.other_charset(content, decode(content, part.charset)[0])
    troubles.ambiguous = troubles.ambiguous or bool(other)
    yield other


def _conditional(part: Part) -> Iterator[str]:
    if part.kind in _HTML:
        source = decode(_beginning(part), part.charset)[0]
        yield strip_tags(loose.conditional_words(source))


def _other_decodings(part: Part) -> Iterator[str]:
    encodings = {
        one.strip().lower() for one in values_of(part.headers, "content-transfer-encoding")
    }
    if len(encodings) > 1:
        for encoding in sorted(encodings):
            yield decode(_beginning(part, encoding), part.charset)[0]
    if len(values_of(part.headers, "content-type")) > 1:
        text, _ = decode(_beginning(part))
        yield text
        yield strip_tags(text)
    if "base64" not in encodings:
        hidden = looks_like_base64(part.raw[:_TEXT_UP_TO])
        if hidden is not None:
            yield decode(hidden)[0]
    if "quoted-printable" not in encodings and len(_HALF_ENCODED.findall(part.raw[:20_000])) > 2:
        yield decode(quopri.decodestring(part.raw[:_TEXT_UP_TO]), part.charset)[0]


def _other_containers(part: Part, troubles: Troubles) -> Iterator[str]:
    """Read a container again where its boundary is missing, doubled or never found."""
    found = {
        boundary
        for value in values_of(part.headers, "content-type")
        for boundary in _BOUNDARY.findall(value)
    }
    used = parameter(part.headers, "boundary")
    for boundary in sorted(found - {used})[:3]:
        head = f'Content-Type: multipart/mixed; boundary="{boundary}"\n\n'
        again = take_apart(head.encode("utf-8", "replace") + part.raw, Troubles(), DEEPEST - 3)
        for leaf in again.walk():
            if not leaf.children and leaf.kind.startswith("text/"):
                yield from text_of(leaf, Troubles())
    if not part.children or (troubles.ambiguous and found - {used}):
        yield decode(part.raw[:_RAW_UP_TO])[0]
