from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("ultralytics")

from training import detector, detector_check, detector_data, detector_start  # noqa: E402
from training.detector_compose import Composer, Picture  # noqa: E402
from training.detector_export import (  # noqa: E402
    FIGURES,
    blend,
    note_figures,
    write_int8,
    write_onnx,
)
from training.detector_labels import Labels, agree, overlaps, suppress, tiles  # noqa: E402
from training.errors import TrainingError  # noqa: E402

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
EXPORT = SHARED / "weights" / "yolo11n_int8_openvino_model"


def drawn_person(height: int = 160, width: int = 64) -> np.ndarray:
    """A crop with a person-like figure on a plain ground."""
    crop = np.full((height, width, 3), (150, 170, 150), np.uint8)
    middle = width // 2
    cv2.circle(crop, (middle, height // 9), height // 12, (90, 120, 190), -1)
    cv2.rectangle(crop, (middle - 14, height // 6), (middle + 14, height // 2), (30, 20, 160), -1)
    cv2.rectangle(crop, (middle - 12, height // 2), (middle + 12, height - 3), (60, 30, 20), -1)
    return crop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of three drawn frames and one cut-out person."""
    chance = np.random.default_rng(0)
    for number in range(3):
        image = chance.integers(60, 200, (270, 480, 3)).astype(np.uint8)
        image[80:240, 100:164] = drawn_person()
        boxes = np.array([[100, 80, 164, 240]], np.float32)
        doubtful = np.array([[300, 50, 320, 100]], np.float32)
        detector_data.add_frame(tmp_path, f"clip_{number:05d}", image, Labels(boxes, doubtful))
    (tmp_path / "people").mkdir()
    cut = detector_data.cut_out(drawn_person())
    assert cut is not None
    cv2.imwrite(str(tmp_path / "people" / "a.png"), cut)
    return tmp_path


@pytest.fixture(scope="module")
def begin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of an untrained network in the form that training starts from."""
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    network = DetectionModel("yolo11n.yaml", nc=1, verbose=False).fuse(verbose=False)
    network.args, network.names = get_cfg(), {0: "person"}
    path = tmp_path_factory.mktemp("begin") / "start.pt"
    detector.save(network, path)
    return path


def test_overlaps_and_suppression() -> None:
    boxes = np.array([[0, 0, 10, 10, 0.5], [0, 0, 10, 8, 0.9], [20, 0, 30, 10, 0.4]], np.float32)
    np.testing.assert_allclose(overlaps(boxes[:, :4], boxes[:, :4])[0], [1, 0.8, 0], atol=1e-6)
    np.testing.assert_allclose(suppress(boxes, 0.6)[:, 4], [0.9, 0.4])


def test_tiles_cover_the_frame() -> None:
    seen = np.zeros((540, 960), int)
    first, *rest = tiles(540, 960)
    assert first == (0, 0, 960, 540)
    for left, top, right, bottom in rest:
        assert (right - left, bottom - top) == (384, 384)
        seen[top:bottom, left:right] += 1
    assert seen.min() >= 1
    assert list(tiles(200, 300)) == [(0, 0, 300, 200)]


def test_teachers_agree_or_doubt() -> None:
    one = np.array([[0, 0, 10, 20, 0.5], [50, 0, 60, 20, 0.3], [80, 0, 90, 20, 0.9]], np.float32)
    two = np.array([[0, 0, 10, 22, 0.5]], np.float32)
    labels = agree([one, two])
    np.testing.assert_allclose(labels.boxes, [[80, 0, 90, 20], [0, 0, 10, 21]])
    np.testing.assert_allclose(labels.doubtful, [[50, 0, 60, 20]])
    nothing = agree([np.zeros((0, 5)), np.zeros((0, 5))])
    assert nothing.boxes.shape == nothing.doubtful.shape == (0, 4)


def test_people_are_cut_out_of_tars(tmp_path: Path) -> None:
    crop = tmp_path / "0001.png"
    cv2.imwrite(str(crop), drawn_person())
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.add(crop, "set/train/0001.png")
    detector_data.cut(tmp_path / "made", [tmp_path / "set.tar"], count=5)
    made = list((tmp_path / "made" / "people").glob("*.png"))
    assert len(made) == 1
    person = cv2.imread(str(made[0]), cv2.IMREAD_UNCHANGED)
    assert person is not None
    assert person.shape[2] == 4
    assert person.shape[1] < 50
    with pytest.raises(TrainingError, match="as a tar"):
        detector_data.cut(tmp_path / "made", [crop])


def test_pictures_keep_their_boxes_inside(folder: Path) -> None:
    composer = Composer(folder, seed=1)
    heights = []
    for _ in range(30):
        picture = composer.picture()
        assert picture.image.shape == (384, 640, 3)
        for boxes in (picture.boxes, picture.doubtful):
            assert boxes.dtype == np.float32
            assert (boxes[:, :2] >= 0).all()
            assert (boxes[:, 2] <= 640).all()
            assert (boxes[:, 3] <= 384).all()
        heights += (picture.boxes[:, 3] - picture.boxes[:, 1]).tolist()
    assert min(heights) < 40
    assert max(heights) > 100
    again = Composer(folder, seed=1).picture()
    np.testing.assert_array_equal(again.image, Composer(folder, seed=1).picture().image)


def test_a_folder_that_is_no_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no training set"):
        Composer(tmp_path)
    (tmp_path / "frames.jsonl").write_text(json.dumps({"image": "x"}))
    with pytest.raises(TrainingError, match="no training set"):
        Composer(tmp_path)


def test_doubtful_background_is_forgiven() -> None:
    picture = Picture(
        np.zeros((64, 64, 3), np.uint8),
        np.array([[0, 0, 16, 32]], np.float32),
        np.array([[32, 32, 64, 64]], np.float32),
    )
    doubtful = detector.doubtful_anchors([picture, picture], [8, 32])
    assert doubtful.shape == (2, 64 + 4)
    assert int(doubtful[0].sum()) == 16 + 1
    inputs, targets = detector.collate([picture, picture])
    assert inputs.shape == (2, 3, 64, 64)
    np.testing.assert_allclose(targets["bboxes"][1], [0.125, 0.25, 0.25, 0.5])
    np.testing.assert_allclose(targets["batch_idx"], [0, 1])
    loss = detector.ForgivingBCE()
    loss.doubtful = torch.tensor([[True, True, False]])
    values = loss(torch.zeros(1, 3, 1), torch.tensor([[[0.0], [1.0], [0.0]]]))
    assert [round(float(v), 2) for v in values.flatten()] == [0.0, 0.69, 0.69]


def test_training_saves_and_goes_on(
    folder: Path, begin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = folder / "run"
    for steps in (1, 2):
        detector.train(folder, begin, out=run, steps=steps, batch=2)
        box = float(capsys.readouterr().out.split("dfl")[1].split()[0])
        assert box > 1, "the mean over the steps that were made, one"
    assert torch.load(run / "state.pt", weights_only=True)["step"] == 2
    first, last = detector.load(begin).state_dict(), detector.load(run / "last.pt").state_dict()
    assert torch.equal(first["model.0.conv.weight"], last["model.0.conv.weight"])
    assert not torch.equal(first["model.23.cv3.0.2.weight"], last["model.23.cv3.0.2.weight"])
    with pytest.raises(TrainingError, match="no detector checkpoint"):
        detector.load(folder / "frames.jsonl")


def test_export_is_small_and_free_in_size(begin: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    start = detector.load(begin)
    trained = detector.load(begin)
    trained.model[-1].cv3[0][-1].bias.data += 1.0
    mixed = blend(start, trained, 0.5)
    difference = mixed.model[-1].cv3[0][-1].bias - start.model[-1].cv3[0][-1].bias
    np.testing.assert_allclose(difference.detach(), 0.5, atol=1e-6)
    write_onnx(mixed, tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx").stat().st_size < 6_000_000
    session = onnxruntime.InferenceSession(str(tmp_path / "out.onnx"))
    assert session.get_modelmeta().custom_metadata_map["names"] == "{0: 'person'}"
    image = np.random.default_rng(0).random((2, 3, 64, 96), np.float32)
    with torch.no_grad():
        wanted = mixed.eval()(torch.from_numpy(image))[0].numpy()
    given = session.run(None, {"images": image})[0]
    assert given.shape == wanted.shape == (2, 5, 126)
    np.testing.assert_allclose(given, wanted, atol=0.2)


def test_8_bits_of_a_detector(tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    from pipeline.detect import PACKAGED

    video, out = tmp_path / "walk.avi", tmp_path / "small.onnx"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (160, 96))
    for _ in range(30):
        writer.write(np.random.default_rng(0).integers(0, 256, (96, 160, 3), dtype=np.uint8))
    writer.release()
    args = ["quantise", str(PACKAGED), str(out), str(video), "--most", "2"]
    assert CliRunner().invoke(detector.app, args).exit_code == 0
    kinds = [node.op_type for node in onnx.load(out).graph.node]
    assert kinds.count("QuantizeLinear") > 80
    metadata = onnxruntime.InferenceSession(str(out)).get_modelmeta().custom_metadata_map
    assert metadata["names"] == "{0: 'person'}"
    assert FIGURES not in metadata, "what was measured of floats"
    with pytest.raises(TrainingError, match="need frames"):
        write_int8(PACKAGED, out, [])
    with pytest.raises(TrainingError, match=r"walk\.avi can't be read"):
        write_int8(video, out, [np.zeros((96, 160, 3), np.uint8)])


def test_figures_are_noted_in_the_file(tmp_path: Path) -> None:
    from pipeline.detect import PACKAGED
    from pipeline.installed import FIGURES as read_under
    from pipeline.installed import installed

    assert read_under == FIGURES
    file, measured = tmp_path / "person.onnx", tmp_path / "measured.json"
    file.write_bytes(PACKAGED.read_bytes())
    band = {"people": 9, "recall": 0.5, "precision": 0.25, "AP50": 0.123}
    rows = {"nearfar, 832 px": {"20-40": band}, "other": {"20-40": {**band, "AP50": 0.9}}}
    measured.write_text(json.dumps({"frames": {"mot": 28}, "figures": {"mot": rows}}))
    for _ in range(2):
        note_figures(file, measured)
    found = installed(detector=file)[1].figures
    assert found["AP50"] == {"20-40": 0.12}
    assert found["frames"] == "MOT17-mini, 28 frames, nearfar, 832 px"
    assert file.stat().st_size < PACKAGED.stat().st_size + 2000
    note_figures(file, measured, "other")
    assert installed(detector=file)[1].figures["AP50"] == {"20-40": 0.9}
    with pytest.raises(TrainingError, match="no figures"):
        note_figures(file, measured, "a third")
    measured.write_text("{}")
    with pytest.raises(TrainingError, match="no figures"):
        note_figures(file, measured)


def test_figures_by_height() -> None:
    tally = detector_check.Tally()
    truth = np.array([[0, 0, 20, 60], [100, 0, 120, 60], [200, 0, 260, 200]], np.float32)
    vague = np.array([[300, 0, 340, 100]], np.float32)
    rows = np.array(
        [
            [0, 0, 20, 58, 0.9],
            [400, 0, 420, 60, 0.8],
            [300, 0, 340, 90, 0.7],
            [100, 0, 120, 60, 0.1],
        ],
        np.float32,
    )
    tally.add(rows, Labels(truth, vague))
    assert tally.figures(40, 80, 0.25) == (2, 0.5, 0.5, pytest.approx((1 + 2 / 3) / 2))
    assert tally.figures(160, 1000, 0.25) == (1, 0.0, 1.0, 0.0)


def test_truth_of_mot_is_scaled(tmp_path: Path) -> None:
    (tmp_path / "A" / "gt").mkdir(parents=True)
    (tmp_path / "A" / "img1").mkdir()
    cv2.imwrite(str(tmp_path / "A" / "img1" / "000001.jpg"), np.zeros((100, 200, 3), np.uint8))
    lines = ["1,1,20,20,10,40,1,1,1.0", "1,2,60,20,10,40,1,1,0.1", "2,1,20,20,10,40,1,1,1.0"]
    (tmp_path / "A" / "gt" / "gt.txt").write_text("\n".join(lines))
    ((image, labels),) = detector_check.mot_frames(tmp_path, 100)
    assert image.shape == (50, 100, 3)
    np.testing.assert_allclose(labels.boxes, [[10, 10, 15, 30]])
    np.testing.assert_allclose(labels.doubtful, [[30, 10, 35, 30]])
    with pytest.raises(TrainingError, match="holds no"):
        list(detector_check.mot_frames(tmp_path / "A", 100))


def test_missing_things_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainingError, match="can't be read as a video"):
        next(detector_data.read_video(tmp_path / "no.mp4"))
    with pytest.raises(TrainingError, match="doesn't exist"):
        detector_check.looker(tmp_path / "no.onnx", 640)
    with pytest.raises(TrainingError, match="teacher"):
        detector_data.Teacher(tmp_path / "no.pt")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(TrainingError, match="pip install openvino"):
        detector_start.read_convolutions(tmp_path)


def test_the_pace_rises_and_falls() -> None:
    paces = [detector.pace(step, 160) for step in range(160)]
    assert int(np.argmax(paces)) in (9, 10)
    assert max(paces) == 1.0
    assert paces[-1] < 0.02


@pytest.mark.shared
def test_the_start_sees_what_the_public_network_sees(tmp_path: Path) -> None:
    if not EXPORT.exists():
        pytest.skip(f"{EXPORT} is absent")
    pytest.importorskip("openvino")
    network = detector_start.recover_person_network(EXPORT)
    detector.save(network, tmp_path / "start.pt")
    frames: Iterator[np.ndarray] = detector_data.read_video(SHARED / "videos" / "campus_cam2.webm")
    image = next(frames)
    ours = detector_check.looker(tmp_path / "start.pt", 640)(image)
    theirs = detector_check.looker(EXPORT, 640)(image)
    theirs = theirs[theirs[:, 4] > 0.4]
    assert len(theirs) >= 5
    assert (overlaps(theirs[:, :4], ours[:, :4]).max(axis=1) > 0.8).all()
