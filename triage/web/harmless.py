"""Shows text that strangers wrote without letting it act.

Rule of the room: what comes out holds no address of any kind, so that nothing is ever fetched;
the sandbox and the content security policy are second and third fences, not the first.
"""

import re
import unicodedata
from urllib.parse import quote

import nh3
from markupsafe import Markup, escape

#: Layout only; no links, pictures, forms, frames, styles or media.
TAGS = {
    *("p", "br", "div", "span", "b", "strong", "i", "em", "u", "s", "small", "sub", "sup"),
    *("ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre", "code", "hr"),
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "td", "th"),
    *("h1", "h2", "h3", "h4", "h5", "h6"),
}
ATTRIBUTES = {"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}, "*": {"dir", "lang"}}
#: Elements whose content is no text of the message.
EMPTIED = {"script", "style", "title", "template", "noscript"}
#: Characters a reader cannot see but a machine reads: controls, formats, odd spaces, blanks that
#: count as letters, and private ones, whose look each font makes up.
UNSEEN = re.compile(
    "["
    "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xa0\\xad\\u034f\\u061c\\u115f\\u1160\\u1680\\u17b4\\u17b5"
    "\\u180b-\\u180e\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u3000\\u3164"
    "\\u2800\\ue000-\\uf8ff\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\uffff"
    "\\U00013430-\\U00013438\\U00016fe4\\U0001bca0-\\U0001bca3\\U0001d159\\U0001d173-\\U0001d17a"
    "\\U000e0000-\\U000e0fff\\U000f0000-\\U0010ffff"
    "]"
)
_NAMELESS = {"Cc": "control character", "Co": "private character", "Cs": "half a character"}
#: A file name may not hold what a path, a shell or a header takes for its own.
UNFIT = re.compile(rf"(?:{UNSEEN.pattern}|[\n\t/\\:*?\"<>|;%$`&!'{{}}~^#=\ud800-\udfff])+")
#: What an old system takes for a device, whatever comes after the first dot.
DEVICES = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?=\.|$)", re.I)
LONGEST_NAME = 100
#: A leading dot hides a file, a leading hyphen is an option, a trailing dot is dropped by Windows.
_EDGES = " ._-"


def mail_html(source: str) -> str:
    """Return the layout of an HTML message: no script, no address, nothing that loads."""
    return nh3.clean(
        source,
        tags=TAGS,
        attributes=ATTRIBUTES,
        clean_content_tags=EMPTIED,
        url_schemes=set(),
        strip_comments=True,
        link_rel=None,
    )


def exact(text: str) -> Markup:
    """Return text in which each invisible character is wrapped in a sign that names it.

    The text content stays byte for byte the same, and an isolated character cannot turn the
    direction of the words around it.
    """
    pieces: list[Markup] = []
    after = 0
    for found in UNSEEN.finditer(text):
        character = found.group()
        kind = _NAMELESS.get(unicodedata.category(character), "character without a name")
        pieces.append(escape(text[after : found.start()]))
        pieces.append(
            Markup('<span class="unseen" data-code="U+{:04X}" title="{}">{}</span>').format(
                ord(character), unicodedata.name(character, kind).lower(), character
            )
        )
        after = found.end()
    pieces.append(escape(text[after:]))
    return Markup("").join(pieces)


def unseen(text: str) -> int:
    """Return how many invisible characters a text holds."""
    return len(UNSEEN.findall(text))


def file_name(claimed: str) -> str:
    """Return a file name that is only a name; a stranger chose the one given."""
    name = UNFIT.sub("_", unicodedata.normalize("NFC", claimed))
    name = name.strip(_EDGES)[-LONGEST_NAME:].strip(_EDGES)
    return f"_{name}" if DEVICES.match(name) else name or "attachment"


def disposition(claimed: str) -> str:
    """Return the Content-Disposition header that makes a browser save a file, never open it."""
    return f"attachment; filename*=UTF-8''{quote(file_name(claimed), safe='')}"
