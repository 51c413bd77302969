"""What a message says: the newest words, every other way to read it, and who answers whom."""

import base64
import json

import pytest
from parsing_mails import mail, raw_of, read, typed

from triage.domain import Channel, Mark, Message
from triage.parsing import parse, plain
from triage.parsing.html import html_to_text
from triage.parsing.newest import separate

ALTERNATIVE = "Content-Type: multipart/alternative; boundary=b"


def union(message: Message) -> str:
    return "\n".join(reading.reveal() for reading in message.readings)


def pair(words: str, html: str) -> bytes:
    return (
        f"--b\nContent-Type: text/plain; charset=utf-8\n\n{words}\n"
        f"--b\nContent-Type: text/html; charset=utf-8\n\n{html}\n--b--\n"
    ).encode()


def test_both_alternatives_are_readings() -> None:
    message = read(typed(ALTERNATIVE, pair("refill please", "<p>refill <b>my chest hurts</b></p>")))
    assert message.body.reveal() == "refill please"
    assert "my chest hurts" in union(message)
    assert not message.marks


def test_hidden_words_are_a_reading() -> None:
    html = "<p>refill please</p><div style='display:none'>I cannot breathe</div>"
    message = read(typed("Content-Type: text/html", html.encode()))
    assert "breathe" not in message.body.reveal()
    assert "I cannot breathe" in union(message)


def test_bullets_of_a_list_hide_no_hidden_words() -> None:
    shown = "".join(f"<li>pill {n}</li>" for n in range(12))
    hidden = "<span style='display:none'>I have crushing chest pain</span>"
    for rows in (f"<ul>{shown}</ul>", f"<ol>{shown}</ol>"):
        message = read(typed("Content-Type: text/html", f"{rows}{hidden}".encode()))
        assert "I have crushing chest pain" not in message.body.reveal()
        assert "I have crushing chest pain" in union(message)
        assert html_to_text(rows)[1] == ""


def test_letters_in_a_style_of_their_own_are_no_hidden_words() -> None:
    assert html_to_text("<p><b>R</b>efill <i>pl</i>ease,<br>thanks<b>.</b></p>")[1] == ""


def test_a_stub_gives_way_to_the_html() -> None:
    html = "<p>I need my lisinopril and my metformin refilled before Friday, please.</p>"
    message = read(typed(ALTERNATIVE, pair("See HTML.", html)))
    assert message.body.reveal().startswith("I need my lisinopril")


BOILERPLATE = [
    "This message contains HTML content. Please use an HTML-capable mail program to read this "
    "message.",
    "Your e-mail program does not show HTML mails. Open this message in your browser instead.",
    "Su programa de correo no muestra mensajes en formato HTML. Use otro programa para leerlo.",
]


@pytest.mark.parametrize("words", BOILERPLATE, ids=range(len(BOILERPLATE)))
def test_words_of_a_mail_program_give_way_to_the_html(words: str) -> None:
    said = (
        "Good morning, this is Ana Ruiz. I need my lisinopril and my metformin refilled before "
        "Friday, please, because we travel to my mother's and the pharmacy there is closed."
    )
    message = read(typed(ALTERNATIVE, pair(words, f"<p>{said}</p>")))
    assert message.body.reveal() == said
    assert words in union(message)
    assert not message.marks


GATEWAY = (
    "You have received a new voice message from an external caller. Press the button below to "
    "listen to it, or sign in to your mailbox to see all messages of your practice. Do not reply."
)
BANNER = (
    "CAUTION: This email originated from outside of the organization. Do not click on links or "
    "open attachments unless you recognize the sender and know that the content is safe."
)
FAINTED = (
    "Hi, this is Rosa Lopez. My mother fainted this morning and her blood sugar was forty. "
    "Please call me back."
)
OF_THEIR_OWN = [
    (FAINTED, GATEWAY),
    ("I have chest pressure since yesterday evening", BANNER),
    ("I am so ill", "I can't sit up"),
    # A few words of it are in the other by chance, or are about programs.
    ("Press the button? I have to listen to my heart", GATEWAY),
    ("Your portal fails in my browser and I cannot breathe.", GATEWAY),
    ("My e-mail program is broken. Mother fainted.", GATEWAY),
    # The longer one is the machine's.
    (GATEWAY, "Please call me, my mother fainted this morning"),
]


@pytest.mark.parametrize(("words", "html"), OF_THEIR_OWN, ids=range(len(OF_THEIR_OWN)))
def test_alternatives_that_disagree_are_both_shown(words: str, html: str) -> None:
    message = read(typed(ALTERNATIVE, pair(words, f"<p>{html}</p>")))
    assert message.body.reveal() == f"{words}\n\n{html}"
    assert not message.marks


def test_what_one_alternative_quotes_hides_nothing_of_the_other() -> None:
    head = f"In-Reply-To: <a@example.org>\n{ALTERNATIVE}"
    old = "On Friday, May 2, 2025, Desk <desk@example.org> wrote:\nSee you on Monday."
    words = f"I cannot breathe\n\n{old}"
    message = read(typed(head, pair(words, f"<p>{GATEWAY}</p>")))
    assert message.body.reveal() == f"I cannot breathe\n\n{GATEWAY}"
    assert message.quoted.reveal() == old


def test_the_short_html_is_shown_where_a_program_asks_for_another() -> None:
    message = read(typed(ALTERNATIVE, pair(BOILERPLATE[0], "<p>my chest hurts</p>")))
    assert message.body.reveal() == "my chest hurts"


def test_a_preview_gives_way_to_the_whole() -> None:
    whole = f"{FAINTED} {GATEWAY} {BANNER}"
    words = "Hi, this is Rosa Lopez.\nMy mother fainted this morning\nhttps://mail.example/7712"
    message = read(typed(ALTERNATIVE, pair(words, f"<p>{whole}</p>")))
    assert message.body.reveal() == whole


def test_plain_words_of_a_layout_with_links_stay() -> None:
    words = (
        "Please refill my lisinopril before Friday (https://shop.example/list?id=7712&from=mail)"
    )
    html = "<p>Please <a href='https://shop.example'>refill my lisinopril</a> before Friday</p>"
    assert read(typed(ALTERNATIVE, pair(words, html))).body.reveal() == words


def test_text_attachments_are_readings() -> None:
    body = (
        b"--b\nContent-Type: text/plain\n\nsee note\n--b\nContent-Type: text/plain\n"
        b"Content-Disposition: attachment; filename=note.txt\n\nmy chest hurts\n--b--\n"
    )
    message = read(typed("Content-Type: multipart/mixed; boundary=b", body))
    assert message.body.reveal() == "see note"
    assert "my chest hurts" in union(message)
    assert message.attachments[0].name.reveal() == "note.txt"


def test_words_only_in_an_attachment_are_shown() -> None:
    head = "Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt"
    message = read(typed(head, b"my chest hurts"))
    assert message.body.reveal() == "my chest hurts"
    assert Mark.PARTLY_READ in message.marks


def test_a_forwarded_mail_inside_is_read() -> None:
    inner = b"From: mum@example.org\nSubject: help\n\nI cannot breathe\n"
    body = (
        b"--b\nContent-Type: text/plain\n\nsee below\n--b\nContent-Type: message/rfc822\n\n" + inner
    )
    message = read(typed("Content-Type: multipart/mixed; boundary=b", body + b"--b--\n"))
    assert "I cannot breathe" in union(message)


HIDING = base64.b64encode(b"I cannot breathe and my chest hurts, please call me at once today")


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Type: text/plain", HIDING),
        (
            "Content-Type: text/plain\nContent-Transfer-Encoding: 7bit\n"
            "Content-Transfer-Encoding: base64",
            HIDING,
        ),
        (
            "Content-Type: multipart/mixed; boundary=a\nContent-Type: multipart/mixed; boundary=c",
            b"--a\n\nhello\n--a--\n--c\n\nI cannot breathe\n--c--\n",
        ),
        (
            'Content-Type: multipart/mixed; boundary="a"; boundary="c"',
            b"--a\n\nhello\n--a--\n--c\n\nI cannot breathe\n--c--\n",
        ),
        ("Content-Type: multipart/mixed", b"--a\n\nI cannot breathe\n--a--\n"),
        (
            "Content-Type: multipart/mixed; boundary=a",
            b"I cannot breathe, this is before\n--a\n\nhello\n--a--\n",
        ),
        (
            "Content-Type: multipart/mixed; boundary=a",
            b"--a\n\nhello\n--a--\nand I cannot breathe, after\n",
        ),
        ("Content-Type: text/html\nContent-Type: text/plain", b"a <!-- I cannot breathe -->"),
        ("Content-Type: nonsense", b"I cannot breathe"),
        ("Content-Transfer-Encoding: base64", b"I cannot breathe, and this is no base64"),
        ("Content-Type: text/plain", b"please =\nI cannot =62reathe =3D =20 thanks"),
    ],
)
def test_every_reading_of_an_ambiguous_mail_is_found(head: str, body: bytes) -> None:
    assert "I cannot breathe" in union(read(typed(head, body)))


def test_all_subjects_are_readings() -> None:
    message = read(
        mail("From: a@example.org\nSubject: refill\nSubject: =?utf-8?b?Y2hlc3QgcGFpbg==?=")
    )
    assert message.subject.reveal() == "refill"
    assert "chest pain" in union(message)


def test_an_encoded_line_feed_stays_in_the_subject() -> None:
    message = read(mail("From: a@example.org\nSubject: =?utf-8?q?hi=0ABcc:_eve=40example.net?="))
    assert message.subject.reveal() == "hi Bcc: eve@example.net"


@pytest.mark.parametrize(
    ("declared", "content"),
    [
        ("utf-8", "Señora Muñoz"),
        ("iso-8859-1", "Señora Muñoz"),
        ("windows-1252", "Señora “Muñoz”"),
        ("us-ascii", "Señora Muñoz"),
        ("koi8-r", "боль в груди"),
        ("gb18030", "胸痛"),
        ("iso-2022-jp", "胸の痛み"),
        ("utf-16", "Señora Muñoz"),
    ],
)
def test_declared_charsets(declared: str, content: str) -> None:
    wire = content.encode("utf-8" if declared == "us-ascii" else declared)
    message = read(typed(f"Content-Type: text/plain; charset={declared}", wire))
    assert message.body.reveal() == content
    assert not message.marks


def test_undeclared_short_text_falls_back_to_cp1252() -> None:
    assert read(b"From: a@example.org\n\nse\xf1ora\n").body.reveal() == "señora"


def test_ids_and_references() -> None:
    head = (
        "From: a@example.org\nMessage-ID: <3@example.org>\n"
        "References: <1@example.org>\n <2@example.org>\nIn-Reply-To: <2@example.org>"
    )
    message = read(mail(head))
    assert message.message_id.reveal() == "<3@example.org>"
    assert [one.reveal() for one in message.references] == ["<1@example.org>", "<2@example.org>"]


AUTOMATIC = [
    "From: a@example.org\nAuto-Submitted: auto-replied",
    "From: a@example.org\nAuto-Submitted: auto-generated; owner-email=x",
    "From: a@example.org\nPrecedence: bulk",
    "From: a@example.org\nPrecedence: junk",
    "From: a@example.org\nList-Id: <news.example.org>",
    "From: a@example.org\nList-Unsubscribe: <mailto:x@example.org>",
    "From: a@example.org\nReturn-Path: <>",
    "From: MAILER-DAEMON@example.org",
    "From: a@example.org\nSubject: Automatic reply: away",
    "From: a@example.org\nSubject: Out of office",
    "From: a@example.org\nSubject: Undeliverable: your visit",
    "From: a@example.org\nSubject: =?utf-8?q?Respuesta_autom=C3=A1tica:_vacaciones?=",
    "From: a@example.org\nContent-Type: multipart/report; report-type=delivery-status; boundary=b",
]


@pytest.mark.parametrize("head", AUTOMATIC, ids=range(len(AUTOMATIC)))
def test_machines_are_recognised(head: str) -> None:
    message = read(mail(head))
    assert message.automatic
    assert Mark.AUTOMATIC in message.marks


@pytest.mark.parametrize(
    "head",
    [
        "From: a@example.org\nAuto-Submitted: no",
        "From: a@example.org\nSubject: Out of office visit bill",
        "From: a@example.org\nReturn-Path: <a@example.org>\nPrecedence: first-class",
    ],
)
def test_people_are_not_machines(head: str) -> None:
    assert not read(mail(head)).automatic


def test_a_delivery_report_does_not_repeat_our_own_words() -> None:
    body = (
        b"--b\nContent-Type: text/plain\n\ncould not deliver\n--b\nContent-Type: message/rfc822\n\n"
        b"Subject: visit\n\ncall if you have chest pain\n--b--\n"
    )
    message = read(typed("Content-Type: multipart/report; boundary=b", body))
    assert message.automatic
    assert "chest pain" not in union(message)


THREADS = [
    (
        "Yes please.\n\nOn Mon, May 5, 2025 at 9:00 AM Desk <d@example.org> wrote:\n> Move it?\n",
        "Yes please.",
    ),
    (
        "Yes.\n\nOn Mon, May 5, 2025 at 9:00 AM A Long Name\n<d@example.org>\nwrote:\n> a\n",
        "Yes.",
    ),
    (
        "Sí, gracias.\n\nEl lun, 5 may 2025, Recepción (<d@example.org>) escribió:\n\n> ¿a?\n",
        "Sí, gracias.",
    ),
    (
        "ok\n\n-----Original Message-----\nFrom: Desk\nSent: Monday\nTo: Ana\nSubject: x\n\nold\n",
        "ok",
    ),
    (
        "ok\n\n____________\nFrom: Desk\nSent: Monday\nTo: Ana\nSubject: x\n\nold",
        "ok",
    ),
    (
        "On May 5, Desk wrote:\n> Any pain?\nYes, in my chest\n> Since when?\nthis morning\n",
        "Yes, in my chest\nthis morning",
    ),
    ("> Any pain?\n\nYes, in my chest\n", "Yes, in my chest"),
    ("temp is\n>101 since noon", "temp is\n>101 since noon"),
    # Models leave out marked lines; here they would see nothing.
    ("> only older words\n> >101 since noon", "only older words\n>101 since noon"),
    ("refill please\n-- \nAna Ruiz\n555-0101", "refill please"),
    ("refill please\n\nSent from my iPhone", "refill please"),
    ("refill\n\nCONFIDENTIALITY NOTICE: This e-mail is privileged.\nDelete it.", "refill"),
    ("--\nmy chest hurts", "my chest hurts"),
]


@pytest.mark.parametrize(("text", "body"), THREADS, ids=range(len(THREADS)))
def test_the_newest_part(text: str, body: str) -> None:
    assert separate(text).body == body
    message = plain(id="1", channel=Channel.EMAIL, subject="Re: x", body=text)
    assert message.body.reveal() == body


#: What mail programs write above what they quote.
SEPARATORS = [
    "On Mon, 5 May 2025 at 9:00, Desk <d@example.org> wrote:",
    "On May 5, 2025, at 9:00 AM, Desk <d@example.org> wrote:",
    "---- On Mon, 05 May 2025 09:00:00 -0500 d@example.org wrote ----",
    '5 May 2025, 09:00, "Desk" <d@example.org>:',
    "Mon, 5 May 2025, 9:00 AM +0300 from Desk <d@example.org>:",
    "-----Original Message-----\nFrom: Desk\nSent: Monday\nTo: Ana\nSubject: x",
    "________________________\nFrom: Desk <d@example.org>\nSent: Monday\nTo: Ana\nSubject: x",
    "*From:* Desk\n*Sent:* Monday\n*To:* Ana\n*Subject:* x",
    "From: Desk\n<d@example.org>\nDate: Monday\nTo: Ana\nSubject: x",
    "El lun, 5 may 2025 a las 9:00, Recepción (<d@example.org>) escribió:",
    "El 5 may 2025, a las 9:00, Recepción <d@example.org> escribió:",
    "El 05/05/2025 a las 9:00, Recepción escribió:",
    "-----Mensaje original-----\nDe: Recepción\nEnviado el: lunes\nPara: Ana\nAsunto: x",
    "________________________________\nDe: Recepción\nEnviado: lunes\nPara: Ana\nAsunto: x",
    "De: Recepción\nFecha: lunes\nPara: Ana\nAsunto: x",
    "---- Mensaje original ----",
    "2025-05-05 9:00 GMT+02:00 Recepción <d@example.org>:",
]
DEVICES = [
    "Sent from my iPhone",
    "Sent from Yahoo Mail on Android",
    "Sent from Outlook for iOS<https://aka.ms/o0ukef>",
    "Get Outlook for Android",
    "Enviado desde mi iPhone",
    "Enviado desde Correo para Windows",
    "Enviado desde mi Samsung",
    "Obtener Outlook para iOS<https://aka.ms/o0ukef>",
]


@pytest.mark.parametrize("separator", SEPARATORS, ids=range(len(SEPARATORS)))
@pytest.mark.parametrize("mark", ["", "> "])
def test_what_stands_below_a_separator_is_old(separator: str, mark: str) -> None:
    new = separate(f"No, me duele el pecho.\n\n{separator}\n\n{mark}¿Algo más?\n{mark}Adiós")
    assert new.body == "No, me duele el pecho."
    assert "¿Algo más?" in new.quoted


@pytest.mark.parametrize("device", DEVICES)
def test_a_phone_signs_and_says_nothing(device: str) -> None:
    new = separate(f"Refill please\n\n{device}\n\nOn May 5, Desk wrote:\n> x")
    assert (new.body, new.signature) == ("Refill please", device)


@pytest.mark.parametrize("rule", ["--", "---", " -- "])
def test_what_a_form_rules_off_is_no_signature(rule: str) -> None:
    text = f"New message\n{rule}\nName: Luis\nI have crushing chest pain"
    assert separate(text).body == text
    short = separate(f"Please refill my pills, thank you\n{rule}\nLuis Vega\n555-0101")
    assert short.signature == "Luis Vega\n555-0101"


@pytest.mark.parametrize(
    "text",
    [
        "Yes please\n-- \nLuis Vega\nPackhouse Fresh LLC\n1 Mill Lane, Fairhaven\n555-0101",
        "Yes, move it to Friday\n\nOn May 5, Desk wrote:\n> x\n\n--\nLuis Vega\n1 Mill Lane",
    ],
)
def test_a_long_signature_stays_one(text: str) -> None:
    """Below the blank of RFC 3676 always; below dashes it is weighed against all that is said."""
    assert separate(text).signature.startswith("Luis Vega")


@pytest.mark.parametrize("separator", SEPARATORS, ids=range(len(SEPARATORS)))
@pytest.mark.parametrize(
    "text",
    [
        "{danger}\n\n{separator}\n\n> x",
        "ok\n-- \nAna\n{danger}\n\n{separator}\n\n> x",
        "{separator}\n\n> any pain?\n\n{danger}\n\n> since when?",
        "{separator}\n\n> x\n\n{danger}",
        "ok\n\nThis message is confidential. {danger}\n\n{separator}\n\n> x",
        "ok\n\n{danger}\nSent from my iPhone\n\n{separator}\n\n> x",
    ],
)
def test_no_new_word_is_hidden_from_the_rules(separator: str, text: str) -> None:
    danger = "my chest hurts and I cannot breathe"
    new = separate(text.format(separator=separator, danger=danger))
    assert danger in f"{new.body}\n{new.signature}"


def test_sabotage_cutting_at_the_first_separator_hides_words() -> None:
    """What most libraries do with an answer written below the question."""
    text = f"{SEPARATORS[0]}\n\n> any pain?\n\nmy chest hurts"
    assert "chest" in separate(text).body
    assert "chest" not in text.split("wrote:")[0]


@pytest.mark.parametrize(
    "text",
    [
        "On Monday at 9:00 I wrote to ana@example.org\nand got no answer",
        "At 10:30 on 5 May I fell.\nMy doctor is at <desk@example.org>\nand my wrist hurts",
        "From: the kitchen\nTo: the bathroom\nI can hardly walk",
        "Date: today\nI have pain",
        "a: first\nb: second",
    ],
)
def test_plain_words_are_no_separator(text: str) -> None:
    assert separate(text).body == text


def test_html_quotes_are_told_apart() -> None:
    html = (
        "<div>Yes, still hurting</div><div class='gmail_quote'>On Mon, May 5, 2025 at 9:00 AM Desk "
        "&lt;d@example.org&gt; wrote:<blockquote><p>chest pain gone?</p></blockquote></div>"
    )
    message = read(typed("Content-Type: text/html", html.encode()))
    assert message.body.reveal() == "Yes, still hurting"
    assert "chest pain gone?" in message.quoted.reveal()
    assert "chest pain" not in message.readings[0].reveal()


def test_whole_keeps_every_character() -> None:
    body = " Yes.\r\n> old\n-- \nAna\n"
    message = plain(id="1", channel=Channel.PORTAL, subject="", body=body, whole=True)
    assert message.body.reveal() == body


def communication(**changes: object) -> Message:
    resource: dict[str, object] = {
        "resourceType": "Communication",
        "id": "c7",
        "status": "completed",
        "sender": {
            "reference": "Patient/12/_history/3",
            "display": "Ana",
        },
        "topic": {"coding": [{"code": "refill", "display": "Refill"}], "text": "My pills"},
        "partOf": [{"reference": "Communication/c1"}],
        "inResponseTo": [{"reference": "Communication/c6"}],
        "payload": [{"contentString": "Please refill."}],
    }
    content = json.dumps(resource | changes).encode()
    return parse(raw_of(content, media_type="application/fhir+json"))


def test_a_portal_message() -> None:
    message = communication()
    assert message.sender.reveal() == "Patient/12"
    assert message.sender_name.reveal() == "Ana"
    assert (message.subject.reveal(), message.topic) == ("My pills", "refill")
    assert message.body.reveal() == "Please refill."
    assert message.message_id.reveal() == "Communication/c7"
    assert message.portal_thread.reveal() == "Communication/c1"
    assert [one.reveal() for one in message.references] == ["Communication/c1", "Communication/c6"]
    assert message.channel is Channel.PORTAL
    assert not message.marks
    assert not message.sender_doubtful


def test_portal_attachments_are_read_or_listed() -> None:
    note = base64.b64encode(b"<p>my chest hurts</p>").decode()
    message = communication(
        payload=[
            {"contentString": "see file"},
            {"contentAttachment": {"contentType": "text/html; charset=utf-8", "data": note}},
            {"contentAttachment": {"contentType": "image/png", "url": "https://x.example/a.png"}},
        ]
    )
    assert message.body.reveal() == "see file\n\nmy chest hurts"
    assert [one.name.reveal() for one in message.attachments] == ["x.example/a.png"]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"{", b"[" * 200_000, b'{"resourceType":"Patient"}', b"\xff\xfe{"],
)
def test_broken_portal_messages_are_not_read(content: bytes) -> None:
    message = parse(raw_of(content, media_type="application/fhir+json"))
    assert Mark.NOT_READ in message.marks


@pytest.mark.parametrize("value", [7, [], {}, "x", None, [7], [{"contentString": 9}], [{}]])
@pytest.mark.parametrize("field", ["sender", "topic", "partOf", "payload", "inResponseTo", "id"])
def test_odd_values_in_a_portal_message_never_raise(field: str, value: object) -> None:
    assert communication(**{field: value}).raw_id == "raw-1"


def test_a_portal_message_with_two_texts_under_one_name_is_read_both_ways() -> None:
    content = b'{"resourceType":"Communication","payload":[{"contentString":"my chest hurts",'
    content += b'"contentString":"refill"}]}'
    message = parse(raw_of(content, media_type="application/fhir+json"))
    assert "my chest hurts" in union(message)
    assert Mark.PARTLY_READ in message.marks


def test_portal_payloads_that_are_only_pointed_to_are_left_to_a_person() -> None:
    for payload in (
        {"contentAttachment": {"url": "Binary/7", "contentType": "text/plain"}},
        {"contentReference": {"reference": "DocumentReference/8", "display": "my letter"}},
    ):
        message = communication(payload=[payload])
        assert {Mark.NOT_READ, Mark.PARTLY_READ} <= message.marks
        assert len(message.attachments) == 1
    both = communication(payload=[{"contentString": "see file"}, payload])
    assert Mark.PARTLY_READ in both.marks
    assert Mark.NOT_READ not in both.marks


def test_layout_in_plain_text_is_read_as_layout() -> None:
    message = communication(payload=[{"contentString": "<p>Please <b>refill</b>.</p>"}])
    assert message.body.reveal() == "Please refill."


def test_what_only_opens_a_conversation_is_read_by_its_topic() -> None:
    opening = {"payload": [], "partOf": [], "inResponseTo": []}
    assert Mark.NOT_READ not in communication(**opening).marks
    assert Mark.NOT_READ in communication(**opening, topic={}).marks


def test_a_task_is_read_by_what_it_says() -> None:
    task = {
        "resourceType": "Task", "id": "t1", "requester": {"reference": "Patient/12"},
        "for": {"reference": "Patient/12"}, "focus": {"reference": "Communication/c1"},
        "code": {"text": "Refill"}, "description": "Please refill my pills",
        "note": [{"text": "before Friday"}],
    }  # fmt: skip
    content = json.dumps(task).encode()
    message = parse(raw_of(content, media_type="application/fhir+json"))
    assert message.sender.reveal() == message.about.reveal() == "Patient/12"
    assert message.body.reveal() == "Please refill my pills\n\nbefore Friday"
    assert message.portal_thread.reveal() == "Communication/c1"
    assert (message.subject.reveal(), message.message_id.reveal()) == ("Refill", "Task/t1")
