"""The benchmark of linking runs on a small set and says what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from samples import write_people

SCRIPT = str(Path(__file__).parents[2] / "benchmarks" / "linking.py")


def test_a_small_set_and_a_cost(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    write_people(tmp_path / "set", seed=3, people=8, views=4, height=96)
    call = [sys.executable, SCRIPT, "--market", str(tmp_path / "set"), "--cost", "60", "--json"]
    call += ["--plot", str(tmp_path / "cost.png")]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    cost = facts.pop("cost of 60")
    assert cost["tracks"] == 60
    assert cost["seconds"] > 0
    assert cost["update_seconds"] > 0
    assert cost["peak_mb"] >= cost["given_mb"] > 20
    assert len(facts) == 5
    for sides in facts.values():
        assert set(sides) == {
            "nearfar",
            "nearfar, best prior",
            "level-blind",
            "level-blind, best prior",
            "complete linkage",
        }
        for figures in sides.values():
            assert all(0 <= figures[k] <= 1 for k in ("precision", "recall", "f1", "idf1"))
        assert sides["nearfar, best prior"]["f1"] >= sides["nearfar"]["f1"]
    assert (tmp_path / "cost.png").stat().st_size > 1000
