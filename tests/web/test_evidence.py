"""Safety-bar 43: the evidence pack of a case, and a script alone that finds what was changed."""

import base64
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from tests.proofs import browser_key
from tests.servers import SmtpKeeper
from tests.sizes import many
from tests.web.conftest import Visit
from tests.web.practice import CLINIC, CLINICAL, MASTER, PEOPLE, Practice, open_copy
from triage.audit import AnchorFile
from triage.connectors.smtp import SmtpOutbox
from triage.desk import Desk
from triage.domain import Channel, ReplyState, Route, approved_words
from triage.engine import Anchoring
from triage.pipeline import send
from triage.store import Keys, open_life
from triage.store.evidence import SERVING
from triage.web import check_pack
from triage.web.app import create_app
from triage.web.check_pack import signed, troubles

SAM = PEOPLE["sam"]
#: How its replies leave, as far as settings go.
WAY = {
    "name": "mail-out", "host": "127.0.0.1", "security": "plain", "sender": "desk@p.example",
    "sender_name": "Alder Street Practice",
}  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A pack, the practice and the anchors it is from, and the mails that left; only read."""

    pack: bytes
    practice: Practice
    file: AnchorFile
    mails: Sequence[tuple[list[str], bytes]]


def desk_of(practice: Practice, file: AnchorFile) -> Desk:
    return Desk(
        practice.store,
        undo=timedelta(seconds=-1),
        clinical=CLINICAL,
        mail_domain="p.example",
        anchors=file.read,
    )


@pytest.fixture
def file(tmp_path: Path) -> AnchorFile:
    return AnchorFile(tmp_path / "outside.anchor")


@pytest.fixture
def desk(practice: Practice, file: AnchorFile) -> Desk:
    return desk_of(practice, file)


@pytest.fixture
def app(desk: Desk) -> FastAPI:
    return create_app(desk, clinic_name=CLINIC.name)


@pytest.fixture(scope="module")
def made(morning: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """One pack for all tests that only read it: to make it is ten times the work of a check."""
    folder = tmp_path_factory.mktemp("evidence")
    shutil.copytree(morning, folder / "practice")
    practice, file = open_copy(folder / "practice"), AnchorFile(folder / "outside.anchor")
    with SmtpKeeper() as keeper:
        pack = packed(practice, file, keeper)
    yield Made(pack, practice, file, keeper.mails)
    practice.store.close()


@pytest.fixture
def pack(made: Made) -> bytes:
    return made.pack


def packed(practice: Practice, file: AnchorFile, keeper: SmtpKeeper) -> bytes:
    """The pack of a case that was read, answered, approved, sent, anchored and read once more."""
    app = create_app(desk_of(practice, file), clinic_name=CLINIC.name)
    case_id, dana = practice.cases["refill"], Visit(app, "dana", practice)
    store, anchoring = practice.store, Anchoring(practice.store, file, clinic="c1")
    assert anchoring.once()
    dana.get(f"/case/{case_id}")
    dana.post(f"/case/{case_id}/draft", subject="Refill", body="Your refill is on its way.")
    draft = store.replies.draft(case_id, clinic="c1", by="u-dana")
    assert draft is not None
    digest = draft.outgoing.digest
    store.second.set_routes([Route.REFILL], clinic="c1", by="u-sam")
    for who, person in (("u-nia", Visit(app, "nia", practice)), ("u-dana", dana)):
        proof = person.proof(who, draft.id, digest)
        assert person.decide(case_id, "approve", digest=digest, proof=proof).status_code == 303
    ways = {Channel.EMAIL: SmtpOutbox({**WAY, "port": keeper.port}, "")}
    sent = send(draft.id, store, ways, clinic="c1", by="sender", master=MASTER)
    assert sent is ReplyState.SENT
    again = Anchoring(store, file, clinic="c1", every=timedelta(0))
    assert again.once()
    answer = Visit(app, "sam", practice).post(f"/case/{case_id}/evidence")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].endswith(f"evidence-{case_id[:8]}.zip")
    again.once()
    return answer.content


def unpacked(pack: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(pack)) as bundle:
        bundle.extractall(folder)
    return folder


def checked(folder: Path, *more: str) -> tuple[int, str]:
    """Run the script of the pack with a Python that has nothing but its standard library."""
    command = [sys.executable, "-I", "-S", str(folder / "check.py"), str(folder), *more]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_the_pack_holds_what_a_hospital_asks_for(pack: bytes, made: Made) -> None:
    with zipfile.ZipFile(io.BytesIO(pack)) as bundle:
        assert "PATIENT TEXT" in bundle.read("README.txt").decode()
        found = json.loads(bundle.read("evidence.json"))
    assert ("Dana Whitlock", "reply.approved") in {(s["name"], s["what"]) for s in found["seen"]}
    (message,), (reply,) = found["messages"], found["replies"]
    assert message["model"] == "router-1"
    assert "lisinopril" in message["body"]
    assert "[NAME_1]" in found["suggestion"]["written"]
    assert "Rosalind Keane" in found["suggestion"]["shown"]
    assert "+Your refill is on its way." in reply["diff"]
    assert b"Your refill is on its way." in base64.b64decode(reply["bytes"])
    assert reply["approval"]["by"] == "u-dana"
    assert len(reply["approval"]["proof"]) == 64 + 1 + 128
    (first,) = found["firsts"]
    assert (first["by"], first["reply"]) == ("u-nia", reply["id"])
    assert first["digest"] == reply["approval"]["digest"]
    assert first["at"] < reply["approval"]["at"]
    for action, more in (
        ("reply.first", {"at": first["at"]}),
        ("reply.approved", {"first": "u-nia"}),
    ):
        detail = _of(found, action)["detail"]
        assert detail["template"].startswith("refill@en-")
        assert more.items() <= detail.items()
    left = made.practice.store.audit.events(clinic="c1", by="u-sam", action="evidence.exported")
    assert len(left) == 1


def test_the_script_holds_a_whole_pack_to_be_whole(pack: bytes, tmp_path: Path, made: Made) -> None:
    folder = unpacked(pack, tmp_path / "pack")
    assert checked(folder)[0] == 0
    status, said = checked(folder, "--anchor", str(made.file.path))
    assert (status, "compared with the clinic's anchors" in said) == (0, True)
    (tmp_path / "pack.zip").write_bytes(pack)
    script, place = str(folder / "check.py"), str(tmp_path / "pack.zip")
    assert subprocess.run([sys.executable, "-I", "-S", script, place]).returncode == 0


def _of(found: dict[str, Any], action: str) -> dict[str, Any]:
    return next(each for each in found["chain"]["events"] if each["action"] == action)


def _take_out(found: dict[str, Any]) -> None:
    event = _of(found, "case.read")
    found["chain"]["events"].remove(event)
    found["seen"] = [each for each in found["seen"] if each["seq"] != event["seq"]]


def _approval(found: dict[str, Any]) -> Any:
    return found["replies"][0]["approval"]


def _first(found: dict[str, Any]) -> Any:
    return found["firsts"][0]


def _other_proof(approval: dict[str, Any]) -> str:
    """Return the proof with one bit of its signature turned."""
    name, _, signature = approval["proof"].partition(":")
    return f"{name}:{signature[:-1]}{int(signature[-1], 16) ^ 1:x}"


def _forge(approval: dict[str, Any], reply_id: str) -> None:
    """Sign the same words with another key, as whoever has no browser of the approver would."""
    other = browser_key(MASTER, "u-dana")
    approval["proof"] = other.prove(reply_id, approval["digest"])
    approval["key"]["public"] = other.public


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "who read it": lambda found: _of(found, "case.read").update(actor="u-nobody"),
    "when": lambda found: _of(found, "case.read").update(at="2020-01-01T00:00:00+00:00"),
    "who is shown": lambda found: found["seen"][-1].update(who="u-nobody"),
    "an event taken out": _take_out,
    "a link": lambda found: found["chain"]["stretches"][0]["contents"].__setitem__(0, "0" * 64),
    "an anchor": lambda found: found["chain"]["anchors"][0].update(digest="0" * 64),
    "the words": lambda found: found["replies"][0].update(body="Something else."),
    "the bytes": lambda found: found["replies"][0].update(bytes="AAAA"),
    "the approver": lambda found: found["replies"][0]["approval"].update(by="u-milo"),
    "the digest": lambda found: found["replies"][0]["approval"].update(digest="0" * 64),
    "the proof": lambda found: _approval(found).update(proof=_other_proof(_approval(found))),
    "the key": lambda found: _approval(found)["key"].update(public="04" + "1" * 128),
    "a key of the forger's": lambda found: _forge(_approval(found), found["replies"][0]["id"]),
    "the key's person": lambda found: _approval(found)["key"].update(user="u-milo"),
    "how long the key lasts": lambda found: _approval(found)["key"].update(
        until="2020-01-01T00:00:00+00:00"
    ),
    "no key": lambda found: _approval(found).update(key=None),
    "no first approval": lambda found: found["firsts"].clear(),
    "who was first": lambda found: _first(found).update(by="u-milo"),
    "when the first was": lambda found: _first(found).update(at="2020-01-01T00:00:00+00:00"),
    "the words of the first": lambda found: _first(found).update(digest="0" * 64),
    "the first proof": lambda found: _first(found).update(proof=_other_proof(_first(found))),
    "a forged first": lambda found: _forge(_first(found), _first(found)["reply"]),
    "one first twice": lambda found: found["firsts"].append(_first(found)),
    "the message id": lambda found: found["replies"][0].update(message_id="<other@p.example>"),
    "what left": lambda found: found["replies"][0]["left"][0].update(sha256="0" * 64),
    "that it left": lambda found: found["replies"][0]["left"].clear(),
    "a reply taken out": lambda found: found["replies"].clear(),
    "the model": lambda found: found["messages"][0].update(model="router-9"),
    "nothing in it": lambda found: found.clear(),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_the_script_finds_what_was_changed(pack: bytes, change: str) -> None:
    files = read_pack(pack)
    found = json.loads(files["evidence.json"])
    CHANGES[change](found)
    assert troubles({**files, "evidence.json": json.dumps(found).encode()}, None)


def test_the_script_says_what_it_found_and_ends_with_a_number(pack: bytes, tmp_path: Path) -> None:
    folder = unpacked(pack, tmp_path / "pack")
    assert (folder / "check.py").read_text() == Path(check_pack.__file__).read_text()
    found = json.loads((folder / "evidence.json").read_text())
    CHANGES["the words"](found)
    (folder / "evidence.json").write_text(json.dumps(found))
    status, said = checked(folder)
    assert (status, said.startswith("BROKEN")) == (3, True), said


def test_the_bytes_that_left_are_in_the_pack_and_checked(
    pack: bytes, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = read_pack(pack)
    ((left, content),) = [(name, held) for name, held in files.items() if name.startswith("left/")]
    ((_, arrived),) = made.mails
    assert content == arrived, "what the server took, to the byte"
    (reply,) = json.loads(files["evidence.json"])["replies"]
    assert [each["file"] for each in reply["left"]] == [left]
    assert troubles(files, None) == []
    # One byte of the letter, or the letter itself, taken away.
    assert troubles({**files, left: content[:-3] + b"!\r\n"}, None)
    assert troubles({name: held for name, held in files.items() if name != left}, None)
    # Sabotage: a script that does not look at what left takes any letter.
    monkeypatch.setattr("triage.web.check_pack.altered_departures", lambda *_: ())
    assert troubles({**files, left: b"anything"}, None) == []


def test_the_script_finds_another_original_and_a_foreign_anchor(
    pack: bytes, tmp_path: Path, made: Made
) -> None:
    folder = unpacked(pack, tmp_path / "pack")
    other = tmp_path / "other.anchor"
    other.write_text(re.sub(":[0-9a-f]{64}", ":" + "0" * 64, made.file.path.read_text()))
    assert checked(folder, "--anchor", str(other))[0] == 3
    other.write_text("")
    assert checked(folder, "--anchor", str(other))[0] == 3
    original = next((folder / "originals").iterdir())
    original.write_bytes(original.read_bytes() + b"!")
    assert checked(folder)[0] == 3


def test_the_keys_in_a_pack_open_no_other_event(pack: bytes, made: Made) -> None:
    with zipfile.ZipFile(io.BytesIO(pack)) as bundle:
        found = json.loads(bundle.read("evidence.json"))
    practice = made.practice
    case_id = practice.cases["refill"]
    mine = {each["seq"] for each in found["chain"]["events"]}
    history = practice.store.cases.history(case_id, clinic="c1", by="u-sam")
    whole = {event.seq for event in history}
    assert whole - mine == {event.seq for event in history if event.action == "evidence.exported"}
    linked = sum(len(each["contents"]) for each in found["chain"]["stretches"])
    assert linked > len(mine), "the links between are there, without what they say"
    keys = practice.store._transactions.audit_keys[0].hex()
    assert keys not in json.dumps(found)


def test_the_pack_names_what_served(practice: Practice, visit: Callable[[str], Visit]) -> None:
    store = practice.store
    detail = {"classifier": "router-1", "rules": "1" * 64, "threshold urgent_at": "0.13"}
    store.audit.record(SERVING, clinic="c1", by="worker", detail=detail)
    from tests.web.practice import MORNING

    case_id = practice.receive(MORNING[3])
    answer = visit("sam").post(f"/case/{case_id}/evidence")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
        found = json.loads(bundle.read("evidence.json"))
    assert _of(found, SERVING)["detail"] == detail


def test_only_a_supervisor_of_the_clinic_gets_one(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    place = f"/case/{practice.cases['refill']}"
    page = visit("sam").get(f"{place}/history").text
    assert "evidence pack" in page
    assert visit("dana").post(f"{place}/evidence").status_code == 403
    assert visit("eve").post(f"{place}/evidence").status_code == 404


def test_an_erased_case_still_proves_who_saw_it(
    practice: Practice, visit: Callable[[str], Visit], tmp_path: Path, file: AnchorFile
) -> None:
    case_id, store = practice.cases["refill"], practice.store
    visit("dana").get(f"/case/{case_id}")
    life = open_life(
        f"sqlite:///{tmp_path / 'practice' / 'practice.db'}",
        Keys.load(tmp_path / "practice" / "keys"),
        store,
        lists=[tmp_path / "erasures.list"],
    )
    life.erase("case", case_id, clinic="c1", by="u-sam")
    life.close()
    assert Anchoring(store, file, clinic="c1").once()
    answer = visit("sam").post(f"/case/{case_id}/evidence")
    assert answer.status_code == 200
    assert Anchoring(store, file, clinic="c1", every=timedelta(0)).once()
    folder = unpacked(answer.content, tmp_path / "pack")
    found = json.loads((folder / "evidence.json").read_text())
    erased = _of(found, "case.erased")
    assert found["erased"] == erased["at"]
    assert (found["messages"], found["replies"], found["draft"]) == ([], [], None)
    assert ("Dana Whitlock", "case.read") in {(s["name"], s["what"]) for s in found["seen"]}
    assert not (folder / "originals").exists()
    for name in ("lisinopril", "Keane"):
        assert name not in (folder / "evidence.json").read_text()
    assert checked(folder)[0] == 0
    assert checked(folder, "--anchor", str(file.path))[0] == 0
    _take_out(found)
    (folder / "evidence.json").write_text(json.dumps(found))
    assert checked(folder)[0] == 3
    for action in ("evidence.read", "evidence.exported"):
        assert len(store.audit.events(clinic="c1", by="x", action=action)) == 1


def test_the_script_s_own_arithmetic_agrees_with_a_library() -> None:
    """Right signatures hold; the same with one bit turned, and edge values, do not."""
    for number in range(many(6, long=300)):
        key, reply, digest = browser_key(MASTER, "u-dana"), f"r{number}", f"{number:064x}"
        _, _, signature = key.prove(reply, digest).partition(":")
        words = approved_words(reply, digest)
        assert signed(key.public, signature, words)
        turned = bytearray(bytes.fromhex(signature))
        turned[number % 64] ^= 1 << number % 8
        assert not signed(key.public, turned.hex(), words)
        assert not signed(key.public, signature, words + b"!")
        assert not signed(key.public, "0" * 128, words)
        assert not signed(f"04{'0' * 128}", signature, words)


def test_without_the_look_at_the_signature_a_forged_one_would_pass(
    pack: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: the script takes every signature."""
    files = read_pack(pack)
    found = json.loads(files["evidence.json"])
    _approval(found)["proof"] = _other_proof(_approval(found))
    files["evidence.json"] = json.dumps(found).encode()
    assert troubles(files, None) != []
    monkeypatch.setattr("triage.web.check_pack.signed", lambda *_: True)
    assert troubles(files, None) == []


def test_without_the_look_at_first_approvals_a_pack_without_one_would_pass(
    pack: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: the script looks at the second yes only."""
    files = read_pack(pack)
    found = json.loads(files["evidence.json"])
    found["firsts"].clear()
    files["evidence.json"] = json.dumps(found).encode()
    assert troubles(files, None) != []
    monkeypatch.setattr("triage.web.check_pack.altered_firsts", lambda *_: ())
    assert troubles(files, None) == []


def read_pack(pack: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(pack)) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}
