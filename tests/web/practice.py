"""A fictional practice with a morning's messages on the real store, for the tests of the pages.

The readings are written by hand, so that these tests need neither parser nor models.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from triage.classifiers.promises import POINTS, Point, write_points
from triage.classifiers.verdict import Policy
from triage.desk import Desk, Right, may, needs_second_factor
from triage.desk.desk import utcnow
from triage.domain import (
    NOTHING,
    Arrival,
    Attachment,
    Channel,
    Classification,
    Clinic,
    Contact,
    Flag,
    IdentifierType,
    Lane,
    Mark,
    Message,
    Patient,
    Position,
    Priority,
    Protected,
    Reading,
    Redacted,
    Redaction,
    Role,
    Route,
    Suggestion,
    Urgency,
    User,
    approver_key,
    new_id,
)
from triage.encoder.registry import Registry
from triage.store import Keys, Store, migrate, open_store, tables
from triage.store.casefile import case_file
from triage.store.totp import STEP, code_at, step_of, unspelled

CLINIC = Clinic("c1", "Alder Street Practice")
ELSEWHERE = Clinic("c2", "Another Practice")
MASTER = bytes(range(32))
#: Two things a clinician signs; none is signed yet.
CLINICAL = {"redflags": "1" * 64, "urgent_texts": "2" * 64}
PASSWORD = "correct horse battery staple"
PEOPLE = {
    "dana": User("u-dana", "c1", "dana", "Dana Whitlock", frozenset({Role.SECRETARY})),
    "milo": User("u-milo", "c1", "milo", "Milo Brandt", frozenset({Role.SECRETARY})),
    "wim": User("u-wim", "c1", "wim", "Wim Achter", frozenset({Role.WRITER})),
    "nia": User("u-nia", "c1", "nia", "Nia Okafor", frozenset({Role.NURSE})),
    "sam": User("u-sam", "c1", "sam", "Sam Ortega", frozenset({Role.SUPERVISOR})),
    "devi": User("u-devi", "c1", "devi", "Devi Rao", frozenset({Role.DATA_SCIENTIST})),
    "ada": User("u-ada", "c1", "ada", "Ada Kerr", frozenset({Role.ADMINISTRATOR})),
    "eve": User("u-eve", "c2", "eve", "Eve Stranger", frozenset({Role.SUPERVISOR})),
}
NAMES = (
    ("Rosalind Keane", "1957-08-14"),
    ("Tobias Lindqvist", "1983-01-30"),
    ("Marisol Vega", "1990-05-09"),
    ("Harold Pettigrew", "1941-12-02"),
    ("Amina Yusuf", "2001-03-22"),
    ("George Halloran", "1969-07-07"),
)


def roster() -> list[tuple[Patient, tuple[Contact, ...]]]:
    """Return six patients, each with an e-mail address and a portal reference."""
    entries = []
    for number, (name, born) in enumerate(NAMES, 1):
        spoken = "es" if "Vega" in name else "en"
        patient = Patient(
            f"p{number}",
            "c1",
            Protected(name),
            Protected(born),
            Protected(f"MRN{40000 + number}"),
            spoken,
        )
        address = name.lower().replace(" ", ".") + "@example.org"
        by_mail = Contact(
            f"p{number}-mail",
            "c1",
            patient.id,
            Channel.EMAIL,
            Protected(address),
            patient.name,
            "self",
            "roster",
            consent_to_email=True,
        )
        by_portal = replace(
            by_mail,
            id=f"p{number}-portal",
            channel=Channel.PORTAL,
            address=Protected(f"Patient/{number}"),
        )
        entries.append((patient, (by_mail, by_portal)))
    return entries


@dataclass(frozen=True)
class Letter:
    """One message of the morning and what the path would say of it."""

    key: str
    writer: int
    subject: str
    body: str
    route: Route
    urgency: Urgency = Urgency.ROUTINE
    also: frozenset[Route] = frozenset()
    confidence: float = 0.94
    lane: Lane = Lane.SORTED
    because: tuple[str, ...] = ()
    rule: tuple[str, str] | None = None
    suggestion: str | None = None
    html: str = ""
    quoted: str = ""
    signature: str = ""
    sender: str = ""
    marks: frozenset[Mark] = frozenset()
    files: tuple[tuple[str, str, bytes], ...] = ()
    topic: str = ""
    channel: Channel = Channel.EMAIL
    score: int = 40
    #: What the leak meter said; None when it did not look.
    leaks: Mapping[IdentifierType, int] | None = field(default_factory=dict)


HOSTILE_HTML = (
    "<p>Hello <b>there</b>, my form is below.</p>"
    "<script>parent.document.title='OWNED';top.owned=1</script>"
    '<img src="http://tracker.invalid/pixel.gif" onerror="top.owned=1">'
    '<a href="http://phish.invalid/">click</a>'
    '<div style="background:url(http://tracker.invalid/css)">styled</div>'
    '<iframe src="http://tracker.invalid/frame"></iframe>'
    '<form action="http://phish.invalid/"><input name=x><button>Go</button></form>'
    '<svg onload="top.owned=1"><image href="http://tracker.invalid/svg"/></svg>'
    "<table><tr><td>Monday</td><td>closed</td></tr></table>"
)
MORNING = (
    Letter(
        "chest",
        4,
        "Question about my next appointment",
        "Good morning,\n\nI wanted to move Thursday to next week. Also since breakfast I have this "
        "pressing chest pain that goes into my left arm, probably nothing, but I thought I mention "
        "it.\n\nH. Pettigrew",
        Route.URGENT_CLINICAL,
        Urgency.EMERGENCY,
        frozenset({Route.RESCHEDULE}),
        lane=Lane.URGENT,
        because=("Chest pain that spreads", "Said in passing, under another request"),
        rule=("chest-pain-radiating", "pressing chest pain that goes into my left arm"),
        score=97,
    ),
    Letter(
        "fever",
        3,
        "Fiebre de mi hija",
        "Buenos días, mi hija de tres meses tiene fiebre de 39 desde anoche y no quiere comer. "
        "¿Qué hago?\n\nMarisol Vega",
        Route.URGENT_CLINICAL,
        Urgency.TODAY,
        lane=Lane.URGENT,
        because=("Fever in an infant",),
        rule=("fever-infant", "tres meses tiene fiebre de 39"),
        channel=Channel.PORTAL,
        topic="General question",
        marks=frozenset({Mark.CONTRADICTION}),
        score=82,
    ),
    Letter(
        "refill",
        1,
        "Refill of lisinopril",
        "Hello,\n\nI am nearly out of my lisinopril 10 mg, five tablets left. Could you send it to "
        "the Corner Pharmacy on Alder Street as always?\n\nThank you kindly,\nRosalind Keane",
        Route.REFILL,
        because=("Asks for a prescription to be renewed",),
        suggestion="Dear [NAME_1],\n\nthank you for your message. We have passed your request for "
        "a refill to your doctor. The pharmacy will tell you when it is ready.\n\nKind regards,\n"
        "Alder Street Practice",
        quoted="> On 3 March the practice wrote:\n> Your refill is ready.",
        signature="Rosalind Keane\n12 Elm Row",
        score=52,
    ),
    Letter(
        "bill",
        6,
        "Charged twice for the same visit??",
        "This is the SECOND time you have billed me for 12 September. I paid 84.50 on the day. I "
        'want this taken off, and I want to know what an "ER level 3" is, I was never in the ER.'
        "\n\nG. Halloran",
        Route.BILLING_DISPUTE,
        confidence=0.88,
        because=("Disputes a charge",),
        suggestion="Dear [NAME_1],\n\nthank you for telling us. We are looking into the charge and "
        "will write to you again.\n\nKind regards,\nAlder Street Practice",
        score=48,
    ),
    Letter(
        "move",
        5,
        "move my appt",
        "hi can i come in friday instead of wed? my shift changed",
        Route.RESCHEDULE,
        confidence=0.97,
        because=("Wants another time",),
        channel=Channel.PORTAL,
        topic="Appointments",
        suggestion="Dear [NAME_1],\n\nwe are looking for another time for you and will write again "
        "with what is free.\n\nKind regards,\nAlder Street Practice",
        score=46,
    ),
    Letter(
        "unsorted",
        2,
        "Re: Re: your letter",
        "As discussed with the lady on the phone, please find it attached. Let me know if the "
        "other one is needed as well.",
        Route.RECORDS_FORMS,
        confidence=0.41,
        lane=Lane.UNSORTED,
        because=("Not sure: records and forms, or insurance",),
        files=(
            ("school form \u202efdp.exe", "application/pdf", b"%PDF-1.4 form"),
            ("card.jpg", "image/jpeg", b"\xff\xd8\xff" + b"0" * 40_000),
        ),
        score=55,
    ),
    Letter(
        "hostile",
        2,
        "<b>Form</b> <script>top.owned=1</script>",
        "Hello there, my form is below.\u200b",
        Route.RECORDS_FORMS,
        html=HOSTILE_HTML,
        because=("Mentions a form",),
        score=44,
    ),
    Letter(
        "stranger",
        0,
        "Records for our mutual client",
        "Dear Sir or Madam, please forward the complete records to our office by return.",
        Route.RECORDS_FORMS,
        sender="office@lawyers.example.net",
        because=("Asks for records",),
        confidence=0.9,
        score=43,
    ),
    Letter(
        "broken",
        0,
        "",
        "",
        Route.GENERAL,
        confidence=0.0,
        lane=Lane.UNREADABLE,
        sender="noreply@scanner.example.net",
        because=("The message could not be read",),
        marks=frozenset({Mark.NOT_READ, Mark.UNCLASSIFIED}),
        score=68,
    ),
    Letter(
        "spam",
        0,
        "WIN a practice makeover!!!",
        "Dear Practice Owner, you have been selected ...",
        Route.NOT_FOR_US,
        sender="deals@offers.example.com",
        because=("Advertising",),
        confidence=0.99,
        score=8,
    ),
)


@dataclass
class Practice:
    """A store with people, patients and filed messages, and the desk around it."""

    store: Store
    desk: Desk
    cases: dict[str, str] = field(default_factory=dict)
    #: What everybody's authenticator app holds, and the step of the last code it showed.
    secrets: dict[str, str] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)

    def user(self, name: str) -> User:
        """Return one of the people."""
        return PEOPLE[name]

    def was(self, case_id: str) -> str:
        """Return how a case stands as its page says it to its forms; leaves no row in the audit."""
        found = select(tables.cases).where(tables.cases.c.id == case_id)
        with self.store.transactions.read() as work:
            return case_file(work, work.one(found, case_id)).was

    def view(self) -> str:
        """Save a view of the queue under a fresh name; return its id."""
        saved = self.desk.teams.put_view(PEOPLE["sam"], called=f"View {new_id()[:8]}")
        return saved.id

    def code(self, name: str) -> str:
        """Return a person's approval code as the practice handed it out."""
        return approver_key(MASTER, PEOPLE[name].id).hex()

    def one_time_code(self, name: str) -> str:
        """Return a code that was not used yet; the door's clock moves on where it must."""
        door = self.desk.signing
        now = door._clock()
        if self.shown.get(name) == step_of(now):
            real, door._clock = door._clock, lambda: real() + timedelta(seconds=STEP)
            now = door._clock()
        self.shown[name] = step_of(now)
        return code_at(unspelled(self.secrets[name]), now)

    def sign_in(self, name: str) -> str:
        """Sign in with all that this person needs; return the session's token."""
        door = self.desk.signing
        token = door.sign_in(name, PASSWORD).token
        if name in self.secrets:
            token = door.give_code(token, self.one_time_code(name)).token
        return token

    def enrol(self, name: str) -> None:
        """Enrol an authenticator app as the page does; its clock lags one step."""
        door = self.desk.signing
        token = door.sign_in(name, PASSWORD).token
        self.secrets[name] = door.offer(token, PASSWORD)
        late = door._clock() - timedelta(seconds=STEP)
        token = door.enrol(token, code_at(unspelled(self.secrets[name]), late)).token
        self.store.people.close_session(token)

    def receive(self, letter: Letter, *, after: str = "") -> str:
        """File one more message, in the conversation of the letter `after`; return its case."""
        uid = str(len(self.cases) + 1)
        position = Position("front-desk", "INBOX", "1", uid)
        content = f"Subject: {letter.key}\r\n\r\n{letter.body}\r\n".encode()
        arrival = Arrival(position, letter.channel, "message/rfc822", content)
        (raw_id,) = self.store.landing.land([arrival], clinic="c1")
        case_id = self.store.cases.file(
            self._reading(letter, raw_id, after), clinic="c1", by="worker"
        )
        self.cases[letter.key] = case_id
        return case_id

    def _reading(self, letter: Letter, raw_id: str, after: str) -> Reading:
        raw = self.store.landing.raw(raw_id, clinic="c1", by="worker")
        name = NAMES[letter.writer - 1][0] if letter.writer else ""
        made = Classification(
            letter.route if letter.urgency is Urgency.ROUTINE else Route.GENERAL,
            letter.also,
            Urgency.ROUTINE,
            letter.confidence,
            letter.lane is Lane.UNSORTED,
            "router-1",
            because=(_telling(letter, name),),
        )
        flags = ()
        if letter.rule:
            rule, quote = letter.rule
            flags = (Flag(rule, letter.urgency, Protected(quote), letter.because[0]),)
        ranked = Priority(
            letter.route,
            letter.also,
            letter.urgency,
            letter.score,
            letter.lane,
            letter.because,
            flags,
        )
        hidden = (Redaction("[NAME_1]", IdentifierType.NAME, Protected(name or "nobody")),)
        redacted = Redacted(
            letter.subject, letter.body.replace(name or "\0", "[NAME_1]"), redactions=hidden
        )
        suggestion = None
        if letter.suggestion:
            suggestion = Suggestion(f"Re: {letter.subject}", letter.suggestion, letter.route.value)
        message = _message(letter, raw_id, name, after)
        return Reading(raw, message, redacted, made, ranked, suggestion, letter.marks, letter.leaks)


def _telling(letter: Letter, name: str) -> str:
    longest = max(letter.body.split("\n"), key=len)
    return longest.replace(name or "\0", "[NAME_1]")


def _message(letter: Letter, raw_id: str, name: str, after: str) -> Message:
    address = letter.sender or name.lower().replace(" ", ".") + "@example.org"
    if letter.channel is Channel.PORTAL:
        address = f"Patient/{letter.writer}"
    return Message(
        raw_id=raw_id,
        channel=letter.channel,
        sender=Protected(address),
        sender_name=Protected(name),
        subject=Protected(letter.subject),
        body=Protected(letter.body),
        quoted=Protected(letter.quoted),
        signature=Protected(letter.signature),
        html=Protected(letter.html),
        readings=(Protected(letter.body),),
        attachments=tuple(Attachment(Protected(n), kind, data) for n, kind, data in letter.files),
        message_id=Protected(f"<{letter.key}@example.org>") if letter.key else NOTHING,
        references=(Protected(f"<{after}@example.org>"),) if after else (),
        topic=letter.topic,
    )


def open_practice(
    folder: Path,
    *,
    undo: timedelta = timedelta(seconds=30),
    letters: Sequence[Letter] = MORNING,
    clock: Callable[[], datetime] = utcnow,
    url: str = "",
    keys: Keys | None = None,
    staff: Collection[str] = tuple(PEOPLE),
) -> Practice:
    """Return the practice with its morning, on a fresh encrypted SQLite file unless told where."""
    people = {name: PEOPLE[name] for name in staff}
    keys = keys or Keys.make(folder / "keys")
    url = url or _url(folder)
    migrate(url, keys)
    _write_models(folder / "shipped")
    store = open_store(url, keys, clock=clock)
    for clinic in (CLINIC, ELSEWHERE):
        store.people.add_clinic(clinic)
    for user in people.values():
        store.people.add_user(user, PASSWORD)
    store.people.import_roster(roster(), clinic="c1", by="test")
    practice = Practice(store, _desk(store, folder, undo))
    for name, user in people.items():
        if needs_second_factor(user) or may(user, Right.BREAK_GLASS):
            practice.enrol(name)
    for letter in letters:
        practice.receive(letter)
    (folder / "cases.json").write_text(json.dumps(practice.cases))
    (folder / "secrets.json").write_text(json.dumps(practice.secrets))
    return practice


def open_copy(folder: Path, *, undo: timedelta = timedelta(seconds=30)) -> Practice:
    """Return a practice whose folder was copied from one that `open_practice` made."""
    store = open_store(_url(folder), Keys.load(folder / "keys"))
    cases = json.loads((folder / "cases.json").read_text())
    secrets = json.loads((folder / "secrets.json").read_text())
    return Practice(store, _desk(store, folder, undo), cases, secrets)


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'practice.db'}"


def _desk(store: Store, folder: Path, undo: timedelta) -> Desk:
    registry = Registry(folder / "home", folder / "shipped")
    return Desk(
        store,
        registry=registry,
        undo=undo,
        clinical=CLINICAL,
        mail_domain="practice.example",
        clinic=CLINIC.id,
    )


def calibration() -> list[Point]:
    """Return 260 messages as router-1 was tested on them: 120 urgent ones, 140 calm ones."""
    found = [Point(True, at % 3 > 0, 0.40 + at / 240, 0.3, False, at % 2 == 0) for at in range(120)]
    calm = [
        # The surer it is, the more often right; the fifth part sounds urgent.
        Point(False, False, share, 0.3 + at / 200, calm_right=at % 29 > 0 or at > 90)
        for at in range(140)
        for share in [0.35 + at / 500 if at % 5 == 0 else 0.05]
    ]
    return found + calm


#: Name, trainer and macro-F1 of the models there are.
MODELS = (("router-1", "triage", "0.87"), ("router-2", "devi", "0.89"), ("router-3", "devi", "0.9"))


def _write_models(shipped: Path) -> None:
    for name, trainer, score in MODELS:
        (shipped / name).mkdir(parents=True)
        config = {"task": "router", "trainer": trainer, "policy": Policy().as_dict()}
        # The third candidate never walked through the release gate.
        config |= {} if name == "router-3" else {"gate": {"passed": True}}
        (shipped / name / "config.json").write_text(json.dumps(config))
        metrics = f'{{"macro_f1": {score}, "urgent_recall": 0.97, "messages": 1200}}'
        (shipped / name / "metrics.json").write_text(metrics)
    (shipped / "router-1" / POINTS).write_text(json.dumps(write_points(calibration())))
    (shipped / "serving.json").write_text('{"router": "router-1"}')
