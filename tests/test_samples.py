"""The fictional practice: labels are valid and the mails and portal messages say the same."""

import csv
import json
import re
import tomllib
from collections import Counter
from email import message_from_bytes
from email.message import Message
from email.policy import compat32, default
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from triage.domain import Channel, IdentifierType, Route, Urgency

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
LABELS: list[dict[str, Any]] = [
    json.loads(line) for line in (SAMPLES / "messages.jsonl").read_text("utf-8").splitlines()
]
MAILS = [label for label in LABELS if label["channel"] == Channel.EMAIL]
PORTAL = [label for label in LABELS if label["channel"] == Channel.PORTAL]
BLOCK = re.compile(r"<(?:/?(?:p|div|td|tr|table|br|li|body|html|span)\b[^>]*)>")
TAG = re.compile(r"<!--.*?-->|<(style|title)\b.*?</\1>|<[^>]*>", re.S)


def name(label: dict[str, Any]) -> str:
    return str(label["id"])


def roster() -> list[dict[str, str]]:
    with (SAMPLES / "roster.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def one_line(text: str) -> str:
    return " ".join(text.split())


def texts(mail: Message) -> list[str]:
    """Return each text part of a mail as words, by the standard library alone."""
    found = []
    for part in mail.walk():
        content = part.get_payload(decode=True)
        if part.get_content_maintype() != "text" or not isinstance(content, bytes):
            continue
        text = content.decode(part.get_content_charset("utf-8"))
        if part.get_content_subtype() == "html":
            text = unescape(TAG.sub("", BLOCK.sub(" ", text)))
        found.append(one_line(text))
    return found


def wrong_offsets(label: dict[str, Any]) -> list[str]:
    """Say what is wrong with the marked identifiers of a label; empty when they are right."""
    wrong = []
    marked: set[tuple[str, int]] = set()
    for span in label["phi"]:
        text, start, end = label[span["field"]], span["start"], span["end"]
        places = {(span["field"], at) for at in range(start, end)}
        if not 0 <= start < end <= len(text):
            wrong.append(f"{start}-{end} is outside")
        elif text[start:end] != text[start:end].strip() or places & marked:
            wrong.append(f"{start}-{end} is ragged or overlaps")
        elif re.match(r"\w", text[start - 1 : start]) or re.match(r"\w", text[end : end + 1]):
            wrong.append(f"{start}-{end} cuts a word")
        if span["type"] not in set(IdentifierType):
            wrong.append(span["type"])
        marked |= places
    return wrong


def test_there_are_enough_messages_of_every_route():
    assert len(LABELS) >= 120
    assert len({label["id"] for label in LABELS}) == len(LABELS)
    counts = Counter(label["route"] for label in LABELS)
    assert set(counts) == {route.value for route in Route}
    assert min(counts.values()) >= 5
    assert {label["lang"] for label in LABELS} == {"en", "es", "mixed"}
    assert len({label["body"] for label in LABELS}) == len(LABELS)


@pytest.mark.parametrize("label", LABELS, ids=name)
def test_labels_are_valid(label):
    assert label["channel"] in set(Channel)
    assert label["route"] in set(Route)
    assert set(label["also"]) <= set(Route) - {label["route"]}
    urgent = Urgency.of(label["urgency"]) > Urgency.ROUTINE
    assert urgent == (label["route"] == Route.URGENT_CLINICAL)
    assert label["body"].strip() == label["body"] != ""
    assert wrong_offsets(label) == []


def test_wrong_offsets_are_seen_to_fail():
    right = next(label for label in LABELS if label["phi"])
    for shift in (1, -1, 10_000):
        moved = [{**span, "end": span["end"] + shift} for span in right["phi"]]
        assert wrong_offsets({**right, "phi": moved})
    assert wrong_offsets({**right, "phi": [*right["phi"], right["phi"][0]]})


@pytest.mark.parametrize("label", MAILS, ids=name)
@pytest.mark.parametrize("policy", [compat32, default], ids=["compat32", "default"])
def test_every_mail_says_what_its_label_says(label, policy):
    mail = message_from_bytes((SAMPLES / label["file"]).read_bytes(), policy=policy)
    assert [part.defects for part in mail.walk() if part.defects] == []
    assert any(one_line(label["body"]) in text for text in texts(mail))
    assert label["from"] in mail["From"]
    assert "2026" in mail["Date"]
    files = [part.get_filename() for part in mail.walk()]
    assert [one for one in files if one and one != "logo.png"] == label["attachments"]
    if policy is default:
        assert mail["Subject"] == label["subject"]


def test_html_alternatives_say_the_same_words():
    for label in MAILS:
        mail = message_from_bytes((SAMPLES / label["file"]).read_bytes())
        if any(part.get_content_type() == "text/html" for part in mail.walk()):
            words = one_line(label["body"])
            assert all(words in text for text in texts(mail)), label["id"]


def test_attachments_are_what_they_say():
    starts = {"pdf": b"%PDF-", "png": b"\x89PNG", "jpg": b"\xff\xd8\xff", "docx": b"PK\x03\x04"}
    for label in MAILS:
        mail = message_from_bytes((SAMPLES / label["file"]).read_bytes())
        for part in mail.walk():
            if part.get_filename():
                kind = part.get_filename().rsplit(".", 1)[1]
                assert part.get_payload(decode=True).startswith(starts[kind]), label["id"]


def test_replies_answer_an_older_mail_of_the_same_conversation():
    mails = {one["id"]: message_from_bytes((SAMPLES / one["file"]).read_bytes()) for one in MAILS}
    ids = {mail["Message-ID"]: key for key, mail in mails.items()}
    assert len(ids) == len(mails)
    label = {one["id"]: one for one in LABELS}
    known = 0
    for key, mail in mails.items():
        for reference in (mail["References"] or "").split():
            if reference in ids:
                known += 1
                older = label[ids[reference]]
                assert older["thread"] == label[key]["thread"] is not None
                assert older["sent"] < label[key]["sent"]
            else:
                assert reference.endswith("@willowcreek.example>")
    assert known >= 8


def test_machines_say_that_they_are_machines():
    for label in MAILS:
        mail = message_from_bytes((SAMPLES / label["file"]).read_bytes())
        if {"autoreply", "bounce"} & set(label["tags"]):
            assert mail["Auto-Submitted"] == "auto-replied"
            assert mail["Return-Path"] == "<>"
        if "bounce" in label["tags"]:
            assert mail.get_content_type() == "multipart/report"
    listed = sum(
        "List-Unsubscribe:" in (SAMPLES / one["file"]).read_text("latin-1") for one in MAILS
    )
    assert listed >= 3


@pytest.mark.parametrize("label", PORTAL, ids=name)
def test_every_portal_message_says_what_its_label_says(label):
    resource = json.loads((SAMPLES / label["file"]).read_text("utf-8"))
    assert resource["resourceType"] == "Communication"
    assert resource["id"] == label["id"]
    assert resource["payload"][0] == {"contentString": label["body"]}
    assert resource["topic"]["text"] == label["subject"]
    assert resource["topic"]["coding"][0]["code"] == label["portal_topic"]
    accounts = {f"Patient/{row['portal_id']}": row for row in roster() if row["portal_id"]}
    assert accounts[resource["sender"]["reference"]]["email"] == label["from"]
    assert [one["contentAttachment"]["title"] for one in resource["payload"][1:]] == label[
        "attachments"
    ]


def test_portal_conversations_hang_together():
    label = {one["id"]: one for one in LABELS}
    answers = 0
    for one in PORTAL:
        resource = json.loads((SAMPLES / one["file"]).read_text("utf-8"))
        for parent in resource.get("partOf", []):
            answers += 1
            older = label[parent["reference"].removeprefix("Communication/")]
            assert older["thread"] == one["thread"] is not None
            assert older["sent"] < one["sent"]
    assert answers >= 5


def test_the_roster_is_sound():
    rows = roster()
    assert None not in {key for row in rows for key in row}
    patients = {row["patient_id"] for row in rows}
    assert len(patients) >= 50
    assert {label["patient"] for label in LABELS} - {None} <= patients
    for row in rows:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", row["birth_date"])
        assert {row["email_consent"], row["email_verified"]} <= {"yes", "no"}


def test_the_portals_patients_are_those_of_the_roster():
    bundle = json.loads((SAMPLES / "patients.json").read_text("utf-8"))
    found = [entry["resource"] for entry in bundle["entry"]]
    portal = {row["portal_id"]: row for row in roster() if row["portal_id"]}
    patients = {one["id"]: one for one in found if one["resourceType"] == "Patient"}
    assert set(patients) == set(portal)
    for key, patient in patients.items():
        assert patient["name"][0]["text"] == portal[key]["full_name"]
        assert patient["birthDate"] == portal[key]["birth_date"]
        assert patient["identifier"][0]["value"] == portal[key]["mrn"]


def test_the_practice_fills_every_sentence_of_the_templates():
    from triage.drafting.facts import facts
    from triage.drafting.wording import sentence, wordings

    settings = tomllib.loads((SAMPLES / "practice.toml").read_text("utf-8"))
    languages, neutral = wordings()
    for language, wording in languages.items():
        values = facts(settings, language, neutral=neutral, days=wording.days)
        texts = [*wording.templates.values(), *(one.template for one in wording.urgent.values())]
        for line in (line for one in texts for line in one.text.strip().split("\n") if line):
            assert sentence(line, values), line


def test_broken_mails_are_there_and_explained():
    broken = {path.name for path in (SAMPLES / "mail").glob("broken-*.eml")}
    assert len(broken) >= 4
    readme = (SAMPLES / "README.md").read_text("utf-8")
    assert all(one in readme for one in broken)
    listed = {label["file"] for label in LABELS}
    files = [*(SAMPLES / "mail").glob("sm-*"), *(SAMPLES / "portal").iterdir()]
    assert {str(path.relative_to(SAMPLES)) for path in files} == listed


def test_nobody_can_be_reached_and_all_of_it_is_small():
    paths = [path for path in SAMPLES.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in paths) < 1_000_000
    invented = re.compile(r"(?:\.example|(?:^|[@.])example\.(?:com|net|org))$")
    for label in LABELS:
        hosts = re.findall(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)", label["body"] + " " + label["from"])
        hosts += re.findall(r"https?://([\w.-]+)", label["body"])
        assert all(invented.search(host) for host in hosts), label["id"]
