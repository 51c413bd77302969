"""A clinic's own words for replies: every version, who wrote it, and which of them serve.

Rule of the room: a version is never changed, and whoever wrote it does not let it serve; the
database holds both. No word of a template is in the audit, only its number and digest.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Row, Select, select

from triage.domain import (
    InService,
    OwnTemplate,
    Protected,
    Redacted,
    Route,
    new_id,
)
from triage.errors import ChangedUnderneath, NotFound, NotYourself
from triage.store import tables
from triage.store.casefile import redacted_of
from triage.store.transaction import Transactions, Work
from triage.store.vault import Vault

#: Route and language.
Place = tuple[Route, str]


class OwnTemplates:
    """The templates of every clinic."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def serving(self, *, clinic: str) -> Mapping[Place, OwnTemplate]:
        """Return the words that serve now, where they are not the shipped ones.

        Nobody's words are among them, so that a look leaves no row: a worker asks at every draft.
        """
        with self._transactions.read() as work:
            return serving(work, clinic)

    def all(self, *, clinic: str, by: str) -> tuple[list[OwnTemplate], list[InService]]:
        """Return every version and every change of what serves, newest first; audited."""
        with self._transactions.write() as work:
            rows = work.rows(_versions(clinic))
            changes = work.rows(_changes(clinic))
            if rows:
                work.note("templates.read", clinic=clinic, by=by)
            numbers = {row.id: row.number for row in rows}
            found = [_template(row, work.vault) for row in rows]
            return found, [_change(row, numbers) for row in changes]

    def write(
        self,
        place: Place,
        subject: Protected,
        text: Protected,
        *,
        seen: int,
        clinic: str,
        by: str,
    ) -> OwnTemplate:
        """Keep a version, which serves nobody yet; raise ChangedUnderneath if another came first.

        The same words as the newest version add none.
        """
        table, row_id = tables.own_templates, new_id()
        with self._transactions.write() as work:
            work.lock(f"templates {clinic}")
            row = work.first(_versions(clinic, place))
            newest = None if row is None else _template(row, work.vault)
            number = newest.number if newest else 0
            if number != seen:
                raise ChangedUnderneath(f"template {place[0].value}")
            if newest is not None and (newest.subject, newest.text) == (subject, text):
                return newest
            sealed = work.seal(table, row_id, subject=subject, text=text)
            where = {"route": place[0].value, "language": place[1], "number": number + 1}
            work.add(table, id=row_id, clinic=clinic, author=by, at=work.now, **where, **sealed)
            words = f"{subject.reveal()}\n{text.reveal()}".encode()
            detail = _said(place, number + 1) | {"sha256": hashlib.sha256(words).hexdigest()}
            work.note("template.written", clinic=clinic, by=by, detail=detail)
            values = (row_id, clinic, *place, number + 1, subject, text, by, work.now)
            return OwnTemplate(*values)

    def release(self, template_id: str, *, seen: int, clinic: str, by: str) -> None:
        """Let a version serve from now on, a new one or an earlier one again.

        Raises NotFound, ChangedUnderneath unless `seen` is the last change of what serves there,
        and NotYourself for whoever wrote it.
        """
        table = tables.own_templates
        mine = (table.c.clinic == clinic, table.c.id == template_id)
        with self._transactions.write() as work:
            work.lock(f"templates {clinic}")
            row = work.one(select(table).where(*mine), f"template {template_id}")
            if row.author == by:
                raise NotYourself("Whoever wrote a text does not put it in service. Ask a second.")
            place = (Route(row.route), str(row.language))
            self._serve(work, place, row.id, row.number, seen=seen, clinic=clinic, by=by)

    def retire(self, place: Place, *, seen: int, clinic: str, by: str) -> None:
        """Let the shipped words serve again; raise NotFound where they do, ChangedUnderneath."""
        with self._transactions.write() as work:
            work.lock(f"templates {clinic}")
            if place not in serving(work, clinic):
                raise NotFound("The shipped words serve there already.")
            self._serve(work, place, None, 0, seen=seen, clinic=clinic, by=by)

    def past(
        self,
        route: Route,
        fits: Callable[[Redacted], bool],
        *,
        clinic: str,
        by: str,
        limit: int = 10,
        looked: int = 60,
    ) -> list[tuple[str, Redacted]]:
        """Return the newest redacted messages of a route that fit, each with its case; audited."""
        messages, cases = tables.messages, tables.cases
        query = (
            select(messages)
            .join(cases, cases.c.id == messages.c.case_id)
            .where(
                messages.c.clinic == clinic,
                cases.c.clinic == clinic,
                cases.c.route == route.value,
                cases.c.urgency == 0,
                cases.c.erased_at.is_(None),
            )
            .order_by(messages.c.received_at.desc(), messages.c.id)
        )
        found: list[tuple[str, Redacted]] = []
        with self._transactions.write() as work:
            for row in work.rows(query.limit(looked)):
                redacted = redacted_of(work, row)
                if len(found) < limit and not redacted.withheld and fits(redacted):
                    found.append((str(row.case_id), redacted))
            ids = tuple(dict.fromkeys(case_id for case_id, _ in found))
            detail = {"route": route.value, "messages": str(len(found))}
            work.note("template.tried", clinic=clinic, by=by, cases=ids, detail=detail)
        return found

    def _serve(
        self,
        work: Work,
        place: Place,
        template_id: str | None,
        version: int,
        *,
        seen: int,
        clinic: str,
        by: str,
    ) -> None:
        before = work.first(_changes(clinic, place))
        number = before.number if before else 0
        if number != seen:
            raise ChangedUnderneath(f"template {place[0].value}")
        if before is not None and before.template_id == template_id:
            return
        work.add(
            tables.templates_in_service,
            id=new_id(),
            clinic=clinic,
            route=place[0].value,
            language=place[1],
            number=number + 1,
            template_id=template_id,
            by_user=by,
            at=work.now,
        )
        action = "template.released" if template_id else "template.retired"
        work.note(action, clinic=clinic, by=by, detail=_said(place, version))


def serving(work: Work, clinic: str) -> dict[Place, OwnTemplate]:
    """Return the versions that serve in the caller's transaction."""
    newest: dict[Place, str | None] = {}
    for row in work.rows(_changes(clinic)):
        newest.setdefault((Route(row.route), str(row.language)), row.template_id)
    ids = [one for one in newest.values() if one is not None]
    table = tables.own_templates
    mine = (table.c.clinic == clinic, table.c.id.in_(ids))
    rows = work.rows(select(table).where(*mine)) if ids else []
    found = [_template(row, work.vault) for row in rows]
    return {(one.route, one.language): one for one in found}


def _versions(clinic: str, place: Place | None = None) -> Select[Any]:
    table = tables.own_templates
    query = select(table).where(table.c.clinic == clinic)
    if place is not None:
        query = query.where(table.c.route == place[0].value, table.c.language == place[1])
    return query.order_by(table.c.route, table.c.language, table.c.number.desc())


def _changes(clinic: str, place: Place | None = None) -> Select[Any]:
    table = tables.templates_in_service
    query = select(table).where(table.c.clinic == clinic)
    if place is not None:
        query = query.where(table.c.route == place[0].value, table.c.language == place[1])
    return query.order_by(table.c.route, table.c.language, table.c.number.desc())


def _template(row: Row[Any], vault: Vault) -> OwnTemplate:
    subject, text = vault.text(row.subject, row.id), vault.text(row.text, row.id)
    where = (row.id, row.clinic, Route(row.route), row.language, row.number)
    return OwnTemplate(*where, subject, text, row.author, row.at)


def _change(row: Row[Any], numbers: Mapping[str, int]) -> InService:
    version = numbers[row.template_id] if row.template_id else None
    return InService(Route(row.route), row.language, row.number, version, row.by_user, row.at)


def _said(place: Place, version: int) -> dict[str, str]:
    shown = {"version": str(version)} if version else {}
    return {"route": place[0].value, "language": place[1], **shown}
