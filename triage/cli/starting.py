"""Looks at a home folder before a process starts, and refuses what could lose or leak something.

Rule of the room: one trouble is one line that names the file or setting to mend, never a value.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from triage.connectors.tls import is_loopback
from triage.domain import START_BEAT, EscalationPlan, Setting
from triage.errors import UnsafeSetting
from triage.loading import load_hooks
from triage.settings import approval_master, secret
from triage.wiring import House

#: The processes of a clinic; each can run alone.
PARTS = ("worker", "sender", "web", "watch")
#: Rights of others on a file that only its owner may read.
_OTHERS = 0o077
#: A random key of 32 bytes has about 30 different ones; a typed or counted one has few.
_FEWEST_DIFFERENT = 16
_SECRET_NAME = re.compile(r"secret|passw|token$|api_?key|private_?key", re.IGNORECASE)
#: What stands in manuals, examples and installers, without signs and in small letters.
_EXAMPLES = frozenset(
    {"admin", "administrator", "changeit", "changeme", "default", "demo", "dummy", "example"}
    | {"frontdesk", "guest", "hunter2", "letmein", "none", "pass", "passw0rd", "password", "root"}
    | {"qwerty", "replaceme", "secret", "swordfish", "test", "todo", "triage", "user", "welcome"}
    | {"correcthorsebatterystaple", "xxx", "yoursecret", "yourpassword", "yourpasswordhere"}
)


def refuse_unsafe(home: Path, part: str) -> None:
    """Raise UnsafeSetting for the first trouble by which `part` must not start.

    Also opens and closes the store as that part, so that StoreRefused, WrongKey and BadSettings
    come here, before anything is fetched, shown or sent.
    """
    house = House.at(home)
    for check in CHECKS:
        for trouble in check(house, part):
            raise UnsafeSetting(trouble)
    # The watch starts without its store: that the database is gone is what it has to tell.
    if part == "watch":
        house.watch()
        return
    for process in PARTS if part == "all" else (part,):
        house.store(process).close()


def readable_keys(house: House, part: str) -> Iterator[str]:
    """Find key files and secrets that others can read."""
    del part
    home, desk = house.home, house.settings.desk
    files = [home / "approval.key", *_inside(home / "keys"), *_inside(home / "secrets")]
    if desk.certificate_key:
        files.append(home / desk.certificate_key)
    for path in files:
        if path.is_file() and path.stat().st_mode & _OTHERS:
            yield f"{path} can be read by others; run chmod 600 on it"
    for folder in (home, home / "keys", home / "secrets"):
        if folder.is_dir() and folder.stat().st_mode & 0o002:
            yield f"others can replace files in {folder}; run chmod o-w on it"


def readable_settings(house: House, part: str) -> Iterator[str]:
    """Find a secret in a settings file that others can read."""
    del part
    path = house.home / "triage.toml"
    if path.stat().st_mode & _OTHERS:
        for place, key, value in _texts(house.settings.model_dump()):
            if value and (_SECRET_NAME.search(key) or _has_password(value)):
                yield f"{path} can be read by others and holds a secret at {place}; run chmod 600"


def made_up_keys(house: House, part: str) -> Iterator[str]:
    """Find keys that nobody drew by lot, or that serve twice."""
    keys = house.keys
    drawn = {"data": keys.data[0], "file": keys.file, "index": keys.index, "audit": keys.audit}
    if part in ("all", "sender"):
        drawn["approval"] = approval_master(house.home)
    for name, key in drawn.items():
        if _made_up(key):
            yield f"the {name} key is an example, not drawn by lot; make keys with `triage init`"
    if len(set(drawn.values())) < len(drawn):
        yield "two of the keys are the same; make keys with `triage init`"


def default_secrets(house: House, part: str) -> Iterator[str]:
    """Find a door whose secret stands in every manual, or is its own user name."""
    doors: list[Any] = [*house.settings.inbox] if part in ("all", "worker") else []
    doors += [*house.settings.outbox] if part in ("all", "sender") else []
    doors += [*house.settings.alert] if part in ("all", "watch") else []
    for door in doors:
        given = secret(house.home, door.name, keyring=door.keyring)
        options = door.model_dump()
        named = {_plain(str(options.get(key, ""))) for key in ("user", "name", "host", "client_id")}
        named |= {_plain(str(options.get("user", "")).partition("@")[0])}
        if given and _plain(given) in _EXAMPLES | named:
            yield f"the secret of {door.name} is an example; ask its server for one of its own"


def plain_text(house: House, part: str) -> Iterator[str]:
    """Find a way by which patients' words would cross a network in the open."""
    del part
    desk = house.settings.desk
    if bool(desk.certificate) != bool(desk.certificate_key):
        yield "desk.certificate and desk.certificate_key belong together; give both"
    if not desk.certificate and not is_loopback(desk.host):
        yield f"desk.host {desk.host} would serve plain HTTP; give a certificate, or 127.0.0.1"
    for place, key, value in _texts(house.settings.model_dump()):
        if value.lower().startswith("http://") and not is_loopback(urlsplit(value).hostname or ""):
            yield f"{place} is plain HTTP to another machine; use https"
        if key.endswith("url") and value.startswith("postgresql") and not _is_verified(value):
            yield f"{place} reaches a database over the network; add sslmode=verify-full"
    canary = [house.settings.canary] if house.settings.canary else []
    settings = house.settings
    for door in (*settings.inbox, *settings.outbox, *settings.alert, *canary):
        options = {"name": "canary", **door.model_dump()}
        host = str(options.get("host", ""))
        if options.get("security") == "plain" and not is_loopback(host):
            yield f"{options['name']}.security is plain to another machine; use tls or starttls"
    for door in house.settings.outbox:
        if door.model_dump().get("security") == "plain" and not desk.demonstration:
            yield f"{door.name}.security is plain, which only a demonstration may; use starttls"


def log_in_elsewhere(house: House, part: str) -> Iterator[str]:
    """Find a provider that the desk could not use, or whose secret stands in every manual."""
    if part not in ("all", "web") or not house.settings.openid.issuer:
        return
    # Raises BadSettings, which names the line.
    house.provider()
    if _plain(secret(house.home, "openid")) in _EXAMPLES | {
        _plain(house.settings.openid.client_id)
    }:
        yield "the secret openid is an example; ask the provider for one of its own"


def hooks(house: House, part: str) -> Iterator[str]:
    """Find a hook that could believe nobody, or that believes with the key of another."""
    if part not in ("all", "web"):
        return
    # Raises BadSettings, which names the line.
    load_hooks(house.home, house.settings.hook)
    given = [secret(house.home, one.name, keyring=one.keyring) for one in house.settings.hook]
    words = [word for text in given for word in set(text.split())]
    if len(set(words)) < len(words):
        yield "two hooks have the same secret; give each one of its own"


def for_training(house: House, part: str) -> Iterator[str]:
    """Find a home in which new staff practise, and nothing else may run."""
    del part
    if house.settings.desk.staff_training:
        yield f"{house.home} is for training new staff; start it with `triage train-staff`"


def nobody_told(house: House, part: str) -> Iterator[str]:
    """Find a clinic about to begin in which nobody would hear of an urgent message at night.

    Only where it never ran: one that has patients' messages starts at any hour, whatever its plan
    has become, and says on every page what is missing. Not to start would hide those messages.
    """
    settings = house.settings
    if part != "all" or (settings.escalation and settings.escalation.nobody):
        return
    plan = EscalationPlan.read(settings.practice.get(Setting.ESCALATION, {}))
    # That whoever is named works here is asked in each round of the watch; until then all are told.
    named = {one.who for half in (plan.in_hours, plan.out_of_hours) for one in half.values()}
    wanting = plan.missing(named - {""}, [door.name for door in settings.alert])
    if wanting and not _began(house):
        yield (
            f"when nobody acts on an urgent message, {wanting[-1]}; write [[alert]] and"
            f" [escalation] in {house.home / 'triage.toml'} as docs/watching.md shows, or under"
            ' [escalation] the line out_of_hours = "none, because ..."'
        )


CHECKS: tuple[Callable[[House, str], Iterator[str]], ...] = (
    for_training,
    readable_keys,
    readable_settings,
    made_up_keys,
    default_secrets,
    plain_text,
    log_in_elsewhere,
    hooks,
    nobody_told,
)


def _began(house: House) -> bool:
    """Whether a process of this clinic was ever started, or a message of it was ever filed."""
    store = house.store("web")
    try:
        figures = store.counts.figures(clinic=house.settings.clinic.id)
        started = any(beat.process.startswith(START_BEAT) for beat in store.beats.all())
    finally:
        store.close()
    return started or figures.landed > figures.in_no_queue


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        # Another system user's folder, as the sender's secrets may be: not ours to read.
        return []


def _texts(value: Any, place: str = "", key: str = "") -> Iterator[tuple[str, str, str]]:
    """Walk settings; yield the place, the last key and the text of every string."""
    if isinstance(value, str):
        yield place, key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, f"{place}.{name}" if place else str(name), str(name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{place}.{number}", key)


def _has_password(value: str) -> bool:
    if "://" not in value:
        return False
    parts = urlsplit(value)
    return bool(parts.password) or "password" in parse_qs(parts.query)


def _is_verified(url: str) -> bool:
    """Whether a PostgreSQL URL stays on this machine or checks the server's certificate."""
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    hosts = [*asked.get("host", []), *filter(None, [parts.hostname])]
    local = all(host.startswith("/") or is_loopback(host) for host in map(unquote, hosts))
    return local or asked.get("sslmode") == ["verify-full"]


def _made_up(key: bytes) -> bool:
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    return len(set(key)) < _FEWEST_DIFFERENT or len(steps) == 1


def _plain(text: str) -> str:
    """Return a word without signs and trailing digits: `Change-Me123!` is `changeme`."""
    return re.sub(r"[^a-z0-9]", "", text.casefold()).rstrip("0123456789") or text.strip()
