"""`make demo ONCE=1` as a machine runs it: real IMAP, real SMTP, shipped models, one reply out."""

import subprocess
import sys
from pathlib import Path


def test_the_demo_runs_once_through(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "triage", "demo", "--once", "--home", str(tmp_path / "demo")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "urgent_clinical" in ran.stdout
    assert "the desk says sent" in ran.stdout
    assert "every link holds" in ran.stdout
