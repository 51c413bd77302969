"""The words people read on the pages for what the code calls by id.

Rule of the room: every member of every list has a word here; a test holds that.
"""

from collections.abc import Mapping

from triage.domain import DAYS as _DAYS
from triage.domain import (
    Aspect,
    Assigned,
    Channel,
    FactKind,
    FactSource,
    IdentifierType,
    Lane,
    Mark,
    NoteKind,
    ReplyState,
    Result,
    Role,
    Route,
    Step,
    Undelivered,
    Urgency,
)
from triage.drafting.scope import rules
from triage.web.tongue import ENGLISH, Tongue

ROUTES: Mapping[Route, str] = {
    Route.URGENT_CLINICAL: "Urgent",
    Route.CLINICAL_QUESTION: "Clinical question",
    Route.REFILL: "Refill",
    Route.RESCHEDULE: "Appointment",
    Route.BILLING_DISPUTE: "Bill",
    Route.INSURANCE_AUTHORIZATION: "Insurance",
    Route.RESULTS: "Results",
    Route.REFERRAL: "Referral",
    Route.RECORDS_FORMS: "Records and forms",
    Route.GENERAL: "General",
    Route.NOT_FOR_US: "Not for us",
}
#: What the keys 1 to 9 and 0 sort a case as, in the order of the form.
BY_KEY = tuple(route for route in ROUTES if route is not Route.URGENT_CLINICAL)
URGENCIES: Mapping[Urgency, str] = {
    Urgency.EMERGENCY: "Emergency",
    Urgency.TODAY: "Today",
    Urgency.ROUTINE: "Routine",
}
LANES: Mapping[Lane, str] = {
    Lane.URGENT: "Urgent",
    Lane.UNREADABLE: "Could not be read",
    Lane.UNSORTED: "To be sorted",
    Lane.SORTED: "Sorted",
    Lane.SNOOZED: "Put off",
    Lane.OUTGOING: "On the way out",
}
MARKS: Mapping[Mark, str] = {
    Mark.NOT_READ: "Could not be read: open the original",
    Mark.PARTLY_READ: "Only partly read: look at the original",
    Mark.AMBIGUOUS: "Ambiguous: two mail programs may show two different texts",
    Mark.WITHHELD: "Withheld from the models",
    Mark.UNCLASSIFIED: "Not sorted by the classifier",
    Mark.RULES_FAILED: "Red-flag rules did not run: read now",
    Mark.DRAFT_FAILED: "No suggestion could be made",
    Mark.UNKNOWN_SENDER: "Unknown sender",
    Mark.UNVERIFIED_SENDER: "Sender not verified",
    Mark.AMBIGUOUS_PATIENT: "Could be one of several patients",
    Mark.CONTRADICTION: "Subject or topic and text contradict each other",
    Mark.ANGRY: "Sounds angry",
    Mark.THREATENS: "Speaks of leaving, complaining or a lawyer",
    Mark.PLEADS: "Sounds desperate",
    Mark.AUTOMATIC: "Automatic message",
    Mark.BY_PERSON: "A person wrote this, somebody here says",
    Mark.NOT_DELIVERED: "A reply of ours was not delivered",
    Mark.SECOND_MESSAGE: "Second message",
    Mark.IMPORTED: "Imported: may be old, look at its own date",
    Mark.TRANSCRIPT: "Machine transcript: words may be wrong, listen to the recording",
}
#: Marks that stand in the way rather than inform.
GRAVE_MARKS = frozenset(
    {
        Mark.NOT_READ,
        Mark.AMBIGUOUS,
        Mark.RULES_FAILED,
        Mark.UNVERIFIED_SENDER,
        Mark.AMBIGUOUS_PATIENT,
        Mark.CONTRADICTION,
        Mark.NOT_DELIVERED,
    }
)
REPLY_STATES: Mapping[ReplyState, str] = {
    ReplyState.DRAFT: "Draft",
    ReplyState.QUEUED: "Approved, waiting to leave",
    ReplyState.SENDING: "Leaving now",
    ReplyState.SENT: "Accepted by the mail server or the portal",
    ReplyState.UNCERTAIN: "Uncertain: it may or may not have arrived",
    ReplyState.FAILED: "Not sent",
    ReplyState.RECALLED: "Taken back",
    ReplyState.NOT_DELIVERED: "Not delivered",
}
#: The same where there is little room.
IN_SHORT: Mapping[ReplyState, str] = {
    ReplyState.DRAFT: "draft",
    ReplyState.QUEUED: "approved",
    ReplyState.SENDING: "leaving",
    ReplyState.SENT: "✓ accepted",
    ReplyState.UNCERTAIN: "uncertain",
    ReplyState.FAILED: "not sent",
    ReplyState.RECALLED: "taken back",
    ReplyState.NOT_DELIVERED: "not delivered",
}
#: Why a reply came back, and what a person can do.
UNDELIVERED: Mapping[Undelivered, str] = {
    Undelivered.NO_MAILBOX: "there is no mailbox at this address any more. Check it by phone.",
    Undelivered.NO_SERVER: "the address ends in a name that takes no mail. Check its spelling.",
    Undelivered.MAILBOX_FULL: "the mailbox is full. Call the patient.",
    Undelivered.TOO_LARGE: "the other side found it too large. Call the patient.",
    Undelivered.REFUSED: "the other side refused it. Call the patient, and tell whoever looks"
    " after the mail server.",
    Undelivered.UNREACHABLE: "the other mail server could not be reached. Call the patient.",
    Undelivered.UNKNOWN: "the notice does not say why. Call the patient.",
}
#: Why a reply did not go, where the store says it by a word of its own.
REASONS: Mapping[str, str] = {
    "changed_in_store": "The stored words are no longer the approved ones. Write the reply again.",
    "recipient_changed": "The address is no longer a verified one of this patient, or the patient"
    " took back the consent to e-mail. Nothing left.",
    "approver_left": "Whoever approved this one no longer works at this desk. Nothing left. Write"
    " the reply again.",
    "second_missing": "Two people must approve this one, and only one has. Nothing left. Write the"
    " reply again.",
    "SendRefused": "The other side refused it for good, or it could not be written as a mail."
    " Nothing left. Check the address, call the patient, or write the reply again.",
    "ProofRefused": "The proof of the approval does not hold. Nothing left. Tell whoever looks"
    " after triage, and write the reply again.",
    "postponed": "It could not be handed over yet. It is tried again by itself.",
    "line_broke": "The line broke after the last word, before the other side had answered.",
    "sender_stopped": "The sender stopped while this was leaving, and nobody knows how far it"
    " came.",
    "restored": "It waited to leave when a backup was restored, and may have left after the backup"
    " was made.",
    "no_outbox": "Nothing leaves this clinic that way. Answer on the portal or by phone.",
}
CHANNELS: Mapping[Channel, str] = {
    Channel.EMAIL: "E-mail",
    Channel.PORTAL: "Portal",
    Channel.FORM: "Form or voicemail",
}
ROLES: Mapping[Role, str] = {
    Role.SECRETARY: "Secretary",
    Role.WRITER: "Writer",
    Role.NURSE: "Nurse",
    Role.SUPERVISOR: "Supervisor",
    Role.DATA_SCIENTIST: "Data scientist",
    Role.ADMINISTRATOR: "Administrator",
}
#: What a note was written for.
NOTES: Mapping[NoteKind, str] = {
    NoteKind.NOTE: "Note",
    NoteKind.HANDED_OVER: "Handed over",
    NoteKind.TAKEN_OVER: "Taken over",
    NoteKind.OPENED_AGAIN: "Opened again",
    NoteKind.UNLINKED: "Not this patient",
    NoteKind.OWN_CASE: "Own case for a message",
    NoteKind.ASKED: "Asks for approval",
    NoteKind.REMARK: "Words given back",
}
#: Whose cases a saved view shows.
ASSIGNED: Mapping[Assigned, str] = {
    Assigned.ANYBODY: "anybody's",
    Assigned.ME: "of whoever looks",
    Assigned.MY_TEAMS: "of the teams of whoever looks",
    Assigned.NOBODY: "given to nobody",
}
#: Where a search looks: a state, or one lane of the open cases.
PLACES: Mapping[str, str] = {
    "": "everywhere",
    "open": "open cases",
    "closed": "closed cases",
    **{lane.value: f"open: {word}" for lane, word in LANES.items()},
}
#: How many days back a search looks; none is all the way.
AGES: Mapping[int | None, str] = {
    None: "at any time",
    1: "in the last 24 hours",
    7: "in the last 7 days",
    30: "in the last 30 days",
    365: "in the last 365 days",
}
OUTCOMES: Mapping[str, str] = {
    "answered": "Answered",
    "phoned": "Phoned the patient",
    "sent_to_emergency_services": "Sent to the emergency services",
    "handed_to_clinician": "Handed to a clinician",
    "entered_in_ehr": "Entered in the health record",
    "passed_on": "Passed on",
    "no_reply_needed": "No reply needed",
}
#: What may be said of a case that was on paper besides an outcome.
ON_PAPER: Mapping[str, str] = {
    "nothing": "Nothing was done on paper",
    "still_open": "Something was done; it stays open",
    "phoned_open": "Phoned the patient; it stays open",
}
#: What a draft states, and where it was found.
FACTS: Mapping[FactKind, str] = {
    FactKind.DATE: "date",
    FactKind.TIME: "time",
    FactKind.SPAN: "how long",
    FactKind.AMOUNT: "amount",
    FactKind.PERCENT: "share",
    FactKind.DRUG: "medicine",
    FactKind.DOSE: "dose",
    FactKind.PHONE: "telephone",
    FactKind.EMAIL: "e-mail address",
    FactKind.LINK: "link",
    FactKind.NAME: "also the name of another patient",
    FactKind.NUMBER: "also the record number of another patient",
    FactKind.BIRTH: "date, also the birth date of another patient",
}
#: Monday first, as dates count.
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: The same by the name that a form sends, which is the same in every language.
ON_DAYS: Mapping[str, str] = dict(zip(_DAYS, WEEKDAYS, strict=True))
SOURCES: Mapping[FactSource, str] = {
    FactSource.MESSAGE: "from the message",
    FactSource.REPLY: "from an earlier reply",
    FactSource.CLINIC: "from the clinic's settings",
    FactSource.CONTACT: "from the contact",
    FactSource.RECORD: "from the patient's record",
    FactSource.PORTAL: "from the portal",
    FactSource.TEMPLATE: "from the template",
}
STRANGERS: Mapping[IdentifierType, str] = {
    IdentifierType.NAME: "is another patient's name",
    IdentifierType.DATE: "is another patient's birth date",
    IdentifierType.PHONE: "is another patient's telephone",
    IdentifierType.EMAIL: "is another patient's address",
    IdentifierType.ADDRESS: "is where another patient lives",
    IdentifierType.MRN: "is another patient's record number",
}
#: Why an approval was refused, as a supervisor reads it.
STOPPED: Mapping[str, str] = {
    "WrongPatient": "approvals stopped because another patient was named",
    "UnfilledPlace": "stopped because a place was not filled in",
    "OutOfScope": "stopped because of clinical advice without a nurse",
    "UnconfirmedFact": "stopped because nobody answered for a fact",
    "UncheckedWords": "stopped because the words could not be checked",
    "TooSoon": "stopped because the words had only just come up",
    "PlantedError": "stopped because a planted error was still there",
}
LANGUAGES: Mapping[str, str] = {"en": "English", "es": "Spanish"}


def advice(rule: str, *, spoken: Tongue = ENGLISH) -> str:
    """Say what a row of the table of clinical advice found."""
    return spoken.say(next((row.says for row in rules() if row.id == rule), rule))


#: How somebody acted on an urgent message; whoever closes it says it in the words above.
ACTS: Mapping[str, str] = {
    **OUTCOMES,
    "phoned": "Called the patient",
    "handed_over": "Handed over to",
}
#: Whom the alarms reached while nobody acted.
STEPS: Mapping[Step, str] = {
    Step.AGAIN: "second alert after 5 minutes",
    Step.DEPUTY: "the deputy after 15 minutes",
    Step.ON_CALL: "who is on call after 30 minutes",
}
#: The steps of the plan as a practice manager reads them.
PLAN: Mapping[Step, str] = {
    Step.AGAIN: "After 5 minutes: tell again",
    Step.DEPUTY: "After 15 minutes: the deputy",
    Step.ON_CALL: "After 30 minutes: the clinician on call",
}
#: What a score sheet looks at.
ASPECTS: Mapping[Aspect, str] = {
    Aspect.SORTING: "Sorting",
    Aspect.URGENT: "Urgent first, by name",
    Aspect.WHOSE: "Whose message it is",
    Aspect.TRAP: "What must not be sent",
    Aspect.TOGETHER: "Wrote more than once",
    Aspect.OUTCOME: "How it ended",
}
#: How one of them went.
RESULTS: Mapping[Result, str] = {
    Result.RIGHT: "right",
    Result.MISSED: "missed",
    Result.OPEN: "not done yet",
}
#: What redaction hides, as a list of kinds.
IDENTIFIERS: Mapping[IdentifierType, str] = {
    IdentifierType.NAME: "Names",
    IdentifierType.ADDRESS: "Addresses",
    IdentifierType.DATE: "Dates",
    IdentifierType.AGE: "Ages over 89",
    IdentifierType.PHONE: "Telephone numbers",
    IdentifierType.EMAIL: "E-mail addresses",
    IdentifierType.SSN: "Social security numbers",
    IdentifierType.MRN: "Medical record numbers",
    IdentifierType.MEMBER_ID: "Insurance numbers",
    IdentifierType.ACCOUNT: "Account and card numbers",
    IdentifierType.LICENSE: "Licence numbers",
    IdentifierType.DEVICE: "Serial numbers of devices",
    IdentifierType.URL: "Links",
    IdentifierType.IP: "Internet addresses",
    IdentifierType.ORG: "Employers and schools",
    IdentifierType.OTHER_ID: "Other numbers of theirs",
}


#: Why somebody who came from the organisation's log-in is not let in, and what to do.
ELSEWHERE: Mapping[str, str] = {
    "stale": "This log-in took longer than ten minutes, was used already, or began in another "
    "window. Begin again.",
    "declined": "The log-in of your organisation was cancelled or refused there. Begin again, or "
    "ask whoever looks after it.",
    "silent": "The log-in of your organisation does not answer. Try again later, or use your user "
    "name and password.",
    "not_believed": "The answer from the log-in of your organisation could not be verified, so "
    "nobody was let in. Tell an administrator.",
    "long_ago": "The log-in of your organisation did not ask who you are just now. Sign out there "
    "and begin again.",
    "stranger": "Your organisation knows you, but nobody at this desk is linked to your account. "
    "Ask an administrator of the desk to link it on the page People.",
    "shut_out": "Your account at this desk is shut. Ask an administrator of the desk.",
}
#: Why a password is not taken, and what to do.
WEAK: Mapping[str, str] = {
    "short": "It is too short: at least 12 characters. Four words that do not belong together are "
    "easy to keep.",
    "long": "It is too long: 128 characters at most.",
    "same": "It is the one you have now. Choose another.",
    "common": "It is easy to guess: a common password, a date, a pattern or a single word. Choose "
    "four words that do not belong together.",
    "about": "Without your name or the clinic's it is easy to guess. Leave them out.",
    "differ": "The two new passwords are not the same. Type them again.",
    "wrong": "The present password is not right.",
}


#: Why nothing from the portal is shown.
PORTAL_TROUBLES: Mapping[str, str] = {
    "no_portal": "No portal is connected that could be asked.",
    "no_reference": "This patient has no verified place in the portal; link one first.",
    "no_secret": "This desk has no log-in of its own for the portal, so it cannot ask. Look in the "
    "portal itself; an administrator can set it up.",
    "silent": "The portal does not answer now. Look in the portal itself, or try again later.",
}
PORTAL_MISSING = "The portal does not show us this. Look in the portal itself."
PORTAL_MORE = "There is more in the portal."
