"""On PostgreSQL every process of the closed loop can do its part with its own rights."""

from datetime import timedelta

import pytest

from tests.postgres import PostgresServer
from tests.urgent.cast import CLINIC, PLAN, Scene
from triage.domain import Setting, Step
from triage.engine import Escalator
from triage.errors import TriageError
from triage.store import Keys, open_store
from triage.store.escalations import Tick

pytestmark = [pytest.mark.bar(29), pytest.mark.postgres]


def test_watch_worker_and_web_do_their_part_and_no_more(
    postgres: PostgresServer, keys: Keys
) -> None:
    with postgres.database() as url:
        scene = Scene(url, keys)
        roles = {
            name: open_store(
                url.replace("triage_owner@", f"triage_{name}@"), keys, clock=scene.clock, part=name
            )
            for name in ("watch", "worker", "web")
        }
        watch, worker, web = roles.values()
        scene.store.close()
        scene.store = worker
        worker.practice.adopt({Setting.HOURS: {"days": {"monday": "08:00-18:00"}}}, clinic=CLINIC)
        case_id = scene.arrive()
        escalator = Escalator(CLINIC, tick=scene.tick, clock=scene.clock)
        assert escalator.planned(watch, scene.doors)
        assert not escalator.look(watch).overdue
        scene.turn(timedelta(minutes=6))
        found = escalator.look(watch)
        assert [one.step for one in found.overdue] == [Step.AGAIN]
        assert found.plan == PLAN
        told = escalator.tell(found, lambda notice, doors: ["again-in"])
        assert escalator.remember(watch, told, by="watch") == 1
        assert web.escalations.now(clinic=CLINIC).steps == 1
        act = {"clinic": CLINIC, "by": "user-dora", "seen": None}
        with pytest.raises(TriageError):
            watch.escalations.act(case_id, "phoned", **act)  # type: ignore[arg-type]  # Options of one call, used twice.
        with pytest.raises(TriageError):
            worker.escalations.count(Tick("x", 1.0), clinic=CLINIC)
        web.escalations.act(case_id, "phoned", **act)  # type: ignore[arg-type]  # Options of one call, used twice.
        web.due.again(clinic=CLINIC, by="user-dora")
        plain = {"days": {}, "holidays": []}
        web.practice.change(Setting.HOURS, plain, seen=1, clinic=CLINIC, by="user-dora")
        scene.turn(timedelta(hours=1))
        assert not escalator.look(watch).overdue
        for store in roles.values():
            store.close()
