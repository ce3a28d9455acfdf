"""The benchmark of the console runs at a small size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "console.py"


def test_a_small_run() -> None:
    call = [sys.executable, str(SCRIPT), "--rows", "2000", "--people", "2", "--searches", "2"]
    done = subprocess.run([*call, "--json"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["searches"] == 4
    assert 0 < facts["p50"] <= facts["p95"]
    assert 0 < facts["live"] < 1
    assert facts["pictures"] >= 8
