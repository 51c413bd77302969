"""What colleagues write beside a case never reaches a patient: a wall, and canaries to try it.

The wall: whatever drafts, approves, keeps or sends words for a patient neither imports the notes
nor names their table. The canaries: words in every kind of note are in no outgoing thing.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.practice import MASTER, add_staff, ana, reading, signing_key
from tests.test_house import HOUSE, ROOT
from triage.desk import Desk
from triage.domain import Channel, NoteKind, Protected, Role, User
from triage.engine import Sender
from triage.store import Store, tables
from triage.testing import MemoryOutbox

#: Rooms and files through which words reach a patient, a model or a file that is handed out.
OUTGOING = (
    "triage/drafting/",
    "triage/connectors/",
    "triage/classifiers/",
    "triage/redaction/",
    "triage/engine/",
    "triage/pipeline.py",
    "triage/domain/reply.py",
    "triage/desk/replies.py",
    "triage/desk/bulk.py",
    "triage/desk/exporting.py",
    "triage/desk/supervision.py",
    "triage/store/replies.py",
    "triage/store/drafts.py",
    "triage/store/second.py",
    "triage/store/proof.py",
    "triage/store/labels.py",
    "triage/store/evidence.py",
    "triage/store/patient_copy.py",
    "triage/store/search_index.py",
)
#: Names by which notes are known: the module, the table, the nouns.
NOTES = {"notes", "mentions", "Note", "NoteKind", "Mention", "Together", "together"}
#: A file with none of these words need not be read as code.
NAMED = re.compile("|".join(sorted(NOTES | {"colleagues"})))


def sees_notes(tree: ast.Module) -> list[str]:
    """Return where a file reaches for notes: an import of them, or their table."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")
            names = {alias.name for alias in node.names}
            of_us = module[0] == "triage" and len(module) > 1
            if of_us and (NOTES | {"colleagues"}) & {*module[2:], *names}:
                found.append(f"line {node.lineno}: imports them")
        elif isinstance(node, ast.Attribute) and node.attr in NOTES:
            owner = getattr(node.value, "id", getattr(node.value, "attr", ""))
            if owner in ("tables", "_store", "store", "desk"):
                found.append(f"line {node.lineno}: {owner}.{node.attr}")
    return found


def test_nothing_that_leads_to_a_patient_sees_notes() -> None:
    walled = [
        path
        for path in sorted(HOUSE.rglob("*.py"))
        if str(path.relative_to(ROOT)).startswith(OUTGOING)
    ]
    assert len(walled) > 60
    found = {
        str(path.relative_to(ROOT)): sees_notes(ast.parse(path.read_text(encoding="utf-8")))
        for path in walled
        if NAMED.search(path.read_text(encoding="utf-8"))
    }
    assert {name: where for name, where in found.items() if where} == {}


@pytest.mark.parametrize(
    "sentence",
    [
        "from triage.store.notes import notes_of",
        "from triage.store import notes",
        "from triage.domain import Note",
        "rows = work.rows(select(tables.notes))",
        "self._store.notes.for_me(clinic='c', by='b')",
        "from triage.store.colleagues import Colleagues",
    ],
)
def test_the_wall_is_seen_to_fail(sentence: str) -> None:
    assert sees_notes(ast.parse(sentence))


@pytest.fixture
def staff(store: Store, clinic: str) -> dict[str, User]:
    store.people.import_roster([ana(clinic)], clinic=clinic, by="test")
    roles = {"dora": Role.SECRETARY, "wim": Role.WRITER, "nia": Role.NURSE, "sam": Role.SUPERVISOR}
    return {
        name: replace(add_staff(store, clinic, name), roles=frozenset({role}))
        for name, role in roles.items()
    }


def talk(desk: Desk, staff: dict[str, User], case_id: str) -> set[NoteKind]:
    """Write a note of every kind, each with a canary; return which were written."""
    dora, wim, nia = staff["dora"], staff["wim"], staff["nia"]
    desk.together.write(dora, case_id, words=Protected("zanzibar-note @wim knows her"))
    desk.queue.close(
        dora,
        case_id,
        outcome="no_reply_needed",
        note=Protected("Nothing to do."),
        all_done=True,
    )
    desk.together.open_again(dora, case_id, reason=Protected("zanzibar-opened"))
    newest = desk.queue.open(dora, case_id).file.messages[0].id
    desk.queue.own_case(dora, case_id, newest, reason=Protected("zanzibar-apart"))
    desk.queue.unlink(dora, case_id, reason=Protected("zanzibar-unlinked"))
    desk.queue.link(dora, case_id, patient_id="patient-1", contact_id="contact-1")
    desk.queue.take_over(nia, case_id, reason=Protected("zanzibar-taken"))
    desk.together.assign(nia, case_id, to=f"user:{wim.id}", reason=Protected("zanzibar-handed"))
    desk.replies.save(wim, case_id, subject=Protected("Refill"), body=Protected("It is ready."))
    desk.together.ask(wim, case_id, words=Protected("zanzibar-asked"))
    desk.together.give_back(nia, case_id, words=Protected("zanzibar-remark"))
    return {note.kind for note in desk.together.about(dora, case_id).notes}


def everything(store: Store, names: tuple[str, ...]) -> Iterator[str]:
    """Yield every text of these tables, opened."""
    with store.transactions.write() as work:
        for name in names:
            table = tables.metadata.tables[name]
            for row in work.rows(table.select()):
                for column in table.columns:
                    value = getattr(row, column.name)
                    sealed = hasattr(value, "stored")
                    yield work.vault.text(value, row.id).reveal() if sealed else repr(value)


def test_words_among_colleagues_are_in_nothing_that_leaves(
    store: Store, clinic: str, staff: dict[str, User]
) -> None:
    desk = Desk(store, undo=timedelta(seconds=-1), mail_domain="clinic.example")
    first = reading(store, clinic)
    case_id = store.cases.file(first, clinic=clinic, by="worker")
    again = reading(store, clinic, uid="2", references=(first.message.message_id,))
    assert store.cases.file(again, clinic=clinic, by="worker") == case_id
    assert talk(desk, staff, case_id) == set(NoteKind)
    dora, sam = staff["dora"], staff["sam"]
    view = desk.queue.open(dora, case_id)
    assert view.draft is not None
    digest = view.draft.outgoing.digest
    proof = signing_key(dora.id).prove(view.draft.id, digest)
    desk.replies.approve(dora, case_id, digest=digest, proof=proof)
    outbox = MemoryOutbox()
    later = store.transactions.clock() + timedelta(minutes=1)
    doors = {Channel.EMAIL: outbox}
    assert Sender(store, doors, master=MASTER, clinic=clinic, clock=lambda: later).once() == 1
    gone = repr([(one.content, one.recipient.reveal()) for _, one in outbox.sent])
    assert "It is ready." in gone, "the control: what was approved has left"
    kept = everything(store, ("drafts", "replies", "suggestions", "messages", "labels"))
    handed = [
        repr(desk.models.training_rows(replace(sam, roles=frozenset({Role.DATA_SCIENTIST})))),
        repr(store.copy_of("patient-1", clinic=clinic, by=sam.id)),
        repr(desk.supervision.events(sam)),
    ]
    for text in (gone, *kept, *handed):
        assert "zanzibar" not in text
    assert sum("zanzibar" in text for text in everything(store, ("notes",))) == len(NoteKind)
