"""The benchmarks of embedders and detectors say what they promise."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from samples import write_people
from training.detector_labels import Labels

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data" / "weights"


def run(script: str, *words: object) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, str(ROOT / "benchmarks" / script), *map(str, words)]
    return subprocess.run(call, capture_output=True, text=True, check=False)


def test_embedders_by_height(tmp_path: Path) -> None:
    write_people(tmp_path / "market", seed=3, people=6, views=3, height=96)
    done = run(
        *("embedder.py", "--data", tmp_path, "--sets", "market", "--everybody", "--draws", 1),
        *("--weights", tmp_path, "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert "retail-0277 is not in" in done.stderr
    found = json.loads(done.stdout)
    assert found["people"] == {"market": 6}
    assert set(found["figures"]) == {"nearfar", "nearfar int8", "nearfar, level-blind"}
    for rows in found["figures"].values():
        assert rows["mean"] == rows["market"]
        assert list(rows["mean"]) == ["native", "64", "48", "32", "24"]
        assert all(0 <= row["rank1"] <= 100 for row in rows["mean"].values())
    assert all(rate > 1 for rate in found["crops_per_second"].values())


def test_shortfalls_are_told() -> None:
    module = runpy.run_path(str(ROOT / "benchmarks" / "embedder.py"), run_name="benchmark")
    heights = ("native", "64", "48", "32", "24")

    def rows(*ranks: float) -> dict[str, dict[str, dict[str, float]]]:
        return {"mean": {h: {"rank1": r} for h, r in zip(heights, ranks, strict=True)}}

    (line,) = module["shortfalls"](
        {"nearfar": rows(60, 50, 50, 50, 50), "retail-0277": rows(50, 50, 50, 40, 30)}
    )
    assert line == (
        "mean rank 1 against retail-0277: native +10.0 (reached), 64 +0.0 (misses 3 by 3.0), "
        "48 +0.0 (misses 5 by 5.0), 32 +10.0 (reached), 24 +20.0 (reached)"
    )


def test_a_set_that_is_not_there(tmp_path: Path) -> None:
    done = run("embedder.py", "--data", tmp_path, "--sets", "viper")
    assert done.returncode == 1
    assert done.stderr.strip().startswith("no set viper at")
    done = run("detector.py", "--data", tmp_path, "--sets", "moon")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("unknown set 'moon'")


def test_detectors_by_band() -> None:
    module = runpy.run_path(str(ROOT / "benchmarks" / "detector.py"), run_name="benchmark")
    boxes = np.array([[0, 0, 20, 60], [100, 0, 160, 200]], np.float32)
    labels = Labels(boxes, np.zeros((0, 4), np.float32))

    def look(image: np.ndarray) -> np.ndarray:
        return np.array([[0, 0, 20, 58, 0.9], [300, 0, 320, 60, 0.8]], np.float32)

    found = module["figures"](look, [(np.zeros((1, 1, 3), np.uint8), labels)], 0.25)
    assert found["40-80"] == {"people": 1, "recall": 1, "precision": 0.5, "AP50": 1}
    assert found["above 160"] == {"people": 1, "recall": 0, "precision": 1, "AP50": 0}
    assert found["all"]["people"] == 2
    result = {"figures": {"mot": {"ours": found}}, "frames_per_second": {"ours": 12.34}}
    assert "| ours |" in module["table"](result)
    assert "| 12.3 |" in module["table"](result)


@pytest.mark.shared
def test_an_osnet_with_its_own_weights_is_itself(tmp_path: Path) -> None:
    graph = SHARED / "osnet_x0_25_msmt17.onnx"
    if not graph.exists():
        pytest.skip(f"{graph} is absent")
    onnx = pytest.importorskip("onnx")
    module = runpy.run_path(str(ROOT / "benchmarks" / "embedder_peers.py"), run_name="peers")
    fill = module["fill_osnet"]
    fill(graph, graph.with_suffix(".pth"), tmp_path / "same.onnx")
    fill(graph, SHARED / "osnet_x0_25_market1501.pth", tmp_path / "other.onnx")
    weights = [
        {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(str(path)).graph.initializer}
        for path in (graph, tmp_path / "same.onnx", tmp_path / "other.onnx")
    ]
    for name, value in weights[0].items():
        np.testing.assert_allclose(weights[1][name], value, atol=1e-5)
    assert any(np.abs(weights[2][n] - v).max() > 0.1 for n, v in weights[0].items())
