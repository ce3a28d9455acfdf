from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from benchmarks.gallery_rows import resident
from pipeline.detect import INPUT_SIZE, PACKAGED, PACKAGED_INT8, Detector, weights_at
from pipeline.detect_onnx import Letterbox
from pipeline.errors import DetectorError, PipelineError

Rendered = list[tuple[np.ndarray, np.ndarray]]
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def packaged() -> Detector:
    return Detector.load(device="cpu")


@pytest.fixture(scope="module")
def rendered() -> list[tuple[np.ndarray, np.ndarray]]:
    """Two frames of each camera with the boxes of people well seen; not the demo's scene."""
    from samples import Scene

    scene = Scene(seed=3, people=4)
    found = []
    for camera in scene.cameras:
        frames = (scene.frame(camera, index) for index in range(10, scene.frame_count, 12))
        seen = (
            (image, np.array([p.box for p in people if p.visibility >= 0.5]))
            for image, people in frames
        )
        found += list(islice((f for f in seen if len(f[1])), 2))
    return found


def constant_model(path: Path, output: np.ndarray, names: str | None, size: object = None) -> Path:
    """An ONNX file that gives `output` for each input; `size` fixes height and width."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    height, width = size if isinstance(size, tuple) else ("height", "width")
    value = onnx.numpy_helper.from_array(output.astype(np.float32), "value")
    nodes = [
        helper.make_node("Constant", [], ["fixed"], value=value),
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=1, axes=[1, 2, 3]),
        helper.make_node("Squeeze", ["mean"], ["flat"], axes=[3]),
        helper.make_node("Mul", ["flat", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "fixed"], ["output0"]),
    ]
    zero = onnx.numpy_helper.from_array(np.zeros(1, np.float32), "zero")
    kind = onnx.TensorProto.FLOAT
    batch = 1 if size else "batch"
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info("images", kind, [batch, 3, height, width])],
        [helper.make_tensor_value_info("output0", kind, [batch, *output.shape[1:]])],
        [zero],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    if names is not None:
        helper.set_model_props(model, {"names": names})
    onnx.save(model, str(path))
    return path


def test_packaged_weights_are_small_and_have_a_card() -> None:
    assert PACKAGED.stat().st_size < 12_000_000
    assert "AGPL-3.0" in PACKAGED.with_suffix(".md").read_text(encoding="utf-8")


def test_frames_without_people_give_empty_arrays(packaged: Detector) -> None:
    for found in packaged.detect([np.full((h, 960, 3), 90, np.uint8) for h in (540, 300)]):
        assert found.boxes.shape == (0, 4)
        assert found.scores.shape == (0,)
        assert found.boxes.dtype == found.scores.dtype == np.float32
        assert len(found) == 0
    assert packaged.detect([]) == []


def test_rendered_people_are_found(packaged: Detector, rendered: Rendered) -> None:
    right = people = 0
    for (image, truth), found in zip(
        rendered, packaged.detect([f[0] for f in rendered]), strict=True
    ):
        sure = found.boxes[found.scores >= 0.25]
        people += len(truth)
        right += sum(overlap(box, sure) >= 0.5 for box in truth)
        assert (np.diff(found.scores) <= 0).all()
        assert (found.boxes[:, :2] >= 0).all()
        assert (found.boxes[:, 0] + found.boxes[:, 2] <= image.shape[1] + 1e-3).all()
    assert people >= 6
    assert right >= 0.8 * people


def test_cameras_together_give_what_each_gives_alone(
    packaged: Detector, rendered: Rendered
) -> None:
    images = [image for image, _ in rendered]
    images.append(np.ascontiguousarray(images[0][:300, :500]))
    for one, many in zip(images, packaged.detect(images), strict=True):
        alone = packaged.detect([one])[0]
        np.testing.assert_allclose(alone.boxes, many.boxes, atol=0.05)
        np.testing.assert_allclose(alone.scores, many.scores, atol=1e-3)


def test_each_frame_has_its_own_input_size(packaged: Detector, rendered: Rendered) -> None:
    image = rendered[0][0]
    small, large = (Detector.load(device="cpu", input_size=size) for size in (320, 1280))
    expected = [one.detect([image])[0] for one in (packaged, small, large)]
    found = packaged.detect([image] * 3, [None, 320, 1280])
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.boxes, theirs.boxes)
    assert len({one.boxes.tobytes() for one in found}) == 3
    with pytest.raises(ValueError, match="argument"):
        packaged.detect([image] * 2, [320])


def test_many_frames_at_once_take_no_more_memory_than_one() -> None:
    detector, frame = Detector.load(device="cpu"), np.full((480, 640, 3), 90, np.uint8)
    detector.detect([frame])
    detector.detect([frame])
    before = resident()
    detector.detect([frame] * 8)
    assert resident() - before < 30e6


def test_8_bits_find_what_floats_find(packaged: Detector, rendered: Rendered) -> None:
    """Boxes that one is sure of, the other finds in their places."""
    assert weights_at("person-int8") == weights_at(Path("person-int8")) == PACKAGED_INT8
    assert weights_at(None) == PACKAGED
    assert weights_at("person") == Path("person"), "a folder of one's own"
    assert PACKAGED_INT8.stat().st_size < 0.6 * PACKAGED.stat().st_size
    small, compared = Detector.load("person-int8", "cpu"), 0
    for image, _ in rendered:
        a, b = small.detect([image])[0], packaged.detect([image])[0]
        for sure, other in ((a, b), (b, a)):
            faint = other.boxes[other.scores >= 0.25]
            found = [overlap(box, faint) for box in sure.boxes[sure.scores >= 0.5]]
            assert min(found, default=1) > 0.7
            compared += len(found)
    assert compared >= 12


def test_boxes_equal_those_of_ultralytics(packaged: Detector, rendered: Rendered) -> None:
    yolo = pytest.importorskip("ultralytics").YOLO(str(PACKAGED), task="detect")
    compared = 0
    for image, _ in rendered:
        result = yolo.predict(
            image, imgsz=INPUT_SIZE, conf=0.1, iou=0.7, device="cpu", verbose=False
        )[0]
        theirs = result.boxes.data.numpy()
        ours = packaged.detect([image])[0]
        assert len(ours) == len(theirs)
        corners = np.hstack([ours.boxes[:, :2], ours.boxes[:, :2] + ours.boxes[:, 2:]])
        np.testing.assert_allclose(corners, theirs[:, :4], atol=0.5)
        np.testing.assert_allclose(ours.scores, theirs[:, 4], atol=0.01)
        compared += len(theirs)
    assert compared >= 6


def test_boxes_are_scaled_back_clipped_and_suppressed(tmp_path: Path) -> None:
    rows = np.array(
        [  # centre x, centre y, w, h, person, dog in a 640x384 input
            [320, 192, 40, 80, 0.9, 0.0],
            [322, 192, 40, 80, 0.6, 0.0],  # the same person again
            [0, 192, 60, 60, 0.8, 0.1],  # half outside
            [100, 100, 20, 50, 0.3, 0.7],  # a dog
            [200, 100, 0, 50, 0.7, 0.0],  # no width
            [-50, 100, 20, 20, 0.7, 0.0],  # wholly outside
            [500, 100, 20, 50, 0.05, 0.0],  # too faint
        ]
    )
    path = constant_model(tmp_path / "two.onnx", rows.T[None], "{1: 'dog', 0: 'person'}")
    detector = Detector.load(path, "cpu", input_size=640)
    found = detector.detect([np.zeros((540, 960, 3), np.uint8)] * 2)
    assert len(found) == 2
    for one in found:
        np.testing.assert_allclose(one.boxes, [[450, 210, 60, 120], [0, 225, 45, 90]], atol=1e-3)
        np.testing.assert_allclose(one.scores, [0.9, 0.8], atol=1e-6)


def test_person_is_found_by_name_and_fixed_inputs_are_kept(tmp_path: Path) -> None:
    rows = np.array([[160, 160, 20, 40, 0.0, 0.5], [60, 160, 20, 40, 0.5, 0.0]])
    path = constant_model(tmp_path / "m.onnx", rows.T[None], "{0: 'dog', 1: 'person'}", (320, 320))
    images = [np.zeros((160, 320, 3), np.uint8), np.zeros((640, 640, 3), np.uint8)]
    first, second = Detector.load(path, "cpu").detect(images)
    np.testing.assert_allclose(first.boxes, [[150, 60, 20, 40]], atol=1e-3)
    np.testing.assert_allclose(second.boxes, [[300, 280, 40, 80]], atol=1e-3)


def test_networks_that_suppress_themselves(tmp_path: Path) -> None:
    rows = np.array([[10, 20, 30, 60, 0.9, 0], [50, 20, 70, 60, 0.8, 1], [0, 0, 9, 9, 0.01, 0]])
    path = constant_model(tmp_path / "e.onnx", rows[None], "{0: 'person', 1: 'cat'}", (64, 96))
    found = Detector.load(path, "cpu").detect([np.zeros((64, 96, 3), np.uint8)])[0]
    np.testing.assert_allclose(found.boxes, [[10, 20, 20, 40]], atol=1e-3)


def test_confidence_is_the_lowest_score(tmp_path: Path) -> None:
    rows = np.array([[100, 100, 20, 40, 0.2], [300, 100, 20, 40, 0.4]])
    path = constant_model(tmp_path / "one.onnx", rows.T[None], None)
    image = np.zeros((384, 640, 3), np.uint8)
    assert len(Detector.load(path, "cpu").detect([image])[0]) == 2
    assert len(Detector.load(path, "cpu", confidence=0.3).detect([image])[0]) == 1


def test_letterbox_grows_to_whole_strides() -> None:
    box = Letterbox.fit(540, 960, (640, 640), fixed=False)
    assert (box.shape, box.size, box.left, box.top) == ((384, 640), (360, 640), 0, 12)
    tall = Letterbox.fit(1000, 10, (640, 640), fixed=False)
    assert tall.shape == (640, 32)
    assert Letterbox.fit(540, 960, (640, 640), fixed=True).shape == (640, 640)


def test_bad_weights_are_told_in_one_line(tmp_path: Path) -> None:
    empty, junk, junk_pt = tmp_path / "e.onnx", tmp_path / "j.onnx", tmp_path / "j.pt"
    empty.touch()
    junk.write_bytes(b"no network")
    junk_pt.write_bytes(b"no network")
    nobody = constant_model(tmp_path / "n.onnx", np.zeros((1, 5, 2)), "{0: 'dog'}")
    classifier = constant_model(tmp_path / "c.onnx", np.zeros((1, 6, 2)), None)
    for path, words in (
        (tmp_path / "missing.onnx", "don't exist"),
        (empty, "are empty"),
        (junk, "no usable ONNX model"),
        (nobody, "no class 'person'"),
        (classifier, "no class 'person'"),
        (junk_pt, "no detector"),
    ):
        with pytest.raises(DetectorError, match=words) as caught:
            Detector.load(path, "cpu")
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)
    assert issubclass(DetectorError, PipelineError)


def test_bad_devices_are_told() -> None:
    with pytest.raises(DetectorError, match="unknown device 'tpu'"):
        Detector.load(device="tpu")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(DetectorError, match="no CUDA device"):
            Detector.load(device="cuda")


@pytest.mark.parametrize(
    "image",
    [np.zeros((40, 40), np.uint8), np.zeros((0, 40, 3), np.uint8), np.zeros((40, 40, 3))],
)
def test_bad_images_are_told(packaged: Detector, image: np.ndarray) -> None:
    with pytest.raises(DetectorError, match="image 0"):
        packaged.detect([image])


def test_missing_ultralytics_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "own.pt").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with pytest.raises(DetectorError, match=r"nearfar\[train\]"):
        Detector.load(tmp_path / "own.pt")


def test_packaged_weights_need_neither_torch_nor_ultralytics() -> None:
    code = (
        "import sys, numpy as np; from pipeline.detect import Detector;"
        "Detector.load(device='cpu').detect([np.zeros((90, 160, 3), np.uint8)]);"
        "assert not {'torch', 'ultralytics'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.shared
def test_an_exported_folder_runs_by_ultralytics(rendered: Rendered) -> None:
    folder = SHARED / "weights" / "yolo11n_int8_openvino_model"
    if not folder.exists():
        pytest.skip(f"{folder} is absent")
    pytest.importorskip("ultralytics")
    pytest.importorskip("openvino")
    image, truth = rendered[0]
    found = Detector.load(folder, "cpu").detect([image])[0]
    assert overlap(truth[0], found.boxes) > 0.5


def overlap(box: np.ndarray, others: np.ndarray) -> float:
    """Highest intersection over union of one box with others, x y w h."""
    if not len(others):
        return 0.0
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    return float((common / (box[2:].prod() + others[:, 2:].prod(axis=1) - common)).max())
