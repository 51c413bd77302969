"""One person, one placeholder: through subject, body, names of files and the conversation."""

from dataclasses import replace

import pytest

from tests.redaction.redacting import FakeTagger, Patterns, message
from triage.domain import Attachment, Background, IdentifierType, Message, Protected, Redaction
from triage.redaction.placeholders import Naming, Surface

Type = IdentifierType


def named(*names: str, earlier: tuple[Redaction, ...] = ()) -> list[str]:
    surfaces = [Surface(Type.NAME, name, name) for name in names]
    naming = Naming(earlier, surfaces)
    return [naming.placeholder(surface) for surface in surfaces]


def said(placeholder: str, original: str, kind: Type = Type.NAME) -> Redaction:
    return Redaction(placeholder, kind, Protected(original))


@pytest.mark.parametrize(
    "names",
    [
        ("Maria", "Maria Lopez"),
        ("Maria Lopez", "LOPEZ, MARIA"),
        ("maria lopez", "M. Lopez", "María"),
        ("Lopez", "Maria del Carmen Lopez", "Maria Lopez"),
    ],
)
def test_forms_of_one_name_are_one_person(names: tuple[str, ...]) -> None:
    assert set(named(*names)) == {"[NAME_1]"}


@pytest.mark.parametrize(
    "names",
    [
        ("Maria Lopez", "Juan Lopez", "Lopez"),
        ("Maria Lopez", "J. Lopez"),
        ("Maria Lopez", "Marta"),
        ("Anna", "Annabel Ruiz"),
    ],
)
def test_in_doubt_a_name_stays_its_own(names: tuple[str, ...]) -> None:
    assert len(set(named(*names))) == len(names)


def test_a_draft_says_the_fullest_form_as_it_was_written() -> None:
    surfaces = [Surface(Type.NAME, name, name) for name in ("maría", "María  López")]
    naming = Naming((), surfaces)
    for surface in surfaces:
        naming.placeholder(surface)
    assert [one.original.reveal() for one in naming.redactions()] == ["María  López"]


def test_the_conversation_goes_on_with_its_placeholders() -> None:
    earlier = (
        said("[NAME_1]", "Tom Okafor"),
        said("[NAME_2]", "Ada"),
        said("[PHONE_3]", "x", Type.PHONE),
    )
    assert named("Ada Nwosu", "Tom", "Bea", earlier=earlier) == ["[NAME_2]", "[NAME_1]", "[NAME_3]"]
    naming = Naming(earlier, ())
    assert naming.placeholder(Surface(Type.PHONE, "555-0100", "555-0100")) == "[PHONE_4]"


def test_file_names_share_the_placeholders_of_the_text() -> None:
    redactor = Patterns()
    redactor.load()
    redactor._ready().tagger = FakeTagger(**{"Ines Quiroga": "NAME"})
    letter = message("Labs of Ines Quiroga attached", "Ines Quiroga")
    files = (Attachment(Protected("ines_quiroga-labs.pdf"), "application/pdf", b""),)
    done = redactor.redact([with_files(letter, files)])[0]
    assert done.subject == "[NAME_1]"
    assert done.body == "Labs of [NAME_1] attached"
    assert done.files == "[NAME_1]-labs.pdf"


def test_the_earlier_placeholder_is_kept_by_the_redactor() -> None:
    redactor = Patterns()
    background = Background(earlier=(said("[PHONE_1]", "605-555-0100", Type.PHONE),))
    done = redactor.redact([message("not 605-555-0148 but (605) 555-0100")], [background])[0]
    assert done.body == "not [PHONE_2] but [PHONE_1]"


def test_a_typed_placeholder_is_not_taken_for_ours() -> None:
    background = Background(earlier=(said("[NAME_1]", "Tom Okafor"),))
    done = Patterns().redact([message("call [NAME_1] and [name 1]")], [background])[0]
    assert "[NAME_1]" not in done.body
    assert {one.original.reveal() for one in done.redactions} == {"[NAME_1]"}


def with_files(letter: Message, files: tuple[Attachment, ...]) -> Message:
    return replace(letter, attachments=files)
