"""Where web forms and voicemail services deliver: no session, no page, a signature on every body.

Rule of the room: what is signed is landed before the answer says so, whatever it contains; what is
not signed leaves nothing behind but a count.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool

from triage.connectors.hook import Hook
from triage.domain import Arrival
from triage.errors import HookRefused, TriageError, blame
from triage.web.visitor import TheDesk

log = logging.getLogger("triage.web")
router = APIRouter()
#: Refused deliveries a minute from one address; further ones are only asked to come again later.
MOST_REFUSED = 20
MINUTE = 60.0
#: So many addresses are remembered; a body takes no longer than this to come.
MOST_ADDRESSES, PATIENCE = 10_000, 30.0


class Paces:
    """Counts events by name within the last minute, and forgets the oldest names first."""

    def __init__(self, clock: Callable[[], float], most_names: int = MOST_ADDRESSES) -> None:
        self._clock = clock
        self._most_names = most_names
        self._moments: OrderedDict[str, deque[float]] = OrderedDict()

    def reached(self, name: str, most: int) -> bool:
        """Whether there were `most` events of this name in the last minute."""
        moments = self._moments.get(name, deque())
        while moments and moments[0] <= self._clock() - MINUTE:
            moments.popleft()
        return len(moments) >= most

    def count(self, name: str) -> None:
        """Remember one event."""
        self._moments.setdefault(name, deque()).append(self._clock())
        self._moments.move_to_end(name)
        while len(self._moments) > self._most_names:
            self._moments.popitem(last=False)


class HookDoors:
    """The doors that others knock at, and how often they did."""

    def __init__(
        self,
        hooks: Mapping[str, Hook],
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hooks = dict(hooks)
        self.clock = clock
        self.refused = Paces(steady)
        self.taken = Paces(steady)
        self._told = Paces(steady)

    async def take(self, name: str, request: Request) -> Arrival:
        """Return the signed delivery of a request; raise HookRefused.

        What is signed is taken however much was refused before: behind a proxy that names one
        address for all, strangers would else shut the door for the service that may come in.
        """
        address = request.client.host if request.client else ""
        enough = self.refused.reached(address, MOST_REFUSED)
        try:
            hook = self.hooks.get(name)
            if hook is None:
                raise HookRefused(401, "no signature of this body holds")
            hook.expect(request.headers, self.clock())
            body = await _body(request, hook.largest)
            arrival = hook.take(request.headers, body, self.clock())
        except HookRefused as trouble:
            if enough:
                # Neither counted nor logged: a flood fills no memory and no disk.
                raise _tired(trouble) from None
            self.refused.count(address)
            log.warning("a delivery was refused: %(error)s", blame(trouble))
            raise
        if self.taken.reached(name, hook.per_minute):
            raise HookRefused(429, "too many deliveries in a minute; come again later")
        self.taken.count(name)
        return arrival

    def tell(self, name: str) -> bool:
        """Whether staff are to be told of a refusal: of a door there is, once a minute."""
        if name not in self.hooks or self._told.reached(name, 1):
            return False
        self._told.count(name)
        return True


async def signed(request: Request, name: str, desk: TheDesk) -> Arrival:
    """Return what a machine delivers; raise HookRefused unless it is signed.

    What is refused may be a patient's words, and the service may never come again with them.
    """
    doors: HookDoors = request.app.state.hooks
    try:
        return await doors.take(name, request)
    except HookRefused:
        if doors.tell(name):
            await run_in_threadpool(desk.hooks.refused, name)
        raise


@router.post("/hook/{name}")
async def deliver(desk: TheDesk, arrival: Annotated[Arrival, Depends(signed)]) -> Response:
    """Land a delivery, then say so; a sender that hears nothing may deliver it again."""
    try:
        await run_in_threadpool(desk.hooks.land, arrival)
    except TriageError as trouble:
        log.error("a delivery could not be stored: %(error)s", blame(trouble))
        raise HookRefused(503, "it could not be stored now; come again later") from None
    return PlainTextResponse("stored\n")


def _tired(trouble: HookRefused) -> HookRefused:
    """Return what somebody hears who was refused often; of a body too large they still hear."""
    if trouble.status != 401:
        return trouble
    return HookRefused(429, "too many deliveries were refused; come again later")


async def _body(request: Request, largest: int) -> bytes:
    """Return the bytes of a body; raise HookRefused for one too large or too slow."""
    if int(request.headers.get("content-length", "0")) > largest:
        raise HookRefused(413, "the delivery is too large")
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for piece in request.stream():
                body += piece
                if len(body) > largest:
                    raise HookRefused(413, "the delivery is too large")
    except TimeoutError:
        raise HookRefused(408, "the delivery took too long") from None
    return bytes(body)
