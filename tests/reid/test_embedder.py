from pathlib import Path

import numpy as np
import pytest

from reid import Embedder, ReidError
from reid.embedder import WEIGHTS

GREY = np.full((100, 40, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load(device="cpu")


def test_level_comes_from_the_height_as_seen(embedder: Embedder) -> None:
    found = embedder.embed([GREY, GREY, GREY], [30, 100, 300])
    assert found.levels.tolist() == [1, 3, 4]
    assert embedder.embed([GREY]).levels.tolist() == [3]
    lengths = np.cumsum(found.sizes)[found.levels - 1]
    for row, length in enumerate(lengths):
        assert (found.vectors[row, length:] == 0).all()
        assert np.abs(found.vectors[row, :length]).sum() > 0


def test_batch_size_does_not_change_results(embedder: Embedder) -> None:
    random = np.random.default_rng(0)
    crops = [random.integers(0, 256, (60 + i, 30, 3), dtype=np.uint8) for i in range(40)]
    together = embedder.embed(crops)
    alone = np.concatenate([embedder.embed([c]).vectors for c in crops])
    np.testing.assert_allclose(together.vectors, alone, atol=2e-4)


def test_nothing_in_nothing_out(embedder: Embedder) -> None:
    assert len(embedder.embed([])) == 0


def test_wrong_weights_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match="no weights at"):
        Embedder.load(tmp_path / "none.onnx")
    rubbish = tmp_path / "rubbish.onnx"
    rubbish.write_bytes(b"\x00" * 100)
    empty = tmp_path / "empty.onnx"
    empty.touch()
    for path in (rubbish, empty):
        with pytest.raises(ReidError, match="no usable ONNX model"):
            Embedder.load(path)


def test_a_detector_is_no_embedder() -> None:
    other = Path(__file__).parents[2] / "pipeline" / "weights" / "person.onnx"
    with pytest.raises(ReidError, match="no nearfar embedder"):
        Embedder.load(other)


def test_unknown_and_missing_devices() -> None:
    with pytest.raises(ReidError, match="unknown device 'tpu'"):
        Embedder.load(WEIGHTS, device="tpu")
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(ReidError, match="no CUDA"):
            Embedder.load(WEIGHTS, device="cuda")
