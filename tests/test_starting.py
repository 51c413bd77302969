"""Nothing starts in an unsafe setting, and one line says what to mend.

Each way to spoil a safe home has its sabotage: without the one check that watches it, the process
would have started.
"""

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.small_practice import rooms
from triage.cli import processes, starting
from triage.cli.clinic import TEMPLATE, init, make_master
from triage.cli.clinic import migrate as bring_up_to_date
from triage.cli.starting import CHECKS, refuse_unsafe
from triage.desk.health import NOTES
from triage.domain import Clinic, Role, User
from triage.errors import BadSettings, StoreRefused, TriageError, UnsafeSetting, WrongKey
from triage.loading import Parts
from triage.pipeline import file, land
from triage.settings import read_settings
from triage.store import Keys, migrate
from triage.testing import MemoryInbox, mail
from triage.wiring import House

SETTINGS = """
[clinic]
id = "willow"
name = "Willow"
{store}
[desk]
{desk}
{night}
[[inbox]]
name = "front-desk"
kind = "imap"
host = "imap.clinic.example"
user = "frontdesk@clinic.example"
{inbox}
[[outbox]]
name = "out"
kind = "smtp"
channel = "email"
host = "smtp.clinic.example"
user = "frontdesk@clinic.example"
sender = "frontdesk@clinic.example"
"""
#: What a clinic says that names nobody for the night, and what one says that does.
NIGHT = '[escalation]\nout_of_hours = "none, because nobody is a patient here"'
STEP = '{ who = "nia", doors = ["on-call"] }'
PLAN = "\n".join(
    f"[escalation.{part}]\nagain = {STEP}\ndeputy = {STEP}\non_call = {STEP}"
    for part in ("in_hours", "out_of_hours")
)
DOOR = '\n[[alert]]\nname = "{name}"\nkind = "webhook"\nurl = "https://chat.clinic.example/x"\n'
PORTAL = '[[inbox]]\nname = "portal"\nkind = "fhir"\nauth = "none"\nbase_url = "{url}"\n'

#: A mail server on this machine that offers no certificate.
NEARBY = (
    '[[outbox]]\nname = "nearby"\nkind = "smtp"\nchannel = "email"\nhost = "127.0.0.1"\n'
    'security = "plain"\nsender = "frontdesk@clinic.example"\n'
)


@pytest.fixture(scope="session")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder that may start, to be copied."""
    home = tmp_path_factory.mktemp("safe") / "home"
    home.mkdir(mode=0o755)
    migrate(f"sqlite:///{home / 'triage.db'}", Keys.make(home / "keys"))
    make_master(home)
    (home / "secrets").mkdir(mode=0o700)
    for name in ("front-desk", "out"):
        hide(home / "secrets" / name, "kV7-oqPw2zLm")
    settings(home)
    return home


@pytest.fixture
def home(safe: Path, tmp_path: Path) -> Path:
    shutil.copytree(safe, tmp_path / "home")
    return tmp_path / "home"


def hide(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def settings(
    home: Path,
    *,
    store: str = "",
    desk: str = "",
    inbox: str = "",
    night: str = NIGHT,
    end: str = "",
) -> None:
    text = SETTINGS.format(store=store, desk=desk, inbox=inbox, night=night) + end
    (home / "triage.toml").write_text(text)


def database(url: str) -> Callable[[Path], None]:
    return lambda home: settings(home, store=f'[store]\nweb_url = "{url}"\n')


OPENID = """
[openid]
issuer = "https://login.hospital.example"
client_id = "triage"
desk_url = "https://desk.hospital.example"
"""
Spoil = Callable[[Path], object]
KEYS = {name: f"keys/{name}.key" for name in ("data", "file", "index", "audit")}
#: What is wrong -> (how it came about, the check that finds it, words the one line must hold).
UNSAFE: dict[str, tuple[Spoil, str, str]] = {
    "a key file others can read": (
        lambda home: (home / "keys" / "data.key").chmod(0o640), "readable_keys", "data.key"),
    "an approval key others can read": (
        lambda home: (home / "approval.key").chmod(0o644), "readable_keys", "approval.key"),
    "a secret others can read": (
        lambda home: (home / "secrets" / "out").chmod(0o604), "readable_keys", "secrets/out"),
    "a certificate key others can read": (
        lambda home: ((home / "tls.key").write_text("key"), (home / "tls.key").chmod(0o644),
                      settings(home, desk='certificate = "tls.pem"\ncertificate_key = "tls.key"')),
        "readable_keys", "tls.key"),
    "keys others can replace": (
        lambda home: (home / "keys").chmod(0o777), "readable_keys", "chmod o-w"),
    "open settings with a drafting key": (
        lambda home: settings(home, end='[parts.options.openai]\napi_key = "kV7-oqPw2zLm"\n'),
        "readable_settings", "parts.options.openai.api_key"),
    "open settings with a password in a URL": (
        database("postgresql+psycopg://web:kV7oq@/triage?host=/run/postgresql"),
        "readable_settings", "store.web_url"),
    "an example key": (
        lambda home: hide(home / "keys" / "audit.key", "0123456789abcdef" * 4),
        "made_up_keys", "audit key"),
    "a counted approval key": (
        lambda home: hide(home / "approval.key", bytes(range(32)).hex()),
        "made_up_keys", "approval key"),
    "one key for two purposes": (
        lambda home: shutil.copy(home / "keys" / "index.key", home / "approval.key"),
        "made_up_keys", "two of the keys"),
    "a default secret": (
        lambda home: hide(home / "secrets" / "front-desk", "Change-Me123!"),
        "default_secrets", "front-desk"),
    "a secret that is the user's name": (
        lambda home: hide(home / "secrets" / "out", "frontdesk"), "default_secrets", "out"),
    "pages in plain HTTP": (
        lambda home: settings(home, desk='host = "0.0.0.0"'), "plain_text", "desk.host"),
    "pages in plain HTTP behind a far proxy": (
        lambda home: settings(home, desk='host = "10.0.0.5"\nbehind_tls = true'),
        "plain_text", "desk.host"),
    "half a certificate": (
        lambda home: settings(home, desk='certificate = "tls.pem"'), "plain_text", "both"),
    "a portal in plain HTTP": (
        lambda home: settings(home, end=PORTAL.format(url="http://fhir.clinic.example/r4")),
        "plain_text", "inbox.1.base_url"),
    "mail in plain text": (
        lambda home: settings(home, inbox='security = "plain"'), "plain_text", "front-desk"),
    "a log-in elsewhere with an example secret": (
        lambda home: (settings(home, end=OPENID), hide(home / "secrets" / "openid", "Change-Me1!")),
        "log_in_elsewhere", "openid"),
    "replies in plain text to this machine": (
        lambda home: settings(home, end=NEARBY), "plain_text", "nearby.security"),
    "a database over an open network": (
        database("postgresql+psycopg://web@db.clinic.example/triage"),
        "plain_text", "sslmode=verify-full"),
    "a database whose server is not checked": (
        database("postgresql+psycopg://web@db.clinic.example/triage?sslmode=require"),
        "plain_text", "sslmode=verify-full"),
    "nobody to tell at night": (
        lambda home: settings(home, night="", end=DOOR.format(name="on-call")),
        "nobody_told", "[escalation]"),
    "somebody to tell at night and no way to": (
        lambda home: settings(home, night=PLAN), "nobody_told", "[[alert]]"),
    "a way to tell that the plan does not know": (
        lambda home: settings(home, night=PLAN, end=DOOR.format(name="chat")),
        "nobody_told", "after 30 minutes out of hours"),
    "a plan that names nobody": (
        lambda home: settings(home, night=PLAN.replace('"nia"', '""'),
                              end=DOOR.format(name="on-call")),
        "nobody_told", "nobody is named after 30 minutes out of hours"),
}  # fmt: skip


def test_a_safe_home_may_start(home: Path) -> None:
    for part in (*processes.PARTS, "all"):
        refuse_unsafe(home, part)


@pytest.mark.parametrize("what", UNSAFE)
def test_an_unsafe_setting_is_refused_in_one_line(home: Path, what: str) -> None:
    spoil, _, words = UNSAFE[what]
    spoil(home)
    with pytest.raises(UnsafeSetting) as caught:
        refuse_unsafe(home, "all")
    said = str(caught.value)
    assert words in said
    assert "\n" not in said
    assert "kV7" not in said
    assert "0123456789" not in said


@pytest.mark.parametrize("what", UNSAFE)
def test_without_its_check_the_setting_would_pass(
    home: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sabotage: take away the one check that watches it."""
    spoil, check, _ = UNSAFE[what]
    spoil(home)
    left = tuple(one for one in CHECKS if one.__name__ != check)
    assert len(left) == len(CHECKS) - 1
    monkeypatch.setattr(starting, "CHECKS", left)
    # What is left may still be found wanting by somebody else, later; not by this list.
    monkeypatch.setattr(starting.House, "store", lambda *_: _Nothing())
    monkeypatch.setattr("triage.store.keys._owner_only", lambda path: path.read_text())
    refuse_unsafe(home, "all")


class _Nothing:
    def close(self) -> None:
        """A store that is not there."""


def test_a_private_settings_file_may_hold_a_secret(home: Path) -> None:
    settings(home, end='[parts.options.openai]\napi_key = "kV7-oqPw2zLm"\n')
    (home / "triage.toml").chmod(0o600)
    refuse_unsafe(home, "all")


def test_a_part_looks_only_at_what_it_may_know(home: Path) -> None:
    """The web process never reads the approval master, nor a door's secret."""
    (home / "approval.key").write_text("not a key")
    hide(home / "secrets" / "out", "changeme")
    refuse_unsafe(home, "web")
    refuse_unsafe(home, "worker")
    with pytest.raises(BadSettings, match=r"approval\.key"):
        refuse_unsafe(home, "sender")


HOOK = '[[hook]]\nname = "{name}"\nkind = "webhook"\n'


def test_a_hook_that_could_believe_nobody_or_two_keeps_the_pages_from_starting(home: Path) -> None:
    drawn = f"whsec_{base64.b64encode(os.urandom(32)).decode()}"
    settings(home, end=HOOK.format(name="website"))
    with pytest.raises(BadSettings, match="hook website, its secret is missing"):
        refuse_unsafe(home, "web")
    refuse_unsafe(home, "worker")
    hide(home / "secrets" / "website", drawn)
    refuse_unsafe(home, "web")
    settings(home, end=HOOK.format(name="website") + HOOK.format(name="voicemail"))
    hide(home / "secrets" / "voicemail", f"{drawn}\n")
    with pytest.raises(UnsafeSetting, match="two hooks have the same secret"):
        refuse_unsafe(home, "web")
    settings(home, end=HOOK.format(name="front-desk"))
    with pytest.raises(BadSettings, match="name of another hook or of an inbox"):
        read_settings(home)


@pytest.mark.bar(18)
def test_only_the_sender_is_given_what_opens_an_outbox(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part is started without the secrets of doors it does not open, and reads none."""
    monkeypatch.setenv("TRIAGE_SECRET_OUT", "to send with")
    monkeypatch.setenv("TRIAGE_SECRET_FRONT_DESK", "to read with")
    given = {part: processes.environment_of(part, read_settings(home)) for part in processes.PARTS}
    assert {part for part in given if "TRIAGE_SECRET_OUT" in given[part]} == {"sender"}
    assert {part for part in given if "TRIAGE_SECRET_FRONT_DESK" in given[part]} == {"worker"}
    for name, part in (
        ("OPENID", "web"),
        ("METRICS", "web"),
        ("FRONT_DESK_CONTEXT", "web"),
        ("CANARY", "watch"),
    ):
        monkeypatch.setenv(f"TRIAGE_SECRET_{name}", "its own")
        given = {one: processes.environment_of(one, read_settings(home)) for one in processes.PARTS}
        assert {one for one in given if f"TRIAGE_SECRET_{name}" in given[one]} == {part}
    asked: list[str] = []
    monkeypatch.setattr("triage.wiring.secret", lambda _, name, **_more: asked.append(name) or "x")
    monkeypatch.setattr("triage.wiring.approval_master", lambda _: asked.append("master"))
    house = House.at(home)
    store = house.store("web")
    house.desk(store)
    assert asked == []
    house.worker(store, Parts(rooms()))
    assert asked == ["front-desk"]
    house.sender(store)
    assert asked == ["front-desk", "out", "master"]
    store.close()


@pytest.mark.bar(22)
@pytest.mark.parametrize(
    ("inbox", "told"),
    [
        ('kind = "imap"\nhost = "imap.clinic.example"\nuser = "x"', True),
        ('kind = "maildir"\npath = "mail"', True),
        ('kind = "mbox"\npath = "mail"', True),
        ('kind = "folder"\npath = "mail"', True),
        ('kind = "maildir"\npath = "mail"\nauthserv_id = "mx.clinic.example"', False),
        ('kind = "fhir"\nauth = "none"\nbase_url = "http://127.0.0.1:9/fhir"', False),
    ],
)
def test_that_nobody_checks_senders_is_told_of_every_inbox_of_mail(
    home: Path, inbox: str, told: bool
) -> None:
    checked = 'authserv_id = "mx.clinic.example"'
    settings(home, inbox=checked, end=f'[[inbox]]\nname = "other"\n{inbox}\n')
    hide(home / "secrets" / "other", "x")
    house = House.at(home)
    store = house.store("web")
    assert ("senders_unchecked" in house.worker(store, Parts(rooms()))._notes) is told
    store.close()


def test_a_database_that_could_lose_a_commit_stops_the_start(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(home, store='[store]\nurl = "sqlite:///triage.db?synchronous=NORMAL"\n')
    with pytest.raises(StoreRefused, match="synchronous"):
        refuse_unsafe(home, "worker")
    monkeypatch.setattr("triage.store.refuse_unsafe", lambda _: None)
    refuse_unsafe(home, "worker")


def test_a_database_library_that_loses_commits_stops_the_start(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_unsafe(home, "web")
    monkeypatch.setattr("triage.store.engine._library_version", lambda: (3, 40, 1))
    with pytest.raises(StoreRefused, match="WAL"):
        refuse_unsafe(home, "web")


def test_a_key_that_is_not_the_databases_stops_the_start(home: Path) -> None:
    shutil.rmtree(home / "keys")
    Keys.make(home / "keys")
    with pytest.raises(WrongKey):
        refuse_unsafe(home, "sender")


@pytest.mark.parametrize("part", [*processes.PARTS, "all"])
def test_every_process_asks_before_it_begins(
    home: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "approval.key").chmod(0o644)
    begun: list[str] = []
    monkeypatch.setattr(processes, "set_up", lambda *_: None)
    for one in ("_worker", "_sender", "_web", "_watch", "_keep_alive"):
        monkeypatch.setattr(processes, one, lambda *_, one=one: begun.append(one))
    with pytest.raises(UnsafeSetting):
        processes.run(home, part)
    assert begun == []
    # The sabotage: a process that does not ask begins.
    monkeypatch.setattr(processes, "refuse_unsafe", lambda *_: None)
    monkeypatch.setattr(processes, "_stop_on_signals", lambda: None)
    processes.run(home, part)
    assert len(begun) == 1


def test_the_program_says_one_line_and_exits(home: Path) -> None:
    settings(home, desk='host = "0.0.0.0"')
    command = [sys.executable, "-m", "triage", "run", "--home", str(home), "--part", "web"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("triage: desk.host 0.0.0.0")


def test_what_init_makes_may_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    night = {"on_call": "drlee", "deputy": "nia", "tell": "n@c.example", "mail_server": "s.example"}
    with pytest.raises(BadSettings, match="belong together"):
        init(id="willow", name="Willow", home=tmp_path / "home", on_call="drlee")
    init(id="willow", name="Willow", home=tmp_path / "home", **night)
    said = capsys.readouterr().out
    assert "Add nia and drlee with `triage user add`" in said
    assert "--trial" in said
    refuse_unsafe(tmp_path / "home", "all")
    house = House.at(tmp_path / "home")
    (door,) = house.alerts()
    store = house.store()
    store.practice.adopt(house.settings.practice, clinic="willow")
    plan = store.practice.plan(clinic="willow")
    store.close()
    assert plan.missing({"nia", "drlee"}, [door.name]) == []
    assert "password" not in TEMPLATE.lower()


@pytest.mark.bar(29)
def test_a_clinic_that_names_nobody_is_led_to_it_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    init(id="willow", name="Willow", home=home)
    assert f"at the end of {home}/triage.toml who is told" in capsys.readouterr().out
    with pytest.raises(
        UnsafeSetting, match=r"write \[\[alert\]\] and \[escalation\] in .*triage.toml"
    ):
        refuse_unsafe(home, "all")
    # The example that init left there is whole: without its comment signs triage starts.
    text = (home / "triage.toml").read_text()
    example = text[text.index("# [[alert]]") :]
    plain = "\n".join(line.removeprefix("# ") for line in example.splitlines())
    (home / "triage.toml").write_text(text.replace(example, plain.replace("\nuser", "\n# user")))
    refuse_unsafe(home, "all")
    # At a terminal init asks; an empty answer leaves it for later.
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter(["drlee", "nia", "n@c.example", "s.example", ""])
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(answers))
    init(id="willow", name="Willow", home=tmp_path / "asked")
    refuse_unsafe(tmp_path / "asked", "all")
    init(id="willow", name="Willow", home=tmp_path / "later")
    with pytest.raises(UnsafeSetting):
        refuse_unsafe(tmp_path / "later", "all")


@pytest.mark.bar(29)
@pytest.mark.parametrize("ran", ["a process was started", "a message was filed"])
def test_a_clinic_that_ever_ran_starts_whatever_became_of_its_plan(home: Path, ran: str) -> None:
    """Not to start would hide the messages that are there, and leave new ones on their server."""
    settings(home, night="")
    with pytest.raises(UnsafeSetting, match="nobody is told after"):
        refuse_unsafe(home, "all")
    # Mail is taken in, read and shown by each part on its own, always.
    for part in processes.PARTS:
        refuse_unsafe(home, part)
    store = House.at(home).store()
    if ran == "a process was started":
        store.beats.beat("start:web")
    else:
        store.people.add_clinic(Clinic("willow", "Willow"))
        landed = land(MemoryInbox([mail("hello")]), store, clinic="willow")
        # The sabotage: old mail that was only imported has begun nothing.
        with pytest.raises(UnsafeSetting):
            refuse_unsafe(home, "all")
        file(landed, rooms(), store, clinic="willow", by="worker")
    store.close()
    refuse_unsafe(home, "all")


@pytest.mark.bar(29)
def test_nobody_at_night_is_decided_with_a_reason_and_stays_in_sight(home: Path) -> None:
    for given in ("none", "none, because", "none, because x", "nobody"):
        settings(home, night=f'[escalation]\nout_of_hours = "{given}"')
        with pytest.raises(BadSettings, match="with the reason"):
            read_settings(home)
    settings(home, night=PLAN[PLAN.index("[escalation.out_of_hours]") :])
    with pytest.raises(BadSettings, match="in_hours is missing"):
        read_settings(home)
    settings(home)
    house = House.at(home)
    store = house.store()
    store.people.add_clinic(Clinic("willow", "Willow"))
    store.practice.adopt(house.settings.practice, clinic="willow")
    boss = User("u1", "willow", "sam", "Sam", frozenset({Role.SUPERVISOR}))
    view = house.desk(store).practice.view(boss)
    assert view.nobody == "none, because nobody is a patient here"
    # It is a decision and no plan: the red signs stay.
    assert len(view.missing) == 6
    house.watch().once()
    assert NOTES["no_door"] in {one.text for one in house.desk(store).banners(boss)}
    store.close()


def test_unknown_parts_and_formats_are_named(home: Path) -> None:
    with pytest.raises(BadSettings, match="known: all, worker"):
        processes.run(home, "cook")
    with pytest.raises(BadSettings, match="known: plain, json"):
        processes.run(home, "web", logs="xml")
    assert issubclass(UnsafeSetting, TriageError)


def test_the_command_a_refusal_names_makes_the_database_fit(tmp_path: Path) -> None:
    home = tmp_path / "home"
    init(id="willow", name="Willow", home=home)
    for path in home.glob("triage.db*"):
        path.unlink()
    with pytest.raises(StoreRefused, match="triage store migrate"):
        House.at(home).store("web")
    bring_up_to_date(home)
    House.at(home).store("web").close()


def test_a_log_in_elsewhere_without_its_secret_keeps_the_web_from_starting(home: Path) -> None:
    settings(home, end=OPENID)
    with pytest.raises(BadSettings, match="secrets/openid"):
        refuse_unsafe(home, "web")
    refuse_unsafe(home, "sender")
    hide(home / "secrets" / "openid", "kV7-oqPw2zLm")
    refuse_unsafe(home, "web")
