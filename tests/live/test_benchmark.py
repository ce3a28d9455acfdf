"""What the soak benchmark reckons with."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest

from pipeline.score import Labelled
from storage import BoxRow

from ..pipeline.conftest import ROOT


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    place = ROOT / "benchmarks" / "soak.py"
    spec = importlib.util.spec_from_file_location("soak", place)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def box_of(person: int, frame: int) -> tuple[float, float, float, float]:
    return (100.0 * person, 10.0 + 2 * frame, 20.0, 50.0)


def test_pairs_of_tracks(soak: ModuleType) -> None:
    truth = {"gate": {f: [Labelled(p, box_of(p, f)) for p in (1, 2)] for f in range(20)}}
    seen = ((1, 1, 7, range(8)), (1, 2, 7, range(8, 20)), (2, 3, 8, range(20)))
    rows = [
        BoxRow(f, identity, track, box_of(person, f), 0.9)
        for person, track, identity, frames in seen
        for f in frames
    ]
    assert soak.pairwise({"gate": rows}, truth) == 1
    all_one = [BoxRow(r.frame, 7, r.track, r.box, r.score) for r in rows]
    assert soak.pairwise({"gate": all_one}, truth) == pytest.approx(0.5)
    apart = [BoxRow(r.frame, r.track, r.track, r.box, r.score) for r in rows]
    assert soak.pairwise({"gate": apart}, truth) == 0
    late = [BoxRow(r.frame - 3, r.identity, r.track, r.box, r.score) for r in rows if r.frame > 2]
    assert soak.offset(late, truth["gate"]) == 3


def test_the_letterbox(soak: ModuleType) -> None:
    out = sys.modules[soak.far_whole.__module__].letterbox(np.full((540, 960, 3), 200, np.uint8))
    assert out.shape == (480, 640, 3)
    assert (out[60:420] == 200).all()
    assert (out[:60] == 114).all()


def test_what_grows_apart_from_what_is_held(soak: ModuleType) -> None:
    rows = [
        {"seconds": 10.0 * i, "least": 500 + held / 20 + 0.5 * i / 360, "decoders": 230.0,
         "held": held, "database_mb": 2.0 + i / 360, "observations": 100.0 * i}
        for i, held in enumerate([*range(180), *[180] * 180])
    ]  # fmt: skip
    whole, late = soak.slopes(rows, 0), soak.slopes(rows, 30)
    assert whole["memory_mb_an_hour"] > 5
    assert whole["memory_mb_an_hour_at_equal_held"] == pytest.approx(0.5)
    assert late["memory_mb_an_hour"] == pytest.approx(0.5)
    assert (late["held_first"], late["held_last"]) == (180, 180)
    assert late["database_mb_an_hour"] == pytest.approx(1)
    assert late["observations_an_hour"] == pytest.approx(36_000)
    assert late["decoders_mb_an_hour"] == pytest.approx(0)
