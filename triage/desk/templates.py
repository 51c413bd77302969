"""A clinic's own words for replies: written by one person, put in service by another.

Rule of the room: nothing is kept that breaks a rule; what a text would have said is shown on
redacted messages, and to nobody who may not see the queue.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from triage.desk.rights import Right, may, require, require_any
from triage.domain import (
    FactSource,
    InService,
    Objection,
    OwnTemplate,
    Protected,
    Redacted,
    Route,
    Tried,
    User,
)
from triage.drafting.origins import joined
from triage.drafting.own_words import (
    answered,
    changed_lines,
    empty_slots,
    lines_of,
    objections,
    shipped,
    slots,
)
from triage.drafting.stated import Source, clinic_words, facts_of
from triage.drafting.templates import said, spoken
from triage.drafting.wording import Template, wordings
from triage.errors import NotFound
from triage.store import Store

#: So many messages of the past are answered on trial.
MOST_TRIED = 10


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """One route and language on the list."""

    route: Route
    language: str
    #: Newest first.
    versions: tuple[OwnTemplate, ...]
    changes: tuple[InService, ...]

    @property
    def serving(self) -> int | None:
        """The number of the version that serves; None for the shipped words."""
        return self.changes[0].version if self.changes else None

    @property
    def seen(self) -> int:
        """The number of the last change of what serves, by which nobody overwrites another."""
        return self.changes[0].number if self.changes else 0

    @property
    def newest(self) -> int:
        """The number of the newest version; 0 before there is one."""
        return self.versions[0].number if self.versions else 0

    @property
    def waits(self) -> bool:
        """Whether the newest version was never in service."""
        served = {one.version for one in self.changes}
        return bool(self.versions) and self.newest not in served


@dataclass(frozen=True, slots=True)
class TemplateView:
    """Everything the page of one route and language shows."""

    line: TemplateLine
    #: The words to begin with: those typed, else the newest version, else the shipped ones.
    subject: Protected
    text: Protected
    #: Every place that exists, with what fills it here.
    slots: Mapping[str, str]
    #: Version -> what it changed in the words that serve now, line by line.
    diffs: Mapping[int, Sequence[Protected]]
    names: Mapping[str, str]
    #: Filled when words were looked at before they are kept.
    looked: bool = False
    objections: tuple[Objection, ...] = ()
    #: Places that are empty here, so that their lines are left out.
    empty: tuple[str, ...] = ()
    tried: tuple[Tried, ...] = ()
    #: Whether the person may see what messages were like.
    may_try: bool = False


class TemplateDesk:
    """The counter of the clinic's own templates."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], facts: Mapping[str, object]
    ) -> None:
        self._store = store
        self._clock = clock
        self._facts = facts

    def all(self, actor: User) -> tuple[TemplateLine, ...]:
        """Return every route and language that has words, with its versions."""
        require_any(actor, Right.WRITE_TEMPLATE, Right.RELEASE_TEMPLATE)
        return self._lines(actor)

    def one(self, actor: User, route: Route, language: str) -> TemplateView:
        """Return the words of one route and language; raise NotFound where there can be none."""
        require_any(actor, Right.WRITE_TEMPLATE, Right.RELEASE_TEMPLATE)
        line = self._line(actor, route, language)
        return self._view(actor, line)

    def look(
        self, actor: User, route: Route, language: str, *, subject: Protected, body: Protected
    ) -> TemplateView:
        """Show what these words would have said to messages of the past, and what keeps them out.

        Nothing is kept. The messages are redacted, and shown only to who may see the queue.
        """
        require_any(actor, Right.WRITE_TEMPLATE, Right.RELEASE_TEMPLATE)
        line = self._line(actor, route, language)
        return self._looked(actor, line, subject, body)

    def write(
        self,
        actor: User,
        route: Route,
        language: str,
        *,
        subject: Protected,
        body: Protected,
        version: int,
    ) -> TemplateView:
        """Keep words as a new version, which serves nobody yet; with objections nothing is kept.

        `version` is the newest that was shown; raise ChangedUnderneath where there is another.
        """
        require(actor, Right.WRITE_TEMPLATE)
        line = self._line(actor, route, language)
        if objections(self._facts, route, language, subject, body):
            return self._looked(actor, line, subject, body)
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.templates.write((route, language), subject, body, seen=version, **who)
        return self._view(actor, self._line(actor, route, language))

    def release(self, actor: User, template_id: str, *, version: int) -> None:
        """Put a version somebody else wrote in service, at once and for every new message.

        An earlier version may serve again. `version` is the last change that was shown. Raises
        NotYourself for its author, NotFound, ChangedUnderneath.
        """
        require(actor, Right.RELEASE_TEMPLATE)
        lines = self._lines(actor)
        found = [one for line in lines for one in line.versions if one.id == template_id]
        if not found:
            raise NotFound(f"template {template_id}")
        (own,) = found
        if objections(self._facts, own.route, own.language, own.subject, own.text):
            raise NotFound("This version breaks a rule of today; write it anew.")
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.templates.release(template_id, seen=version, **who)

    def retire(self, actor: User, route: Route, language: str, *, version: int) -> None:
        """Let the shipped words serve again; one person is enough to stop words."""
        require_any(actor, Right.WRITE_TEMPLATE, Right.RELEASE_TEMPLATE)
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.templates.retire((route, language), seen=version, **who)

    def _lines(self, actor: User) -> tuple[TemplateLine, ...]:
        versions, changes = self._store.templates.all(clinic=actor.clinic, by=actor.id)
        return tuple(
            TemplateLine(
                route,
                language,
                tuple(one for one in versions if (one.route, one.language) == (route, language)),
                tuple(one for one in changes if (one.route, one.language) == (route, language)),
            )
            for route in answered()
            for language in wordings()[0]
        )

    def _line(self, actor: User, route: Route, language: str) -> TemplateLine:
        found = [o for o in self._lines(actor) if (o.route, o.language) == (route, language)]
        if not found:
            raise NotFound("For this topic and language nothing is ever suggested.")
        return found[0]

    def _view(self, actor: User, line: TemplateLine) -> TemplateView:
        standard = shipped(line.route, line.language)
        assert standard is not None
        serving = next((one for one in line.versions if one.number == line.serving), None)
        newest = line.versions[0] if line.versions else None
        before = serving.text if serving else Protected(standard.text.strip())
        staff = self._store.people.users(clinic=actor.clinic)
        return TemplateView(
            line=line,
            subject=newest.subject if newest else Protected(standard.subject),
            text=newest.text if newest else Protected(standard.text.strip()),
            slots=slots(self._facts, line.language),
            diffs={one.number: changed_lines(before, one.text) for one in line.versions},
            names={one.id: one.display_name for one in staff},
            may_try=may(actor, Right.SEE_QUEUE),
        )

    def _looked(
        self, actor: User, line: TemplateLine, subject: Protected, body: Protected
    ) -> TemplateView:
        view = self._view(actor, line)
        found = objections(self._facts, line.route, line.language, subject, body)
        tried = () if found or not view.may_try else self._tried(actor, line, subject, body)
        return TemplateView(
            line,
            subject,
            body,
            view.slots,
            view.diffs,
            view.names,
            looked=True,
            objections=found,
            empty=empty_slots(self._facts, line.language, subject, body),
            tried=tried,
            may_try=view.may_try,
        )

    def _tried(
        self, actor: User, line: TemplateLine, subject: Protected, body: Protected
    ) -> tuple[Tried, ...]:
        template, language = lines_of(subject, body), line.language

        def fits(redacted: Redacted) -> bool:
            return spoken(redacted, language) == language

        found = self._store.templates.past(
            line.route, fits, clinic=actor.clinic, by=actor.id, limit=MOST_TRIED
        )
        return tuple(self._on(case_id, one, template, language) for case_id, one in found)

    def _on(self, case_id: str, redacted: Redacted, template: Template, language: str) -> Tried:
        asked = Protected(f"{redacted.subject}\n{redacted.body}")
        words = said(self._facts, template, language, redacted)
        subject, body = Protected(words[0]), Protected(words[1])
        # Not the template itself: what it states beside message and settings shows in red.
        sources = (
            Source(FactSource.MESSAGE, asked),
            Source(FactSource.CLINIC, joined([clinic_words(self._facts)])),
        )
        facts = facts_of(subject, body, sources, self._clock().date())
        return Tried(case_id, asked, subject, body, facts)
