"""The benchmark runs on any clip and says what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, encode, figures

SCRIPT = str(ROOT / "benchmarks" / "pipeline.py")


def test_both_sides(tmp_path: Path) -> None:
    pytest.importorskip("ultralytics")
    clip = str(encode(tmp_path / "clip.mp4", figures(6)))
    call = [sys.executable, SCRIPT, clip, "--json", "--device", "cpu"]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    ours, theirs = facts["nearfar"], facts["loop"]
    for side in (ours, theirs):
        assert side["frames"] == 6
        assert side["frames_per_second"] > 0
        assert side["peak_mb"] > 50
    stages = {"decode", "detect", "embed", "track", "link", "store", "rest"}
    assert set(ours["share"]) == stages
    assert sum(ours["share"].values()) == pytest.approx(1)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_missing_video(tmp_path: Path) -> None:
    call = [sys.executable, SCRIPT, "missing.mp4", "--side", "nearfar"]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == "no source at missing.mp4 for camera 1 missing: check the path"
