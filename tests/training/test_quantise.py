"""Eight bits say what floats say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from reid import Embedder, distances  # noqa: E402
from reid.embedder import WEIGHTS  # noqa: E402
from samples import person_crops  # noqa: E402
from training.datasets import Crop  # noqa: E402
from training.errors import TrainingError  # noqa: E402
from training.quantise import quantise  # noqa: E402


@pytest.fixture(scope="module")
def crops() -> list[Crop]:
    return [Crop(c, f"s/all/{who}", view) for who, view, c in person_crops(5, 8, 4)]


def test_vectors_in_8_bits_can_be_compared_with_those_of_floats(
    crops: list[Crop], tmp_path: Path
) -> None:
    floats = Embedder.load(WEIGHTS, "cpu", 1)
    info = quantise(WEIGHTS, tmp_path / "small.onnx", crops)
    small = Embedder.load(tmp_path / "small.onnx", "cpu", 1)
    assert small.info.to_json() == info.to_json()
    assert info.fingerprint == floats.info.fingerprint
    assert (info.precision, floats.info.precision) == ("int8", "float")
    kinds = {node.op_type for node in onnx.load(tmp_path / "small.onnx").graph.node}
    assert "QuantizeLinear" in kinds
    assert (tmp_path / "small.onnx").stat().st_size < 0.7 * WEIGHTS.stat().st_size
    images = [c.image for c in crops]
    for level in range(1, info.levels.m + 1):
        levels = [level] * len(images)
        a, b = floats.embed(images, levels=levels), small.embed(images, levels=levels)
        away, _ = distances(a, b)
        assert np.diag(away).max() < 0.01
        assert (away.argmin(1) == np.arange(len(images))).all()
        who = np.array([c.identity for c in crops])
        assert np.median(away[who[:, None] != who[None, :]]) > 1.2, "120 times as far"


def test_what_cannot_be_quantised_is_refused(crops: list[Crop], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="give a set"):
        quantise(WEIGHTS, tmp_path / "a.onnx", [])
    detector = Path(__file__).parents[2] / "pipeline" / "weights" / "person.onnx"
    with pytest.raises(TrainingError, match="no embedder"):
        quantise(detector, tmp_path / "a.onnx", crops)
    quantise(WEIGHTS, tmp_path / "small.onnx", crops)
    with pytest.raises(TrainingError, match="int8 already"):
        quantise(tmp_path / "small.onnx", tmp_path / "a.onnx", crops)
