"""Mistakes that mail programs and help desks have made, put into ours one at a time."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from tests.one_by_one import land_one_by_one
from triage import pipeline
from triage.desk.replies import ReplyDesk
from triage.domain import ReplyState, new_id
from triage.engine import sending
from triage.store import filing, landing, tables, trail
from triage.store.cases import Cases
from triage.store.replies import Replies
from triage.store.transaction import Work

Bug = Callable[[pytest.MonkeyPatch], None]


def same_bytes_are_dropped(patch: pytest.MonkeyPatch) -> None:
    """A mail whose bytes are known is taken for the same mail."""
    real = landing._land

    def land(work: Work, arrival: Any, clinic: str, *, at: datetime) -> str | None:
        digest = work.vault.blind("raw", clinic, arrival.digest)
        known = select(tables.ledger.c.id).where(tables.ledger.c.digest == digest)
        return None if work.first(known) is not None else real(work, arrival, clinic, at=at)

    land_one_by_one(patch, land)


def an_uncertain_reply_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    """The line broke, so try again."""
    real = pipeline._transmit

    def transmit(*given: Any) -> tuple[ReplyState, str, str]:
        state, receipt, why = real(*given)
        return (ReplyState.QUEUED if why == "line_broke" else state), receipt, why

    patch.setattr(pipeline, "_transmit", transmit)


def the_cursor_moves_first(patch: pytest.MonkeyPatch) -> None:
    """Where we are is noted before what we have is kept."""

    def land(inbox: Any, store: Any, *, clinic: str) -> tuple[str, ...]:
        landed: list[str] = []
        for one in inbox.deliveries(store.landing.cursors(inbox.name, clinic=clinic)):
            store.landing.move_cursor(inbox.name, one.cursor, clinic=clinic)
            landed += store.landing.land(one.arrivals, clinic=clinic)
        return tuple(landed)

    patch.setattr(pipeline, "land", land)


def the_uid_is_the_identity(patch: pytest.MonkeyPatch) -> None:
    """A number that was seen before is a mail that was seen before."""
    real = landing._land

    def land(work: Work, arrival: Any, clinic: str, *, at: datetime) -> str | None:
        known = select(tables.ledger.c.id).where(tables.ledger.c.uid == arrival.position.uid)
        return None if work.first(known) is not None else real(work, arrival, clinic, at=at)

    land_one_by_one(patch, land)


def what_is_listed_anew_is_new(patch: pytest.MonkeyPatch) -> None:
    """After a change of UIDVALIDITY everything comes in a second time."""

    def land(work: Work, arrival: Any, clinic: str, *, at: datetime) -> str | None:
        if landing._place_known(work, arrival, clinic):
            return None
        digest = work.vault.blind("raw", clinic, arrival.digest)
        raw_id = landing.write_raw(work, arrival, clinic, digest, new_id(), at=at)
        fate = landing.LANDED
        landing.write_ledger(work, arrival, clinic=clinic, digest=digest, raw_id=raw_id, fate=fate)
        return raw_id

    land_one_by_one(patch, land)


def what_was_on_the_wire_is_queued_again(patch: pytest.MonkeyPatch) -> None:
    """A sender that starts sends what the last one had begun."""

    def recover(store: Any, *, clinic: str, by: str, reply_ids: list[str]) -> None:
        for reply_id in reply_ids:
            store.replies.settle(reply_id, ReplyState.QUEUED, clinic=clinic, by=by)

    patch.setattr(sending, "recover", recover)


def nobody_checks_the_proof(patch: pytest.MonkeyPatch) -> None:
    """An approval in the database is good enough."""
    patch.setattr(pipeline, "check_proof", lambda reply, master: None)


def a_recall_is_only_noted(patch: pytest.MonkeyPatch) -> None:
    """The person is told that the reply was taken back, and it leaves."""
    patch.setattr(Replies, "recall", lambda self, reply_id, **_: None)


def the_newest_words_are_approved(patch: pytest.MonkeyPatch) -> None:
    """What is stored is approved, whatever the person saw."""
    real = ReplyDesk.approve

    def approve(self: Any, actor: Any, case_id: str, *, digest: str, proof: str) -> Any:
        draft = self._open(actor, case_id).draft
        return real(self, actor, case_id, digest=draft.outgoing.digest, proof=proof)

    patch.setattr(ReplyDesk, "approve", approve)


def the_model_may_lower(patch: pytest.MonkeyPatch) -> None:
    """Whoever has a model needs no rules."""
    real = pipeline._flags

    def flags(message: Any, rules: Any) -> Any:
        real(message, rules)
        return ()

    patch.setattr(pipeline, "_flags", flags)


def a_claim_asks_nobody(patch: pytest.MonkeyPatch) -> None:
    """Two people answer one patient."""
    patch.setattr(Cases, "claim", Cases.take_over)


def a_closed_case_swallows_mail(patch: pytest.MonkeyPatch) -> None:
    """A message of the same patient joins the last case, open or not."""
    real = filing._case

    def case(
        work: Work, reading: Any, sender: Any, haste: int, *, clinic: str, thread_id: str
    ) -> str:
        cases = tables.cases
        known = select(cases).where(cases.c.patient_id == sender.patient_id)
        row = work.first(known) if sender.patient_id else None
        if row is None:
            return real(work, reading, sender, haste, clinic=clinic, thread_id=thread_id)
        filing._join(work, row, reading, sender, haste)
        return str(row.id)

    patch.setattr(filing, "_case", case)


def a_postponed_reply_counts_as_sent(patch: pytest.MonkeyPatch) -> None:
    """The server said no for now, and nobody listened."""
    real = pipeline._transmit

    def transmit(*given: Any) -> tuple[ReplyState, str, str]:
        state, receipt, why = real(*given)
        return (ReplyState.SENT if why == "postponed" else state), receipt, why

    patch.setattr(pipeline, "_transmit", transmit)


def the_chain_is_sealed_with_another_key(patch: pytest.MonkeyPatch) -> None:
    """One process writes the audit with a key of its own."""
    real = trail.seal
    patch.setattr(trail, "seal", lambda event, before, *, key: real(event, before, key=b"x" * 32))


#: Those of the short form first: they lie nearest to what everybody does.
BUGS: tuple[Bug, ...] = (
    same_bytes_are_dropped,
    the_model_may_lower,
    an_uncertain_reply_is_sent_again,
    the_cursor_moves_first,
    the_uid_is_the_identity,
    what_is_listed_anew_is_new,
    what_was_on_the_wire_is_queued_again,
    nobody_checks_the_proof,
    a_recall_is_only_noted,
    the_newest_words_are_approved,
    a_claim_asks_nobody,
    a_closed_case_swallows_mail,
    a_postponed_reply_counts_as_sent,
    the_chain_is_sealed_with_another_key,
)
