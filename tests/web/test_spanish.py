"""The pages in Spanish: no word is missing, each reader has their own language, nothing is mixed.

The words are found where they are written (`words.py`), so a new one without its Spanish is red.
"""

import re
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx2 import Response

from tests.hostile.poisoned import ALL, Ids, Poisoned
from tests.newcomers.trainees import teach
from tests.web.conftest import Visit
from tests.web.practice import CLINIC, MORNING, PASSWORD, Practice
from tests.web.test_routes import routes
from tests.web.words import every_word, templates
from triage.domain import Protected
from triage.web import wording
from triage.web.app import create_app
from triage.web.pages import TEMPLATES, environment, words_in
from triage.web.tongue import ENGLISH, LOCALE, SENTENCE, Entry, entries, tongue, wanted

Visits = Callable[[str], Visit]
PO = LOCALE / "es" / "LC_MESSAGES" / "desk.po"
#: Jinja's own signs, tags, what may be English, and what a person reads besides text.
JINJA = re.compile(r"{#.*?#}|{%.*?%}|{{.*?}}", re.DOTALL)
TRANS = re.compile(r"{% trans .*?{% endtrans %}", re.DOTALL)
SHOWN = re.compile(r'\b(?:aria-label|placeholder|title|alt)="([^"]*)"')
#: Stays in English on purpose: key names, units, and a text for patients that a person edits.
AS_IT_IS = {
    "UTC",
    "Ctrl",
    "Enter",
    "Ctrl ⏎",
    "SHA-256",
    "reply.approved",
    "narrow",
    "case-page",
    "queue-page",
    "triage train-staff --start-over",
}
#: Forms that are answered with a page.
SHOWING = {
    "/contacts": {"words": "Ana"},
    "/contacts/patient": {"patient": "p1"},
    "/templates/look": {"route": "refill", "subject": "Refill", "body": "Call {phone}. {nowhere}"},
}
#: Answered with a file.
FILES = {
    "/case/{case_id}/attachment/{attachment_id}",
    "/case/{case_id}/original/{message_id}",
    "/forms/{form_id}",
}
ENGLISH_WORDS = re.compile(
    r"\b(?:the|and|of|is|are|was|not|with|this|that|who|when|what|which|case|cases|message"
    r"|messages|reply|replies|nobody|somebody|for|to|by|from|your|you|it|has|have|sorted|open"
    r"|closed|write|words|save|show|find|search|people|team|sign|password|patient)\b",
    re.IGNORECASE,
)


def catalogue() -> dict[tuple[str, str], Entry]:
    found = list(entries(PO.read_text(encoding="utf-8")))
    assert len({(one.context, one.words[0]) for one in found}) == len(found), "said twice"
    return {(one.context, one.words[0]): one for one in found}


def missing(words: Collection[tuple[str, str, str | None, str]]) -> list[str]:
    """Return the words that have no Spanish."""
    found = catalogue()
    return [
        text
        for context, text, several, _ in words
        if (context, text) not in found
        or not all(found[context, text].said)
        or len(found[context, text].said) != (2 if several else 1)
    ]


def bare(source: str) -> list[str]:
    """Return the words of a template that go through no catalogue."""
    source = re.sub(
        r"<textarea name=\"body\" rows=\"8\".*?</textarea>", "", source, flags=re.DOTALL
    )
    source = TRANS.sub("", source)
    seen = [*SHOWN.findall(source)]
    plain = re.sub(r"<[^>]*>", "\n", JINJA.sub("", source))
    seen += plain.splitlines()
    left = [JINJA.sub("", text).strip(" ·:,.()“”+✓#’;?") for text in seen]
    return [
        t for t in left if re.search(r"[A-Za-z]{2,}", re.sub(r"&\w+;", "", t)) and t not in AS_IT_IS
    ]


def test_every_word_of_the_pages_is_in_the_catalogue_and_none_is_left_over() -> None:
    words = every_word()
    assert missing(words) == []
    assert set(catalogue()) == {(context, text) for context, text, _, _ in words}
    assert len(words) > 1000


def test_a_new_word_without_its_spanish_is_seen_to_fail(tmp_path: Path) -> None:
    (tmp_path / "new.html").write_text('<p>{{ _("A word of tomorrow") }}</p>')
    assert missing(list(templates(tmp_path))) == ["A word of tomorrow"]


def test_no_template_has_a_word_past_the_catalogue() -> None:
    left = {path.name: bare(path.read_text(encoding="utf-8")) for path in TEMPLATES.glob("*.html")}
    assert {name: words for name, words in left.items() if words} == {}
    assert bare('<p title="Here">Now {{ _("then") }}</p>') == ["Here", "Now"]
    assert bare("{% trans n=1 %}{{ n }} seen{% endtrans %} and not") == ["and not"]


def test_what_is_filled_in_and_the_tags_are_the_same_in_both_languages() -> None:
    for (context, text), one in catalogue().items():
        for said in one.said:
            allowed = [*map(_holes, one.words)]
            assert _holes(said) in allowed, text
            assert _tags(said) == _tags(text), text
            if context == SENTENCE or "%(" in text:
                assert said % dict.fromkeys(_holes(said), "x")
            assert said.startswith(" ") == text.startswith(" "), text
            assert said.endswith(" ") == text.endswith(" "), text


def _holes(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", text))


def _tags(text: str) -> list[str]:
    return sorted(re.findall(r"<[^>]+>", text))


def test_every_page_is_in_spanish_for_whoever_chose_it(
    app: FastAPI, practice: Practice, visit: Visits
) -> None:
    pages = sorted(path for method, path in routes(app) if method == "GET")
    practice.store.people.add_user(ALL, PASSWORD)
    practice.enrol("all")
    ids = Ids(Poisoned(practice, [*practice.cases.values()]), practice.cases["unsorted"])
    seen = Seen()
    for name in ("sam", "ada", "nia", "all"):
        person = visit(name)
        assert person.post("/account/language", language="es").status_code == 303
        # Nobody is known on the page where one signs in.
        person.client.headers["Accept-Language"] = "es"
        for path in (*pages, "/nowhere"):
            if name == "all" and "{" in path:
                seen.look(path, person.get(path.format_map(ids)))
            elif "{" not in path:
                seen.look(path, person.get(path))
        if name == "all":
            for case in practice.cases.values():
                seen.look(case, person.get(f"/case/{case}"))
            for path, form in SHOWING.items():
                seen.look(f"POST {path}", person.post(path, **form))
    assert seen.left == set()
    assert {path for path in pages if "{" in path} - seen.pages == FILES
    assert {f"POST {path}" for path in SHOWING} <= seen.pages
    assert len(seen.pages) > 40


def test_the_score_sheet_of_a_practice_for_training_is_in_spanish(practice: Practice) -> None:
    teach(practice)
    seen = Seen()
    sam = Visit(create_app(practice.desk, clinic_name=CLINIC.name), "sam", practice)
    sam.post("/account/language", language="es")
    seen.look("/score", sam.get("/score"))
    assert (seen.pages, seen.left) == ({"/score"}, set())
    assert "aquí nadie es real" in sam.get("/account").text


def test_a_word_nobody_translated_is_shown_in_english_and_breaks_no_page() -> None:
    page = environment("/static", tongue("es")).from_string(
        "{{ _('Tomorrow, %(who)s', who='Ana') }}, {{ 'Next week.' | said }}"
    )
    assert page.render() == "Tomorrow, Ana, Next week."


def test_what_a_form_sends_is_the_same_in_every_language() -> None:
    # A route is spelled like a word of ours, and a page that looked it up by that word broke.
    said = words_in(tongue("es"))
    assert said.BY_KEY == wording.BY_KEY
    assert said.ON_DAYS.keys() == wording.ON_DAYS.keys()
    assert said.ON_DAYS["monday"] == "lunes"


@dataclass
class Seen:
    """The pages that were looked at, and what on them is English."""

    pages: set[str] = field(default_factory=set)
    left: set[tuple[str, str]] = field(default_factory=set)

    def look(self, path: str, page: Response) -> None:
        assert page.status_code < 500 or path == "/healthz", path
        if not page.headers.get("content-type", "").startswith("text/html"):
            return
        self.pages.add(path)
        if "<html" in page.text:
            assert '<html lang="es">' in page.text, path
        text = readable(page.text)
        self.left |= {(text[max(0, at.start() - 30) : at.end() + 30], path) for at in english(text)}


def english(text: str) -> Iterator[re.Match[str]]:
    return ENGLISH_WORDS.finditer(text.replace("reply.approved", ""))


def test_an_english_word_on_a_spanish_page_is_seen() -> None:
    page = readable('<p title="Sólo the nombre">Bandeja <bdi>the patient</bdi> <b>open it</b></p>')
    assert [at.group() for at in english(page)] == ["the", "open", "it"]


def readable(page: str) -> str:
    """Return what a person reads on a page, without what is data: names, messages, codes."""
    for reason in (because for letter in MORNING for because in letter.because):
        page = page.replace(escape(reason), " ")
    page = re.sub(r"(?s)<(bdi|q|code|textarea|script|kbd|dd|time|td)\b.*?</\1>", " ", page)
    page = re.sub(r'(?s)<div class="(?:words|exact)".*?</div>', " ", page)
    page = re.sub(r'(?s)<(\w+) class="(?:clinic|because|pair)".*?</\1>', " ", page)
    return " ".join(" ".join([*SHOWN.findall(page), re.sub(r"<[^>]*>", " ", page)]).split())


def test_the_choice_is_kept_and_on_record(practice: Practice, visit: Visits) -> None:
    dana, sam = visit("dana"), visit("sam")
    assert dana.post("/account/language", language="xx").status_code == 422
    assert dana.post("/account/language", language="es").status_code == 303
    assert "Cerrar sesión" in dana.get("/account").text
    assert "Cerrar sesión" in visit("dana").get("/queue").text
    found = practice.store.audit.events(clinic=CLINIC.id, by="t", action="language.chosen")
    assert [(one.actor, dict(one.detail)) for one in found] == [
        (practice.user("dana").id, {"language": "es"})
    ]
    assert "Sign out" in sam.get("/account").text


def test_two_people_at_once_have_their_own_language(visit: Visits) -> None:
    dana, sam = visit("dana"), visit("sam")
    dana.post("/account/language", language="es")

    def ask(turn: int) -> bool:
        person, word = ((dana, "Bandeja"), (sam, "Queue"))[turn % 2]
        page = person.get("/account").text
        return f">{word}</a>" in page and ("Bandeja" in page) == (person is dana)

    with ThreadPoolExecutor(4) as many:
        assert all(many.map(ask, range(12)))


def test_what_is_refused_before_any_page_is_said_in_the_reader_s_language(app: FastAPI) -> None:
    there = {"Accept-Language": "es-MX,es;q=0.9"}
    for more, spanish, english in (
        ({"Host": "evil.example"}, "Esta recepción no responde", "This address is not one"),
        ({"Sec-Fetch-Site": "cross-site"}, "no vino de una página", "did not come from a page"),
        ({"Content-Length": "9" * 8}, "demasiado largo", "is too long"),
        ({"Transfer-Encoding": "chunked"}, "cuánto mide", "how long it is"),
    ):
        for head, words in ((there, spanish), ({}, english)):
            answer = Visit(app).client.post("/log-in", content=b"", headers={**more, **head})
            assert (answer.status_code, words in answer.text) == (400, True)


def test_what_fails_and_the_heads_of_tables_are_said_in_the_language_somebody_chose(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach(practice)
    sam = Visit(create_app(practice.desk, clinic_name=CLINIC.name), "sam", practice)
    english = {
        path: sam.post(path).text.splitlines()[0] for path in ("/audit/export", "/score/export")
    }
    assert english["/audit/export"].startswith('"seq","at","actor"')
    sam.post("/account/language", language="es")
    for path, head in (
        ("/audit/export", '"n.º","momento","quién","acción","casos","detalle","huella"'),
        (
            "/score/export",
            '"ejercicio","aspecto","resultado","qué pasó","por qué importa","minutos"',
        ),
    ):
        assert sam.post(path).text.splitlines()[0] == head
    seen = sam.post("/audit/patient/export", patient="p1").text.splitlines()[0]
    assert seen.startswith('"n.º","momento"')
    monkeypatch.setattr(practice.desk.supervision, "verify", lambda _: 1 / 0)
    assert "no se cambió nada" in sam.post("/audit/verify").text


def test_before_signing_in_the_browser_says_the_language(app: FastAPI) -> None:
    stranger = Visit(app)
    spanish = stranger.get("/log-in", **{"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}).text
    assert '<html lang="es">' in spanish
    assert "Contraseña" in spanish
    assert '<html lang="en">' in stranger.get("/log-in").text
    said = ("es", "en;q=0.5, es-419;q=0.9", "fr, de", "", "es;q=0", "en, es", "es;q=x")
    assert [wanted(one) for one in said] == ["es", "es", "en", "en", "en", "en", "en"]


def test_an_error_speaks_the_language_of_who_caused_it(visit: Visits) -> None:
    dana = visit("dana")
    dana.post("/account/language", language="es")
    page = dana.get("/users").text
    assert "Su rol no incluye esto; pregunte a supervisión." in page
    assert '<html lang="es">' in page


def test_what_a_patient_wrote_is_neither_translated_nor_markup() -> None:
    spanish = tongue("es")
    page = environment("/static", spanish).from_string(
        "{{ _('The form “<bdi>%(name)s</bdi>” was taken off the list. The reply as it stands still"
        " encloses it; saving again leaves it out.', name=name | exact) }}"
    )
    assert "&lt;b&gt;Urgent&lt;/b&gt;" in page.render(name=Protected("<b>Urgent</b>"))
    assert spanish.said("It weighed: Urgent") == "Pesó esto: Urgent"
    assert "“Urgent”" in spanish.said("The portal topic is “Urgent”, but the text tells of danger.")


def test_sentences_that_python_puts_together_are_said_whole() -> None:
    said = tongue("es").said
    assert said("Red flag: a seizure.") == "Señal de alarma: una convulsión."
    assert said("The classifier reads it as refill (over 99% sure).") == (
        "El clasificador lo lee como renovar receta (más de 99% de certeza)."
    )
    assert said("The classifier reads it as refill (93% sure).").endswith("(93% de certeza).")
    assert said("2 cases were opened in an emergency. Look into it under Emergencies.") == (
        "Abierto en una emergencia: 2 casos. Revíselo en Emergencias."
    )
    assert said("Nothing we know.") == "Nothing we know."
    assert ENGLISH.said("Red flag: a seizure.") == "Red flag: a seizure."


@pytest.mark.parametrize("name", ["due", "one_in", "nth"])
def test_counted_words_follow_the_language(name: str) -> None:
    from datetime import UTC, datetime, timedelta

    value = datetime.now(UTC) + timedelta(hours=5) if name == "due" else 0.02
    made = [
        environment("/static", tongue(code)).from_string(f"{{{{ x | {name} }}}}").render(x=value)
        for code in ("en", "es")
    ]
    expected = {"due": ["due in 5 h", "vence en 5 h"], "one_in": ["1 in 50", "1 de cada 50"]}
    assert made == expected.get(name, ["50", "50"])
