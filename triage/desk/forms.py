"""The clinic's forms: a supervisor keeps the list, everybody who writes replies may enclose one."""

from triage.desk.rights import Right, require
from triage.domain import Attachment, ClinicForm, Protected, User
from triage.parsing.enclosed import clean_form
from triage.store import Store


class FormDesk:
    """The counter of forms."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self, actor: User, *, retired: bool = False) -> tuple[ClinicForm, ...]:
        """Return the forms on the list, and those taken off it where asked for."""
        require(actor, Right.WRITE_REPLY)
        return self._store.forms.all(clinic=actor.clinic, by=actor.id, retired=retired)

    def add(self, actor: User, title: Protected, content: bytes) -> ClinicForm:
        """Put a file on the list; raise FormRefused."""
        require(actor, Right.MANAGE_FORMS)
        clean = clean_form(title, content)
        return self._store.forms.add(clean, content, clinic=actor.clinic, by=actor.id)

    def retire(self, actor: User, form_id: str) -> None:
        """Take a form off the list; replies that enclose it already are not touched."""
        require(actor, Right.MANAGE_FORMS)
        self._store.forms.retire(form_id, clinic=actor.clinic, by=actor.id)

    def content(self, actor: User, form_id: str) -> Attachment:
        """Return a form for looking at it."""
        require(actor, Right.WRITE_REPLY)
        name, content = self._store.forms.content(form_id, clinic=actor.clinic, by=actor.id)
        return Attachment(name, "application/pdf", content)
