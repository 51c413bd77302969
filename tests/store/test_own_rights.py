"""Tests on PostgreSQL do each thing with the rights of the process that does it in a clinic."""

import pytest

from tests.postgres import PostgresServer
from tests.roles import SEVERAL, WHOSE
from tests.small_practice import CLINIC, NOW, SECRETARY, mail_from, receive
from triage.errors import StoreRefused
from triage.store import Store

ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)


def without_a_right(practice: Store, server: PostgresServer) -> str:
    """Take from the web the right to change cases; return a case."""
    database = practice.transactions._engine.url.database
    server.ask(str(database), "REVOKE UPDATE ON cases FROM triage_web")
    (case_id,) = receive(practice, mail_from(1, "refill"))
    return case_id


@pytest.mark.postgres
@ON_POSTGRESQL
def test_a_right_that_is_missing_is_met(practice: Store, postgres: PostgresServer) -> None:
    case_id = without_a_right(practice, postgres)
    with pytest.raises(StoreRefused):
        practice.cases.claim(case_id, clinic=CLINIC.id, by=SECRETARY.id, now=NOW)


@pytest.mark.postgres
@ON_POSTGRESQL
@pytest.mark.usefixtures("owner_alone")
def test_oracle_the_owner_meets_none(practice: Store, postgres: PostgresServer) -> None:
    case_id = without_a_right(practice, postgres)
    practice.cases.claim(case_id, clinic=CLINIC.id, by=SECRETARY.id, now=NOW)


def test_it_is_known_whose_work_every_room_is(practice: Store) -> None:
    inside = {type(one) for one in vars(practice).values() if hasattr(one, "_transactions")}
    assert inside == WHOSE.keys() | SEVERAL
    assert not WHOSE.keys() & SEVERAL
