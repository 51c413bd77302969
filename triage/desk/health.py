"""Banners: what is not as it should be, said on top of every page."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from triage.desk.fetches import fetches
from triage.desk.rights import Right, may
from triage.desk.views import Banner
from triage.domain import MISSED_BEAT, Beat, Fault, User, read_alarm
from triage.store import Store

#: A process is missed when it has not beaten for this long.
SILENCE = timedelta(seconds=60)
#: A landed message that is in no queue after this long is an alarm.
LATE = timedelta(minutes=2)
#: A repair of the store stays on screen this long, and so do notices that never came.
REPAIRED = timedelta(hours=24)
#: What each process keeps alive, in words a secretary reads.
DUTIES = {
    "worker": "New messages are not being read.",
    "sender": "Approved replies are not leaving.",
    "watch": "Nobody watches over triage: if something stops, no alert is sent.",
}
#: A note a process leaves with its heart-beat, and what it means on screen.
NOTES = {
    "no_classifier": "The classifier is not working: every message waits for a person to sort it.",
    "no_redactor": "Redaction is not working: models see nothing and no reply is suggested.",
    "no_parser": "Messages cannot be read by machine: open every original, the urgent ones first.",
    "no_plan": "Nobody is named who is told when nobody acts on an urgent message. A supervisor"
    " names them under Practice; until then every alert door is told.",
    "no_door": "Nobody is told outside these pages, neither of an urgent message nor when something"
    " stops. Whoever keeps this machine adds an [[alert]] to triage.toml.",
    "no_rules": "The red-flag rules are not working: read every new message now.",
    "outbox_failing": "Approved replies cannot be handed over yet; they are tried again.",
    "anchor_failing": "The audit cannot be anchored outside the database, or contradicts it.",
    "backup_late": "There is no recent backup. Tell the person who keeps this machine.",
    "backup_failing": "A backup could not be made; it is tried again every few minutes.",
    "backup_disk_full": "The disk for the backups is full. Tell the person who keeps this machine.",
    "retention_failing": "Old cases could not all be erased; it is tried again.",
    "paper_not_set_up": "There is no list for the hour in which nothing works. Whoever keeps this"
    " machine runs `triage downtime setup`.",
    "paper_late": "The list for the hour in which nothing works is too old or cannot be written.",
    "clock_leapt": "Nothing old is erased: by the clock of this machine more time has passed than"
    " triage worked through. Is its date right? Erasing begins after five days with messages.",
    "senders_unchecked": "Nobody checks who really sent an e-mail. Compare before you act on one;"
    " an administrator sets authserv_id.",
    "hook_refused": "A form or voicemail service delivered something that was refused: it is not"
    " here. Tell whoever keeps this machine; the log says why.",
    "news_missed": "Notices of a portal never came here; nothing is lost, its messages were fetched"
    " all the same. Tell IT today.",
    "inbox_failing": "An inbox cannot be reached; nothing is lost, but new messages are late.",
}
#: Notes about what is set up, or what anybody outside can bring about.
WARNINGS = frozenset({"senders_unchecked", "paper_not_set_up", "hook_refused"})

#: Said on the page in its own words already.
_KNOWN = frozenset({Fault.PART_FAILING, Fault.NOT_QUEUED})


def silent_at(at: datetime, now: datetime) -> bool:
    """Whether the last sign of life is too old, or from a time the clock was set back from."""
    return abs(now - at) > SILENCE


def _past(beat: Beat, now: datetime) -> bool:
    """Whether it tells of something that happened once, and long ago."""
    return beat.process.startswith(MISSED_BEAT) and now - beat.at > REPAIRED


def banners(
    store: Store, actor: User, now: datetime, clinical: Mapping[str, str]
) -> tuple[Banner, ...]:
    """Return what a person must know before they go to work."""
    clinic, found = actor.clinic, list(_emergencies(store, actor))
    beats = store.beats.all(clinic=clinic)
    silent = DUTIES.keys() - {beat.process for beat in beats}
    found += [Banner("alarm", DUTIES[process]) for process in sorted(silent)]
    for beat in beats:
        if beat.process in DUTIES and silent_at(beat.at, now):
            found.append(Banner("alarm", DUTIES[beat.process]))
        found += [
            Banner("warning" if note in WARNINGS else "alarm", NOTES[note])
            for note in beat.notes
            if note in NOTES and not _past(beat, now)
        ]
        if beat.process == "watch" and not silent_at(beat.at, now):
            found += _watched(beat.notes)
    found += fetches(beats, now)
    if late := store.landing.late(before=now - LATE, clinic=clinic):
        found.append(Banner("alarm", f"{late} messages have landed and are not in the queue yet."))
    found += [Banner("alarm", words) for words in _mailboxes(store, clinic, now)]
    found += _on_paper(store, actor)
    rules = clinical.get("redflags")
    if rules and store.signatures.signed("redflags", rules, clinic=clinic) is None:
        found.append(
            Banner("warning", "The red-flag rules have not yet been reviewed by a clinician.")
        )
    return tuple(found)


def _mailboxes(store: Store, clinic: str, now: datetime) -> Iterator[str]:
    """Say what a mail server holds and we do not, or did not until it was fetched again."""
    if owed := store.mailboxes.owed(clinic=clinic):
        what = "1 message lies" if owed == 1 else f"{owed} messages lie"
        yield f"{what} in the mailbox and cannot be fetched; read the mailbox itself, and tell IT."
    if store.mailboxes.repaired(since=now - REPAIRED, clinic=clinic):
        yield "Messages were missing here; they were fetched again. Tell IT today."


def _watched(notes: Sequence[str]) -> list[Banner]:
    """Repeat on the page what the watch told staff, unless the page knows it by itself."""
    alarms = [alarm for alarm in map(read_alarm, notes) if alarm and alarm.fault not in _KNOWN]
    return [Banner("alarm", alarm.words) for alarm in alarms]


def _on_paper(store: Store, actor: User) -> tuple[Banner, ...]:
    """Say that nobody has entered yet what was done while nothing worked."""
    count = store.paper.missing(clinic=actor.clinic) if may(actor, Right.WORK_CASE) else 0
    if not count:
        return ()
    what = "1 case was" if count == 1 else f"{count} cases were"
    words = f"{what} on paper while triage was down. Enter what was done under Downtime."
    # Most gaps are a machine switched off for the night; a list begun and left is another thing.
    begun = store.paper.begun(clinic=actor.clinic)
    return (Banner("alarm" if begun else "warning", words),)


def _emergencies(store: Store, actor: User) -> tuple[Banner, ...]:
    """Tell those who answer for the others that somebody opened a case in an emergency."""
    count = store.glass.unreviewed(clinic=actor.clinic) if may(actor, Right.REVIEW_GLASS) else 0
    if not count:
        return ()
    what = "1 case was" if count == 1 else f"{count} cases were"
    return (Banner("alarm", f"{what} opened in an emergency. Look into it under Emergencies."),)
