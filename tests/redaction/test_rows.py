"""Tables with heads, JSON and XML: a column says what its cells are."""

import pytest

from triage.domain import IdentifierType as T
from triage.redaction.rows import fold_head
from triage.redaction.table import structures

_, ROWS = structures()


def hidden(text: str) -> list[tuple[str, T]]:
    return [(text[find.start : find.end], find.type) for find in ROWS.find(text)]


def stays(text: str, surface: str) -> bool:
    start = text.index(surface)
    return any(low <= start and start + len(surface) <= high for low, high in ROWS.readable(text))


COMMAS = (
    "Chart #,Last Name,First Name,Date of Birth,CPT,Charge,Card last4,Home Phone\n"
    '00441,Okpara,Summer,2/3/1955,99213,120.00,0093,"(207) 555-0188"\n'
    '00442,"de Luca, Jr.",Bill,,93000,15.00,,\n'
)


@pytest.mark.parametrize(
    ("surface", "type"),
    [
        ("00441", T.MRN),
        ("Okpara", T.NAME),
        ("Summer", T.NAME),
        ("2/3/1955", T.DATE),
        ("0093", T.ACCOUNT),
        ("(207) 555-0188", T.PHONE),
        ("de Luca, Jr.", T.NAME),
        ("Bill", T.NAME),
    ],
)
def test_cells_under_their_heads(surface: str, type: T) -> None:
    assert (surface, type) in hidden(COMMAS)


@pytest.mark.parametrize("surface", ["Last Name", "CPT", "99213", "93000", "120.00"])
def test_heads_and_readable_columns_stay(surface: str) -> None:
    assert stays(COMMAS, surface)


def test_tabs_bars_and_semicolons() -> None:
    assert ("Ngozi Bello", T.NAME) in hidden("patient\tdob\tmember id\nNgozi Bello\t1/1/60\tQ-5512")
    drawn = "| Name | DOB | Serial # |\n|---|---|---|\n| Ida Post | 04-05-1961 | GX-1 22 |\n"
    assert hidden(drawn) == [
        ("Ida Post", T.NAME),
        ("04-05-1961", T.DATE),
        ("GX-1 22", T.DEVICE),
    ]
    assert ("Ana Ruiz", T.NAME) in hidden("nombre;teléfono;póliza\nAna Ruiz;555 0101;P-3391")


def test_a_row_that_lost_a_cell_is_read_from_both_ends() -> None:
    text = "mrn,name,test,npi\n5512,Rook,1999000142\n"
    assert ("1999000142", T.LICENSE) in hidden(text)


def test_sentences_with_commas_are_no_table() -> None:
    assert hidden("Hello, my phone, my name, my address are on file.\nThanks, Doc, bye, now") == []
    long = (
        "name,date,phone\nPatient wrote: it hurt, a lot, and then, at last, it did not, so I slept"
    )
    assert all(type is not T.NAME for _, type in hidden(long))


def test_json_and_xml() -> None:
    text = '{"family":"Oyelaran","given":["Tunde","K."],"mrn": 88120, "bp":"148/92"}'
    assert ("Oyelaran", T.NAME) in hidden(text)
    assert ('Tunde","K.', T.NAME) in hidden(text)
    assert ("88120", T.MRN) in hidden(text)
    assert stays(text, "148/92")
    assert stays(text, "family")
    assert ("Oyelaran", T.NAME) in hidden("<LastName>Oyelaran</LastName>")


def test_only_old_age_is_hidden() -> None:
    text = "name,age,dob\nIda Post,94,1930-01-02\nOle Vik,41,1984-05-05\n"
    assert ("94", T.AGE) in hidden(text)
    assert not any(surface == "41" for surface, _ in hidden(text))


def test_heads_are_folded() -> None:
    assert fold_head("Teléfono_#") == "telefono no"
    assert fold_head("Member Number") == "member no"


def test_nothing_of_a_text_is_kept() -> None:
    assert not hasattr(fold_head, "cache_info")
