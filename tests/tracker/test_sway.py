"""The move of a camera, told from the people alone."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tracker.sway import sway

ROOT = Path(__file__).resolve().parents[2]


def people(seed: int, number: int) -> NDArray[np.float64]:
    """Boxes apart from each other: centre x, centre y, w, h."""
    rng = np.random.default_rng(seed)
    height = rng.uniform(90, 110, number)
    place = 400 * np.arange(number) + rng.uniform(-40, 40, number)
    return np.stack([place, rng.uniform(300, 500, number), 0.4 * height, height], axis=1)


@given(
    st.integers(0, 1000),
    st.integers(3, 30),
    st.floats(-80, 80),
    st.floats(-80, 80),
    st.booleans(),
)
def test_a_move_of_all_is_found(seed: int, number: int, x: float, y: float, far: bool) -> None:
    """Also where every third person is hidden and each box lies a little off."""
    expected = people(seed, number)
    rng = np.random.default_rng(seed)
    boxes = expected[np.arange(number) % 3 > 0] if number > 5 else expected
    boxes = rng.permutation(boxes + rng.normal(0, 0.5, boxes.shape) + [x, y, 0, 0])
    found = sway(expected, boxes)
    small = max(abs(x), abs(y)) < 20
    assert found == pytest.approx([x, y], abs=20 if small else 4)


@given(st.integers(0, 1000), st.integers(3, 30))
def test_a_crowd_in_which_each_goes_its_way_leaves_the_camera_still(seed: int, number: int) -> None:
    """All but one are where they are expected, within what a detector is off."""
    expected = people(seed, number)
    rng = np.random.default_rng(seed)
    boxes = expected + rng.normal(0, 0.5, expected.shape)
    boxes[0, :2] += rng.uniform(-60, 60, 2)
    assert sway(expected, boxes).tolist() == [0, 0]


def test_one_person_tells_nothing() -> None:
    expected = people(0, 1)
    assert sway(expected, expected + [30, 0, 0, 0]).tolist() == [0, 0]


def test_moves_put_on_a_sequence_leave_its_people_what_they_were(tmp_path: Path) -> None:
    """Five people who stand apart, found in each frame: every move is followed without a loss."""
    folder = tmp_path / "TUD-Campus"
    for part, row in {
        "gt/gt.txt": "{frame},{who},{x},200,40,100,1,1,1\n",
        "det/det.txt": "{frame},-1,{x},200,40,100,0.9\n",
    }.items():
        (folder / part).parent.mkdir(parents=True)
        rows = itertools.product(range(1, 41), range(1, 6))
        text = "".join(row.format(frame=f, who=who, x=300 * who) for f, who in rows)
        (folder / part).write_text(text)
    call = [sys.executable, "benchmarks/tracking_moves.py", "--mot", str(tmp_path), "--draws", "2"]
    done = subprocess.run(
        [*call, "--spread", "0.07", "0.2"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["spread", "margin", "still", "walk", "pan", "fewer", "mean"]
    assert [line.split()[0] for line in lines] == ["0.07", "0.2"]
    for line in lines:
        still, walk, pan = (line.split()[2 + 3 * i :][:3] for i in range(3))
        assert still == walk == pan
        assert float(still[1]) > 95
