"""The embedder that ships is calibrated and written in 8 bits without training it again."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reid import Embedder  # noqa: E402
from reid.embedder import WEIGHTS  # noqa: E402
from samples import write_people  # noqa: E402
from training.packaged import main  # noqa: E402


def test_calibrated_anew_on_people_it_has_not_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_people(tmp_path / "people", seed=3, people=24, views=4, height=96)
    file = tmp_path / "embedder.onnx"
    shutil.copy(WEIGHTS, file)
    main(file, [f"market={tmp_path / 'people'}"], tmp_path / "diagram.png")
    said = capsys.readouterr().out
    assert "calibration error a level pair" in said
    assert "false matches in 10,000 at the thresholds for 1 in 100 / 1 in 1000 / 1 in 10000" in said
    before, after = (Embedder.load(path, "cpu").info for path in (WEIGHTS, file))
    assert after.fingerprint == before.fingerprint
    assert after.figures["people"] == {"market": 12}
    assert (after.calibration.slope != before.calibration.slope).any()
    assert np.isfinite(after.calibration.threshold(1e-2)[0, 0])
    small = Embedder.load(tmp_path / "embedder-int8.onnx", "cpu").info
    assert small.calibration.to_json() == after.calibration.to_json()
    assert (tmp_path / "diagram.png").stat().st_size > 10_000
