"""Detectors of people beside each other: recall, precision and AP by height, frames a second.

    python benchmarks/detector.py --data FOLDER [--detector FILE] [--json]

FOLDER holds ``frames/MOT17-mini``, ``videos/campus_cam4.webm`` and the others' ``weights``. Those
that are not there are left out. Sets, none of them trained on:

- mot: MOT17-mini, 28 frames with truth, brought to 960 pixels width; people of whom less than 0.3
  is visible count neither way.
- campus: every fifth frame of campus_cam4, which has no truth: what counts is what yolo11n_int8 and
  yolov8n_int8 agree on when they look at enlarged tiles, so the table leans their way.
- rendered: every tenth frame of the scene of seed 7, people at least half visible.

Detectors: ours (`--detector`, the packaged ones in floats and in 8 bits without it) at their own
input of 832 pixels, at 1280 and at 672; yolo11n_int8 and yolov8n_int8 by ultralytics at 640;
pedestrian-detection-adas-0002 by OpenVINO; OpenCV's HOG at its defaults, with `--opencv4-python`
alone, since OpenCV 5 has none. A box is right at IoU 0.5. Recall and precision are those at
`--confidence` (of HOG, whose scores are no probabilities, of all its boxes). Frames a second are by
CPU time on one core, so that other work on the machine hardly counts, at best of the first frames
and with all that a frame costs: resizing, network, suppression.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from time import process_time
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from pipeline import PipelineError  # noqa: E402
from pipeline.detect import INPUT_SIZE, PACKAGED, PACKAGED_INT8, Detector  # noqa: E402
from training.detector_check import Frame, Look, figures, looker, mot_frames  # noqa: E402
from training.detector_data import agreed_frames, rendered_frames  # noqa: E402
from training.detector_labels import Teacher  # noqa: E402
from training.errors import TrainingError  # noqa: E402

FLOOR = 0.05
"""Lowest score of boxes that count for AP."""
TIMED = 8
"""Frames that are timed."""
SIZES = (INPUT_SIZE, 1280, 672)
"""Pixels of the longest side at which ours look."""
TEACHERS = ("yolo11n_int8_openvino_model", "yolov8n_int8_openvino_model")


def nearfar(weights: Path, size: int) -> Look:
    """Ours, as `Detector` runs it."""
    detector = Detector.load(weights, "cpu", 1, FLOOR, size)

    def look(image: np.ndarray) -> np.ndarray:
        found = detector.detect([image])[0]
        corners = found.boxes[:, :2] + found.boxes[:, 2:]
        return np.column_stack([found.boxes[:, :2], corners, found.scores])

    return look


def adas(weights: Path) -> Look:
    """An SSD of the Open Model Zoo, whose boxes come suppressed."""
    import openvino

    core = openvino.Core()
    model = core.compile_model(core.read_model(weights), "CPU", {"INFERENCE_NUM_THREADS": 1})
    height, width = tuple(model.inputs[0].shape)[2:]

    def look(image: np.ndarray) -> np.ndarray:
        x = cv2.resize(image, (width, height)).transpose(2, 0, 1)[None].astype(np.float32)
        rows = np.asarray(model(x)[0]).reshape(-1, 7)
        rows = rows[(rows[:, 0] >= 0) & (rows[:, 2] >= FLOOR)]
        scale = np.array(image.shape[1::-1] * 2, np.float32)
        return np.column_stack([rows[:, 3:7] * scale, rows[:, 2]])

    return look


class Hog:
    """OpenCV's detector in a process of OpenCV 4; `seconds` of CPU time took the last frame."""

    def __init__(self, python: Path) -> None:
        call = [str(python), str(Path(__file__).with_name("detector_hog.py"))]
        self._process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.seconds = 0.0

    def __call__(self, image: np.ndarray) -> np.ndarray:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(b"%d %d\n" % image.shape[:2] + image.tobytes())
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        self.seconds = answer["seconds"]
        return np.array(answer["rows"], np.float32).reshape(-1, 5)


def detectors(ours: Path | None, weights: Path, opencv4: Path | None) -> dict[str, Look]:
    """All that can be opened, by name."""
    files = {"nearfar": ours} if ours else {"nearfar": PACKAGED, "nearfar int8": PACKAGED_INT8}
    found = {f"{n}, {size} px": nearfar(file, size) for n, file in files.items() for size in SIZES}
    openers: dict[str, tuple[Path, Callable[[Path], Look]]] = {
        **{t.removesuffix("_openvino_model"): (weights / t, _ultralytics) for t in TEACHERS},
        "adas-0002": (weights / "pedestrian-detection-adas-0002.xml", adas),
    }
    for name, (path, opener) in openers.items():
        if path.exists():
            found[name] = opener(path)
        else:
            print(f"{name} is not in {weights}: left out", file=sys.stderr)
    if opencv4:
        found["OpenCV's HOG"] = Hog(opencv4)
    return found


def _ultralytics(weights: Path) -> Look:
    return looker(weights, 640, FLOOR)


def sets(data: Path, names: Iterable[str]) -> dict[str, list[Frame]]:
    """Frames and labels of the sets asked for."""
    found: dict[str, list[Frame]] = {}
    for name in names:
        if name == "mot":
            found[name] = list(mot_frames(data / "frames" / "MOT17-mini", 960))
        elif name == "campus":
            teachers = [Teacher(data / "weights" / each) for each in TEACHERS]
            seen = agreed_frames(data / "videos" / "campus_cam4.webm", teachers, 5)
            found[name] = [(image, labels) for _, image, labels in seen]
        elif name == "rendered":
            found[name] = [
                (image, labels)
                for _, frames in rendered_frames(7, 10, 0.5)
                for _, image, labels in frames
            ]
        else:
            raise TrainingError(f"unknown set {name!r}; choose from mot, campus, rendered")
    return found


def speed(look: Look, images: list[np.ndarray]) -> float:
    """Frames a second of CPU time, the fastest frame apart from the first look."""
    look(images[0])
    best = float("inf")
    for image in images:
        started = process_time()
        look(image)
        spent = process_time() - started
        best = min(best, look.seconds if isinstance(look, Hog) else spent)
    return 1 / best


def table(result: Mapping[str, Any]) -> str:
    """A table a set, in Markdown."""
    lines = []
    for name, rows in result["figures"].items():
        first = next(iter(rows.values()))
        heads = [f"{band}: {first[band]['people']} people" for band in first]
        lines.append(f"| {name} | " + " | ".join(heads) + " | frames a second |")
        lines.append("|---" * (len(heads) + 2) + "|")
        for detector, bands in rows.items():
            cells = [
                f"{b['recall']:.2f}, {b['precision']:.2f}, {b['AP50']:.2f}" for b in bands.values()
            ]
            rate = result["frames_per_second"][detector]
            lines.append(f"| {detector} | " + " | ".join(cells) + f" | {rate:.1f} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of frames, clips, weights")
    parser.add_argument("--detector", type=Path, help="ours, the packaged ones if not said")
    parser.add_argument("--opencv4-python", type=Path, help="interpreter with OpenCV 4, for HOG")
    parser.add_argument("--sets", default="mot,campus,rendered", help="names, with commas between")
    parser.add_argument("--confidence", type=float, default=0.25)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    try:
        with redirect_stdout(sys.stderr):  # ultralytics talks there
            looks = detectors(asked.detector, asked.data / "weights", asked.opencv4_python)
            frames = sets(asked.data, asked.sets.split(","))
            images = [image for image, _ in next(iter(frames.values()))][:TIMED]
            rates = {name: speed(look, images) for name, look in looks.items()}
            found = {
                name: {
                    detector: figures(look, of_set, -100 if "HOG" in detector else asked.confidence)
                    for detector, look in looks.items()
                }
                for name, of_set in frames.items()
            }
    except (PipelineError, TrainingError) as error:
        sys.exit(str(error))
    result = {
        "confidence": asked.confidence,
        "frames": {name: len(of_set) for name, of_set in frames.items()},
        "frames_per_second": rates,
        "figures": found,
    }
    print(json.dumps(result, indent=2) if asked.json else table(result))


if __name__ == "__main__":
    os.environ.update(YOLO_AUTOINSTALL="false", YOLO_OFFLINE="true")
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    main()
