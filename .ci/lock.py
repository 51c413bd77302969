"""Write the lock files: every package pinned with its hashes; torch with those of both wheels."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TORCH = "2.13.0"
CPU_HASH = (ROOT / "requirements-torch.lock").read_text().split("--hash=")[1].split()[0]
HEAD = "# Pinned with hashes by `make lock`; torch carries the CPU wheel's and the registry's.\n"


def compile_lock(arguments: list[str], source: str) -> str:
    """Return a lock with hashes for a requirements source, read by uv."""
    command = [sys.executable, "-m", "uv", "pip", "compile", source, "--generate-hashes"]
    command += ["--python-version", "3.11", "--no-header", "--no-annotate", *arguments]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return ran.stdout


def main() -> None:
    """Resolve without torch's CUDA packages, then add torch by hand."""
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "uv"], check=True)
    torch_in = ROOT / ".venv" / "torch.in"
    torch_in.write_text(f"torch=={TORCH}\n")
    registry = re.findall(r"sha256:\w+", compile_lock(["--no-deps"], str(torch_in)))
    override = ROOT / ".venv" / "override.txt"
    override.write_text(f"torch=={TORCH}+cpu\n")
    extras = {
        "requirements.lock": ["demo"],
        "requirements-test.lock": ["demo", "notebooks", "test"],
    }
    for name, chosen in extras.items():
        flags = [flag for extra in chosen for flag in ("--extra", extra)]
        flags += ["--override", str(override), "-c", str(ROOT / name)]
        # A registry that hands out the CPU wheel alone takes no other wheel's hash away.
        before = (ROOT / name).read_text()
        lock = compile_lock(flags, "pyproject.toml")
        (ROOT / name).write_text(HEAD + with_torch(lock, [*registry, *torch_hashes(before)]))


def torch_hashes(lock: str) -> list[str]:
    """Return the hashes a lock gives for this very version of torch."""
    found = re.search(rf"^torch=={re.escape(TORCH)} \\\n((?:    --hash=.*\n)+)", lock, re.MULTILINE)
    return re.findall(r"sha256:\w+", found.group(1)) if found else []


def with_torch(lock: str, others: list[str]) -> str:
    """Return a lock whose torch is any of its wheels, the CPU wheel's hash first."""
    every = dict.fromkeys([CPU_HASH, *others])
    pinned = " \\\n".join([f"torch=={TORCH}", *(f"    --hash={one}" for one in every)]) + "\n"
    pattern = rf"^torch=={re.escape(TORCH)}\+cpu \\\n(?:    --hash=\S+(?: \\)?\n)+"
    return re.sub(pattern, lambda _: pinned, lock, flags=re.MULTILINE)


if __name__ == "__main__":
    main()
