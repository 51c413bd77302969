"""What a practice manager decided, with every version there ever was.

Rule of the room: a version is never changed; the newest counts. No value is about a patient, so
before and after may stand in the audit.
"""

import json
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Row, select

from triage.domain import (
    EscalationPlan,
    OpeningHours,
    Setting,
    Targets,
    Version,
    new_id,
    read_hours,
)
from triage.errors import ChangedUnderneath
from triage.store import tables
from triage.store.transaction import Transactions, Work

#: Who wrote a version that came from triage.toml.
FROM_FILE = "triage.toml"


class PracticeSettings:
    """The settings of every clinic."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def newest(self, setting: Setting, *, clinic: str) -> Version | None:
        """Return the version that counts; None where nobody ever said anything."""
        with self._transactions.read() as work:
            return newest(work, setting, clinic)

    def history(self, setting: Setting, *, clinic: str, limit: int = 20) -> list[Version]:
        """Return the newest versions, newest first."""
        with self._transactions.read() as work:
            rows = work.rows(_versions(setting, clinic).limit(limit))
        return [_version(row) for row in rows]

    def change(
        self, setting: Setting, value: Mapping[str, Any], *, seen: int, clinic: str, by: str
    ) -> int:
        """Add a version and return its number; raise ChangedUnderneath unless `seen` is the last.

        The same value again adds nothing.
        """
        with self._transactions.write() as work:
            work.lock(f"practice {clinic}")
            before = newest(work, setting, clinic)
            number = before.number if before else 0
            if number != seen:
                raise ChangedUnderneath(f"setting {setting.value}")
            if before is not None and dict(before.value) == dict(value):
                return number
            return _add(work, setting, value, before, clinic=clinic, by=by)

    def adopt(self, found: Mapping[Setting, Mapping[str, Any]], *, clinic: str) -> None:
        """Let triage.toml say what nobody has said in the app."""
        with self._transactions.write() as work:
            work.lock(f"practice {clinic}")
            for setting, value in found.items():
                before = newest(work, setting, clinic)
                if before is None or (before.by == FROM_FILE and before.value != dict(value)):
                    _add(work, setting, value, before, clinic=clinic, by=FROM_FILE)

    def hours(self, *, clinic: str) -> OpeningHours:
        """Return when the clinic is open; always, where nobody said."""
        with self._transactions.read() as work:
            return hours_of(work, clinic)

    def targets(self, *, clinic: str) -> Targets:
        """Return the targets of the routes."""
        with self._transactions.read() as work:
            return targets_of(work, clinic)

    def staff(self, *, clinic: str) -> frozenset[str]:
        """Return the user names of everybody who may be named in a plan."""
        users = tables.users
        active = (users.c.clinic == clinic, users.c.active.is_(True))
        with self._transactions.read() as work:
            rows = work.rows(select(users.c.username).where(*active))
        return frozenset(row.username for row in rows)

    def plan(self, *, clinic: str) -> EscalationPlan:
        """Return who is told of an urgent message nobody acts on."""
        found = self.newest(Setting.ESCALATION, clinic=clinic)
        return EscalationPlan.read(found.value) if found else EscalationPlan()


def newest(work: Work, setting: Setting, clinic: str) -> Version | None:
    """Return the version that counts."""
    row = work.first(_versions(setting, clinic))
    return None if row is None else _version(row)


def zone_of(work: Work, clinic: str) -> ZoneInfo:
    """Return the clinic's own time zone; UTC where what is kept names none."""
    table = tables.clinics
    row = work.first(select(table.c.timezone).where(table.c.id == clinic))
    try:
        return ZoneInfo(row.timezone if row else "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def hours_of(work: Work, clinic: str) -> OpeningHours:
    """Return the opening hours in the clinic's own time."""
    found = newest(work, Setting.HOURS, clinic)
    return read_hours(found.value if found else {}, zone_of(work, clinic))


def targets_of(work: Work, clinic: str) -> Targets:
    """Return the targets, the shipped ones where nobody said others."""
    found = newest(work, Setting.TARGETS, clinic)
    return Targets.read(found.value if found else {})


def _versions(setting: Setting, clinic: str) -> Any:
    table = tables.practice_settings
    mine = (table.c.clinic == clinic, table.c.setting == setting.value)
    return select(table).where(*mine).order_by(table.c.version.desc())


def _version(row: Row[Any]) -> Version:
    return Version(Setting(row.setting), row.version, row.value, row.by, row.at)


def _add(
    work: Work,
    setting: Setting,
    value: Mapping[str, Any],
    before: Version | None,
    *,
    clinic: str,
    by: str,
) -> int:
    number = before.number + 1 if before else 1
    work.add(
        tables.practice_settings,
        id=new_id(),
        clinic=clinic,
        setting=setting.value,
        version=number,
        value=dict(value),
        by=by,
        at=work.now,
    )
    detail = {
        "setting": setting.value,
        "version": str(number),
        "before": json.dumps(before.value if before else {}, sort_keys=True),
        "after": json.dumps(dict(value), sort_keys=True),
    }
    work.note("practice.changed", clinic=clinic, by=by, detail=detail)
    return number
