"""How fast `process` is, where its time goes, and the same beside the loop one would write oneself.

    python benchmarks/pipeline.py VIDEO... [--device auto|cpu|cuda] [--json]

Two programs run one after the other over the same videos, with the same detector weights:

- nearfar: `pipeline.process` into a gallery of its own: detection, tracks, embeddings, identities
  over cameras, report.
- loop: ultralytics' tracker (ByteTrack) over each video in turn, which gives tracks of each camera
  alone. It needs ultralytics (`pip install 'nearfar[train]'`).

Seconds count from loading the weights to the last result; imports are left out. Each side runs in
a process of its own, so that its peak memory is its own. Of the stages, ``decode`` is the time
spent waiting for frames, which are decoded ahead; ``rest`` is loading weights and writing results.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # else this file would be found as `pipeline`

from pipeline import PipelineError, process  # noqa: E402
from pipeline.detect import PACKAGED  # noqa: E402

STAGES = ("decode", "detect", "embed", "track", "link", "store", "rest")
ROWS = (
    ("frames", "frames", "{:.0f}"),
    ("seconds", "seconds", "{:.1f}"),
    ("frames a second", "frames_per_second", "{:.1f}"),
    ("boxes a second", "boxes_per_second", "{:.1f}"),
    ("embeddings a second", "embeddings_per_second", "{:.1f}"),
    ("peak memory, MB", "peak_mb", "{:.0f}"),
)

Facts = dict[str, Any]


def nearfar(videos: list[str], device: str) -> Facts:
    """One run of `process` over all videos."""
    sources = [f"{number} {Path(video).stem}={video}" for number, video in enumerate(videos, 1)]
    with tempfile.TemporaryDirectory() as folder:
        result = process(sources, Path(folder) / "nearfar.db", Path(folder) / "out", device=device)
    tally = result.tally
    spent = {stage: tally.seconds.get(stage, 0.0) for stage in STAGES}
    spent["rest"] = result.seconds - sum(tally.seconds.values())
    crossing = sum(len(one.cameras) > 1 for one in result.identities)
    return {
        **rates(result.seconds, tally.frames, tally.boxes, tally.embeddings),
        "identities": len(result.identities),
        "in_several_cameras": crossing,
        "share": {stage: seconds / result.seconds for stage, seconds in spent.items()},
    }


def loop(videos: list[str], device: str) -> Facts:
    """Ultralytics' tracker over one video after the other."""
    os.environ.update(YOLO_AUTOINSTALL="false", YOLO_OFFLINE="true")
    from ultralytics import YOLO

    chosen = None if device == "auto" else device
    frames = boxes = 0
    started = perf_counter()
    model = YOLO(str(PACKAGED), task="detect")
    options = {"tracker": "bytetrack.yaml", "device": chosen, "verbose": False}
    for video in videos:
        for result in model.track(video, stream=True, persist=False, **options):
            frames += 1
            boxes += len(result.boxes) if result.boxes.is_track else 0
    return rates(perf_counter() - started, frames, boxes, None)


SIDES = {"nearfar": nearfar, "loop": loop}


def rates(seconds: float, frames: int, boxes: int, embeddings: int | None) -> Facts:
    """Counts over time, and the peak memory of this process."""
    return {
        "frames": frames,
        "seconds": seconds,
        "frames_per_second": frames / seconds,
        "boxes_per_second": boxes / seconds,
        "embeddings_per_second": None if embeddings is None else embeddings / seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure(side: str, videos: list[str], device: str) -> Facts | None:
    """Runs one side in a process of its own; None, and its own words, where it fails."""
    call = [sys.executable, __file__, *videos, "--side", side, "--device", device]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(f"{side} gave no result (status {done.returncode}), see above", file=sys.stderr)
        return None
    facts: Facts = json.loads(done.stdout.splitlines()[-1])
    return facts


def table(videos: list[str], found: dict[str, Facts | None]) -> str:
    """Both sides beside each other, and where the time of nearfar went."""
    lines = [
        f"{len(videos)} videos, {os.cpu_count()} cores",
        f"{'':<22}{'nearfar':>10}{'loop':>10}",
    ]
    for title, key, form in ROWS:
        cells = [(facts or {}).get(key) for facts in found.values()]
        written = ["-" if value is None else form.format(value) for value in cells]
        lines.append(f"{title:<22}" + "".join(f"{cell:>10}" for cell in written))
    ours = found["nearfar"]
    if ours:
        shares = ", ".join(f"{stage} {100 * share:.0f} %" for stage, share in ours["share"].items())
        lines += [
            f"stages of nearfar: {shares}",
            f"it found {ours['identities']} identities, {ours['in_several_cameras']} of them in "
            "two cameras or more",
        ]
    return "\n".join(lines)


def main() -> None:
    """Reads the command line; `--side` is for the processes that this one starts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("videos", nargs="+", metavar="VIDEO")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        try:
            print(json.dumps(SIDES[asked.side](asked.videos, asked.device)))
        except PipelineError as error:
            sys.exit(str(error))
        return
    found = {side: measure(side, asked.videos, asked.device) for side in SIDES}
    if any(found.values()):
        print(json.dumps(found, indent=2) if asked.json else table(asked.videos, found))
    if None in found.values():
        sys.exit(1)


if __name__ == "__main__":
    main()
