"""Write what the locks pin as a CycloneDX 1.6 bill of materials, the same bytes every time.

Own code of a page rather than a library: the locks already hold every name, version and hash, a
library would read the installed environment instead, and its twelve packages would need locking.
"""

import base64
import json
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: Lock file -> whether a clinic runs it; what only tests need is in scope "excluded".
PYTHON = {"requirements.lock": True, "requirements-test.lock": False}
NPM = {
    "triage/web/package-lock.json": True,
    "tests/fhir_server/package-lock.json": False,
    "tests/openid_server/package-lock.json": False,
}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
_SPDX = re.compile(r"[A-Za-z0-9.-]+\+?")


def python_components(root: Path) -> Iterator[dict[str, Any]]:
    """Yield the pinned packages of PyPI; torch's CPU wheel adds its hash to torch."""
    for name, runs in PYTHON.items():
        for package, version, hashes in pins((root / name).read_text()):
            purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', package).lower()}@{version}"
            locked = [{"name": "triage:locked-sha256", "value": one} for one in hashes]
            yield component(package, version, purl, runs=runs) | {"properties": locked}


def pins(lock: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, version and SHA-256 of every file of each pin."""
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock):
        if found := _PIN.match(block):
            yield found[1], found[2], sorted(re.findall(r"sha256:([0-9a-f]{64})", block))


def npm_components(root: Path) -> Iterator[dict[str, Any]]:
    """Yield the pinned packages of npm."""
    for name, served in NPM.items():
        for place, found in json.loads((root / name).read_text())["packages"].items():
            if not place:
                continue
            package = place.split("node_modules/")[-1]
            purl = f"pkg:npm/{package.replace('@', '%40')}@{found['version']}"
            runs = served and not found.get("dev", False)
            digest = base64.b64decode(found["integrity"].removeprefix("sha512-")).hex()
            made = component(package, found["version"], purl, runs=runs)
            made["hashes"] = [{"alg": "SHA-512", "content": digest}]
            if licence := found.get("license"):
                key = "id" if _SPDX.fullmatch(licence) else "name"
                made["licenses"] = [{"license": {key: licence}}]
            yield made


def model_components(root: Path) -> Iterator[dict[str, Any]]:
    """Yield the trained models that serve, each file with its pinned digest."""
    serving = json.loads((root / "models" / "serving.json").read_text())
    for name in sorted(serving.values()):
        config = json.loads((root / "models" / name / "config.json").read_text())
        pinned = {**config["sha256"], "base encoder": config["base_sha256"]}
        files = [
            {"name": f"triage:sha256:{file}", "value": digest}
            for file, digest in sorted(pinned.items())
            if isinstance(digest, str)
        ]
        made = {"type": "machine-learning-model", "bom-ref": f"model:{name}", "name": name}
        yield made | {"scope": "required", "properties": files}


def component(name: str, version: str, purl: str, *, runs: bool) -> dict[str, Any]:
    """Return what every package has."""
    scope = "required" if runs else "excluded"
    head = {"type": "library", "bom-ref": purl, "name": name, "version": version}
    return head | {"purl": purl, "scope": scope}


def bill(root: Path = ROOT) -> dict[str, Any]:
    """Return the bill; a package that also runs in a clinic is listed as required."""
    found: dict[str, dict[str, Any]] = {}
    for rows in (python_components(root), npm_components(root), model_components(root)):
        for one in rows:
            if found.setdefault(one["bom-ref"], one)["scope"] == "excluded":
                found[one["bom-ref"]] = one
    components = [found[key] for key in sorted(found)]
    version = re.search(r'__version__ = "([^"]+)"', (root / "triage/__init__.py").read_text())
    product = {"type": "application", "bom-ref": "triage", "name": "triage"}
    if version:
        product["version"] = version[1]
    # Named after its content, so that the same locks give the same bytes; hence no date either.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components, sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"lifecycles": [{"phase": "pre-build"}], "component": product},
        "components": components,
    }


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1)
    print()
