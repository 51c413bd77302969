"""A bad settings file is one line that names what to mend; a missing part is left to people."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from triage.classifiers import BUILTIN as CLASSIFIERS
from triage.domain import Channel, RawMessage
from triage.encoder.registry import Registry
from triage.errors import BadSettings, MissingModel, UnknownPlugin
from triage.loading import load_parts
from triage.plugins import load
from triage.redaction import BUILTIN
from triage.settings import PartsSettings, approval_master, read_settings, secret
from triage.testing import arrival, mail
from triage.wiring import House

GOOD = '[clinic]\nid = "willow"\nname = "Willow"\n'


def written(home: Path, text: str) -> Path:
    (home / "triage.toml").write_text(text)
    return home


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "clinic"),
        ("[clinic\n", "triage.toml"),
        ('[clinic]\nid = "Willow Creek"\nname = "W"\n', "clinic.id"),
        (GOOD + "[desk]\nundo_seconds = -1\n", "desk.undo_seconds"),
        (GOOD + "[parts]\norder = 'draft first'\n", "parts.order"),
        (GOOD + "[parts]\nskip_redaction = true\n", "parts.skip_redaction"),
        (GOOD + "[[inbox]]\nname = 'a'\n", "inbox.0.kind"),
        (GOOD + "[[outbox]]\nname = 'a'\nkind = 'smtp'\nchannel = 'fax'\n", "outbox.0.channel"),
    ],
)
def test_bad_settings_name_the_line(tmp_path: Path, text: str, names: str) -> None:
    with pytest.raises(BadSettings, match=names) as caught:
        read_settings(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="triage init"):
        read_settings(tmp_path)


def test_an_unknown_part_lists_the_known_ones(tmp_path: Path) -> None:
    house = House.at(written(tmp_path, GOOD + "[[inbox]]\nname = 'a'\nkind = 'pigeon'\n"))
    with pytest.raises(UnknownPlugin, match="fhir, folder, imap, maildir, mbox"):
        house.inboxes()
    with pytest.raises(UnknownPlugin):
        load("redaction", "none", BUILTIN)


def test_secrets_come_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert secret(tmp_path, "front-desk") == ""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "front-desk").write_text("from-file\n")
    assert secret(tmp_path, "front-desk") == "from-file"
    monkeypatch.setenv("TRIAGE_SECRET_FRONT_DESK", "from-environment")
    assert secret(tmp_path, "front-desk") == "from-environment"


@pytest.mark.parametrize("key", ["password", "secret", "access_token", "client_secret", "api_key"])
def test_a_secret_in_the_settings_file_is_refused_without_being_repeated(
    tmp_path: Path, key: str
) -> None:
    door = f"[[inbox]]\nname = 'a'\nkind = 'imap'\n{key} = 'kV7-oqPw2zLm'\n"
    with pytest.raises(BadSettings, match=key) as caught:
        read_settings(written(tmp_path, GOOD + door).resolve())
    assert "kV7" not in str(caught.value)


def test_addresses_of_tokens_are_no_secret(tmp_path: Path) -> None:
    door = "[[inbox]]\nname = 'a'\nkind = 'imap'\ntoken_url = 'https://x.example/token'\n"
    assert read_settings(written(tmp_path, GOOD + door)).inbox[0].name == "a"


class Keyring:
    """Stands in for the keyring of a desktop or a system."""

    def get_password(self, service: str, name: str) -> str | None:
        if name == "broken":
            raise RuntimeError("kV7-oqPw2zLm")
        return {("triage", "front-desk"): "from-keyring"}.get((service, name))


def test_a_secret_may_lie_in_the_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", Keyring())
    assert secret(tmp_path, "front-desk", keyring=True) == "from-keyring"
    assert secret(tmp_path, "front-desk") == ""
    with pytest.raises(BadSettings, match="keyring set triage other"):
        secret(tmp_path, "other", keyring=True)
    with pytest.raises(BadSettings, match="RuntimeError") as caught:
        secret(tmp_path, "broken", keyring=True)
    assert "kV7" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(BadSettings, match="pip install keyring"):
        secret(tmp_path, "front-desk", keyring=True)


def test_a_short_or_missing_approval_master_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"approval\.key"):
        approval_master(tmp_path)
    (tmp_path / "approval.key").write_text("abcd")
    with pytest.raises(BadSettings):
        approval_master(tmp_path)


def test_without_models_people_do_the_work(tmp_path: Path) -> None:
    parts = load_parts(PartsSettings(), Registry(tmp_path, shipped=tmp_path), {})
    assert {"no_redactor", "no_classifier"} <= set(parts.notes)
    assert parts.rooms.redactor.name == "withhold"
    assert parts.rooms.classifier.name == "abstain"
    assert parts.rooms.rules is not None


def test_the_registry_promotes_and_goes_back(tmp_path: Path) -> None:
    for name in ("router-1", "router-2"):
        folder = tmp_path / "shipped" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text('{"task": "router", "trainer": "devi"}')
    (tmp_path / "shipped" / "serving.json").write_text('{"router": "router-1"}')
    registry = Registry(tmp_path, shipped=tmp_path / "shipped")
    assert registry.promote("router-2") == "router-1"
    assert registry.serving("router") == "router-2"
    assert registry.rollback("router") == "router-1"
    assert registry.serving("router") == "router-1"
    with pytest.raises(MissingModel, match="router-1, router-2"):
        registry.promote("router-9")


class Remembering:
    """A classifier that only remembers its settings."""

    name = "remembering"

    def __init__(self, settings: Mapping[str, object]) -> None:
        self.settings = dict(settings)


def test_what_the_clinic_wants_promised_reaches_its_classifier_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "router-1").mkdir()
    (tmp_path / "router-1" / "config.json").write_text('{"task": "router"}')
    (tmp_path / "serving.json").write_text('{"router": "router-1"}')
    for name in ("minilm", "other"):
        monkeypatch.setitem(CLASSIFIERS, name, "tests.test_wiring.Remembering")
    registry = Registry(tmp_path / "home", shipped=tmp_path)

    def told(name: str = "minilm", **options: float) -> dict[str, object]:
        parts = PartsSettings(classifier=name, options={name: options})
        settings: dict[str, object] = load_parts(parts, registry, {}).rooms.classifier.settings
        settings.pop("model_dir")
        return settings

    assert told() == {}
    registry.set_promise(0.01, 0.05)
    assert told() == {"promise_missed": 0.01, "promise_wrong": 0.05}
    assert told("other") == {}
    # What the supervisor promised, and the page shows, is what serves, whatever triage.toml says.
    assert told(promise_wrong=0.02) == {"promise_missed": 0.01, "promise_wrong": 0.05}


DOORS = """
[[inbox]]
name = "front-desk"
kind = "imap"
host = "imap.clinic.example"
user = "x"
authserv_id = "mx.clinic.example"
[[inbox]]
name = "billing"
kind = "imap"
host = "imap.clinic.example"
user = "y"
[[outbox]]
name = "out"
kind = "smtp"
channel = "email"
host = "smtp.clinic.example"
sender = "desk@clinic.example"
[[outbox]]
name = "portal-out"
kind = "fhir"
channel = "portal"
auth = "none"
base_url = "http://127.0.0.1:9/fhir"
"""


@pytest.mark.bar(22)
def test_each_inbox_believes_the_verdicts_of_its_own_mail_server_only(tmp_path: Path) -> None:
    parts = '[parts]\nredactor = "withhold"\nclassifier = "abstain"\n'
    house = House.at(written(tmp_path, GOOD + parts + DOORS))
    assert [inbox.name for inbox in house.inboxes()] == ["front-desk", "billing"]
    parse = house.parts().rooms.parse
    says = "Authentication-Results: {}; dmarc={} header.from=example.org\r\n"
    doubts = {}
    for inbox in ("front-desk", "billing"):
        for server in ("mx.clinic.example", "mx.evil.example", "mx.other.example"):
            result = "fail" if server == "mx.other.example" else "pass"
            content = mail("hello", headers=says.format(server, result))
            found = arrival(content, uid=1, inbox=inbox)
            now = datetime(2026, 1, 5, tzinfo=UTC)
            raw = RawMessage(
                "r1", "willow", found.position, found.channel, found.media_type, now, content
            )
            doubts[inbox, server] = parse(raw).sender_doubtful
    assert doubts == {
        ("front-desk", "mx.clinic.example"): False,
        ("front-desk", "mx.evil.example"): True,
        ("front-desk", "mx.other.example"): True,
        # Nobody said whose verdict counts here, and the banner says so.
        ("billing", "mx.clinic.example"): False,
        ("billing", "mx.evil.example"): False,
        # What a server calls forged is doubtful all the same.
        ("billing", "mx.other.example"): True,
    }


def test_a_clinic_on_the_portal_only_has_no_way_out_by_mail(tmp_path: Path) -> None:
    both = House.at(written(tmp_path, GOOD + DOORS))
    assert set(both.outboxes()) == {Channel.EMAIL, Channel.PORTAL}
    shut = House.at(written(tmp_path, GOOD + "portal_only = true\n" + DOORS))
    assert set(shut.outboxes()) == {Channel.PORTAL}
