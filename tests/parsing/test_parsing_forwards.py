"""What is passed on to the desk is news: screen, rules and classifier get all of it."""

import html as escapes

import pytest
from parsing_mails import typed

from triage.classifiers.wording import compose
from triage.domain import Channel, Mark, Message, Urgency
from triage.parsing import plain
from triage.parsing.mail import read_mail
from triage.parsing.newest import separate
from triage.parsing.purpose import Purpose, purpose_of
from triage.parsing.sheet import to_message
from triage.priority.redflags import RedFlags

DANGER = "I have crushing chest pain and cannot breathe."
#: Who passed it on wrote this above; some write nothing.
COMMENT = "See what my mother sent me, can somebody call her please?"
GMAIL = (
    "---------- Forwarded message ---------\nFrom: Rosa Diaz <rosa@example.org>\n"
    "Date: Mon, May 5, 2025 at 9:00 AM\nSubject: help\nTo: <ana@example.org>\n\n\n"
)
APPLE = (
    "Begin forwarded message:\n\nFrom: Rosa Diaz <rosa@example.org>\nSubject: help\n"
    "Date: May 5, 2025 at 9:00:00 AM PDT\nTo: Ana Diaz <ana@example.org>\n\n"
)
OUTLOOK = (
    "________________________________\nFrom: Rosa Diaz <rosa@example.org>\n"
    "Sent: Monday, May 5, 2025 9:00 AM\nTo: Ana Diaz <ana@example.org>\nSubject: help\n\n"
)
DESKTOP = OUTLOOK.partition("\n")[2]
SPANISH = (
    "________________________________\nDe: Rosa Diaz <rosa@example.org>\n"
    "Enviado: lunes, 5 de mayo de 2025 9:00\nPara: Ana Diaz <ana@example.org>\nAsunto: ayuda\n\n"
)
YAHOO = (
    "   ----- Forwarded Message -----\nFrom: Rosa Diaz <rosa@example.org>\n"
    "To: Ana Diaz <ana@example.org>\nSent: Monday, May 5, 2025 at 09:00:00 AM PDT\n"
    "Subject: help\n\n"
)
THUNDERBIRD = (
    "-------- Forwarded Message --------\nSubject: \thelp\nDate: \tMon, 5 May 2025 09:00:00 -0700\n"
    "From: \tRosa Diaz <rosa@example.org>\nTo: \tAna Diaz <ana@example.org>\n\n"
)
PROTON = (
    "------- Forwarded Message -------\nFrom: Rosa Diaz <rosa@example.org>\n"
    "Date: On Monday, May 5th, 2025 at 9:00 AM\nSubject: help\nTo: Ana <ana@example.org>\n\n\n> "
)
ZOHO = (
    "============ Forwarded message ============\nFrom: Rosa Diaz <rosa@example.org>\n"
    "To: <ana@example.org>\nDate: Mon, 05 May 2025 09:00:00 -0700\nSubject: help\n"
    "============ Forwarded message ============\n\n"
)
SAMSUNG = (
    "-------- Original message --------From: Rosa Diaz <rosa@example.org> Date: 5/5/25  9:00 AM  "
    "(GMT-08:00) To: Ana Diaz <ana@example.org> Subject: help \n"
)
LOTUS = (
    "----- Forwarded by Ana Diaz/Example on 05/05/2025 09:10 AM -----\n\n"
    "From: Rosa Diaz <rosa@example.org>\nTo: Ana Diaz/Example\nDate: 05/05/2025 09:00 AM\n"
    "Subject: help\n\n"
)
GERMAN = (
    "Anfang der weitergeleiteten Nachricht:\n\nVon: Rosa Diaz <rosa@example.org>\nBetreff: help\n"
    "Datum: 5. Mai 2025 um 09:00:00 MESZ\nAn: Ana Diaz <ana@example.org>\n\n"
)
FRENCH = (
    "---------- Message transféré ---------\nDe : Rosa Diaz <rosa@example.org>\n"
    "Date: lun. 5 mai 2025 à 09:00\nSubject: help\nTo: <ana@example.org>\n\n"
)


def lines(text: str) -> str:
    return escapes.escape(text).replace("\n", "<br>")


def marked(text: str) -> str:
    return "".join(f"> {line}\n" for line in text.split("\n"))


ABOVE = f"<div dir='ltr'>{COMMENT}</div><br>"
GMAIL_HTML = f"<div class='gmail_quote'>{lines(GMAIL)}<div>{DANGER}</div></div>"
#: Passed on once more: an inner quotation has its own element.
GMAIL_TWICE = (
    f"<div class='gmail_quote'>{lines(GMAIL)}<div>please read</div><div>On Sun, May 4, 2025 at "
    f"8:00 AM Eva &lt;e@example.org&gt; wrote:<blockquote>{DANGER}</blockquote></div></div>"
)
APPLE_HTML = f"<blockquote type='cite'><div>{lines(APPLE)}</div><div>{DANGER}</div></blockquote>"
OUTLOOK_HTML = (
    f"<hr><div id='divRplyFwdMsg'>{lines(DESKTOP)}</div><div><p class='x'>{DANGER}</p></div>"
)
YAHOO_HTML = f"<div class='yahoo_quoted'>{lines(YAHOO)}<div>{DANGER}</div></div>"
#: name -> (subject, media type, what stands below the comment).
FORWARDS = {
    "gmail": ("Fwd: help", "plain", GMAIL + DANGER),
    "gmail, subject changed": ("please read", "plain", GMAIL + DANGER),
    "gmail html": ("Fwd: help", "html", GMAIL_HTML),
    "gmail html, subject changed": ("please read", "html", GMAIL_HTML),
    "gmail html, twice": ("please read", "html", GMAIL_TWICE),
    "apple": ("Fwd: help", "plain", APPLE + DANGER),
    "apple, marked": ("please read", "plain", marked(APPLE + DANGER)),
    "apple html": ("Fwd: help", "html", APPLE_HTML),
    "apple html, subject changed": ("please read", "html", APPLE_HTML),
    "outlook": ("FW: help", "plain", OUTLOOK + DANGER),
    "outlook desktop": ("[EXTERNAL] FW: help", "plain", DESKTOP + DANGER),
    "outlook html": ("Fw: help", "html", OUTLOOK_HTML),
    "outlook spanish": ("RV: ayuda", "plain", SPANISH + DANGER),
    "outlook spanish html": ("RV: ayuda", "html", f"<hr><div>{lines(SPANISH)}{DANGER}</div>"),
    "yahoo": ("Fw: help", "plain", YAHOO + DANGER),
    "yahoo html": ("please read", "html", YAHOO_HTML),
    "thunderbird": ("Fwd: help", "plain", THUNDERBIRD + DANGER),
    "thunderbird, subject changed": ("please read", "plain", THUNDERBIRD + DANGER),
    "proton": ("please read", "plain", PROTON + DANGER),
    "zoho": ("please read", "plain", ZOHO + DANGER),
    "samsung": ("Fwd: help", "plain", SAMSUNG + DANGER),
    "lotus": ("please read", "plain", LOTUS + DANGER),
    "german": ("WG: help", "plain", GERMAN + DANGER),
    "french": ("TR: help", "plain", FRENCH + DANGER),
}


@pytest.fixture(scope="module")
def rules() -> RedFlags:
    return RedFlags()


def read(subject: str, kind: str, words: str, more: str = "") -> Message:
    own = "" if "Content-Type" in more else f"Content-Type: text/{kind}; charset=utf-8"
    head = f"Subject: {subject}\n{more}{own}".rstrip()
    content = typed(head, words.encode())
    return to_message(read_mail(content), raw_id="r", channel=Channel.EMAIL)


def emergency(rules: RedFlags, message: Message) -> bool:
    return any(f.urgency is Urgency.EMERGENCY and not f.weak for f in rules.flags(message))


@pytest.mark.parametrize(
    ("comment", "named"),
    # Some mail programs name what they pass on as if they answered it.
    [(COMMENT, ""), ("FYI\n\nSent from my iPhone", "In-Reply-To: <1@a.example>\n"), ("", "")],
    ids=["comment", "named", "bare"],
)
@pytest.mark.parametrize("name", FORWARDS)
def test_screen_rules_and_classifier_get_what_is_passed_on(
    rules: RedFlags, name: str, comment: str, named: str
) -> None:
    subject, kind, below = FORWARDS[name]
    above = f"<div>{lines(comment)}</div><br>" if kind == "html" else f"{comment}\n\n"
    message = read(subject, kind, above + below, named)
    body = message.body.reveal()
    assert DANGER in body
    assert "rosa@example.org" in body
    assert body.startswith(comment.split("\n")[0])
    assert DANGER in compose(message.subject.reveal(), body)
    assert emergency(rules, message)


def test_the_other_alternative_of_a_forward_is_whole_too(rules: RedFlags) -> None:
    words = f"{COMMENT}\n\n{marked(APPLE + 'see the attached letter')}"
    layout = f"{lines(COMMENT)}{APPLE_HTML}"
    body = (
        f"--b\nContent-Type: text/plain\n\n{words}\n--b\nContent-Type: text/html\n\n{layout}\n--b--"
    )
    message = read("Fwd: help", "x", body, "Content-Type: multipart/alternative; boundary=b\n")
    assert message.body.reveal().endswith("see the attached letter")
    assert emergency(rules, message)


ENCLOSED = f"Subject: help\nFrom: rosa@example.org\n\n{marked(DANGER)}\nplease call\n"
AS_A_FILE = "Content-Disposition: attachment; filename=help.eml\n"


@pytest.mark.parametrize("saved", ["", AS_A_FILE], ids=["", "attachment"])
@pytest.mark.parametrize("subject", ["Fwd: help", "Re: visit"])
def test_a_mail_passed_on_as_a_file_is_shown(rules: RedFlags, saved: str, subject: str) -> None:
    body = (
        f"--b\nContent-Type: text/plain\n\nFYI\n--b\nContent-Type: message/rfc822\n{saved}\n"
        f"{ENCLOSED}--b--\n"
    )
    message = read(subject, "x", body, "Content-Type: multipart/mixed; boundary=b\n")
    assert message.body.reveal() == f"FYI\n\nhelp\n\n{DANGER}\n\nplease call"
    assert [one.media_type for one in message.attachments] == ["message/rfc822"]
    assert emergency(rules, message)


def test_of_very_many_files_some_are_shown_and_all_listed() -> None:
    mails = f"--b\nContent-Type: message/rfc822\n{AS_A_FILE}\n{ENCLOSED}" * 300
    body = f"--b\nContent-Type: text/plain\n\nFYI\n{mails}--b--\n"
    message = read("Fwd: help", "x", body, "Content-Type: multipart/mixed; boundary=b\n")
    assert message.body.reveal().count(DANGER) == 20
    assert len(message.attachments) == 300
    assert Mark.PARTLY_READ in message.marks


def test_a_file_that_is_all_there_is_is_shown_once() -> None:
    body = f"--b\nContent-Type: message/rfc822\n{AS_A_FILE}\n{ENCLOSED}--b--\n"
    message = read("Fwd: help", "x", body, "Content-Type: multipart/mixed; boundary=b\n")
    assert message.body.reveal() == f"{DANGER}\n\nplease call"


def test_what_a_mail_server_gives_back_is_not_shown() -> None:
    body = (
        f"--b\nContent-Type: text/plain\n\nNo such user\n--b\nContent-Type: message/rfc822\n\n"
        f"{ENCLOSED}--b--\n"
    )
    more = "X-Failed-Recipients: a@example.org\nContent-Type: multipart/mixed; boundary=b\n"
    assert read("Failure", "x", body, more).body.reveal() == "No such user"


OURS = "Call 911 if you have crushing chest pain and cannot breathe."
#: An answer to something that was passed on repeats our own words; they stay folded.
ANSWERS = [
    f"Thank you.\n\nOn Mon, May 5, 2025 at 9:00 AM Desk <d@example.org> wrote:\n\n"
    f"{marked(GMAIL + OURS)}",
    f"Thank you.\n\n-----Original Message-----\nFrom: Desk\nSent: Monday\nTo: Ana\n"
    f"Subject: RE: Fwd: help\n\n{OURS}\n\n{GMAIL}{DANGER}",
    f"Thank you.\n\n{OUTLOOK}{OURS}\n\n{APPLE}{DANGER}",
]


@pytest.mark.parametrize("text", ANSWERS, ids=range(len(ANSWERS)))
def test_an_answer_to_a_forward_is_cut(rules: RedFlags, text: str) -> None:
    message = read("Re: Fwd: help", "plain", text, "In-Reply-To: <1@a.example>\n")
    assert message.body.reveal() == "Thank you."
    assert OURS in message.quoted.reveal()
    assert not rules.flags(message)


def test_what_is_passed_on_below_an_answer_between_the_lines_is_new() -> None:
    text = f"> any pain?\nMy mother has, see below\n\n{GMAIL}> {DANGER}"
    assert separate(text).body.endswith(DANGER)
    assert "any pain?" not in separate(text).body


#: What mail programs write over what they pass on, beside the lines above.
OVER = [
    "Anfang der weitergeleiteten Nachricht:",
    "Anfang der weitergeleiteten E-Mail:",
    "Weitergeleitet von Bob am 01.02.2024",
    "Forwarded by Bob on 01/02/2024",
    "______ Forwarded by Bob on 01/02/2024 ______",
    "*** Forwarded by Bob ***",
    "***** Forwarded message, originally written by Bob on 1 Jan *****",
    "----- Forwarded message (from x@example.org) -----",
    "<<Forwarded Message>>",
    "[Forwarded message]",
    "~~~~ Forwarded message ~~~~",
    "—— Forwarded Message ——",
    "---- Forwarded ----",
    "Here is the forwarded message:",
    "Inicio del mensaje reenviado:",
    "Początek przekazywanej wiadomości:",
    "Начало переадресованного сообщения:",
    "Välitetty viesti alkaa:",
]


@pytest.mark.parametrize("over", OVER)
def test_what_stands_below_the_line_of_a_mail_program_is_new(over: str) -> None:
    text = f"Can you call her?\n\n{over}\n\n{DESKTOP}{DANGER}"
    new = separate(text)
    assert new.body == text
    assert not new.quoted


@pytest.mark.parametrize(
    "line",
    [
        "I read the forwarded message",
        "Did you get the forwarded message?",
        "mensaje",
        "Forwarded by my daughter",
        "- forwarded message came late",
        "My sister who lives in Spain sent me a forwarded message and says:",
        "**urgent** please forward",
    ],
)
def test_words_about_a_forward_are_none(line: str) -> None:
    new = separate(f"{line}\n\nOn Mon, May 5, 2025 at 9:00 AM Desk <d@example.org> wrote:\n> old")
    assert (new.body, new.quoted[-5:]) == (line, "> old")


def test_typed_text_that_passes_something_on_is_whole() -> None:
    body = f"{COMMENT}\n\n{DESKTOP}{DANGER}"
    message = plain(id="1", channel=Channel.EMAIL, subject="FW: help", body=body)
    assert message.body.reveal() == body


@pytest.mark.parametrize(
    ("subject", "purpose"),
    [
        ("Fwd: Re: help", Purpose.PASSES_ON),
        ("Fwd[2]: help", Purpose.PASSES_ON),
        ("***SPAM*** [ext] FW : help", Purpose.PASSES_ON),
        ("转发：help", Purpose.PASSES_ON),
        ("Re: Fwd: help", Purpose.ANSWERS),
        ("[EXTERNAL] AW: help", Purpose.ANSWERS),
        ("Re[3]: help", Purpose.ANSWERS),
        ("Automatic reply: help", Purpose.ANSWERS),
        ("help", Purpose.BEGINS),
        ("Forward my records", Purpose.BEGINS),
        ("Results: help", Purpose.BEGINS),
        ("", Purpose.BEGINS),
    ],
)
def test_what_a_subject_says_a_mail_is_for(subject: str, purpose: Purpose) -> None:
    assert purpose_of(subject) is purpose


FORM = (
    "You received a new submission from your web site.\n\nFrom: Luis Vega\nDate: May 5, 2025\n"
    f"Subject: Appointment\nMessage:\n{DANGER}"
)
PHARMACY = (
    "Hello,\nOn Tuesday at the pharmacy Dr. Smith wrote:\nstop the warfarin.\n"
    "Since this morning I have crushing chest pain and cannot breathe."
)
RULED = f"Hello,\n________________________________\n{DANGER}"


@pytest.mark.parametrize("more", ["", "Return-Path: <>\n"], ids=["", "null path"])
@pytest.mark.parametrize("text", [FORM, PHARMACY, RULED], ids=["form", "pharmacy", "ruled"])
def test_a_mail_that_answers_nothing_is_not_cut(rules: RedFlags, text: str, more: str) -> None:
    message = read("New message", "plain", text, more)
    assert message.body.reveal() == text
    assert emergency(rules, message)


@pytest.mark.parametrize(
    ("subject", "more"), [("RE: visit", ""), ("visit", "References: <1@a.example>\n")]
)
def test_a_mail_that_answers_is_cut(subject: str, more: str) -> None:
    message = read(subject, "plain", f"Yes.\n\n{DESKTOP}{OURS}", more)
    assert message.body.reveal() == "Yes."


def test_marked_words_are_old_in_a_first_mail_too() -> None:
    text = f"Yes.\n\nOn Mon, May 5, 2025 at 9:00 AM Desk <d@example.org> wrote:\n> {OURS}"
    assert read("visit", "plain", text).body.reveal() == "Yes."


def test_a_mail_given_back_is_cut() -> None:
    text = f"Your mail could not be delivered.\n\n----- Original Message -----\n{OURS}"
    message = read("Failure", "plain", text, "X-Failed-Recipients: a@example.org\n")
    assert OURS not in message.body.reveal()


def test_typed_text_under_no_answer_is_not_cut() -> None:
    message = plain(id="1", channel=Channel.EMAIL, subject="New message", body=FORM)
    assert message.body.reveal() == FORM
