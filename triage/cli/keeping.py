"""Keys, backups, erasure and retention: what the person who keeps the machine runs."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triage.cli.export import write_private
from triage.cli.trained import HERE, Home, Username, sign_in
from triage.errors import ChangedUnderneath

if TYPE_CHECKING:
    from triage.store import Life, Store
    from triage.store.backup import Restored
    from triage.wiring import House

Kind = Annotated[str, typer.Argument(help="case or patient.")]
Subject = Annotated[str, typer.Argument(help="The id of the case or patient.")]
Person = Annotated[str, typer.Option("--by", help="Who does it; the audit keeps it.")]
Folder = Annotated[Path, typer.Argument(help="Folder of the backups, best on another disk.")]


def add_to(app: typer.Typer) -> None:
    """Add `triage keys`, `triage backup`, `triage erase`, `triage hold` and `triage retention`."""
    keys = typer.Typer(help="The keys of the store.", no_args_is_help=True)
    keys.callback()(lambda: None)
    keys.command("rotate", epilog="Example: triage keys rotate --home /srv/triage")(rotate)
    app.add_typer(keys, name="keys")
    backup = typer.Typer(help="Backups and the way back.", no_args_is_help=True)
    backup.command("make", epilog="Example: triage backup make /mnt/backups")(make)
    backup.command("restore", epilog="Example: triage backup restore /mnt/backups")(restore)
    app.add_typer(backup, name="backup")
    app.command("erase", epilog="Example: triage erase patient 81f2 --by sam")(erase)
    hold = typer.Typer(help="Legal holds: what may not be erased.", no_args_is_help=True)
    hold.command("set", epilog="Example: triage hold set case 4c1d --by sam")(hold_set)
    hold.command("lift", epilog="Example: triage hold lift case 4c1d --by sam")(hold_lift)
    app.add_typer(hold, name="hold")
    patient = typer.Typer(help="One patient's data.", no_args_is_help=True)
    patient.callback()(lambda: None)
    patient.command(
        "export", epilog="Example: triage patient export 81f2 --out copy.json --as sam"
    )(patient_export)
    app.add_typer(patient, name="patient")
    app.command("retention", epilog="Example: triage retention --days 365 --by sam")(retention)


def rotate(
    name: Annotated[str, typer.Argument(help="data (the master), index, audit or file.")] = "data",
    home: Home = HERE,
) -> None:
    """Replace a key while triage runs (for `file` stop it first); safe to interrupt.

    With several machines put the new key in front of the old one in every key file first.
    """
    from triage.store import rotation_others as others
    from triage.wiring import House

    if name == "data":
        _rotate_master(home)
        return
    house, folder = House.at(home), home / "keys"
    if name == "index":
        made, kept = others.rotate_index(house.url, folder)
        print(f"{made} indexes are made anew; {kept} of what was erased stay under the old key.")
    elif name == "audit":
        chains = others.rotate_audit(house.url, folder)
        print(f"{chains} audit chains go on under a new key; keep the old one, too.")
    elif name == "file":
        backups = house.settings.backup.folder
        count = others.rotate_file(house.url, folder, home / backups if backups else None)
        print(f"{count} files are encrypted anew; the old file key is not used any more.")
    else:
        raise typer.BadParameter(f"{name} is none of data, index, audit, file")


def _rotate_master(home: Path) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from triage.store.rotation import rotate as rotated
    from triage.wiring import House

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("wrapping keys anew", total=None)
        count = rotated(
            House.at(home).url,
            home / "keys",
            watch=lambda what, done: progress.update(bar, advance=done, description=what),
        )
    print(f"{count} keys are wrapped anew; the old master key is not used any more.")


def make(folder: Folder, home: Home = HERE) -> None:
    """Write one encrypted backup, the keys in a file apart; what is too old goes."""
    from triage.store.backup import make_backup
    from triage.wiring import House

    house = House.at(home)
    kept = timedelta(days=house.settings.backup.keep_days)
    print(make_backup(house.url, house.keys, folder, lists=house.erasure_lists, kept=kept))


def restore(
    folder: Folder,
    home: Home = HERE,
    made: Annotated[str, typer.Option(help="How the name of an older backup begins.")] = "",
) -> None:
    """Put the newest backup into an empty place; replies that may have left are shown to you."""
    from triage.store.backup import restore_backup
    from triage.wiring import House

    house = House.at(home)
    lists, anchors = house.erasure_lists, house.anchor_file
    found = restore_backup(house.url, house.keys, folder, lists=lists, anchors=anchors, made=made)
    print(f"{found.verdict.events} audit events in {len(found.verdict.heads)} chains hold")
    print(f"{found.uncertain} replies may have left already and wait for a person")
    print(f"{found.erased} erasures were done again")
    for line in _warnings(found):
        print(f"LOOK: {line}")


def _warnings(found: "Restored") -> Iterator[str]:
    """Say what a person must see to after a restore."""
    when = f"{found.made_at:%Y-%m-%d %H:%M} UTC"
    if not found.lists[0]:
        yield f"NO ERASURE LIST WAS FOUND; whoever was erased after {when} is back; erase again"
    elif found.lists[0] < found.lists[1]:
        yield f"an erasure list is missing; somebody erased after {when} may be back"
    if found.anchor is None:
        yield "no anchor was found; nothing outside says whether the audit is the one it was"
    elif found.lost:
        yield f"{found.lost} audit events after the backup, all of them anchored, are lost"
        yield f"the old anchor is kept as {found.aside}"
    yield f"people, roles and authenticators are as of {when}; take away again what was taken since"


def erase(kind: Kind, subject: Subject, person: Person, home: Home = HERE) -> None:
    """Destroy the keys of a case or a patient for good; a legal hold forbids it."""
    house, store, life = _opened(home)
    clinic = house.settings.clinic.id
    life.erase(kind, subject, clinic=clinic, by=person)
    _close(store, life)
    print("erased; backups of its key are gone within seven days")


def hold_set(
    kind: Kind,
    subject: Subject,
    person: Person,
    home: Home = HERE,
) -> None:
    """Forbid erasing a case or a patient; asks for the reason, which is kept encrypted."""
    from triage.domain import Protected

    house, store, life = _opened(home)
    reason = Protected(typer.prompt("Reason"))
    life.hold(kind, subject, reason, clinic=house.settings.clinic.id, by=person)
    _close(store, life)


def hold_lift(kind: Kind, subject: Subject, person: Person, home: Home = HERE) -> None:
    """Lift the legal holds of a case or a patient."""
    house, store, life = _opened(home)
    life.lift(kind, subject, clinic=house.settings.clinic.id, by=person)
    _close(store, life)


def retention(
    person: Person,
    days: Annotated[int, typer.Option(min=30, help="Days a closed case is kept.")],
    home: Home = HERE,
) -> None:
    """Erase cases closed longer ago than this, one by one; those on hold stay."""
    house, store, life = _opened(home)
    clinic = house.settings.clinic.id
    before, erased = datetime.now(UTC) - timedelta(days=days), 0
    for case_id in life.due(before, clinic=clinic):
        # Somebody may open a case again while others are erased.
        with suppress(ChangedUnderneath):
            life.erase("case", case_id, clinic=clinic, by=person, closed_before=before)
            erased += 1
    _close(store, life)
    print(f"{erased} cases were erased")


def patient_export(
    patient: Annotated[str, typer.Argument(help="The patient's id.")],
    *,
    out: Annotated[Path, typer.Option(help="JSON file to write, readable by you alone.")],
    person: Username,
    home: Home = HERE,
) -> None:
    """Write everything kept about one patient to a private file, for the patient; audited."""
    from triage.desk.rights import Right, require
    from triage.wiring import House

    _desk, actor = sign_in(home, person)
    require(actor, Right.EXPORT_PATIENT)
    store = House.at(home).store()
    found = store.copy_of(patient, clinic=actor.clinic, by=actor.id)
    store.close()
    write_private(out, [json.dumps(found, default=str, ensure_ascii=False)], force=False)
    print(f"{len(found['cases'])} cases in {out}")


def _opened(home: Path) -> "tuple[House, Store, Life]":
    from triage.wiring import House

    house = House.at(home)
    store = house.store()
    return house, store, house.life(store)


def _close(store: "Store", life: "Life") -> None:
    life.close()
    store.close()
