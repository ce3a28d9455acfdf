"""Searches, weights, devices and site files that make no sense."""

from __future__ import annotations

from pathlib import Path

import cv2
import onnxruntime
import pytest

from pipeline import Detector
from pipeline.detect import PACKAGED
from reid.embedder import WEIGHTS as EMBEDDER

from .conftest import Call, figures, one_line, packaged_load

pytestmark = pytest.mark.usefixtures("red_eyes")


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0" + bytes(100)])
def test_a_picture_that_is_none(nearfar: Call, stored: Path, data: bytes) -> None:
    Path("query.jpg").write_bytes(data)
    one_line(nearfar("search", "query.jpg"), 2, "query.jpg is no picture", "give a JPEG or PNG")


def test_a_missing_picture(nearfar: Call, stored: Path) -> None:
    one_line(nearfar("search", "missing.jpg"), 2, "no picture at missing.jpg", "No such file")
    one_line(nearfar("search", "."), 2, "no picture at .", "directory")


WRONG_SEARCHES = [
    (("--box", "1,2,3"), "'1,2,3' is no box", "x,y,w,h"),
    (("--box", "10,10,0,20"), "has no area", "x,y,w,h"),
    (("--box", "10,10,nan,20"), "has no area", "x,y,w,h"),
    (("--box", "900,900,20,40"), "lies outside the picture", "45 x 100 px"),
    (("--height", "0"), "--height must be above 0", "got 0"),
    (("--height", "nan"), "--height must be above 0", "got nan"),
    (("--camera", "roof"), "no camera 'roof'", "it knows gate"),
    (("--after", "noon"), "'noon' is no time", "2026-01-31T08:00:00Z"),
    (("--before", "inf"), "'inf' is no time", "2026-01-31T08:00:00Z"),
]


@pytest.mark.parametrize(("options", "what", "todo"), WRONG_SEARCHES)
def test_wrong_searches(
    nearfar: Call, stored: Path, options: tuple[str, str], what: str, todo: str
) -> None:
    cv2.imwrite("query.png", next(figures(1))[30:130, 5:50])
    one_line(nearfar("search", "query.png", *options), 2, what, todo)


def test_an_answer_that_can_not_be_written(nearfar: Call, stored: Path) -> None:
    cv2.imwrite("query.png", next(figures(1))[30:130, 5:50])
    said = nearfar("search", "query.png", "--out", "none/page.html")
    one_line(said, 1, "can't write none/page.html", "choose another place")


def test_wrong_detector_weights(
    nearfar: Call, clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Detector, "load", packaged_load)
    Path("junk.onnx").write_bytes(b"no network")
    Path("empty.onnx").touch()
    for weights, what in (
        ("missing.onnx", "don't exist"),
        ("empty.onnx", "are empty"),
        ("junk.onnx", "no usable ONNX model"),
        (str(EMBEDDER), "is no detector"),
    ):
        one_line(nearfar("process", clips["gate"], "--detector", weights), 2, weights, what)
    assert not Path("nearfar.db").exists()


def test_wrong_embedder_weights(nearfar: Call, stored: Path, clips: dict[str, Path]) -> None:
    Path("junk.onnx").write_bytes(b"no network")
    cv2.imwrite("query.png", next(figures(1))[30:130, 5:50])
    for call in (("process", clips["gate"]), ("search", "query.png")):
        for weights, what in (
            ("missing.onnx", "check the path"),
            ("junk.onnx", "no usable ONNX model"),
            (str(PACKAGED), "no nearfar embedder"),
        ):
            one_line(nearfar(*call, "--embedder", weights), 2, weights, what)


def test_unknown_devices(nearfar: Call, stored: Path, clips: dict[str, Path]) -> None:
    cv2.imwrite("query.png", next(figures(1))[30:130, 5:50])
    for call in (("process", clips["hall"]), ("search", "query.png")):
        one_line(nearfar(*call, "--device", "tpu"), 2, "unknown device 'tpu'", "auto, cpu, cuda")
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            one_line(nearfar(*call, "--device", "cuda"), 2, "CUDA", "--device cpu")


def test_a_site_file_with_a_wrong_key(nearfar: Call, clips: dict[str, Path]) -> None:
    Path("site.yaml").write_text("cameras:\n  gate:\n    starts: 2026-01-01\n")
    for call in (("process", clips["gate"], "--site", "site.yaml"), ("site", "check", "site.yaml")):
        one_line(nearfar(*call), 2, "site.yaml, line 3", "cameras.gate.starts", "unknown key")
    one_line(nearfar("site", "check", "missing.yaml"), 2, "missing.yaml can't be read")
    assert not Path("nearfar.db").exists()
