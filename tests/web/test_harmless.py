"""Text of strangers: nothing left that acts or loads, and not a byte of the words changed."""

import html
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from triage.web.harmless import ATTRIBUTES, TAGS, disposition, exact, file_name, mail_html, unseen

pytestmark = pytest.mark.bar(35)

#: Ways to run or fetch something, one per idea rather than per spelling.
ATTACKS = (
    "<script>x()</script>",
    "<img src=x onerror=x()>",
    "<svg><script>x()</script></svg>",
    "<svg onload=x()><animate onbegin=x() attributeName=x></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=x()></style></mglyph></table></math>",
    "<a href='javascript:x()'>a</a>",
    "<a href='http://phish.invalid' ping='http://t.invalid'>a</a>",
    "<form action='http://t.invalid'><input type=image src='http://t.invalid'></form>",
    "<iframe srcdoc='<script>x()</script>'></iframe>",
    "<object data='http://t.invalid'></object><embed src='http://t.invalid'>",
    "<link rel=stylesheet href='http://t.invalid'><link rel=prefetch href='http://t.invalid'>",
    "<style>@import 'http://t.invalid'; p{background:url(http://t.invalid)}</style>",
    "<p style='background:url(http://t.invalid)'>p</p>",
    "<table background='http://t.invalid'><td background='http://t.invalid'>t</table>",
    "<body background='http://t.invalid' onload=x()>",
    "<meta http-equiv=refresh content='0;url=http://t.invalid'><base href='http://t.invalid'>",
    "<video poster='http://t.invalid'><source src='http://t.invalid'></video>",
    "<audio src='http://t.invalid'></audio><bgsound src='http://t.invalid'>",
    "<noscript><p title='</noscript><img src=x onerror=x()>'></noscript>",
    "<template><img src=x onerror=x()></template>",
    "<details open ontoggle=x()>d</details><marquee onstart=x()>m</marquee>",
    "<input autofocus onfocus=x()><button formaction=javascript:x()>b</button>",
    "<!--<img src=x onerror=x()>--><![CDATA[<img src=x onerror=x()>]]>",
    "<p id=approve name=csrf class=main>clobber</p>",
    '"><script>x()</script>',
    "<q cite='http://t.invalid'>q</q><blockquote cite='http://t.invalid'>b</blockquote>",
)
ALLOWED = {name for names in ATTRIBUTES.values() for name in names}


class Faults(HTMLParser):
    """Collects every element or attribute that is not on the short list of layout."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        if tag not in TAGS or names - ALLOWED:
            self.found.append(f"{tag} {sorted(names)}")


def faults(markup: str) -> list[str]:
    reader = Faults()
    try:
        reader.feed(markup)
        reader.close()
    except AssertionError:
        # Python's parser gives up on some broken declarations; no clean text holds any.
        reader.found.append("declaration")
    return reader.found


def public_attacks() -> list[str]:
    """Return the public collection of script injections, where this machine has it."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("TRIAGE_PUBLIC_DATA", beside)) / "attack_xss"
    if not folder.is_dir():
        return list(ATTACKS)
    lines = (folder / "vectors.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["payload"] for line in lines]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_acts_or_loads_is_left_of_mail_html(attack: str) -> None:
    clean = mail_html(f"<p>before</p>{attack}<p>after</p>")
    assert faults(clean) == []
    assert "invalid" not in re.sub(r">[^<]*<", "><", clean)


def test_nothing_is_left_of_any_public_attack_either() -> None:
    attacks = public_attacks()
    for attack in attacks:
        assert faults(mail_html(attack)) == []
    assert len([attack for attack in attacks if faults(attack)]) > len(attacks) / 10


def test_the_check_of_mail_html_is_seen_to_fail() -> None:
    unclean = [attack for attack in ATTACKS if faults(attack)]
    assert len(unclean) > len(ATTACKS) * 0.9


def test_layout_and_words_of_an_honest_mail_stay() -> None:
    honest = '<h1>Hi</h1><p dir="rtl">a <b>b</b></p><table><tr><td colspan="2">c</td></tr></table>'
    clean = mail_html(honest)
    for part in ("<h1>Hi</h1>", '<p dir="rtl">', "<b>b</b>", 'colspan="2"'):
        assert part in clean


HIDING = (
    "plain",
    "a\u200bb",
    "\u202edcba\u202c",
    "two\u2028lines",
    "tag \U000e0041\U000e0042",
    "soft\xadhyphen",
    "no\xa0break",
    "nul\x00cr\rbell\x07",
    "variation\ufe0f",
    "<b>&amp;</b>\u2066\"'",
    "tab\tand\nline",
    "filler\u3164",
)


@pytest.mark.parametrize("text", HIDING)
def test_signs_for_invisible_characters_change_no_byte_of_the_text(text: str) -> None:
    shown = str(exact(text))
    assert html.unescape(re.sub(r"<[^>]*>", "", shown)) == html.unescape(html.escape(text))
    assert shown.count('class="unseen"') == unseen(text)


def test_what_can_be_seen_is_not_marked() -> None:
    assert unseen("Größe, ¿qué?, 你好, مرحبا, emoji 🙂, tab\t, line\n") == 0
    assert unseen("".join(HIDING)) >= 11


@pytest.mark.parametrize(
    ("claimed", "kept"),
    [
        ("form.pdf", "form.pdf"),
        ("../../etc/passwd", "etc_passwd"),
        ("C:\\x\\y.doc", "C_x_y.doc"),
        ("a\r\nSet-Cookie: x", "a_Set-Cookie_ x"),
        ("school\u202efdp.exe", "school_fdp.exe"),
        ("", "attachment"),
        ("...", "attachment"),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_file_name_is_only_a_name(claimed: str, kept: str) -> None:
    assert file_name(claimed) == kept
    header = disposition(claimed)
    assert header.isascii()
    assert "\n" not in header
    assert header.startswith("attachment;")
