"""The benchmark of linking runs on a small set and says what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks.linking_sets import Track
from benchmarks.linking_sides import judged
from pipeline.motchallenge import read_truth
from samples import write_people

SCRIPT = str(Path(__file__).parents[2] / "benchmarks" / "linking.py")
TRUTH = Path(SCRIPT).parent / "campus"


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
        assert {name for name in sides if "few wrong" not in name} == {
            "nearfar",
            "nearfar, best prior",
            "level-blind",
            "level-blind, best prior",
            "complete linkage",
        }
        for figures in sides.values():
            assert all(0 <= figures[k] <= 1 for k in ("precision", "recall", "f1", "idf1"))
        assert sides["nearfar, best prior"]["f1"] >= sides["nearfar"]["f1"]
        assert sides.get("nearfar, few wrong", {"wrong": 0})["wrong"] <= 2
    assert (tmp_path / "cost.png").stat().st_size > 1000


def test_parts_beside_the_whole() -> None:
    script = str(Path(SCRIPT).with_name("linking_parts.py"))
    call = [sys.executable, script, "--random", "60", "--cost", "60", "--json"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    ways = facts.pop("random: 60 tracks of 6 people")
    assert set(ways) == {"whole", "2 windows", "4 windows", "10 windows", "2 zones", "3 zones"}
    assert all(0.5 < one["f1"] <= 1 for one in ways.values())
    assert ways["2 windows"]["bundles"] < ways["10 windows"]["bundles"] < 60
    assert set(facts) == {"60, whole", "60, windows"}
    assert all(one["peak_mb"] >= one["before_mb"] > 20 for one in facts.values())


def test_the_truth_of_the_campus_clips() -> None:
    views: dict[int, set[str]] = defaultdict(set)
    for file in sorted(TRUTH.glob("*.txt")):
        table = read_truth(file)
        x, y, w, h = table.boxes.T
        assert ((x >= 0) & (y >= 0) & (x + w <= 960) & (y + h <= 540) & (h >= 30)).all()
        assert 1 <= table.frames.min() <= table.frames.max() <= 150
        for person in set(table.ids.tolist()):
            views[person].add(file.stem)
    assert set().union(*views.values()) == {f"campus_cam{n}" for n in (1, 2, 3, 4)}
    assert sorted(len(v) > 1 for v in views.values()) == [False] * 4 + [True] * 26


def test_people_linked_and_tracks_gone_wrong() -> None:
    tracks = [
        Track(person, camera, 0.0, 1.0, [np.zeros((4, 2, 3), np.uint8)], (1.0,))
        for person, camera in ("a1", "a2", "a3", "b1", "b2", "c1")
    ]
    facts = judged(tracks, np.array([0, 0, 0, 0, 1, 2]))
    assert (facts["people"], facts["linked"], facts["wrong"]) == (2, 1, 1)
    assert (facts["precision"], facts["recall"]) == (3 / 6, 3 / 4)
