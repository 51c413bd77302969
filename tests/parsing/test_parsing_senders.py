"""Safety-bar 22: a sender that can be read in two ways, or looks like another, is doubtful."""

import pytest
from parsing_mails import mail, read

from triage.domain import Protected
from triage.parsing.mail import read_mail

pytestmark = [pytest.mark.bar(22), pytest.mark.bar(41)]

HONEST = [
    ("From: ana@example.org", "ana@example.org"),
    ("From: <ana@example.org>", "ana@example.org"),
    ("From: Ana Ruiz <ana@example.org>", "ana@example.org"),
    ('From: "Ruiz, Ana" <ana@example.org>', "ana@example.org"),
    ("From: =?utf-8?q?Ana_Mu=C3=B1oz?= <ana@example.org>", "ana@example.org"),
    (
        "From: O'Neil-Smith Jr. <o'neil+clinic@mail.example.co.uk>",
        "o'neil+clinic@mail.example.co.uk",
    ),
    ("From: Ana Ruiz\n <ana@example.org>", "ana@example.org"),
    ("From: ana@example.org (Ana Ruiz)", "ana@example.org"),
    ("From: 山田 太郎 <taro@example.org>", "taro@example.org"),
]

TRICKS = [
    "Subject: no sender at all",
    "From:",
    "From: <>",
    "From: Ana Ruiz",
    "From: ana@example.org\nFrom: eve@example.net",
    "From: ana@example.org\nfrom: ana@example.org",
    "From : ana@example.org\nFrom: eve@example.net",
    " From: ana@example.org\nFrom: eve@example.net",
    "From: eve@example.net\nX: y\r From: ana@example.org",
    "From\0: ana@example.org\nFrom: eve@example.net",
    "From: ana@example.org, eve@example.net",
    "From: <ana@example.org> <eve@example.net>",
    "From: <ana@example.org>eve@example.net",
    'From: "Ana" <ana@example.org>:<eve@example.net>',
    "From: <@example.org,@a.example:eve@example.net>",
    "From: ana@example.org@eve.example.net",
    "From: ana@example.org <eve@example.net>",
    'From: "ana@example.org" <eve@example.net>',
    'From: "Ana <ana@example.org>" <eve@example.net>',
    'From: "ana＠example.org" <eve@example.net>',
    "From: =?utf-8?b?YW5hQGV4YW1wbGUub3Jn?= <eve@example.net>",
    "From: =?utf-8?b?PGFuYUBleGFtcGxlLm9yZz4AIDxldmVA?= <eve@example.net>",
    "From: =?utf-8?q?=3Cana=40example.org=3E=3Ceve=40example.net=3E?=",
    "From: friends: ana@example.org, eve@example.net;",
    "From: eve@example.net(ana@example.org)",
    "From: ana@example.org(comment)@example.net",
    "From: Ana \u202egro.elpmaxe@ana <eve@example.net>",
    "From: A\u200bna Ruiz <eve@example.net>",
    "From: Аnа Ruiz <eve@example.net>",
    "From: Ana <ana@xn--exmple-cua.org>",
    "From: Ana <ana@[10.0.0.1]>",
    "From: Ana <ana@10.0.0.1>",
    "From: Ana <ana%example.org@example.net>",
    "From: Ana <.ana@example.org>",
    "From: Ana <ana@exаmple.org>",
    'From: "unclosed <ana@example.org>',
    "From: ana@example.org\nSender: eve@example.net",
    "From: ana@example.org\nSender: ana@example.org\nSender: eve@example.net",
    "From: ana@example.org;eve@example.net",
    "From: Ana <ana@example.org\n >",
    "From: Ana <ana@example.org\\>@example.net>",
]


@pytest.mark.parametrize(("head", "address"), HONEST)
def test_plain_senders_are_believed_as_a_claim(head: str, address: str) -> None:
    message = read(mail(head))
    assert message.sender.reveal() == address
    assert not message.sender_doubtful


@pytest.mark.parametrize("head", TRICKS, ids=range(len(TRICKS)))
def test_tricks_are_doubtful(head: str) -> None:
    assert read(mail(head)).sender_doubtful


@pytest.mark.parametrize("domain", ["ex\u0430mple.org", "пример.example"])
def test_an_address_in_other_letters_is_shown_and_no_name_stands_for_it(domain: str) -> None:
    message = read(mail(f'From: "ana@example.org" <ana@{domain}>'))
    assert message.sender != Protected("ana@example.org")
    assert f"<ana@{domain}>" in message.sender_name.reveal()
    assert message.sender_doubtful


def test_oracle_the_standard_reader_believes_a_trick() -> None:
    import email.utils

    trick = '"Ana" <ana@example.org>:<eve@example.net>'
    assert email.utils.parseaddr(trick)[1] == "ana@example.org"


SERVER = "mx.clinic.example"


@pytest.mark.parametrize(
    ("line", "doubtful"),
    [
        (
            f"{SERVER}; spf=pass smtp.mailfrom=example.org; dmarc=pass header.from=example.org",
            False,
        ),
        (f"{SERVER}; dmarc=fail header.from=example.org", True),
        (f"{SERVER}; spf=fail smtp.mailfrom=example.org", True),
        (f"{SERVER}; dkim=fail header.d=example.org; dmarc=pass header.from=example.org", False),
        ("mx.clinic.example.evil.example; dmarc=pass header.from=example.org", True),
        (f"{SERVER.upper()} 1; dkim=fail header.d=example.org", True),
        (f"{SERVER}; dmarc=???;;(", True),
        (f"{SERVER}; none", True),
        (f"{SERVER}; dmarc=pass header.from=eve.example", True),
        (f"{SERVER}; dmarc=pass", True),
        (f"{SERVER}; dmarc=none header.from=example.org; spf=pass smtp.mailfrom=eve.example", True),
        (f"{SERVER}; dmarc=none; dkim=pass header.i=@example.org", False),
        (f"{SERVER}; dkim=pass header.d=org", True),
        (f"{SERVER}; dkim=pass header.d=eve.example; spf=pass smtp.mailfrom=example.org", False),
        (f"{SERVER}; dkim=fail header.d=example.org; spf=pass smtp.mailfrom=example.org", True),
        (f"{SERVER}; spf=pass smtp.mailfrom=a@example.org", False),
        (f"{SERVER}; spf=pass smtp.helo=example.org", True),
        (f"{SERVER}; spf=pass smtp.mailfrom=notexample.org", True),
    ],
)
def test_verdicts_of_the_own_server_count(line: str, doubtful: bool) -> None:
    content = mail(f"From: ana@example.org\nAuthentication-Results: {line}")
    assert read(content, SERVER).sender_doubtful is doubtful


FORGED = f"Authentication-Results: {SERVER}; dmarc=pass header.from=example.org\n"


@pytest.mark.parametrize(
    "own",
    [
        f"Authentication-Results: {SERVER}; dmarc=fail header.from=example.org\n",
        f"Authentication-Results: {SERVER}; spf=pass smtp.mailfrom=eve.example\n",
        f"Authentication-Results: {SERVER}; none\n",
        f"Authentication-Results: {SERVER}; dmarc=none header.from=example.org\n",
    ],
)
def test_a_forged_pass_further_down_is_not_believed(own: str) -> None:
    content = mail(f"{own}Received: from eve.example\n{FORGED}From: ana@example.org")
    assert read(content, SERVER).sender_doubtful
    # The sabotage: without the server's own line on top, the forged one would be believed.
    assert not read(mail(f"{FORGED}From: ana@example.org"), SERVER).sender_doubtful


def test_filters_of_the_own_server_may_write_a_line_each() -> None:
    lines = ("dmarc=pass header.from=example.org", "spf=fail smtp.mailfrom=list.example")
    head = "".join(f"Authentication-Results: {SERVER}; {line}\n" for line in lines)
    assert not read(mail(f"{head}From: ana@example.org"), SERVER).sender_doubtful


def test_without_a_line_of_the_own_server_nobody_is_believed() -> None:
    content = mail("From: ana@example.org")
    assert read(content, SERVER).sender_doubtful
    assert not read(content).sender_doubtful


#: What a server whose id nobody named wrote on top; the last two are those of Microsoft 365.
UNNAMED = [
    ("mx.any.example; dmarc=fail header.from=example.org", True),
    ("mx.any.example; dmarc=fail header.from=list.example", True),
    ("mx.any.example; dmarc=fail ?? ((", True),
    ("mx.any.example; spf=fail smtp.mailfrom=example.org; dkim=none", True),
    ("mx.any.example; spf=pass smtp.mailfrom=eve.example; dmarc=none header.from=x", True),
    ("mx.any.example; none", True),
    ("mx.any.example; dmarc=pass header.from=example.org", False),
    ("mx.any.example; spf=fail smtp.mailfrom=list.example; dkim=pass header.d=example.org; "
     "dmarc=pass header.from=example.org", False),
    ("gate.any.example; spam=no", False),
    ("mx.any.example; ((", False),
    ("spf=fail (sender IP is 192.0.2.1) smtp.mailfrom=example.org; dkim=none (message not signed)"
     " header.d=none;dmarc=fail action=quarantine header.from=example.org;compauth=fail", True),
    ("spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.org; dkim=pass (signature was"
     " verified) header.d=example.org;dmarc=pass action=none header.from=example.org;"
     "compauth=pass reason=100", False),
]  # fmt: skip


@pytest.mark.parametrize(("line", "doubtful"), UNNAMED, ids=range(len(UNNAMED)))
def test_without_an_id_what_a_server_says_can_only_add_doubt(line: str, doubtful: bool) -> None:
    own = f"Authentication-Results: {line}\n"
    assert read(mail(f"{own}From: ana@example.org")).sender_doubtful is doubtful
    # A pass that a stranger wrote below it takes no doubt away, a trick stays one above it.
    assert read(mail(f"{own}{FORGED}From: ana@example.org")).sender_doubtful is doubtful
    assert read(mail(f"{FORGED}{TRICKS[10]}")).sender_doubtful


def test_oracle_without_an_id_a_failed_verdict_was_overlooked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sabotage: no id, no question."""
    monkeypatch.setattr("triage.parsing.mail.doubted", lambda *_: False)
    content = mail(f"Authentication-Results: {UNNAMED[0][0]}\nFrom: ana@example.org")
    assert not read_mail(content).sender_doubtful


def test_a_mail_that_kills_its_reader_vouches_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could only be skimmed is judged by the same line of the own server."""
    from triage.parsing.sandbox import ChildLost, Sandbox

    honest, asked = Sandbox._ask, []

    def ask(box: Sandbox, content: bytes, job: dict[str, str]) -> object:
        asked.append(job["kind"])
        if job["kind"] == "mail":
            raise ChildLost
        return honest(box, content, job)

    monkeypatch.setattr(Sandbox, "_ask", ask)
    forged = read(
        mail(f"Authentication-Results: {SERVER}; none\n{FORGED}From: ana@example.org"), SERVER
    )
    vouched = read(mail(f"{FORGED}From: ana@example.org"), SERVER)
    assert (forged.sender_doubtful, vouched.sender_doubtful) == (True, False)
    assert asked == ["mail", "skim"] * 2
