"""Checks an evidence pack offline, with Python's standard library and nothing else.

    python3 check.py FOLDER_OR_ZIP [--anchor FILE]

Ends with 0 when everything holds and 3 when something does not; says what it looked at. `--anchor`
is the clinic's own file of anchored heads (chain=number:digest of every chain, time on each line).
"""

import base64
import hashlib
import hmac
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.utils import getaddresses
from pathlib import Path
from typing import Any, Optional

BROKEN = 3
#: What the clinic's file says: (chain, number) -> digest.
Anchored = dict[tuple[str, int], str]
#: Detail of `case.filed` that says which bytes a message was.
BYTES = "sha256"


def content(event: Mapping[str, Any]) -> str:
    """Return what an event says, sealed with the key that stands beside it."""
    # Events of the first chain are from when there was one only, and do not name it.
    place = () if event["chain"] == "first" else ("chain", "number")
    names = (*place, "seq", "clinic", "at", "actor", "action", "cases")
    fields = [event[name] for name in names] + [sorted(event["detail"].items())]
    said = json.dumps(fields, ensure_ascii=True, separators=(",", ":"))
    return hmac.new(bytes.fromhex(event["key"]), said.encode(), hashlib.sha256).hexdigest()


def walked(chain: Mapping[str, Any]) -> dict[tuple[str, int], tuple[str, str, str]]:
    """Follow every stretch; return (chain, number) -> (digest before, content, digest)."""
    found: dict[tuple[str, int], tuple[str, str, str]] = {}
    for stretch in chain["stretches"]:
        digest = stretch["previous"]
        for number, sealed in enumerate(stretch["contents"], stretch["first"]):
            following = hashlib.sha256(f"{digest}:{sealed}".encode()).hexdigest()
            found[stretch["chain"], number] = (digest, sealed, following)
            digest = following
    return found


def broken_links(pack: Mapping[str, Any], outside: "Anchored | None") -> Iterator[str]:
    """Say which events, links or anchors do not hold."""
    chain, links = pack["chain"], walked(pack["chain"])
    for event in chain["events"]:
        stands = (event["previous"], content(event), event["digest"])
        if links.get((event["chain"], event["number"])) != stands:
            yield f"event {event['seq']} is not the one its chain holds"
    for end in [*chain["anchors"], *chain["heads"]]:
        place = (end["chain"], end["number"])
        if place in links and links[place][2] != end["digest"]:
            where = f"event {end['number']} of chain {end['chain']}"
            yield f"the links up to {where} do not lead to the head written there"
    if outside is not None:
        compared = 0
        for place in links.keys() & outside.keys():
            compared += 1
            if links[place][2] != outside[place]:
                where = f"event {place[1]} of chain {place[0]}"
                yield f"the anchor of {where} is another one in the clinic's file"
        if not compared:
            yield "the clinic's file anchors no part of these chains"


def missing_events(pack: Mapping[str, Any]) -> Iterator[str]:
    """Say whether events of the case were taken out since the pack was made."""
    case_id = pack["case"]["id"]
    mine = [each for each in pack["chain"]["events"] if case_id in each["cases"]]
    read = [each for each in mine if each["action"] == "evidence.read"]
    said = int(read[-1]["detail"]["events"]) if read else -1
    if len(mine) != said:
        yield f"{len(mine)} events of the case are here; {said} were when the pack was made"
    told = [(each["seq"], each["at"], each["actor"], each["action"]) for each in mine]
    shown = [(each["seq"], each["at"], each["who"], each["what"]) for each in pack["seen"]]
    if told != shown:
        yield "the list of who saw the case is not what the chain says"


def altered_messages(pack: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[str]:
    """Say which messages are not, byte for byte, those that came and were filed."""
    filed = {
        each["detail"]["raw"]: each["detail"]
        for each in pack["chain"]["events"]
        if each["action"] == "case.filed" and BYTES in each["detail"]
    }
    for message in pack["messages"]:
        raw = message["raw"]
        given = hashlib.sha256(files.get(f"originals/{raw}", b"")).hexdigest()
        if filed.get(raw, {}).get(BYTES) != given:
            yield f"message {message['id']} is not the one that came"
        elif filed[raw].get("model") != message["model"]:
            yield f"message {message['id']} was not judged by the model named"


#: The curve P-256: prime, coefficient b, order and base point.
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
Point = Optional[tuple[int, int]]  # noqa: UP045  # Python 3.9 reads this file, too.


def added(a: Point, b: Point) -> Point:
    """Add two points of the curve; None is the point at infinity."""
    if a is None or b is None:
        return b if a is None else a
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(count: int, point: Point) -> Point:
    """Add a point to itself `count` times."""
    found: Point = None
    while count:
        if count & 1:
            found = added(found, point)
        point, count = added(point, point), count >> 1
    return found


def signed(public: str, signature: str, words: bytes) -> bool:
    """Whether this key made this ECDSA signature (P-256, SHA-256) of these bytes."""
    key, halves = bytes.fromhex(public), bytes.fromhex(signature)
    if len(key) != 65 or key[0] != 4 or len(halves) != 64:
        return False
    point = int.from_bytes(key[1:33], "big"), int.from_bytes(key[33:], "big")
    on_curve = (point[1] ** 2 - point[0] ** 3 + 3 * point[0] - B) % P == 0
    r, s = int.from_bytes(halves[:32], "big"), int.from_bytes(halves[32:], "big")
    if not on_curve or max(point) >= P or not (0 < r < N and 0 < s < N):
        return False
    said, inverse = int.from_bytes(hashlib.sha256(words).digest(), "big"), pow(s, -1, N)
    found = added(times(said * inverse % N, G), times(r * inverse % N, point))
    return found is not None and found[0] % N == r


def unproven(reply: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether the approver's browser did not sign these words with the key the chain names."""
    approval, detail = reply["approval"], event["detail"]
    key, (named, _, signature) = approval["key"], approval["proof"].partition(":")
    if key is None or key["user"] != approval["by"]:
        return True
    if datetime.fromisoformat(approval["at"]) > datetime.fromisoformat(key["until"]):
        return True
    name = hashlib.sha256(bytes.fromhex(key["public"])).hexdigest()
    words = f"approve:{reply['id']}:{approval['digest']}".encode()
    return not detail.get("key") == named == name or not signed(key["public"], signature, words)


def altered_replies(pack: Mapping[str, Any]) -> Iterator[str]:
    """Say which replies are not, byte for byte, what their approver approved."""
    approved = {
        each["detail"].get("reply"): each
        for each in pack["chain"]["events"]
        if each["action"] == "reply.approved"
    }
    for reply in pack["replies"]:
        fields = [pack["case"]["id"]]
        fields += [reply[name] for name in ("channel", "recipient", "in_reply_to", "subject")]
        fields += [reply["body"], *(part for each in reply["attachments"] for part in each)]
        parts = [text.encode() for text in fields]
        sent = b"".join(str(len(part)).encode() + b":" + part for part in parts)
        digest, event = hashlib.sha256(sent).hexdigest(), approved.get(reply["id"])
        if base64.b64decode(reply["bytes"]) != sent or digest != reply["approval"]["digest"]:
            yield f"reply {reply['id']} is not what was approved"
        elif event is None or event["detail"].get("digest") != digest:
            yield f"reply {reply['id']} has no approval of these words in the chain"
        elif event["actor"] != reply["approval"]["by"]:
            yield f"reply {reply['id']} was approved by somebody else"
        elif unproven(reply, event):
            yield f"reply {reply['id']} was not signed by its approver's browser"
        elif event["detail"].get("message_id") != reply["message_id"]:
            yield f"reply {reply['id']} left under another Message-ID"
    missing = approved.keys() - {reply["id"] for reply in pack["replies"]}
    if missing and pack["erased"] is None:
        yield f"{len(missing)} approved replies are not here"


def altered_firsts(pack: Mapping[str, Any]) -> Iterator[str]:
    """Say which first approvals are not as the chain has them, or are missing for a second one."""
    events = pack["chain"]["events"]
    said = {
        (each["detail"]["reply"], each["detail"]["digest"], each["actor"]): each
        for each in events
        if each["action"] == "reply.first"
    }
    here = {(each["reply"], each["digest"], each["by"]): each for each in pack["firsts"]}
    for place, first in here.items():
        event = said.get(place)
        if event is None:
            yield f"a first approval of reply {place[0]} is not in the chain"
        elif event["detail"].get("at") != first["at"]:
            yield f"a first approval of reply {place[0]} was given at another time"
        elif unproven({"id": place[0], "approval": first}, event):
            yield f"a first approval of reply {place[0]} was not signed by its approver's browser"
    if pack["erased"] is not None:
        return
    if len(here) < len(pack["firsts"]) or said.keys() - here.keys():
        yield f"{len(said)} first approvals are in the chain, {len(pack['firsts'])} here"
    for each in events:
        detail = each["detail"]
        if each["action"] == "reply.approved" and "first" in detail:
            place = (detail["reply"], detail["digest"], detail["first"])
            if detail["first"] == each["actor"] or place not in here:
                yield f"reply {place[0]} lacks the first of its two approvals"


def decoded(words: str) -> str:
    """Return a header's text, its encoded words opened."""
    pieces = decode_header(words)
    return "".join(
        piece.decode(charset or "ascii") if isinstance(piece, bytes) else piece
        for piece, charset in pieces
    )


def mail_says(content: bytes, reply: Mapping[str, Any]) -> bool:
    """Whether an e-mail goes to the approved address alone and says the approved words."""
    mail = message_from_bytes(content)
    names = [name.lower() for name in mail.keys()]  # noqa: SIM118  # A mail is no mapping.
    known = ("from", "to", "subject", "date", "message-id", "in-reply-to", "references")
    about = ("mime-version", "content-type", "content-transfer-encoding")
    if (
        mail.get_content_type() != "text/plain"
        or mail.defects
        or len(set(names)) < len(names)
        or set(names) - {*known, *about}
    ):
        return False
    body = mail.get_payload(decode=True)
    lines = reply["body"].replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n") + "\n"
    conversation = mail.get("References", "").split()
    return (
        isinstance(body, bytes)
        and body.decode("utf-8").replace("\r\n", "\n") == lines
        and getaddresses(mail.get_all("To", [])) == [("", reply["recipient"])]
        and decoded(str(mail.get("Subject", ""))) == reply["subject"]
        and str(mail.get("Message-ID")) == reply["message_id"]
        and mail.get("In-Reply-To", "").split() == conversation[-1:]
        and set(conversation) <= set(reply["in_reply_to"].split())
    )


def portal_says(content: bytes, reply: Mapping[str, Any]) -> bool:
    """Whether a FHIR Communication goes to the approved reference and says the approved words."""
    said = json.loads(content)
    answered = [{"reference": reply["in_reply_to"]}] if reply["in_reply_to"] else []
    return bool(
        said["payload"] == [{"contentString": reply["body"]}]
        and said["recipient"] == [{"reference": reply["recipient"]}]
        and said.get("subject", said["recipient"][0]) == said["recipient"][0]
        and said.get("topic", {}).get("text", "") == reply["subject"]
        and said.get("inResponseTo", []) == answered
        and [each["value"] for each in said["identifier"]] == [reply["message_id"]]
    )


def altered_departures(pack: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[str]:
    """Say which replies left as other bytes than the chain names, or with other words."""
    named: dict[str, list[str]] = {}
    for each in pack["chain"]["events"]:
        if each["action"] == "reply.leaving":
            named.setdefault(each["detail"]["reply"], []).append(each["detail"]["sha256"])
    for reply in pack["replies"]:
        contents = [files.get(each["file"], b"") for each in reply["left"]]
        digests = [hashlib.sha256(content).hexdigest() for content in contents]
        said = [each["sha256"] for each in reply["left"]]
        # The same bytes tried again are named at each try and kept once.
        if digests != said or set(digests) != set(named.get(reply["id"], [])):
            yield f"reply {reply['id']} did not leave as these bytes"
        says = portal_says if reply["channel"] == "portal" else mail_says
        if not all(says(content, reply) for content in contents):
            yield f"reply {reply['id']} left with other words than were approved"


def read(place: Path) -> dict[str, bytes]:
    """Return name -> bytes of every file of a pack, from its folder or its zip."""
    if place.is_dir():
        found = [each for each in place.rglob("*") if each.is_file()]
        return {each.relative_to(place).as_posix(): each.read_bytes() for each in found}
    with zipfile.ZipFile(place) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def anchors(place: Path) -> "Anchored":
    """Return (chain, number) -> digest from the clinic's file of anchored heads."""
    found: Anchored = {}
    for line in place.read_text(encoding="ascii").splitlines():
        words = line.split()[:-1]
        # A line from when there was one chain: number, digest, time.
        heads = words if "=" in line else ["first=" + ":".join(words)]
        for head in heads:
            chain, _, rest = head.partition("=")
            number, _, digest = rest.partition(":")
            if number.isdigit():
                found[chain, int(number)] = digest
    return found


def troubles(files: Mapping[str, bytes], outside: "Anchored | None") -> list[str]:
    """Return everything that does not hold, in words."""
    try:
        pack = json.loads(files["evidence.json"])
        return [
            *broken_links(pack, outside),
            *missing_events(pack),
            *altered_messages(pack, files),
            *altered_replies(pack),
            *altered_firsts(pack),
            *altered_departures(pack, files),
        ]
    except (LookupError, ValueError, TypeError, AttributeError, MessageError) as error:
        return [f"the pack cannot be read ({type(error).__name__})"]


def main(arguments: list[str]) -> int:
    """Check one pack and say what was found."""
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(__doc__ or "")
        return 1
    outside = anchors(Path(arguments[2])) if "--anchor" in arguments[1:2] else None
    files = read(Path(arguments[0]))
    found = troubles(files, outside)
    for trouble in found:
        sys.stdout.write(f"BROKEN: {trouble}\n")
    if found:
        return BROKEN
    pack = json.loads(files["evidence.json"])
    events, words = len(pack["chain"]["events"]), "compared with the clinic's anchors"
    compared = words if outside is not None else "not compared with an anchor from outside"
    left = sum(len(each["left"]) for each in pack["replies"])
    counts = f"{events} events, {len(pack['messages'])} messages, {len(pack['replies'])} replies"
    counts += f", {left} as they left, {len(pack['firsts'])} first approvals of two"
    sys.stdout.write(f"whole: {counts}; {compared}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
