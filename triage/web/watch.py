"""What monitors ask: `/healthz` for anybody, `/metrics` for this machine or a token.

Rule of the room: numbers and our own parts' names; nothing about a patient, a case or a person.
Strangers learn one word.
"""

import asyncio
import hmac
import ipaddress
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool

from triage.desk import Desk
from triage.domain import (
    COUNT_BEAT,
    MISSED_BEAT,
    START_BEAT,
    Beat,
    Fault,
    Figures,
    Lane,
    ReplyState,
    read_alarm,
)
from triage.errors import NotAllowed, blame
from triage.web.visitor import TheDesk

log = logging.getLogger("triage.web")
router = APIRouter()
#: How often the pages say that they are served, in seconds.
BEAT = 5.0


@router.get("/healthz")
def healthz(desk: TheDesk) -> PlainTextResponse:
    """Say whether all is well, in one word and one status."""
    well = desk.watch.well()
    return PlainTextResponse("well\n" if well else "not well\n", 200 if well else 503)


@router.get("/metrics")
def metrics(request: Request, desk: TheDesk) -> Response:
    """Return the numbers for Prometheus; raise NotAllowed for whoever may not have them."""
    if not _may_count(request):
        raise NotAllowed("metrics")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(*desk.watch.figures()))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _may_count(request: Request) -> bool:
    """With a token only the token counts; without one this very machine may ask.

    Behind a proxy everybody seems to come from this machine, so there a token is needed.
    """
    token: str = request.app.state.metrics_token
    given = request.headers.get("authorization", "")
    if token:
        return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
    if request.app.state.behind_proxy or request.client is None:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


class _Numbers(Collector):
    """One reading of the store, as Prometheus wants it."""

    def __init__(self, now: datetime, figures: Figures | None, beats: Iterable[Beat]) -> None:
        self._now = now
        self._figures = figures
        self._beats = list(beats)

    def collect(self) -> Iterable[Metric]:
        """Yield every number."""
        if self._figures is not None:
            yield from self._work(self._figures)
        ages = GaugeMetricFamily(
            "triage_beat_age_seconds", "Age of a part's last sign of life.", labels=["part"]
        )
        notes = GaugeMetricFamily(
            "triage_notes", "How many troubles a part reports.", labels=["part"]
        )
        for beat in self._beats:
            if not beat.process.startswith((START_BEAT, MISSED_BEAT)):
                ages.add_metric([beat.process], self._age(beat.at))
                notes.add_metric([beat.process], len(beat.notes))
        yield ages
        yield notes
        yield self._unseen()
        yield self._models()

    def _work(self, figures: Figures) -> Iterable[Metric]:
        lanes = GaugeMetricFamily("triage_open_cases", "Open cases.", labels=["lane"])
        oldest = GaugeMetricFamily(
            "triage_oldest_case_seconds", "Age of the longest waiting case.", labels=["lane"]
        )
        for lane in Lane:
            lanes.add_metric([lane.value], figures.open.get(lane.value, 0))
            since = figures.oldest.get(lane.value)
            oldest.add_metric([lane.value], 0.0 if since is None else self._age(since))
        replies = GaugeMetricFamily("triage_replies", "Replies by state.", labels=["state"])
        for state in ReplyState:
            replies.add_metric([state.value], figures.replies.get(state.value, 0))
        landed = CounterMetricFamily("triage_landed", "Messages landed since the beginning.")
        landed.add_metric([], figures.landed)
        waiting = GaugeMetricFamily("triage_in_no_queue", "Landed messages in no queue yet.")
        waiting.add_metric([], figures.in_no_queue)
        return [lanes, oldest, replies, landed, waiting]

    def _unseen(self) -> Metric:
        """Say what the last hourly count found; how old that is says the age of its beat."""
        found = GaugeMetricFamily(
            "triage_unseen", "What the last hourly count found in no place.", labels=["what"]
        )
        counted = [beat.notes for beat in self._beats if beat.process == COUNT_BEAT]
        alarms = [alarm for note in sum(counted, ()) if (alarm := read_alarm(note))]
        for what, fault in (("cases", Fault.IN_NO_LANE), ("messages", Fault.NOWHERE)):
            parts = [int(alarm.part) for alarm in alarms if alarm.fault is fault]
            if counted:
                found.add_metric([what], sum(parts))
        return found

    def _models(self) -> Metric:
        found = SummaryMetricFamily(
            "triage_model_seconds", "Time models took for a batch.", labels=["model"]
        )
        for beat in self._beats:
            for name, pace in beat.paces.items():
                found.add_metric([name], pace.steps, pace.seconds)
        return found

    def _age(self, since: datetime) -> float:
        return max(0.0, (self._now - since).total_seconds())


def beating(desk: Desk) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return a life span in which the loop that serves pages says again and again that it lives."""

    async def beat() -> None:
        while True:
            try:
                await run_in_threadpool(desk.watch.beat)
            except Exception as trouble:
                # The next one may work; if none does, the watch notices.
                log.error("the pages cannot say that they live: %(error)s", blame(trouble))
            await asyncio.sleep(BEAT)

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(beat())
        yield
        task.cancel()

    return living
