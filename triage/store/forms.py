"""The clinic's own forms: files that may go with a reply, byte for byte as they were added.

Rule of the room: a form is never changed, only taken off the list; what was approved names it by
the SHA-256 of its bytes, and nothing else ever leaves under that name.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select, update

from triage.domain import ClinicForm, Protected, new_id
from triage.errors import NotFound, TriageError
from triage.store import tables
from triage.store.keyring import of_form
from triage.store.transaction import Transactions, Work
from triage.store.vault import Vault


class Forms:
    """The list of one clinic's forms."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def add(self, name: Protected, content: bytes, *, clinic: str, by: str) -> ClinicForm:
        """Put a file on the list."""
        table, form_id = tables.forms, new_id()
        digest = hashlib.sha256(content).hexdigest()
        with self._transactions.write() as work:
            work.new_owner(of_form(form_id))
            sealed = work.seal(table, form_id, under=of_form(form_id), name=name, content=content)
            values = {"digest": digest, "size": len(content), "added_by": by, "added_at": work.now}
            work.add(table, id=form_id, clinic=clinic, **values, **sealed)
            work.note("form.added", clinic=clinic, by=by, detail=_said(form_id, digest))
            return ClinicForm(form_id, clinic, name, digest, len(content), by, work.now)

    def retire(self, form_id: str, *, clinic: str, by: str) -> None:
        """Take a form off the list; raise NotFound."""
        table = tables.forms
        here = (table.c.id == form_id, table.c.clinic == clinic, table.c.retired_at.is_(None))
        with self._transactions.write() as work:
            row = work.one(select(table.c.digest).where(*here), f"form {form_id}")
            work.run(update(table).where(*here).values(retired_at=work.now, retired_by=by))
            work.note("form.retired", clinic=clinic, by=by, detail=_said(form_id, row.digest))

    def all(self, *, clinic: str, by: str, retired: bool = False) -> tuple[ClinicForm, ...]:
        """Return the forms on the list, by name; those taken off it too where asked for."""
        table = tables.forms
        query = select(table).where(table.c.clinic == clinic)
        query = query if retired else query.where(table.c.retired_at.is_(None))
        with self._transactions.write() as work:
            found = [_form(row, work.vault) for row in work.rows(query)]
            if found:
                work.note("forms.read", clinic=clinic, by=by)
        return tuple(sorted(found, key=lambda form: (form.name.reveal().casefold(), form.id)))

    def chosen(self, ids: Sequence[str], *, clinic: str, by: str) -> tuple[ClinicForm, ...]:
        """Return these forms in this order; raise NotFound for one that is not on the list."""
        known = {form.id: form for form in self.all(clinic=clinic, by=by)} if ids else {}
        for form_id in ids:
            if form_id not in known:
                raise NotFound("A form that was ticked is not on the list any more. Choose again.")
        return tuple(known[form_id] for form_id in dict.fromkeys(ids))

    def content(self, form_id: str, *, clinic: str, by: str) -> tuple[Protected, bytes]:
        """Return name and bytes of a form; raise NotFound."""
        table = tables.forms
        query = select(table).where(table.c.id == form_id, table.c.clinic == clinic)
        with self._transactions.write() as work:
            row = work.one(query, f"form {form_id}")
            work.note("form.read", clinic=clinic, by=by, detail=_said(form_id, row.digest))
            return work.vault.text(row.name, row.id), work.vault.open(row.content, row.id)


def enclosed(work: Work, clinic: str, attachments: Sequence[tuple[str, str]]) -> tuple[bytes, ...]:
    """Return the bytes of what a reply encloses, in order; raise TriageError where one is gone.

    What is read must have the digest that was approved: a byte changed in the store never leaves.
    """
    table, found = tables.forms, []
    columns = (table.c.id, table.c.digest, table.c.content)
    for _, digest in attachments:
        row = work.one(
            select(*columns).where(table.c.clinic == clinic, table.c.digest == digest), "form"
        )
        content = work.vault.open(row.content, row.id)
        if hashlib.sha256(content).hexdigest() != digest:
            raise TriageError(f"form {row.id}")
        found.append(content)
    return tuple(found)


def _said(form_id: str, digest: str) -> dict[str, str]:
    return {"form": form_id, "sha256": digest}


def _form(row: Row[Any], vault: Vault) -> ClinicForm:
    name = vault.text(row.name, row.id)
    said = (row.digest, row.size, row.added_by, row.added_at, row.retired_at)
    return ClinicForm(row.id, row.clinic, name, *said)
