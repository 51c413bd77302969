"""Replies: words a person writes, approves by name, and may take back for a moment."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from triage.desk.checking import Checker
from triage.desk.obstacles import obstacle
from triage.desk.rights import Right, require
from triage.desk.views import ReplyView
from triage.domain import (
    Approval,
    CaseFile,
    Draft,
    Outgoing,
    Protected,
    Reply,
    ReplyState,
    User,
    new_id,
)
from triage.errors import (
    AlreadyClaimed,
    ChangedUnderneath,
    NoRecipient,
    NotAnswerable,
    UnwritableWords,
)
from triage.store import Store


class ReplyDesk:
    """The counter where words become a reply."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        undo: timedelta,
        mail_domain: str,
        portal_only: bool = False,
        *,
        checker: Checker,
    ) -> None:
        self._store = store
        self._checker = checker
        self._portal_only = portal_only
        self._clock = clock
        self._undo = undo
        self._domain = mail_domain

    def save(
        self,
        actor: User,
        case_id: str,
        *,
        subject: Protected,
        body: Protected,
        forms: Sequence[str] = (),
        had: str | None = None,
    ) -> Draft:
        """Keep a person's words; the draft's digest is what an approval will be bound to.

        `forms` are ids of the clinic's forms to enclose. `had` is the digest of the saved words
        on the page, empty where there were none, and None only where no page was shown. Raises
        ChangedUnderneath when a colleague has saved other words since, and UnwritableWords where
        something in them could never leave.
        """
        require(actor, Right.WRITE_REPLY)
        file = self._open(actor, case_id)
        contact = file.contact
        if contact is None:
            raise NoRecipient(case_id)
        chosen = self._store.forms.chosen(forms, clinic=actor.clinic, by=actor.id)
        outgoing = Outgoing.of(
            case_id=case_id,
            channel=contact.channel,
            recipient=contact.address,
            in_reply_to=file.conversation(contact.channel),
            subject=subject,
            body=body,
            attachments=tuple(form.enclosed for form in chosen),
        )
        if not outgoing.body:
            raise NotAnswerable("an empty reply")
        if not outgoing.writable:
            raise UnwritableWords(case_id)
        draft = Draft(
            id=file.draft.id if file.draft else new_id(),
            clinic=actor.clinic,
            case_id=case_id,
            contact_id=contact.id,
            outgoing=outgoing,
            # Words begun from a suggestion stay so when the case is raised and offers it no more.
            suggested=file.offered is not None or bool(file.draft and file.draft.suggested),
            author=actor.id,
            edited_at=self._clock(),
        )
        self._store.replies.save_draft(draft, by=actor.id, had=had)
        return draft

    def approve(
        self,
        actor: User,
        case_id: str,
        *,
        digest: str,
        proof: str,
        seen: str | None = None,
        confirmed: Collection[str] = (),
        run: bool = False,
    ) -> ReplyView:
        """Approve the saved words whose digest the person saw; they leave after the undo window.

        `proof` is made by the approver's browser (`web/static/proof.js`); the sender checks it.
        `seen` is the newest message on the page, `confirmed` the ids of the facts without a source
        that the person answers for by name. `run` says that the page came up by itself after
        another reply: a yes in its first second was meant for that one. Raises ChangedUnderneath
        when the words are no longer those of the digest, or another message has joined the case,
        also while they were looked at; AlreadyClaimed for a colleague's case; and what
        `Checker.require` finds.
        """
        require(actor, Right.APPROVE_REPLY)
        file = self._open(actor, case_id)
        draft = file.draft
        if draft is None or draft.outgoing.digest != digest:
            raise ChangedUnderneath(case_id)
        if seen not in (None, file.newest):
            raise ChangedUnderneath("a newer message arrived")
        self._still_right(file, draft)
        check = self._checker.require(actor, file, draft, confirmed, run=run)
        now = self._clock()
        reply_id = draft.id
        approval = Approval(new_id(), actor.clinic, reply_id, digest, actor.id, now, proof)
        message_id = f"<{reply_id}@{self._domain}>"
        if self._store.second.first(approval, draft, check, seen=file.newest):
            # The first of two: nothing is queued before somebody else approves the same words.
            return ReplyView(reply_id, ReplyState.DRAFT, message_id, now)
        reply = self._store.replies.approve(
            approval,
            draft,
            not_before=now + self._undo,
            message_id=message_id,
            check=check,
            seen=file.newest,
        )
        return _view(reply)

    def recall(self, actor: User, reply_id: str) -> None:
        """Take an approved reply back within the undo window; raise TooLate after it."""
        require(actor, Right.APPROVE_REPLY)
        self._store.replies.recall(reply_id, clinic=actor.clinic, by=actor.id, now=self._clock())

    def status(self, actor: User, reply_id: str) -> ReplyView:
        """Say where a reply is."""
        require(actor, Right.SEE_QUEUE)
        return _view(self._store.replies.get(reply_id, clinic=actor.clinic, by=actor.id))

    def _open(self, actor: User, case_id: str) -> CaseFile:
        file = self._store.cases.get(case_id, clinic=actor.clinic, by=actor.id)
        if file.case.claimed_by not in (None, actor.id):
            raise AlreadyClaimed(case_id)
        trouble = obstacle(file, portal_only=self._portal_only)
        if trouble:
            raise NotAnswerable(trouble)
        return file

    @staticmethod
    def _still_right(file: CaseFile, draft: Draft) -> None:
        """Refuse when the contact or the message answered changed since the words were saved."""
        contact, outgoing = file.contact, draft.outgoing
        if not outgoing.writable:
            # Saved by a version that did not look.
            raise UnwritableWords(file.case.id)
        if contact is None or contact.id != draft.contact_id:
            raise ChangedUnderneath("the recipient")
        if contact.address != outgoing.recipient or contact.channel is not outgoing.channel:
            raise ChangedUnderneath("the recipient's address")
        if file.conversation(outgoing.channel) != outgoing.in_reply_to:
            raise ChangedUnderneath("a newer message arrived")


def _view(reply: Reply) -> ReplyView:
    return ReplyView(
        id=reply.id,
        state=reply.state,
        message_id=reply.message_id,
        not_before=reply.not_before,
        receipt=reply.receipt,
        why=reply.why,
        settled_at=reply.settled_at,
        undelivered=reply.undelivered,
        case_id=reply.outgoing.case_id,
        recipient=reply.outgoing.recipient,
    )
