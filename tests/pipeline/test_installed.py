"""`nearfar models`: what is installed, and files that are no such model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.detect import PACKAGED, PACKAGED_INT8, Detector
from pipeline.errors import DetectorError
from pipeline.installed import FIGURES, installed
from reid import Embedder, ReidError
from reid.embedder import WEIGHTS, WEIGHTS_INT8, packaged

from .conftest import Call, one_line


def test_what_is_installed_says_what_it_is(nearfar: Call) -> None:
    said = nearfar("models", "--json", "--device", "cpu")
    assert said.status == 0
    found = json.loads(said.out)
    embedder, detector = found["embedder"], found["detector"]
    info = Embedder.load(device="cpu").info
    assert embedder["fingerprint"] == info.fingerprint
    assert embedder["levels"] == list(info.levels.heights)
    assert embedder["file"] == str(WEIGHTS_INT8)
    assert embedder["precision"] == "int8"
    assert embedder["bytes"] == WEIGHTS_INT8.stat().st_size
    assert detector["bytes"] == PACKAGED.stat().st_size
    assert len(detector["fingerprint"]) == 16
    for model in (embedder, detector):
        assert model["figures"], f"the packaged {model['kind']} carries its figures"
    text = nearfar("models").out
    for word in (info.fingerprint, detector["fingerprint"], "32, 64, 128, 256", "rank 1", "AP50"):
        assert word in text


def test_the_detector_in_8_bits_is_known_by_name(nearfar: Call) -> None:
    said = nearfar("models", "--detector", "person-int8", "--json")
    found = json.loads(said.out)["detector"]
    assert found["file"] == str(PACKAGED_INT8)
    assert "int8" in found["figures"]["frames"]


def test_both_packaged_embedders_are_one_model() -> None:
    floats, small = (Embedder.load(path, "cpu").info for path in (WEIGHTS, WEIGHTS_INT8))
    assert (floats.precision, small.precision) == ("float", "int8")
    assert floats.fingerprint == small.fingerprint
    assert floats.calibration.to_json() == small.calibration.to_json()
    assert packaged("cpu") == WEIGHTS_INT8
    image = np.random.default_rng(0).integers(0, 256, (120, 50, 3), dtype=np.uint8)
    a, b = (
        Embedder.load(path, "cpu").embed([image]).vectors[0] for path in (WEIGHTS, WEIGHTS_INT8)
    )
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.98


def test_files_of_ones_own(nearfar: Call, tmp_path: Path) -> None:
    embedder, detector = tmp_path / "mine.onnx", tmp_path / "eyes.onnx"
    shutil.copy(WEIGHTS, embedder)
    shutil.copy(PACKAGED, detector)
    said = nearfar("models", "--embedder", embedder, "--detector", detector, "--json")
    found = json.loads(said.out)
    assert [found[kind]["file"] for kind in found] == [str(embedder), str(detector)]
    assert found["embedder"]["precision"] == "float"


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files that are no such model."""
    onnx = pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("wrong")
    found = {name: folder / f"{name}.onnx" for name in ("missing", "empty", "jpeg", "other")}
    found["empty"].touch()
    _, jpeg = cv2.imencode(".jpg", np.full((64, 64, 3), 80, np.uint8))
    found["jpeg"].write_bytes(jpeg.tobytes())
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(name, kind, [1, 4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.save(model, str(found["other"]))
    for name, source in (("cut embedder", WEIGHTS), ("cut detector", PACKAGED)):
        found[name] = folder / f"{name}.onnx"
        found[name].write_bytes(source.read_bytes()[:1_000_000])
    return found


WRONG = ("missing", "empty", "jpeg", "other", "cut embedder", "cut detector")


@pytest.mark.parametrize("option", ["--embedder", "--detector"])
@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_model_is_refused_in_one_line(
    nearfar: Call, wrong: dict[str, Path], name: str, option: str
) -> None:
    said = nearfar("models", option, wrong[name])
    line = one_line(said, 2, str(wrong[name]))
    assert any(advice in line for advice in ("check", "again", "give", "make")), line


def test_one_taken_for_the_other(nearfar: Call, clips: dict[str, Path]) -> None:
    said = nearfar("models", "--embedder", PACKAGED)
    one_line(said, 2, str(PACKAGED), "detector", "give it with --detector")
    said = nearfar("models", "--detector", WEIGHTS)
    one_line(said, 2, str(WEIGHTS), "embedder", "give it with --embedder")
    said = nearfar("process", clips["gate"], "--embedder", PACKAGED)
    one_line(said, 2, str(PACKAGED), "give it with --detector")
    said = nearfar("process", clips["gate"], "--detector", WEIGHTS)
    one_line(said, 2, str(WEIGHTS), "give it with --embedder")


def test_every_cut_is_refused(tmp_path: Path) -> None:
    whole = {path: path.read_bytes() for path in (WEIGHTS, PACKAGED)}
    cut = tmp_path / "cut.onnx"
    for share in (0.001, 0.1, 0.5, 0.9, 0.9999):
        for path, data in whole.items():
            cut.write_bytes(data[: int(share * len(data))])
            with pytest.raises(ReidError, match=r"cut\.onnx"):
                Embedder.load(cut, "cpu")
            if path == PACKAGED:
                with pytest.raises(DetectorError, match=r"cut\.onnx"):
                    Detector.load(cut, "cpu")


def test_figures_of_a_detector_are_read_from_its_file(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(PACKAGED))
    kept = {p.key: p.value for p in model.metadata_props}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {**kept, FIGURES: '{"AP50": {"20-40": 0.5}}'})
    onnx.save(model, str(tmp_path / "eyes.onnx"))
    assert installed(detector=tmp_path / "eyes.onnx")[1].figures == {"AP50": {"20-40": 0.5}}
