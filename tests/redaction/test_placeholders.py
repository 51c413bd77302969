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
        ("Maria Lopez", "Maria Lopez-Garcia"),
        ("James Thomas", "Thomas James"),
        ("Robert Lee Sr.", "Robert Lee Jr."),
        ("Maria K. Lopez", "Maria R. Lopez"),
        ("J. Lopez", "M. Lopez"),
        ("Maria L.", "Maria G."),
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
    assert {one.original.reveal() for one in done.redactions} == {"[NAME_1]", "[name 1]"}


def with_files(letter: Message, files: tuple[Attachment, ...]) -> Message:
    return replace(letter, attachments=files)


def test_a_mister_and_a_missis_of_one_family_stay_two() -> None:
    surfaces = [Surface(Type.NAME, "Lopez", "Lopez", before) for before in ("ask Mr. ", "or Mrs. ")]
    naming = Naming((), surfaces)
    assert len({naming.placeholder(surface) for surface in surfaces}) == 2


def test_a_mother_of_a_longer_name_is_not_the_writer() -> None:
    redactor = Patterns()
    redactor.load()
    redactor._ready().tagger = FakeTagger(**{"Maria Lopez-Garcia": "NAME"})
    text = "My name is Maria Lopez. Call my mother, her name is Maria Lopez-Garcia. Maria Lopez"
    done = redactor.redact([message(text)])[0]
    kept = {one.placeholder: one.original.reveal() for one in done.redactions}
    writer = done.body.split("My name is ")[1].split(".")[0]
    assert kept[writer] == "Maria Lopez"
    assert "Maria Lopez-Garcia" in kept.values()


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (Type.EMAIL, "john.smith@example.com", "john_smith@example.com"),
        (Type.URL, "https://example.com/p/a-b", "https://example.com/p-a/b"),
        (Type.OTHER_ID, "12-34", "12/34"),
    ],
)
def test_every_sign_of_an_address_counts(kind: Type, one: str, other: str) -> None:
    naming = Naming()
    first, second = (naming.placeholder(Surface(kind, text, text)) for text in (one, other))
    assert first != second


def test_no_number_is_given_twice_however_old_its_message() -> None:
    naming = Naming((), (), {Type.NAME: 7})
    assert naming.placeholder(Surface(Type.NAME, "Ada", "Ada")) == "[NAME_8]"
