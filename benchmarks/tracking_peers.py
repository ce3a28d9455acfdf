"""Runs the trackers of the package `trackers` for `tracking.py`, in an environment that has it.

    python benchmarks/tracking_peers.py MOT OUT [--repeat N]

Reads ``MOT/NAME/det/det.txt``, writes ``OUT/TRACKER/NAME.txt`` and prints the least seconds of each
as JSON. Settings are the package's defaults; BoT-SORT goes without camera motion, since there are
no pictures. Reading and writing are left out of the time.
"""

from __future__ import annotations

import argparse
import json
import logging
import warnings
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import supervision as sv  # noqa: E402
import trackers  # noqa: E402

PEERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "SORT": (trackers.SORTTracker, {}),
    "ByteTrack": (trackers.ByteTrackTracker, {}),
    "OC-SORT": (trackers.OCSORTTracker, {}),
    "BoT-SORT": (trackers.BoTSORTTracker, {"enable_cmc": False}),
    "C-BIoU": (trackers.CBIoUTracker, {}),
}


def frames_of(path: Path) -> list[Any]:
    """Detections of each frame up to the last, as the package wants them."""
    rows = np.loadtxt(path, delimiter=",", ndmin=2)
    frames = []
    for frame in range(1, int(rows[:, 0].max()) + 1):
        here = rows[rows[:, 0] == frame]
        corners = np.concatenate([here[:, 2:4], here[:, 2:4] + here[:, 4:6]], axis=1)
        frames.append(
            sv.Detections(
                xyxy=corners.astype(np.float32).reshape(-1, 4),
                confidence=here[:, 6].astype(np.float32),
                class_id=np.zeros(len(here), int),
            )
        )
    return frames


def run(tracker: Any, frames: list[Any]) -> tuple[float, list[str]]:
    """Seconds that the updates took, and the lines of the file."""
    seconds = 0.0
    lines = []
    for number, detections in enumerate(frames, 1):
        started = perf_counter()
        found = tracker.update(detections)
        seconds += perf_counter() - started
        if found.tracker_id is None:
            continue
        for (left, top, right, bottom), person in zip(found.xyxy, found.tracker_id, strict=True):
            if person >= 0:
                box = f"{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f}"
                lines.append(f"{number},{person},{box},1,-1,-1,-1\n")
    return seconds, lines


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("mot", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    seconds: dict[str, dict[str, float]] = {name: {} for name in PEERS}
    for path in sorted(asked.mot.glob("*/det/det.txt")):
        sequence = path.parents[1].name
        frames = frames_of(path)
        for name, (kind, options) in PEERS.items():
            runs = [run(kind(**options), frames) for _ in range(asked.repeat)]
            seconds[name][sequence] = min(spent for spent, _ in runs)
            file = asked.out / name / f"{sequence}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(runs[0][1]))
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
