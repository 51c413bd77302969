"""Puts the pages together around one Desk.

Rule of the room: nothing is decided here; routers, errors and the gate are hung on and that is all.
"""

from collections.abc import Collection

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from triage.desk import Desk
from triage.web import (
    audit,
    case,
    clinical,
    errors,
    patients,
    promises,
    queue,
    reply,
    sample,
    seen,
    session,
    trained,
)
from triage.web.assets import STATIC, fingerprint
from triage.web.pages import Pages
from triage.web.security import LOOPBACK, Gate

ROUTERS = (session, queue, case, reply, patients, audit, seen, sample, clinical, trained, promises)


def create_app(
    desk: Desk,
    *,
    clinic_name: str,
    sink_url: str | None = None,
    hosts: Collection[str] = LOOPBACK,
) -> FastAPI:
    """Return the application that shows this desk.

    `sink_url` is where a demo shows what was delivered; `hosts` are the names the desk answers to.
    """
    app = FastAPI(title="triage", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desk = desk
    static = f"/static/{fingerprint()}"
    app.state.pages = Pages(clinic_name=clinic_name, sink_url=sink_url, static=static)
    app.mount(static, StaticFiles(directory=STATIC))
    for room in ROUTERS:
        app.include_router(room.router)
    errors.install(app)
    app.add_middleware(Gate, hosts=frozenset(hosts))
    return app
