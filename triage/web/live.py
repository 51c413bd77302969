"""The live queue: one reading of the store per clinic and interval, told to all who listen.

Rule of the room: a listener is a generator that waits, never a thread. It ends with its session,
keeps none alive, and leaves no audit row: what it hears is about nobody.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from triage.desk import Desk
from triage.desk.live import News
from triage.domain import Lane
from triage.errors import blame
from triage.web.pages import pages
from triage.web.visitor import TheDesk, Visitor, Watching

log = logging.getLogger("triage.web")
router = APIRouter(prefix="/queue")

STREAM = "text/event-stream"
#: Seconds between two readings, and rounds after which a silent queue says that it is heard.
EVERY, BEAT = 3.0, 5
#: Open queues of one session; a browser holds six lines to a desk and needs some of them.
MOST = 6


@dataclass(eq=False)
class Listener:
    """One open queue."""

    token: str
    #: Says one of our sentences in the language of its page.
    say: Callable[[str], str] = str
    #: What it was not told yet; an empty text ends it.
    waiting: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(maxsize=1))
    said: str = ""
    silent: int = 0

    def tell(self, news: News | None) -> None:
        """Hand it what is new; only the newest waits for a slow line."""
        said = "" if news is None else event("news", spoken(news, self.say))
        self.silent += 1
        if said == self.said and said:
            if self.silent < BEAT or self.waiting.full():
                return
            words = event("beat", {})
        else:
            self.said = words = said
        self.silent = 0
        if self.waiting.full():
            self.waiting.get_nowait()
        self.waiting.put_nowait(words)


class Live:
    """Everybody who listens, by clinic."""

    def __init__(
        self, desk: Desk, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._desk = desk
        self._pause = pause
        self._rooms: dict[str, set[Listener]] = {}
        self._rounds: set[asyncio.Task[None]] = set()

    def full(self, visitor: Visitor) -> bool:
        """Whether this session listens often enough."""
        room = self._rooms.get(visitor.user.clinic, set())
        return Counter(one.token for one in room)[visitor.token] >= MOST

    async def listen(self, visitor: Visitor, say: Callable[[str], str] = str) -> AsyncIterator[str]:
        """Yield what is new for one person until their session ends."""
        clinic, listener = visitor.user.clinic, Listener(visitor.token, say)
        room = self._rooms.get(clinic)
        if room is None:
            room = self._rooms[clinic] = set()
            task = asyncio.create_task(self._rounds_of(clinic, room))
            self._rounds.add(task)
            task.add_done_callback(self._rounds.discard)
        room.add(listener)
        try:
            # Says at once that the line stands, and how soon to come back when it breaks.
            yield "retry: 5000\n\n"
            while said := await listener.waiting.get():
                yield said
            yield event("end", {})
        finally:
            room.discard(listener)

    async def _rounds_of(self, clinic: str, room: set[Listener]) -> None:
        """Read and tell, again and again, while anybody listens."""
        while room:
            tokens = {listener.token for listener in room}
            try:
                found = await run_in_threadpool(self._desk.live.round, tokens, clinic=clinic)
            except Exception as trouble:
                # Who hears nothing says so on the page by itself, and asks.
                log.error("the live queue could not be read: %(error)s", blame(trouble))
            else:
                for listener in [one for one in room if one.token in tokens]:
                    listener.tell(found.get(listener.token))
            await self._pause(EVERY)
        self._rooms.pop(clinic, None)


def spoken(news: News, say: Callable[[str], str]) -> dict[str, Any]:
    """Return news as a page reads them."""
    return {
        "version": news.version,
        "counts": {lane.value: news.counts.get(lane, 0) for lane in Lane},
        "banners": [{"level": one.level, "text": say(one.text)} for one in news.banners],
        "for_me": news.for_me,
        "announces": news.announces,
    }


def event(name: str, what: dict[str, Any]) -> str:
    """Return one event as it stands on the line."""
    return f"event: {name}\ndata: {json.dumps(what, sort_keys=True)}\n\n"


@router.get("/stream")
async def stream(request: Request, desk: TheDesk, asking: Watching) -> Response:
    """Tell a page what is new for as long as it listens; whoever cannot listen is told once."""
    live: Live = request.app.state.live
    say = pages(request).said
    headers = {"X-Accel-Buffering": "no"}
    if STREAM not in request.headers.get("accept", ""):
        found = await run_in_threadpool(desk.live.round, {asking.token}, clinic=asking.user.clinic)
        now = "".join(event("news", spoken(one, say)) for one in found.values())
        return Response(now, media_type=STREAM, headers=headers)
    if live.full(asking):
        # To a browser this means: do not come back. The page asks every few seconds instead.
        return Response(status_code=204)
    return StreamingResponse(live.listen(asking, say), media_type=STREAM, headers=headers)
