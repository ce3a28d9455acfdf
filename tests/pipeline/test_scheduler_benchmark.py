"""The simulation of the scheduler ends all recordings, and is limited by what should limit it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT

pytest.importorskip("ray")
SCRIPT = str(ROOT / "benchmarks" / "scheduler.py")


def simulated(tmp_path: Path, follow: float, *more: str) -> list[dict[str, float]]:
    """The curve where a piece takes workers 15 s and the tracker so many."""
    piece = {"detect": 14.0, "embed": 1.0, "follow": follow, "store": 0.0, "embeddings": 5}
    ray = dict.fromkeys(("submit", "fetch", "wait", "count", "worker"), 0.0)
    stages: dict[str, Any] = {"cut": 0.0, "pieces": [piece], "ray": ray}
    (tmp_path / "stages.json").write_text(json.dumps(stages))
    call = [sys.executable, SCRIPT, "run", str(tmp_path / "stages.json"), "--json"]
    call += ["--cameras", "60", "--minutes", "5", *more]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_workers_are_the_limit(tmp_path: Path) -> None:
    one, eight = simulated(tmp_path, 0.0, "--workers", "1", "8")
    assert one["cameras in real time"] == pytest.approx(2, rel=0.02)
    assert eight["cameras in real time"] == pytest.approx(16, rel=0.05)
    assert eight["of what the workers could do"] > 0.95


def test_the_tracker_is_the_limit(tmp_path: Path) -> None:
    (one_call,) = simulated(tmp_path, 3.0, "--workers", "40")
    (four_calls,) = simulated(tmp_path, 3.0, "--workers", "40", "--jobs", "4")
    assert one_call["cameras in real time"] == pytest.approx(10, rel=0.05)
    assert one_call["calling process busy"] > 0.95
    assert four_calls["cameras in real time"] == pytest.approx(40, rel=0.05)
