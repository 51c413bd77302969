"""`triage outbox check`: what works and what to mend in plain words; nothing leaves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.connectors.test_fhir_more import SEARCHED, statement
from tests.servers import PASSWORD, Certificates, FhirServer, SmtpKeeper, free_port
from triage.cli import app
from triage.connectors.fhir_outbox import FhirOutbox
from triage.connectors.smtp import SmtpOutbox

CLINIC = '[clinic]\nid = "c1"\nname = "Test Clinic"\n'
MAIL = """
[[outbox]]
name = "out"
kind = "smtp"
channel = "email"
host = "{host}"
port = {port}
security = "starttls"
user = "desk"
sender = "desk@clinic.example"
timeout_seconds = 5
ca_file = "{ca}"
"""


def said(home: Path, settings: str, *, name: str = "out", secret: str = PASSWORD) -> str:
    (home / "secrets").mkdir(exist_ok=True)
    (home / "secrets" / "out").touch(mode=0o600)
    (home / "secrets" / "out").write_text(secret)
    (home / "triage.toml").write_text(settings)
    done = CliRunner().invoke(app, ["outbox", "check", name, "--home", str(home)])
    words = f"{done.output}{done.exception or ''}"
    assert secret not in words
    return words


def test_a_mail_server_is_tried_as_far_as_the_sender_and_nothing_is_sent(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    good: dict[str, object] = {"host": "localhost", "ca": certificates.ca_file}
    with SmtpKeeper(certificates) as server:
        good["port"] = server.port
        settings = CLINIC + MAIL.format(**good)
        assert "accepts our log-in and our sender; nothing was sent." in said(tmp_path, settings)
        assert " at AUTH. Mend `user` or the secret." in said(
            # The library tries each way to log in, and this server falls silent after the first.
            tmp_path,
            settings.replace("seconds = 5", "seconds = 0.5"),
            secret="not-this-one",
        )
        unknown = settings.replace("ca_file", "# ca_file")
        assert "at STARTTLS. Mend `security`, `ca_file`" in said(tmp_path, unknown)
        assert "known: out" in said(tmp_path, settings, name="back-door")
        shut = settings.replace('"Test Clinic"\n', '"Test Clinic"\nportal_only = true\n')
        assert "nothing leaves here, because of `portal_only`" in said(tmp_path, shut)
        assert server.mails == []
    nobody = CLINIC + MAIL.format(**good | {"port": free_port()})
    assert "ConnectionRefusedError at connect. Mend `host` and `port`" in said(tmp_path, nobody)


@pytest.fixture(scope="module")
def portal() -> Iterator[FhirServer]:
    with FhirServer() as server:
        yield server


def test_a_portal_is_tried_with_the_outbox_own_log_in(tmp_path: Path, portal: FhirServer) -> None:
    portal.clear()
    portal.set(statement=statement(Communication=SEARCHED))
    settings = (
        f'{CLINIC}[[outbox]]\nname = "out"\nkind = "fhir"\nchannel = "portal"\n'
        f'auth = "bearer"\ntimeout_seconds = 5\nbase_url = "{portal.base_url}"\n'
    )
    found = said(tmp_path, settings)
    assert "logged in, and our replies can be looked for. Nothing was created." in found
    assert "has conditional create" in found
    assert "(401)" in (words := said(tmp_path, settings, secret="not-this-one"))
    assert "may not search Communication by identifier" in words
    assert portal.state["total"] == 0
    away = settings.replace(portal.base_url, f"http://127.0.0.1:{free_port()}/fhir")
    assert "nobody answers" in said(tmp_path, away)


def test_whoever_only_says_yes_is_found_out() -> None:
    """The sabotage: a check that asks nothing would say of any server that it works."""
    settings = {"name": "out", "host": "127.0.0.1", "port": free_port(), "security": "plain"}
    mail = SmtpOutbox({**settings, "sender": "desk@clinic.example"}, "")
    assert "fails" in mail.check()[0]
    fhir = {"name": "out", "auth": "none", "base_url": f"http://127.0.0.1:{free_port()}/fhir"}
    assert not any("logged in" in line for line in FhirOutbox(fhir, "").check())
