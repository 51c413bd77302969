"""A few intents of public corpora that sound like a front desk, for `--public-data`.

Rule of the room: nothing of these corpora is copied into the project, and a text whose hash
stands in do_not_train_on.txt is never read for training. Licences as their owners state them:
CLINC150 CC BY 3.0, BANKING77 CC BY 4.0, HWU64 CC BY 4.0, DSTC11 CDLA-Permissive-2.0. The SGD
dialogues are share-alike (CC BY-SA 4.0) and stay out, so that a model's licence stays simple.
"""

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from triage.domain import Route
from triage.encoder import LabelledText
from triage.errors import BadRow

#: What a public text counts beside a hand-written message: it is short and of another trade.
WEIGHT = 0.2
#: At most this many texts of one intent, in the corpus's own order.
MOST_OF_AN_INTENT = 12

_CLINC = {
    "vaccines": Route.RECORDS_FORMS,
    "pay_bill": Route.BILLING_DISPUTE,
    "bill_balance": Route.BILLING_DISPUTE,
    "bill_due": Route.BILLING_DISPUTE,
    "insurance": Route.INSURANCE_AUTHORIZATION,
    "insurance_change": Route.INSURANCE_AUTHORIZATION,
    "schedule_meeting": Route.RESCHEDULE,
    "cancel_reservation": Route.RESCHEDULE,
    "confirm_reservation": Route.RESCHEDULE,
    "thank_you": Route.GENERAL,
    "directions": Route.GENERAL,
    "reset_settings": Route.GENERAL,
}
_BANKING = {
    "transaction_charged_twice": Route.BILLING_DISPUTE,
    "request_refund": Route.BILLING_DISPUTE,
    "Refund_not_showing_up": Route.BILLING_DISPUTE,
    "extra_charge_on_statement": Route.BILLING_DISPUTE,
    "card_payment_not_recognised": Route.BILLING_DISPUTE,
    "passcode_forgotten": Route.GENERAL,
    "edit_personal_details": Route.GENERAL,
}
_HWU = {
    "calendar_remove": Route.RESCHEDULE,
    "calendar_set": Route.RESCHEDULE,
    "general_praise": Route.GENERAL,
}
_DSTC = {
    "ReportBillingIssue": Route.BILLING_DISPUTE,
    "CheckPaymentStatus": Route.BILLING_DISPUTE,
    "DisputeCharge": Route.BILLING_DISPUTE,
    "PayBill": Route.BILLING_DISPUTE,
    "ScheduleAppointment": Route.RESCHEDULE,
    "AddDependent": Route.INSURANCE_AUTHORIZATION,
    "RemoveDependent": Route.INSURANCE_AUTHORIZATION,
    "EnrollInPlan": Route.INSURANCE_AUTHORIZATION,
    "ChangePlan": Route.INSURANCE_AUTHORIZATION,
    "GetPolicyNumber": Route.INSURANCE_AUTHORIZATION,
    "RequestProofOfInsurance": Route.RECORDS_FORMS,
    "ResetPassword": Route.GENERAL,
    "GetBranchHours": Route.GENERAL,
    "FindBranch": Route.GENERAL,
}

Pairs = Iterator[tuple[str, str]]


def public_texts(root: Path) -> list[LabelledText]:
    """Return the chosen public texts; corpora that are not under `root` are left out.

    Raise BadRow when `root` holds none of them or a file cannot be read.
    """
    reserved = _reserved(root / "do_not_train_on.txt")
    texts: list[LabelledText] = []
    for name, (read, routes) in _CORPORA.items():
        if (root / name).is_dir():
            try:
                texts += _chosen(read(root / name), routes, reserved)
            except (OSError, ValueError, KeyError, TypeError) as trouble:
                raise BadRow(f"public corpus {name} ({type(trouble).__name__})") from None
    if not texts:
        raise BadRow(f"no public corpus under {root.name}")
    return texts


def fingerprint(text: str) -> str:
    """Return the hash by which reserved texts are known."""
    plain = re.sub(r"\W+", " ", text.lower()).strip()
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def _reserved(path: Path) -> frozenset[str]:
    if not path.exists():
        return frozenset()
    lines = path.read_text("utf-8").splitlines()
    return frozenset(line.strip() for line in lines if not line.startswith("#"))


def _chosen(
    pairs: Pairs, routes: Mapping[str, Route], reserved: frozenset[str]
) -> list[LabelledText]:
    counts: dict[str, int] = {}
    texts: list[LabelledText] = []
    for text, intent in pairs:
        if intent not in routes or fingerprint(text) in reserved:
            continue
        counts[intent] = counts.get(intent, 0) + 1
        if counts[intent] <= MOST_OF_AN_INTENT:
            texts.append(LabelledText(text, routes[intent], weight=WEIGHT))
    return texts


def _clinc(folder: Path) -> Pairs:
    content = json.loads((folder / "data" / "data_full.json").read_text("utf-8"))
    yield from ((text, intent) for text, intent in content["train"])


def _banking(folder: Path) -> Pairs:
    with (folder / "banking_data" / "train.csv").open(encoding="utf-8", newline="") as stream:
        yield from ((row["text"], row["category"]) for row in csv.DictReader(stream))


def _hwu(folder: Path) -> Pairs:
    train = folder / "Datasets" / "HWU64" / "train"
    texts = (train / "seq.in").read_text("utf-8").splitlines()
    yield from zip(texts, (train / "label").read_text("utf-8").splitlines(), strict=True)


def _dstc(folder: Path) -> Pairs:
    for path in sorted(folder.glob("dstc11/*/test-utterances.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            yield row["utterance"], row["intent"]


_CORPORA: Mapping[str, tuple[Callable[[Path], Pairs], Mapping[str, Route]]] = {
    "clinc150": (_clinc, _CLINC),
    "banking77": (_banking, _BANKING),
    "hwu64": (_hwu, _HWU),
    "dstc11_intents": (_dstc, _DSTC),
}
