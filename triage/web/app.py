"""Puts the pages together around one Desk.

Rule of the room: nothing is decided here; routers, errors and the gate are hung on and that is all.
"""

from collections.abc import Collection, Mapping

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware

from triage.connectors.hook import Hook
from triage.desk import Desk
from triage.web import (
    audit,
    away,
    calm,
    case,
    clinical,
    contacts,
    errors,
    factor,
    forms,
    glass,
    hook,
    language,
    live,
    openid,
    own_words,
    paper,
    password,
    patients,
    practice,
    promises,
    queue,
    reply,
    sample,
    score,
    search,
    seen,
    session,
    teams,
    together,
    trained,
    urgent,
    users,
    watch,
)
from triage.web.access import Doorkeepers, check_doors
from triage.web.assets import STATIC, fingerprint
from triage.web.pages import in_every_language
from triage.web.security import LOOPBACK, Gate
from triage.web.visitor import arrival, knocker, poster, visitor, watcher

ROUTERS = (
    session,
    factor,
    openid,
    password,
    calm,
    language,
    queue,
    live,
    search,
    case,
    reply,
    together,
    away,
    teams,
    patients,
    audit,
    seen,
    sample,
    score,
    clinical,
    trained,
    promises,
    users,
    forms,
    glass,
    paper,
    hook,
    practice,
    own_words,
    contacts,
    urgent,
    watch,
)

KEEPERS = Doorkeepers(visitor, watcher, poster, arrival, knocker, hook.signed)


def create_app(
    desk: Desk,
    *,
    clinic_name: str,
    sink_url: str | None = None,
    hosts: Collection[str] = LOOPBACK,
    demonstration: bool = False,
    metrics_token: str = "",
    behind_proxy: bool = False,
    hooks: Mapping[str, Hook] | None = None,
) -> FastAPI:
    """Return the application that shows this desk.

    `sink_url` is where a demo shows what was delivered; `hosts` are the names the desk answers to;
    `demonstration` says on the way in that nobody here is real. `metrics_token` opens `/metrics`,
    which without one answers this machine only, and nobody `behind_proxy`. `hooks` are the doors
    that forms and voicemail services deliver to.
    """
    app = FastAPI(
        title="triage",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=watch.beating(desk),
    )
    app.state.desk = desk
    app.state.metrics_token, app.state.behind_proxy = metrics_token, behind_proxy
    app.state.hooks = hook.HookDoors(hooks or {})
    static = f"/static/{fingerprint()}"
    app.state.live = live.Live(desk)
    app.state.pages = in_every_language(
        clinic_name=clinic_name,
        sink_url=sink_url,
        static=static,
        demonstration=demonstration,
        training=desk.score.training,
    )
    for one in app.state.pages.values():
        one.waiting = desk.live.for_me
    # Only these are sent compressed: what a page holds in secret beside what somebody else wrote
    # into it, such as the token of its forms, could be told from how well both compress together.
    app.mount(static, GZipMiddleware(StaticFiles(directory=STATIC)))
    for room in ROUTERS:
        check_doors(room.router.routes, KEEPERS)
        app.include_router(room.router)
    errors.install(app)
    app.add_middleware(Gate, hosts=frozenset(hosts))
    return app
