"""The fictional practice of data/samples/ set up in a home folder of its own."""

import secrets
import shutil
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from triage.cli.clinic import make_master
from triage.cli.demo.plan import plan_lines
from triage.cli.demo.servers import AUTHSERV_ID, HOST, Mailbox, Portal, Sink
from triage.desk import needs_second_factor
from triage.desk.signing import SignInDesk
from triage.domain import Clinic, Role, User, approver_key
from triage.errors import BadSettings
from triage.settings import approval_master
from triage.store import Keys, Store, migrate, open_store
from triage.store.paper_seal import make_key as make_paper_key
from triage.store.totp import STEP, code_at, unspelled
from triage.upkeep import PAPER_KEY
from triage.wiring import House

SAMPLES = Path(__file__).resolve().parents[3] / "data" / "samples"
CLINIC = "willow-creek"
#: Where mails come from, where replies go, the portal, and where alerts for staff go.
Servers = tuple[Mailbox, Sink, Portal, Sink]
MAIL_USER = "frontdesk"


@dataclass(frozen=True, slots=True)
class Login:
    """One demo person and how to be them."""

    user: User
    password: str
    #: The person's approval key in hexadecimal; empty for those who never approve.
    code: str
    #: What an authenticator app of theirs would hold; empty for those who need none.
    secret: str = ""

    def one_time_code(self, moment: datetime) -> str:
        """Return what the app would show at a moment; empty for those who need none."""
        return code_at(unspelled(self.secret), moment) if self.secret else ""


PEOPLE = (
    ("dana", "Dana Reyes", frozenset({Role.SECRETARY})),
    ("nia", "Nia Okafor", frozenset({Role.NURSE})),
    ("sam", "Sam Lindqvist", frozenset({Role.SUPERVISOR})),
    ("devi", "Devi Raman", frozenset({Role.DATA_SCIENTIST})),
)


def set_up(home: Path, servers: Servers, undo: float, port: int) -> House:
    """Make a fresh home for the practice; an old demo's home is thrown away."""
    if not SAMPLES.is_dir():
        raise BadSettings(f"{SAMPLES} is not there; run the demo from a checkout")
    if (home / "triage.toml").exists() and (home / ".demo").exists():
        shutil.rmtree(home)
    home.mkdir(parents=True)
    (home / ".demo").touch()
    (home / "triage.toml").write_text(_settings(servers, undo, port), encoding="utf-8")
    (home / "secrets").mkdir(mode=0o700)
    (home / "secrets" / "front-desk").touch(mode=0o600)
    (home / "secrets" / "front-desk").write_text(MAIL_PASSWORD, encoding="utf-8")
    make_master(home)
    keys = Keys.make(home / "keys")
    make_paper_key(home / PAPER_KEY)
    house = House.at(home)
    migrate(house.url, keys)
    return house


#: The demo mailbox lives on loopback for as long as the demo; nothing else opens with this.
MAIL_PASSWORD = secrets.token_urlsafe(8)


def _settings(servers: Servers, undo: float, port: int) -> str:
    mailbox, sink, portal, staff = servers
    facts = tomllib.loads((SAMPLES / "practice.toml").read_text(encoding="utf-8"))
    lines = [
        "[clinic]",
        f'id = "{CLINIC}"',
        f'name = "{facts["name"]}"',
        f'timezone = "{facts["time_zone"]}"',
        "[clinic.facts]",
        *(f"{key} = {quoted(value)}" for key, value in flat_facts(facts).items()),
        "[desk]",
        f"port = {port}",
        "demonstration = true",
        f"undo_seconds = {undo}",
        f'mail_domain = "{facts["mail_domain"]}"',
        "[[inbox]]",
        'name = "front-desk"\nkind = "imap"',
        f'host = "{HOST}"\nport = {mailbox.port}\nsecurity = "plain"\nuser = "{MAIL_USER}"',
        f'authserv_id = "{AUTHSERV_ID}"',
        "[[inbox]]",
        f'name = "portal"\nkind = "fhir"\nauth = "none"\nbase_url = "{portal.url}"',
        "[[outbox]]",
        'name = "front-desk-out"\nkind = "smtp"\nchannel = "email"',
        f'host = "{HOST}"\nport = {sink.port}\nsecurity = "plain"',
        f'sender = "frontdesk@{facts["mail_domain"]}"',
        "[[outbox]]",
        'name = "portal-out"\nkind = "fhir"\nchannel = "portal"\nauth = "none"',
        f'base_url = "{portal.url}"',
        *plan_lines(staff.port, str(facts["mail_domain"]), facts["hours"]),
    ]
    return "\n".join(lines) + "\n"


def flat_facts(facts: dict[str, object]) -> dict[str, str]:
    """Return the texts of the practice file by their own names, tables opened one level."""
    flat: dict[str, str] = {}
    for key, value in facts.items():
        if isinstance(value, str):
            flat[key] = value
        elif isinstance(value, dict):
            flat |= {name: text for name, text in value.items() if isinstance(text, str)}
    return flat


def quoted(text: str) -> str:
    """Return a text as triage.toml has it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def move_in(house: House) -> tuple[Store, dict[str, Login]]:
    """Open the store, add the people, import the roster and say who is called when."""
    store, clinic = open_store(house.url, house.keys), house.settings.clinic.id
    store.practice.adopt(house.settings.practice, clinic=clinic)
    users = [User(f"demo-{name}", clinic, name, shown, roles) for name, shown, roles in PEOPLE]
    return store, furnish(house, store, users, by="demo")


def furnish(house: House, store: Store, users: Iterable[User], *, by: str) -> dict[str, Login]:
    """Add the clinic, its people and the invented roster; return how to sign in as each."""
    from triage.connectors.roster import read_csv

    clinic = house.settings.clinic
    store.people.add_clinic(Clinic(clinic.id, clinic.name, clinic.timezone))
    master = approval_master(house.home)
    logins = {}
    for user in users:
        password = secrets.token_urlsafe(6)
        store.people.add_user(user, password)
        code = approver_key(master, user.id).hex()
        logins[user.username] = Login(user, password, code, enrol(store, user, password))
    roster = list(read_csv(SAMPLES / "roster.csv", clinic=clinic.id))
    store.people.import_roster(roster, clinic=clinic.id, by=by)
    return logins


def enrol(store: Store, user: User, password: str) -> str:
    """Enrol a fresh secret the way a person would; return it, or nothing for who needs none.

    The app's clock lags one step, so that the code of this very moment is not used up.
    """
    if not needs_second_factor(user):
        return ""
    door = SignInDesk(store, lambda: datetime.now(UTC))
    token = door.sign_in(user.username, password).token
    secret = door.offer(token)
    late = datetime.now(UTC) - timedelta(seconds=STEP)
    store.people.close_session(door.enrol(token, code_at(unspelled(secret), late)).token)
    return secret
