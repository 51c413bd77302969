"""How well the newest words of a reply are told from quotations and signatures, beside libraries.

The mails are the fixtures of email_reply_parser (GitHub's, Zapier's, Crisp's) and talon, from the
public data; what is expected of each is written down here, after those projects' own tests. Other
libraries count where they can be imported: `pip install mail-parser-reply email-reply-parser
unquotemail` somewhere else, named in PYTHONPATH; the product needs none of them.

Three figures each: mails cut exactly right, mails in which words somebody wrote are hidden (the
one that matters), and mails in which old words are left.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rounds import keep
from triage.parsing.newest import separate
from triage.parsing.parts import Troubles, take_apart
from triage.parsing.texts import shown

#: A file of these begins with five lines that are new; everything below is old.
_FILLER = "Fusce bibendum, quam"
ALL = "all"
#: name -> where the old words begin (the start of a line), or ALL, or "inline": every line that
#: has no ">"; after "|" where words stand that may be shown or not, such as a bare name.
EXPECTED = {
    "correct_sig": "--",
    "sig_no_empty_line": "--",
    "email_1": "__|-Abhishek",
    "email_1_1": "__|-Abhishek",
    "email_2": "inline",
    "email_1_2": "inline",
    "email_3": "On 01/03/11|-Abhishek",
    "email_1_3": "On 01/03/11|-Abhishek",
    "email_4": "On Aug 22",
    "email_1_4": "On Aug 22",
    "email_5": ALL,
    "email_1_5": ALL,
    "email_6": "On Dec 16|Sent a",
    "email_19": "Sent from a",
    "email_1_6": "Sent from a",
    "email_1_7": "On Tue, Sep",
    "email_1_8": "inline",
    "email_20": "> On May",
    "email_21": ALL,
    "email_2_1": " ---",
    "email_2_2": "____",
    "email_2_3": "From: CRM",
    "email_2_3 zapier": "*From:*",
    "email_blackberry": "Sent from",
    "email_BlackBerry": "Sent from",
    "email_iphone": "Sent from",
    "email_iPhone": "Sent from",
    "email_multi_word_sent_from_my_mobile_device": "Sent from",
    "email_sent_from_my_not_signature": ALL,
    "email_sent_from": "Sent from Type",
    "email_bullets": "On Fri, Feb",
    "email_custom_quote_header": "2013.02.08",
    "email_customer_quote_header_2": "From: somedude",
    "email_customer_quote_header_3": "      De :",
    "email_emoji": "\u2014",
    "email_gmail": "On Wed, May",
    "email_headers_no_delimiter": "From: Dan",
    "email_not_a_signature": ALL,
    "email_not_a_signature_2": ALL,
    "email_one_is_not_on": "On Oct 1",
    "email_partial_quote_header": "On 9 Jan",
    "greedy_on": "On 9 Jan",
    "email_reply_header": "On Wed, Dec|Stranger",
    "email_sig_delimiter_in_middle_of_line": ALL,
    "email_thread": "On Nov 21",
    "email_unquoted_reply": "On Nov 26",
    "email_with_regards": "John Doe|Regards,",
    "email_zoho": "---- On",
    "email_tricky_1_on_false_positive": ALL,
    "email_tricky_2_url_with_wrote": ALL + "|Best regards",
    "email_tricky_3_code_block": ALL,
    "email_tricky_4_from_in_body": ALL,
    "email_tricky_6_regards_in_sentence": ALL,
    "email_tricky_7_multiple_dashes": ALL,
    "email_tricky_8_sent_from_in_content": ALL,
    "email_tricky_9_nested_quotes": "On Dec 15",
    "email_tricky_11_double_signature": "--|Best regards",
    "email_tricky_13_timestamp_variations": ALL,
    "email_tricky_16_unicode_signatures": "\u2014\u2014|Cheers",
    # A forward is what the writer wants to be read; who hides it is not wrong either.
    "email_tricky_17_forward_header": ALL + "|----------",
    "email_tricky_18_inline_reply": "inline",
    "email_tricky_19_quote_without_header": "inline",
    "email_tricky_20_html_entities": "On Dec 15",
    "thunderbird": "inline",
    "iphone": "On Apr 3|Sent from",
    "sparrow": "On Tuesday|--",
}
#: Replies of talon's whose first line is the whole of it.
_HELLO = ("android", "aol", "apple_mail", "apple_mail_2", "comcast", "gmail", "hotmail", "yahoo")
_FOLDERS = (
    "email_reply_parser_crisp/test/fixtures",
    "email_reply_parser_github/test/emails",
    "email_reply_parser_zapier/test/emails",
)
_ATTRIBUTION = re.compile(r"^(On .*|<.*|.*wrote:)$")


@dataclass(frozen=True)
class Fixture:
    """One text and its lines: new ones, and old ones that should go."""

    name: str
    text: str
    new: tuple[str, ...]
    old: tuple[str, ...]


def fixtures(data: Path) -> Iterator[Fixture]:
    """Yield every fixture whose result is known; the same text once."""
    seen: set[str] = set()
    for folder in _FOLDERS:
        for path in sorted((data / folder).glob("*.txt")):
            text = path.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n")
            if text.strip() in seen:
                continue
            seen.add(text.strip())
            zapier = f"{path.stem} zapier" if "zapier" in folder else ""
            wanted = EXPECTED.get(zapier) or EXPECTED.get(path.stem, "")
            if text.startswith(_FILLER) or wanted:
                yield _fixture(f"{folder.split('/')[0][6:]}/{path.stem}", text, wanted)
    for path in sorted((data / "email_talon/tests/fixtures/standard_replies").glob("*.eml")):
        if path.stem in _HELLO or path.stem in EXPECTED:
            texts, _ = shown(take_apart(path.read_bytes(), Troubles()), Troubles())
            text = "\n\n".join(texts)
            text = text.replace("\r\n", "\n")
            yield _fixture(f"talon/{path.stem}", text, EXPECTED.get(path.stem, "second line"))


def _fixture(name: str, text: str, wanted: str) -> Fixture:
    lines = text.split("\n")
    said = [line for line in lines if line.strip()]
    begins, _, may = wanted.partition("|")
    if text.startswith(_FILLER):
        cut = next(at for at, line in enumerate(lines) if "nec nibh." in line) + 1
        return Fixture(name, text, *_parted(lines, cut, cut))
    if begins == "second line":
        at = lines.index(said[1])
        return Fixture(name, text, *_parted(lines, at, at))
    if begins == "inline":
        end = next((at for at, line in enumerate(lines) if re.match(r"(_{2,}|--) ?$", line)), None)
        above = lines[:end]
        new = [one for one in above if one.strip() and not re.match(r"\s*>|_{5}", one)]
        new = [one for one in new if not _ATTRIBUTION.match(one)]
        old = [one for one in lines if one.strip() and one not in new]
        return Fixture(name, text, tuple(new), tuple(old))
    last = len(lines) if begins == ALL else _find(lines, begins)
    return Fixture(name, text, *_parted(lines, _find(lines, may) if may else last, last))


def _find(lines: list[str], start: str) -> int:
    return next(at for at, line in enumerate(lines) if line.startswith(start))


def _parted(lines: list[str], new: int, old: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    above = tuple(line for line in lines[:new] if line.strip())
    return above, tuple(line for line in lines[old:] if line.strip() and line not in above)


def _words(text: str) -> str:
    return " ".join(text.split())


def judge(fixture: Fixture, answer: str) -> tuple[bool, bool]:
    """Return whether new words are hidden and whether old words are left."""
    said = _words(answer)
    lines = {_words(line) for line in answer.split("\n")}
    hidden = any(_words(line) not in said for line in fixture.new)
    left = any(_words(line) in lines for line in fixture.old)
    return hidden, left


def sides() -> dict[str, Callable[[str], str]]:
    """Return ours and every library at hand, each as text -> the newest words."""
    import quotequail

    found: dict[str, Callable[[str], str]] = {
        "ours": lambda text: separate(text).body,
        "quotequail": lambda text: "\n".join(
            part
            for shown, part in quotequail.quote(text, limit=1_000_000, quote_intro_line=True)
            if shown
        ),
    }
    try:
        from mailparser_reply import EmailReplyParser as Languages

        tongues = ["en", "es", "fr", "de", "it", "nl", "pl"]
        found["mail-parser-reply"] = lambda text: "".join(
            reply.body for reply in Languages(tongues).read(text).replies[:1]
        )
    except ImportError:
        pass
    try:
        from email_reply_parser import EmailReplyParser

        found["email-reply-parser"] = lambda text: str(EmailReplyParser.parse_reply(text))
    except ImportError:
        pass
    try:
        from unquotemail import Unquote

        found["unquotemail"] = lambda text: str(Unquote("", text).get_text() or "")
    except ImportError:
        pass
    return found


def score(mails: list[Fixture], side: Callable[[str], str]) -> dict[str, object]:
    """Return what one side did to the fixtures."""
    hidden: list[str] = []
    left: list[str] = []
    for mail in mails:
        try:
            hides, leaves = judge(mail, side(mail.text))
        except Exception:
            # A library that raises has shown nobody anything.
            hides, leaves = True, False
        hidden += [mail.name] * hides
        left += [mail.name] * leaves
    right = len(mails) - len({*hidden, *left})
    return {"right": right, "hides new words": len(hidden), "leaves old words": len(left)}


def wrong(mails: list[Fixture], side: Callable[[str], str]) -> list[str]:
    """Return the names of the fixtures one side cuts wrongly, with what is wrong."""
    found = [(mail.name, judge(mail, side(mail.text))) for mail in mails]
    return [f"{name}: {'hides' if bad[0] else 'leaves'}" for name, bad in found if any(bad)]


def measure() -> None:
    """Score every side on every fixture and keep the figures."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    mails = list(fixtures(Path(os.environ.get("TRIAGE_PUBLIC_DATA") or beside)))
    if not mails:
        print("newest: the public mails are not at hand; set TRIAGE_PUBLIC_DATA")
        return
    parties = sides()
    result: dict[str, object] = {"mails": len(mails)}
    for name, side in parties.items():
        result[name] = score(mails, side)
    result["ours, wrong"] = wrong(mails, parties["ours"])
    keep("newest", result)
