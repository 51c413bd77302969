"""Ask OSV which locked versions have known advisories; what was not asked is "not checked".

The answer is never "clean": no advisory is known today, or one is, or nobody was asked. Sends
names and versions of public packages to the address given, and nothing else. Exit status: 0 all
asked and none known, 1 an advisory is known, 2 something was not checked.
"""

import argparse
import json
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from sbom import bill  # A script beside this one.

OSV = "https://api.osv.dev/v1/querybatch"
NOT_CHECKED, NONE_KNOWN = "not checked", "none known"
#: Packages in one question, further pages of one answer, seconds for one answer.
BATCH, PAGES, PATIENCE = 100, 5, 20


def ask(url: str, questions: Sequence[dict[str, Any]], patience: float) -> list[dict[str, Any]]:
    """Return one answer per question; raise OSError or ValueError when there is none."""
    body = json.dumps({"queries": questions}).encode()
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, headers=head)
    with urllib.request.urlopen(request, timeout=patience) as answer:
        results = json.loads(answer.read(32_000_000))["results"]
    if not isinstance(results, list) or len(results) != len(questions):
        raise ValueError("as many answers as questions")
    return results


def check(purls: Sequence[str], url: str, patience: float = PATIENCE) -> dict[str, str]:
    """Return the verdict of every package; one that was not answered in full is not checked."""
    verdicts = dict.fromkeys(purls, NOT_CHECKED)
    for start in range(0, len(purls), BATCH):
        open_: dict[str, str] = dict.fromkeys(purls[start : start + BATCH], "")
        known: dict[str, set[str]] = {purl: set() for purl in open_}
        for _ in range(PAGES):
            questions = [
                {"package": {"purl": purl}} | ({"page_token": page} if page else {})
                for purl, page in open_.items()
            ]
            try:
                answers = ask(url, questions, patience)
                pages = [read(answer) for answer in answers]
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                break
            more = {}
            for purl, (ids, page) in zip(open_, pages, strict=True):
                known[purl] |= ids
                if page:
                    more[purl] = page
                else:
                    verdicts[purl] = " ".join(sorted(known[purl])) or NONE_KNOWN
            open_ = more
            if not open_:
                break
        for purl in open_:
            # Advisories already seen are told even where the rest of the answer is missing.
            if known[purl]:
                verdicts[purl] = " ".join([*sorted(known[purl]), f"(rest {NOT_CHECKED})"])
    return verdicts


def read(answer: dict[str, Any]) -> tuple[set[str], str]:
    """Return the ids of one answer and the page that follows."""
    ids = {str(one["id"]) for one in answer.get("vulns") or []}
    return ids, str(answer.get("next_page_token") or "")


def main() -> int:
    """Print one line a package, worst first, and a tally."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=OSV)
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds an answer")
    given = parser.parse_args()
    purls = [one["purl"] for one in bill()["components"] if "purl" in one]
    verdicts = check(purls, given.url, given.patience)
    unasked = [purl for purl, said in verdicts.items() if NOT_CHECKED in said]
    fine = [purl for purl, said in verdicts.items() if said == NONE_KNOWN]
    named = [purl for purl, said in verdicts.items() if said not in (NONE_KNOWN, NOT_CHECKED)]
    for purl in dict.fromkeys([*named, *unasked, *fine]):
        print(f"{purl}: {verdicts[purl]}")
    print(f"{len(named)} with advisories, {len(unasked)} not checked, {len(fine)} none known")
    return 1 if named else 2 if unasked else 0


if __name__ == "__main__":
    raise SystemExit(main())
