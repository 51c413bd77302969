"""Lets a test on PostgreSQL work with the rights of the processes it stands for.

A test asks one store, opened as the owner of the tables, for what the worker, the web, the sender
and the watch do in a clinic. Here each call of a room is made in the role of its process, so that
a right that is missing fails every test that walks there, and not only the clinic.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

import triage.store as rooms
from tests.postgres import OWNER, PostgresServer
from triage.store.transaction import Transactions, Work

#: The processes, each with a role and a chain of the audit of this name.
PARTS = ("worker", "web", "sender", "watch")
#: Whose work a room is; where some of it is another's, by name of the call. What is named in
#: SEVERAL is done by several, also by commands.
WHOSE: Mapping[type, tuple[str, Mapping[str, str]]] = {
    rooms.Landing: ("worker", {"late": "watch"}),
    rooms.Mailboxes: (
        "worker",
        {
            **{"owing": "watch", "balances": "web", "debts": "web", "owed": "web"},
            **{"repaired": "web", "ignore": OWNER},
        },
    ),
    rooms.Backgrounds: ("worker", {}),
    rooms.Cases: ("web", {"file": "worker", "mark": "worker"}),
    rooms.Searches: ("web", {"catch_up": OWNER, "waiting": OWNER}),
    rooms.Replies: (
        "web",
        {"due": "sender", "claim": "sender", "settle": "sender", "stuck": "sender"},
    ),
    rooms.Wire: ("sender", {}),
    rooms.Counts: ("watch", {}),
    rooms.Escalations: ("web", {"count": "watch", "taken": "watch"}),
    rooms.Canaries: ("watch", {}),
    rooms.Snoozes: ("web", {"round": "worker"}),
    **dict.fromkeys(
        (
            *(rooms.Notes, rooms.Colleagues, rooms.Assignments, rooms.Views, rooms.Calms),
            *(rooms.Picks, rooms.SecondApprovers, rooms.Glass, rooms.Labels, rooms.Checks),
            *(rooms.Forms, rooms.OwnTemplates, rooms.Bystanders),
        ),
        ("web", {}),
    ),
}
SEVERAL = frozenset(
    {
        *(rooms.Departures, rooms.People, rooms.Contacts, rooms.Paper, rooms.SecondFactors),
        *(rooms.ProofKeys, rooms.Tries, rooms.Accounts, rooms.LeakCounts, rooms.AuditLog),
        *(rooms.Signatures, rooms.Beats, rooms.PracticeSettings, rooms.Due, rooms.Listening),
    }
)
_ROLE: ContextVar[str] = ContextVar("role", default=OWNER)
_ALONE: ContextVar[bool] = ContextVar("alone", default=False)


@contextmanager
def each_with_its_rights() -> Iterator[None]:
    """Make every call of the rooms above in the role of its process, while this is open."""
    with pytest.MonkeyPatch.context() as patch:
        for room, (role, others) in WHOSE.items():
            for name, call in list(vars(room).items()):
                if inspect.isfunction(call) and not name.startswith("_"):
                    patch.setattr(room, name, _as(others.get(name, role), call))
        patch.setattr(Transactions, "_begin", _in_role(Transactions._begin))
        yield


@contextmanager
def owner_alone() -> Iterator[None]:
    """Do everything as the owner, who writes one chain of the audit, while this is open."""
    before = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(before)


def allow_the_owner(server: PostgresServer) -> None:
    """Let the owner's connection take the roles that migrating made."""
    roles = ", ".join(f"triage_{one}" for one in PARTS)
    server.ask("postgres", f"GRANT {roles} TO {OWNER}")


def _as(role: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def asked(*values: Any, **named: Any) -> Any:
        # What a room asks of another is done by the same process.
        if _ROLE.get() != OWNER:
            return call(*values, **named)
        before = _ROLE.set(role)
        try:
            return call(*values, **named)
        finally:
            _ROLE.reset(before)

    return asked


def _in_role(begin: Callable[..., Any]) -> Callable[..., Any]:
    @contextmanager
    def begun(self: Transactions, *values: Any, **named: Any) -> Iterator[Work]:
        role = _ROLE.get()
        # Who opened a store in a role of its own has that role already.
        owned = self._engine.url.username == OWNER and not _ALONE.get()
        with begin(self, *values, **named) as work:
            if owned and role != OWNER:
                work._connection.exec_driver_sql(f"SET LOCAL ROLE triage_{role}")
                work._part = role
            yield work

    return begun
