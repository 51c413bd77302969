"""Tables of what each recogniser must hide, and of what must stay readable."""

import pytest

from triage.domain import IdentifierType as T
from triage.redaction.finding import Found
from triage.redaction.plain import plain
from triage.redaction.readable import unreadable
from triage.redaction.spans import resolve
from triage.redaction.table import finders


def found_in(text: str) -> list[tuple[str, T]]:
    """What all recognisers together hide in `text`, without Presidio and without the tagger."""
    reading = plain(text)
    finds: list[Found] = [
        find for finder in finders() for find in finder.find(reading.text) if find.score >= 0.5
    ]
    chosen = resolve(unreadable(finds, reading.text), reading.text)
    spans = [(reading.original(find.start, find.end), find.type) for find in chosen]
    return [(text[start:end], type) for (start, end), type in spans]


HIDDEN = [
    # Social security numbers, whole and in part.
    ("my ssn is 219-09-9321 ok", "219-09-9321", T.SSN),
    ("SSN 219099321.", "219099321", T.SSN),
    ("social: 219 09 9321", "219 09 9321", T.SSN),
    ("it is xxx-xx-0937.", "xxx-xx-0937", T.SSN),
    ("last four of my social are 0937", "0937", T.SSN),
    ("SSN ending 4471", "4471", T.SSN),
    ("los últimos cuatro de mi seguro social son 0937", "0937", T.SSN),
    ("0937 are the last four of my social", "0937", T.SSN),
    ("my social ends in four four seven one", "four four seven one", T.SSN),
    # Record numbers.
    ("MRN 00472913", "00472913", T.MRN),
    ("medical record number: 660-41-7", "660-41-7", T.MRN),
    ("Chart VG-33917", "VG-33917", T.MRN),
    ("my chart # is A114902", "A114902", T.MRN),
    ("Mi récord es el 00-88-213.", "00-88-213", T.MRN),
    # Plan numbers.
    ("Member number U90 337 1825 01, group", "U90 337 1825 01", T.MEMBER_ID),
    ("group 3349120", "3349120", T.MEMBER_ID),
    ("Claim is WC-88-30572.", "WC-88-30572", T.MEMBER_ID),
    ("policy # VS-3390182", "VS-3390182", T.MEMBER_ID),
    ("Medicare 1EG4-TE5-MK73", "1EG4-TE5-MK73", T.MEMBER_ID),
    ("1EG4TE5MK73", "1EG4TE5MK73", T.MEMBER_ID),
    ("Member 941 208 773.", "941 208 773", T.MEMBER_ID),
    ("número de afiliada 77120-44-B", "77120-44-B", T.MEMBER_ID),
    # Accounts, invoices and cards.
    ("invoice INV-60218", "INV-60218", T.ACCOUNT),
    ("acct no. QL-3390-55", "QL-3390-55", T.ACCOUNT),
    ("Account ending 6631", "6631", T.ACCOUNT),
    ("my Visa, x2287", "x2287", T.ACCOUNT),
    ("card ending in 6603 shows", "6603", T.ACCOUNT),
    ("tarjeta que termina en 0914", "0914", T.ACCOUNT),
    ("4111 1111 1111 1111", "4111 1111 1111 1111", T.ACCOUNT),
    ("check #2093", "2093", T.ACCOUNT),
    ("GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 32", T.ACCOUNT),
    # Licences of people and cars.
    ("NPI 1999000142", "1999000142", T.LICENSE),
    ("DEA MS0000009", "MS0000009", T.LICENSE),
    ("My truck, plate KRV 4471, was towed", "KRV 4471", T.LICENSE),
    ("driver's license S620-3315-0092", "S620-3315-0092", T.LICENSE),
    ("VIN 1HGCM82633A004352", "1HGCM82633A004352", T.LICENSE),
    # Devices.
    ("ICD (serial BX-5512-0937)", "BX-5512-0937", T.DEVICE),
    ("My pump (SN 1087-33412)", "1087-33412", T.DEVICE),
    ("00:1A:2B:3C:4D:5E", "00:1A:2B:3C:4D:5E", T.DEVICE),
    # Other numbers and user names.
    ("Rx# 7719023", "7719023", T.OTHER_ID),
    ("auth PA-2025-771604", "PA-2025-771604", T.OTHER_ID),
    ("confirmation NSF-1207", "NSF-1207", T.OTHER_ID),
    ("reference RX4471-09-A", "RX4471-09-A", T.OTHER_ID),
    ("my user name is gwen.tallis47", "gwen.tallis47", T.OTHER_ID),
    ("portal login: sunny_jim_44", "sunny_jim_44", T.OTHER_ID),
    ("Booking HQX7RD", "HQX7RD", T.OTHER_ID),
    ("nobody explains 8820417733 here", "8820417733", T.OTHER_ID),
    ("tracking 1Z 88A 04E 03 5510 7724", "1Z 88A 04E 03 5510 7724", T.OTHER_ID),
    ("the tag: ZQ8 411 on a van", "ZQ8 411", T.LICENSE),
    ("1234567893 signed it", "1234567893", T.LICENSE),
    ("area code 971, 555, 01 44", "971, 555, 01 44", T.PHONE),
    # Ages past ninety in other words.
    ("Great-aunt Ida turned one hundred and four in June", "one hundred and four", T.AGE),
    ("he is pushing ninety-seven", "ninety-seven", T.AGE),
    ("our neighbor, Ole, ninety-one, fell", "ninety-one", T.AGE),
    ("she is in her late nineties", "nineties", T.AGE),
    ("my uncle is ninety-odd", "ninety-odd", T.AGE),
    ("- Ida Post, bed 12, 97, no pain", "97", T.AGE),
    ("the form gives her age as 112", "112", T.AGE),
    ("Ole Vik, 93 and a half", "93 and a half", T.AGE),
    # Dates in other words and languages.
    ("cough from 4th inst., no fever", "4th inst", T.DATE),
    ("vom 3. März 2024", "3. März 2024", T.DATE),
    ("am 14. února 2025", "14. února 2025", T.DATE),
    ("le 1er juillet 2024", "1er juillet 2024", T.DATE),
    ("born may sixth sixty two", "may sixth sixty two", T.DATE),
    ("the eleventh of march, fifty", "the eleventh of march, fifty", T.DATE),
    # Employers and schools.
    ("I drive for Tamsin Freight LLC.", "Tamsin Freight LLC", T.ORG),
    ("Quillon & Sons called", "Quillon & Sons", T.ORG),
    ("she is at Fernley Elementary now", "Fernley Elementary", T.ORG),
    ("steward, Pipefitters Local 88", "Pipefitters Local 88", T.ORG),
    ("employer: Ostrem Dairy", "Ostrem Dairy", T.ORG),
    # Telephone, written and spoken.
    ("(605) 555-0148", "(605) 555-0148", T.PHONE),
    ("605.555.0148", "605.555.0148", T.PHONE),
    ("734/555-0127", "734/555-0127", T.PHONE),
    ("6055550148", "6055550148", T.PHONE),
    ("+1 513 555 0190", "+1 513 555 0190", T.PHONE),
    ("+52 55 5550 0123", "+52 55 5550 0123", T.PHONE),
    ("+44 1632 555 0110", "+44 1632 555 0110", T.PHONE),
    ("555-0119", "555-0119", T.PHONE),
    ("1-800-555-0167 ext 9", "1-800-555-0167 ext 9", T.PHONE),
    ("555-0100 x4412", "555-0100 x4412", T.PHONE),
    ("(702) 555 01 48", "(702) 555 01 48", T.PHONE),
    ("call three three seven 555 0130", "three three seven 555 0130", T.PHONE),
    ("cinco cinco cinco cero uno dos tres", "cinco cinco cinco cero uno dos tres", T.PHONE),
    ("(+52) 55 5550 0123", "(+52) 55 5550 0123", T.PHONE),
    ("5 5 5 - 0 1 4 8", "5 5 5 - 0 1 4 8", T.PHONE),
    ("1-800-MED-ASAP", "1-800-MED-ASAP", T.PHONE),
    ("ext. 22", "ext. 22", T.PHONE),
    # Dates, numeric, in words, spoken, Spanish.
    ("born 3/14/61", "3/14/61", T.DATE),
    ("DOB 03-14-1961", "03-14-1961", T.DATE),
    ("1961-03-14", "1961-03-14", T.DATE),
    ("1978.06.12", "1978.06.12", T.DATE),
    ("27-Jan-1974", "27-Jan-1974", T.DATE),
    ("March 3rd, 2024", "March 3rd, 2024", T.DATE),
    ("since Nov. 18 I", "Nov. 18", T.DATE),
    ("seen 5/28 by", "5/28", T.DATE),
    ("on the 12th, please", "the 12th", T.DATE),
    ("in August 2016", "August 2016", T.DATE),
    ("visits in October.", "October", T.DATE),
    ("the 14th of February", "the 14th of February", T.DATE),
    ("march the third nineteen sixty one", "march the third nineteen sixty one", T.DATE),
    ("the fifth of may", "the fifth of may", T.DATE),
    ("el 14 de febrero", "el 14 de febrero", T.DATE),
    ("nací el 7 de mayo de 1999", "el 7 de mayo de 1999", T.DATE),
    ("tres de marzo de mil novecientos ochenta", None, T.DATE),
    ("19610314", "19610314", T.DATE),
    ("from 3/14/24-3/18/24 only", "3/14/24", T.DATE),
    ("May 5-7", "May 5-7", T.DATE),
    ("03MAR2024", "03MAR2024", T.DATE),
    ("nació el 9-XI-2019", "9-XI-2019", T.DATE),
    ("since Easter Sunday", "Easter Sunday", T.DATE),
    ("in the fall of 2021", "fall of 2021", T.DATE),
    ("Tuesday the eleventh", "Tuesday the eleventh", T.DATE),
    ("in may, and since oct", "may", T.DATE),
    # Ages over 89.
    ("she is 94 and", "94", T.AGE),
    ("age 92", "92", T.AGE),
    ("a 97-year-old man", "97", T.AGE),
    ("de 91 años", "91", T.AGE),
    ("turned ninety-three years old", "ninety-three", T.AGE),
    ("my father, 93, fell", "93", T.AGE),
    ("Mom will be 95 in June", "95", T.AGE),
    ("she is ninety-four and frail", "ninety-four", T.AGE),
    ("a 96yoF", "96", T.AGE),
    ("her 100th birthday", "100th", T.AGE),
    ("mi abuela tiene noventa y dos", "noventa y dos", T.AGE),
    # Addresses.
    ("319 Juniper Loop, Apt 4C, Bellhaven, OH 43001", None, T.ADDRESS),
    ("71 Ptarmigan Way\nColdbrook, ME 04099", None, T.ADDRESS),
    ("P.O. Box 1190, Eastbrook, VT 05099", None, T.ADDRESS),
    ("Rural Route 2, Box 118", None, T.ADDRESS),
    ("Calle Ocotillo 58, Nogales, AZ", None, T.ADDRESS),
    ("at 4410 w. mesquite st apt 2, call", "4410 w. mesquite st apt 2", T.ADDRESS),
    ("zip 98118", "98118", T.ADDRESS),
    # Electronic.
    ("me@example.org", "me@example.org", T.EMAIL),
    ("jo.smith (at) example (dot) com", "jo.smith (at) example (dot) com", T.EMAIL),
    ("jo at example dot com", "jo at example dot com", T.EMAIL),
    ("see https://visit.maplegate.example/j/8841-2207.", None, T.URL),
    ("www.heronhillclinic.example/newsite", None, T.URL),
    ("from 203.0.113.47 at", "203.0.113.47", T.IP),
    ("2001:db8:0:0:0:0:2:1", "2001:db8:0:0:0:0:2:1", T.IP),
    # Names by cue.
    ("Dr. Hollenbeck said", "Hollenbeck", T.NAME),
    ("mrs okonkwo called", "okonkwo", T.NAME),
    ("my name is Ximena Robledo", "Ximena Robledo", T.NAME),
    ("my name is wade crum", "wade crum", T.NAME),
    ("Me llamo Yaretzi Domínguez", "Yaretzi Domínguez", T.NAME),
    ("Hi Rochelle, could", "Rochelle", T.NAME),
    ("Thanks,\nBev Brubaker", "Bev Brubaker", T.NAME),
    ("gracias,\nFidencio Luna", "Fidencio Luna", T.NAME),
    ("my son Theo has", "Theo", T.NAME),
    ("mi hija Ximena tiene", "Ximena", T.NAME),
    ("Patient: DELACROIX, YVONNE M", "DELACROIX, YVONNE M", T.NAME),
    ("this is Will, calling", "Will", T.NAME),
    ("Dr. Parkinson and Mrs. Bell", "Parkinson", T.NAME),
]

READABLE = [
    "she weighs ninety-two pounds",
    "sats ninety-one on room air",
    "a hundred percent sure",
    "the fever was a hundred and two",
    "take a hundred and one tablets to the pharmacy",
    "back in the nineties",
    "the bill coded 20611 twice",
    "works at a clinic and for a pharmacy",
    "take 20 mg twice a day, 90 tablets, 3 refills",
    "BP 140/90, pulse 88, sugar 212, A1c 7.9, TSH 3.2, O2 97%",
    "CPT 99213 and 93000, ICD-10 F41.1, I10, NDC 00071-0155-23, HCPCS J1885",
    "diagnosis code E11.9, modifier 25",
    "the bill was $1,906.40 and I paid $200",
    "room 214, exam room 3",
    "Monday at 10:20 or Tuesday after 3 pm, tomorrow, next week",
    "half a tablet, 1/2 tablet, pain 7/10, 20/20 vision, 24/7",
    "in 2019 and again in 2023",
    "my daughter is 16 and my son is 7",
    "Parkinson's disease, Bell's palsy, Crohn's, Lyme disease, Hashimoto's",
    "Aetna and Blue Cross said no; CVS and Walgreens are out",
    "Ozempic, metformin 500 mg, lisinopril, Tylenol",
    "hemoglobin 13.5-17.5 g/dL, platelets 250,000",
    "fever of 102.4 for 3 days, weight 184 lbs, 5'10\"",
    "the first time, the second pill, third floor",
    "may I march in the parade? will the bill be mailed?",
    "she is 95% better, his oxygen is 92",
    "COVID-19, H1N1, B12, vitamin D3, CMS-1500, W-2",
    "call 911 or 988",
    "Hello doctor, good morning team, dear sir or madam, hi all,",
    "Hola doctora, buenos días, gracias por todo",
    "thanks again,\nthe patient",
    "L4-L5 disc, type 2 diabetes, stage 3 kidney disease",
    "me duele la espalda desde el lunes, tomo 500 mg cada 8 horas",
    "one two or three times a day",
    "he is 98 degrees, she is 95 % better, oxygen is 92, pulse 96, sugar at 95",
    "ninety tablets, a ninety-day supply, ninety percent",
    "it may be nothing; you may call; march on",
]


@pytest.mark.parametrize(("text", "surface", "type"), HIDDEN, ids=[row[0] for row in HIDDEN])
def test_hidden(text: str, surface: str | None, type: T) -> None:
    assert (surface or text.removeprefix("see ").rstrip("."), type) in found_in(text)


@pytest.mark.parametrize("text", READABLE)
def test_readable(text: str) -> None:
    assert found_in(text) == []


ODD = [
    "5\u200b5\u200b5\u200b-\u200b0\u200b1\u200b4\u200b8",
    "\uff16\uff10\uff15\u2010\uff15\uff15\uff15\u2010\uff10\uff11\uff14\uff18",
    "605\u2011555\u20110148",
    "605\u00a0555\u20070148",
    "605\u2013555\u20130148",
    "605\u00b7555\u00b70148",
    "6\u03360\u03365\u0336-5\u03365\u03365\u0336-0\u03361\u03364\u03368\u0336",
    "\u202e605-555-0148\u202c",
    "\u0666\u0660\u0665-\u0665\u0665\u0665-\u0660\u0661\u0664\u0668",
    "6 0 5 5 5 5 0 1 4 8",
    "\U0001d7e8\U0001d7e2\U0001d7e7-\U0001d7e7\U0001d7e7\U0001d7e7-\U0001d7e2\U0001d7e3\U0001d7e6\U0001d7ea",
    "jo\u00adhn@exam\u200dple.org",
    "john\uff20example\uff0eorg",
    "MRN\u200b: 0047\u2060 2913",
    "Dr.\u00a0Hollen\u00adbeck",
]


@pytest.mark.parametrize("identifier", ODD)
def test_odd_letters_do_not_hide_an_identifier_from_us(identifier: str) -> None:
    text = f"please call {identifier} today"
    left = text
    for surface, _ in found_in(text):
        left = left.replace(surface, "")
    assert not any(letter.isdigit() or letter == "@" for letter in left), left
    assert "beck" not in left


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("shes 93 and stubborn", T.AGE, "93"),
        ("mom turns one hundred and two on Friday", T.AGE, "one hundred and two"),
        ("he is in his ninety-third year", T.AGE, "ninety-third"),
        ("four score and fifteen, says he", T.AGE, "four score and fifteen"),
        ("Last 4 of your social?\n> 7716 ok", T.SSN, "7716"),
        ("my social starts with 900-41 if it helps", T.SSN, "900-41"),
        ("INFO auth user=okaforb src=here", T.OTHER_ID, "okaforb"),
        ("I was signed in as marta.k yesterday", T.OTHER_ID, "marta.k"),
        ("the parcel RR 123 456 785 PL is lost", T.OTHER_ID, "RR 123 456 785 PL"),
        ("fedex 7712 3344 9021 says delivered", T.OTHER_ID, "7712 3344 9021"),
        ("booking ZK8QTR to Lisbon", T.OTHER_ID, "ZK8QTR"),
        ("I have cigna 44 1290 33 1", T.MEMBER_ID, "44 1290 33 1"),
    ],
)
def test_forms_people_use_beside_the_usual_ones(text: str, kind: T, words: str) -> None:
    found = [found for found, type in found_in(text) if type is kind]
    assert words in found


@pytest.mark.parametrize(
    "text",
    [
        "it was ninety eight degrees",
        "my pressure was ninety eight over fifty",
        "still 95 mg a day",
        "only 90 tablets left",
        "booking number is on the card",
        "social security pays 1934 dollars",
        "signed in as a guest",
    ],
)
def test_what_looks_like_these_forms_stays(text: str) -> None:
    kinds = {T.AGE, T.SSN, T.OTHER_ID}
    assert [found for found, type in found_in(text) if type in kinds] == []
