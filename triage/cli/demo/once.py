"""The main job once through, without a browser: for machines and for people in a hurry."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from threading import Event

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from triage.cli.demo.practice import Login
from triage.cli.demo.servers import Sink, message_id
from triage.desk import Desk
from triage.desk.views import CaseView
from triage.domain import CaseRow, Channel, Lane, Protected, ReplyState, User
from triage.engine import Jobs
from triage.errors import NotFound
from triage.pipeline import land
from triage.store import Store, jobs_database
from triage.store.proof import BrowserKey
from triage.wiring import House

#: Longest wait for the approved reply at the sink, in seconds.
PATIENCE = 60.0


def run_once(house: House, store: Store, logins: Mapping[str, Login], sink: Sink) -> None:
    """Ingest, show the queue, approve one reply, see it arrive, verify the audit."""
    filed = ingest(house, store)
    desk = house.desk(store)
    secretary = signed_in(desk, logins["dana"])
    rows = desk.queue.view(secretary[0], limit=1000).rows
    print_queue(rows)
    print(f"{filed} messages are {len(rows)} cases in the queue.")
    answer(house, store, desk, secretary, sink)
    boss, _ = signed_in(desk, logins["sam"])
    verdict = desk.supervision.verify(boss)
    print(f"audit: {verdict.events} events, {'every link holds' if verdict.holds else 'BROKEN'}")
    store.close()
    if not verdict.holds or not sink.mails:
        raise SystemExit(1)


def signed_in(desk: Desk, login: Login) -> tuple[User, BrowserKey]:
    """Sign in with password and code and enrol a key to sign with, as the page does."""
    now = datetime.now(UTC)
    token = desk.signing.sign_in(login.user.username, login.password).token
    token = desk.signing.give_code(token, login.one_time_code(now)).token
    key = BrowserKey(bytes.fromhex(login.code), now + timedelta(hours=1))
    desk.signing.enrol_proof_key(
        token, public=key.public, until=key.until, certificate=key.certificate
    )
    return desk.who(token), key


def ingest(house: House, store: Store) -> int:
    """Land every inbox and file what landed; return how many messages."""
    parts = house.parts(store)
    for trouble in parts.troubles:
        Console(stderr=True).print(f"triage: {trouble}")
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("fetching and landing", total=None)
        landed = 0
        for inbox in house.inboxes():
            landed += len(land(inbox, store, clinic=house.settings.clinic.id))
            inbox.close()
        progress.update(task, description="reading, redacting, routing", total=landed)
        jobs = Jobs(store, parts.rooms, jobs_database(house.url, house.keys))
        jobs.launch()
        filed = jobs.drain(lambda count: progress.advance(task, count))
        jobs.stop()
    return filed


def print_queue(rows: tuple[CaseRow, ...]) -> None:
    """Print the queue as a table; patients appear as placeholders, never by name."""
    table = Table(title="The queue", show_lines=False, expand=True)
    for column in ("priority", "urgency", "route", "confidence", "patient", "why", "signs"):
        table.add_column(column, overflow="fold")
    numbers: dict[str, int] = {}
    for row in rows:
        case = row.case
        known = case.patient_id
        number = numbers.setdefault(known, len(numbers) + 1) if known else 0
        table.add_row(
            str(case.score),
            case.urgency.word,
            case.route.value,
            "?" if case.abstained else f"{case.confidence:.2f}",
            f"[PATIENT_{number}]".replace("[", "\\[") if known else "who is this?",
            row.because[0][:70] if row.because else "",
            ", ".join(sorted(mark.value for mark in case.marks)),
        )
    Console(width=150).print(table)


def answer(
    house: House, store: Store, desk: Desk, who: tuple[User, BrowserKey], sink: Sink
) -> None:
    """Approve the first answerable e-mail through the desk and wait for it at the sink."""
    actor, key = who
    view = first_answerable(desk, actor)
    case_id = view.file.case.id
    desk.queue.claim(actor, case_id)
    subject = view.suggested_subject or Protected("Your message to us")
    body = view.suggested_body or Protected("Thank you, we have received your message.")
    draft = desk.replies.save(actor, case_id, subject=subject, body=body)
    digest = draft.outgoing.digest
    proof = key.prove(draft.id, digest)
    reply = desk.replies.approve(actor, case_id, digest=digest, proof=proof)
    print(f"approved by {actor.display_name}: reply {reply.id}, digest {digest[:16]}…")
    sender, stop, until = house.sender(store), Event(), time.monotonic() + PATIENCE
    while not sink.mails and time.monotonic() < until:
        sender.once()
        stop.wait(0.2)
    state = desk.replies.status(actor, reply.id).state
    arrived = [message_id(mail) for mail in sink.mails]
    print(f"sink: {arrived or 'nothing arrived'}; the desk says {state.value}")
    if state is not ReplyState.SENT or arrived != [reply.message_id]:
        raise SystemExit(1)


def first_answerable(desk: Desk, actor: User) -> CaseView:
    """Return the first sorted e-mail case with a suggestion that nothing stands in the way of."""
    for row in desk.queue.view(actor, lane=Lane.SORTED, limit=1000).rows:
        if row.case.channel is Channel.EMAIL and row.case.patient_id:
            view = desk.queue.open(actor, row.case.id)
            if not view.obstacle and view.suggested_body is not None:
                return view
    raise NotFound("an e-mail that could be answered")
