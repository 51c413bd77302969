"""HTML becomes text: what a person would see, and everything that is there.

Rule of the room: hidden words are a reading of their own, because a danger hidden from the eye
by a style sheet was still written by somebody; nothing is ever fetched.
"""

import re
from collections import Counter
from typing import Any

#: Longer HTML is stripped with a plain pattern; the layout engine is not linear.
_LAID_OUT_UP_TO = 1_000_000
#: lxml recurses in C while it copies; deeper trees go to the plain pattern.
_DEEPEST = 200
#: Private-use characters that stand for the edges of quoted blocks while text is laid out.
_OPEN, _CLOSE = "\ue0f0", "\ue0f1"
_QUOTES = (
    "//blockquote | //div[contains(concat(' ', @class, ' '), ' gmail_quote ')]"
    "[not(ancestor::blockquote) and not(.//blockquote)]"
)
_UNSEEN = re.compile(r"<(script|style|head|title)\b.*?</\1\s*>|<!--.*?-->", re.S | re.I)
_TAG = re.compile(r"<[^<>]*>")
_BLANKS = re.compile(r"\n{3,}")


def html_to_text(source: str) -> tuple[str, str]:
    """Return (visible text, all text); quoted blocks of the first carry `> ` before each line.

    The second is empty when hidden markup adds no words. Never raises.
    """
    if len(source) > _LAID_OUT_UP_TO:
        return strip_tags(source), ""
    try:
        return _laid_out(source)
    except Exception:
        # Whatever the layout engine chokes on still has words in it.
        return strip_tags(source), ""


def strip_tags(source: str) -> str:
    """Return the words of an HTML text without any layout."""
    import html

    bare = _TAG.sub(" ", _UNSEEN.sub(" ", source))
    return "\n".join(" ".join(line.split()) for line in html.unescape(bare).split("\n")).strip()


def _laid_out(source: str) -> tuple[str, str]:
    from inscriptis import Inscriptis
    from inscriptis.css_profiles import CSS_PROFILES
    from inscriptis.model.config import ParserConfig
    from lxml import html  # type: ignore[import-untyped]  # lxml publishes no types.

    clean = source.replace(_OPEN, "").replace(_CLOSE, "").replace("\0", "")
    clean = re.sub(r"<\?xml[^>]*>", "", clean, flags=re.I)
    if not clean.strip():
        return "", ""
    parser = html.HTMLParser(recover=True, no_network=True, huge_tree=False, remove_comments=True)
    tree = html.fromstring(clean, parser=parser)
    if _too_deep(tree):
        return strip_tags(source), ""
    everything = _all_words(tree)
    for block in tree.xpath(_QUOTES):
        block.text = f"\n{_OPEN}{block.text or ''}"
        block.tail = f"\n{_CLOSE}{block.tail or ''}"
    config = ParserConfig(css=CSS_PROFILES["strict"], display_links=False, display_images=False)
    shown = _mark_quotes(Inscriptis(tree, config).get_text())
    return shown, everything if _letters(everything) - _letters(shown) else ""


def _letters(text: str) -> Counter[str]:
    """Count the letters: layout joins words and adds signs and numbers, but no letter."""
    return Counter({sign: often for sign, often in Counter(text).items() if sign.isalpha()})


def _too_deep(tree: Any) -> bool:
    depth, level = 0, [tree]
    while level and depth <= _DEEPEST:
        depth, level = depth + 1, [child for element in level for child in element]
    return depth > _DEEPEST


def _all_words(tree: Any) -> str:
    pieces = tree.xpath(
        "//text()[not(ancestor::script) and not(ancestor::style) and not(ancestor::title)]"
        " | //img/@alt"
    )
    return " ".join(" ".join(str(piece).split()) for piece in pieces if str(piece).strip())


def _mark_quotes(text: str) -> str:
    depth, lines = 0, []
    for line in text.split("\n"):
        depth += line.count(_OPEN)
        closing = line.count(_CLOSE)
        words = line.replace(_OPEN, "").replace(_CLOSE, "").strip()
        # A closing edge stands before what follows the block.
        depth = max(0, depth - closing)
        lines.append(f"{'> ' * min(depth, 5)}{words}" if words else "")
    return _BLANKS.sub("\n\n", "\n".join(lines)).strip()
