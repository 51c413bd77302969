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
        lock = compile_lock(flags, "pyproject.toml")
        hashes = " \\\n".join(f"    --hash={found}" for found in [CPU_HASH, *registry])
        pattern = rf"torch=={re.escape(TORCH)}\+cpu \\\n(?:    --hash=\S+(?: \\)?\n)+"
        lock = re.sub(pattern, f"torch=={TORCH} \\\\\n{hashes}\n".replace("\\", r"\\"), lock)
        (ROOT / name).write_text(HEAD + lock)


if __name__ == "__main__":
    main()
