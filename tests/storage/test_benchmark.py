"""The benchmark of the gallery runs at a small size and finds the search exact."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .places import KINDS, new_place

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gallery.py"


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_run(kind: str, tmp_path: Path) -> None:
    with new_place(kind, tmp_path) as place:
        call = [sys.executable, str(SCRIPT), "--rows", "2000,5000", "--queries", "3"]
        call += ["--sizes", "8,8", "--gallery", str(place), "--json"]
        call += ["--beside"] if kind == "sqlite" else []
        done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    small, large = facts["alone"]
    assert (small["rows"], large["rows"]) == (2000, 5000)
    for one in (small, large):
        assert one["written_per_second"] > 100
        assert set(one["search"]) == {"1", "2"}
        for took in one["search"].values():
            assert took["exact"] == 1.0
            assert 0 < took["nearfar"]["p50"] <= took["nearfar"]["p99"]
            assert took["64"]["p50"] > 0
        assert [one["rough"][level]["recall"] for level in "12"] == [1.0, 1.0]
    if kind != "sqlite":
        return
    assert set(facts["beside"]) == {"normal", "durable", "purge"}
    assert 2000 <= facts["beside"]["purge"]["observations"] <= 3000
