"""Surrogates: realistic, the same throughout a conversation, and nobody the clinic knows."""

import random
import re
from datetime import date, datetime

import pytest

from triage.domain import IdentifierType, KnownPeople, Protected, name_words
from triage.redaction.plausible import Surrogates
from triage.redaction.table import word_list

Type = IdentifierType
TODAY = date(2026, 11, 2)
KEY = b"k" * 32


def surrogates(seed: int = 1, **more: KnownPeople) -> Surrogates:
    return Surrogates(random.Random(seed), TODAY, **more)


def drawn(kind: Type, count: int = 200, **more: KnownPeople) -> list[str]:
    """Return the values of one type in as many conversations."""
    cast = surrogates(**more)
    return [cast.put(f"[{kind}_1]", str(number)).text for number in range(count)]


def test_one_placeholder_is_one_value_in_a_conversation_and_another_in_the_next() -> None:
    cast = surrogates()
    first = cast.put("[NAME_1] and [NAME_2], from [NAME_1]", "a").text
    one, two = re.fullmatch("(.+) and (.+), from \\1", first).groups()
    assert one != two
    assert cast.put("Dear [NAME_2]", "a").text == f"Dear {two}"
    assert cast.put("Dear [NAME_1]", "b").text != f"Dear {one}"


def test_spans_say_where_every_value_stands() -> None:
    text = "".join(f"{kind.lower()} [{kind}_1]; " for kind in Type) + "[NAME_2][PHONE_2]"
    found = surrogates().put(text, "a")
    assert [kind for *_, kind in found.spans] == [*map(str, Type), "NAME", "PHONE"]
    again = found.text
    for start, end, kind in reversed(found.spans):
        number = 2 if (start, kind) in [(s, k) for s, _, k in found.spans[-2:]] else 1
        again = f"{again[:start]}[{kind}_{number}]{again[end:]}"
    assert again == text


def test_what_is_no_placeholder_of_ours_stays() -> None:
    text = "[FOO_1] [name_1] [NAME_x] [NAME] 12"
    assert surrogates().put(text, "a").text == text
    assert surrogates().put("", "a").text == ""


def test_a_seed_gives_the_same_again_and_another_seed_does_not() -> None:
    text = "[NAME_1] [PHONE_1] [DATE_1] [ADDRESS_1]"
    assert surrogates(7).put(text, "a") == surrogates(7).put(text, "a")
    assert surrogates(7).put(text, "a") != surrogates(8).put(text, "a")


def test_names_come_from_many_cultures_and_repeat_little() -> None:
    names = drawn(Type.NAME, 400)
    families = {
        family: culture
        for culture, (_, written) in word_list("plausible.yaml").items()
        for family in written.split()
    }
    cultures = {families[name.split()[-1]] for name in names if name.split()[-1] in families}
    assert len(cultures) >= 25
    assert len(set(names)) > 300


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (Type.PHONE, r"\(?\d{3}\)?[-. ]555[-. ]01\d\d"),
        (Type.EMAIL, r"[a-z]+\d+@example\.(com|net|org)"),
        (Type.URL, r"https://[a-z]+\.example\.com/\S+"),
        (Type.IP, r"(192\.0\.2|198\.51\.100|203\.0\.113)\.\d+"),
        (Type.SSN, r"9\d\d[- ][0-4]\d[- ]\d{4}"),
        (Type.AGE, r"9\d|10[0-4]"),
        (Type.ADDRESS, r"[^\n]{3,}"),
        (Type.ORG, r"[^\n]{3,}"),
        (Type.MRN, r"[A-Z0-9-]{5,}"),
    ],
)
def test_values_have_the_form_of_their_type_and_belong_to_nobody(kind: Type, form: str) -> None:
    values = drawn(kind)
    assert [value for value in values if not re.fullmatch(form, value)] == []
    assert len(set(values)) > (100 if kind is not Type.AGE else 5)


def test_dates_are_real_days_and_birthdays_lie_back() -> None:
    cast = surrogates()
    for number in range(200):
        text = cast.put("DOB: [DATE_1]", str(number)).text.removeprefix("DOB: ")
        year = int(re.search(r"\d{4}", text)[0])
        assert 1934 <= year <= 2026
    numeric = [value for value in drawn(Type.DATE) if re.fullmatch(r"\d+/\d+/\d{4}", value)]
    days = [datetime.strptime(value, "%m/%d/%Y").date() for value in numeric]
    assert days
    assert all(-400 <= (day - TODAY).days <= 60 for day in days)


def test_a_spanish_message_has_spanish_dates() -> None:
    found = surrogates().put("Hola, necesito una cita para el [DATE_1], gracias", "a").text
    assert not re.search("January|[A-Z][a-z]{2} \\d", found)


def known(*facts: tuple[Type, str]) -> KnownPeople:
    return KnownPeople.of([(kind, Protected(text)) for kind, text in facts], key=KEY)


def test_a_name_shares_no_telling_word_with_the_roster_while_others_are_left() -> None:
    borne = known((Type.NAME, "Uchenna Okonkwo"), (Type.NAME, "Tenzin Sherpa"))
    words = {word for name in drawn(Type.NAME, 600, known=borne) for word in name_words(name)}
    assert not words & {"uchenna", "okonkwo", "tenzin", "sherpa"}
    free = {word for name in drawn(Type.NAME, 600) for word in name_words(name)}
    assert words & free
    assert free & {"uchenna", "okonkwo", "tenzin", "sherpa"}


def test_where_every_name_is_borne_a_new_one_is_coined() -> None:
    people = [
        (Type.NAME, f"{one} {other}")
        for given, family in word_list("plausible.yaml").values()
        for one in given.split()
        for other in family.split()
    ]
    roster = known(*people)
    for name in drawn(Type.NAME, 5, known=roster):
        words = name_words(name)
        assert len(words) > 1 or not roster.name_part(words[0])
        assert not roster.together(*words[:2])
        assert ("NAME", name) not in people


def test_a_number_of_the_roster_is_drawn_again() -> None:
    cast = surrogates()
    borne = [cast.put("[PHONE_1]", str(number)).text for number in range(50)]
    again = drawn(Type.PHONE, 50, known=known(*((Type.PHONE, phone) for phone in borne)))
    digits = {re.sub(r"\D", "", phone) for phone in borne}
    assert not digits & {re.sub(r"\D", "", phone) for phone in again}
