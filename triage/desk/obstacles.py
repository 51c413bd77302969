"""Whether a case can be answered now, which of its messages, and what stands in the way.

Rule of the room: it reads a case and changes nothing; what it says a person reads.
"""

from triage.domain import (
    UNDERWAY,
    CaseFile,
    CaseState,
    Channel,
    Mark,
    ReplyState,
    StoredMessage,
    newest_from_person,
)

#: What a clinic that writes no e-mail tells its people.
PORTAL_ONLY = "This clinic answers on the portal or by phone, never by e-mail."


def answered(file: CaseFile) -> StoredMessage:
    """Return the message a reply answers: the newest one that a person wrote."""
    return newest_from_person(file.messages)


def automatic(file: CaseFile) -> bool:
    """Whether a case holds automatic messages only, and nobody has said otherwise."""
    if Mark.BY_PERSON in file.case.marks:
        return False
    return all(Mark.AUTOMATIC in message.marks for message in file.messages)


def obstacle(file: CaseFile, *, portal_only: bool = False) -> str:
    """Say in words why no reply can be approved for a case now; empty when one can."""
    contact, case = file.contact, file.case
    known = contact is not None and contact.patient_id == case.patient_id
    by_mail = contact is not None and contact.channel is Channel.EMAIL
    in_the_way = {
        "This case is closed.": case.state is CaseState.CLOSED,
        "Automatic messages are never answered.": automatic(file),
        "Nobody has said who this is yet. Find the patient by two identifiers.": not known,
        "This contact was taken out of use. Choose another one of the patient.": (
            contact is not None and contact.retired_at is not None
        ),
        "This address has not been verified. Call the patient.": (
            contact is not None and contact.verified_by is None
        ),
        PORTAL_ONLY: by_mail and portal_only,
        "The patient has not agreed to e-mail. Answer on the portal or by phone.": (
            by_mail and contact is not None and not contact.consent_to_email
        ),
        "A reply is on its way; nothing more leaves until that is settled.": any(
            reply.state in UNDERWAY for reply in file.replies
        ),
        # That is a person's to settle: they look for its Message-ID, then call the patient or
        # close the case; nothing is written twice.
        "A reply may or may not have arrived. Look for it, then call the patient.": any(
            reply.state is ReplyState.UNCERTAIN for reply in file.replies
        ),
    }
    return next((words for words, holds in in_the_way.items() if holds), "")
