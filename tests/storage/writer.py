"""A program that writes a session, to be killed: ``python writer.py GALLERY FRAMES [paced]``.

Paced, it waits for a line on standard input before each commit.

What it writes depends on the frame alone, so that a continued run ends where an unbroken one does.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from reid import Calibration, LevelSet, ModelInfo
from storage import Gallery, ObservationRow, TrackUpdate

SIZES = (16, 16)
BATCH = 3
MODEL = ModelInfo(
    "toy",
    "feed",
    LevelSet((32, 64)),
    SIZES,
    (32, 16),
    Calibration(np.ones((2, 2), np.float32), -np.ones((2, 2), np.float32)),
)


def rows_of(frame: int) -> list[TrackUpdate]:
    """Three tracks; each lasts twenty frames and then gets a new number."""
    rng = np.random.default_rng(frame)
    updates = []
    for place in range(3):
        level = 1 + place % 2
        vector = np.zeros(sum(SIZES), np.float32)
        vector[: sum(SIZES[:level])] = rng.normal(size=sum(SIZES[:level]))
        row = ObservationRow(
            frame=frame,
            time=frame / 10,
            box=(10.0 * place, 5.0, 20.0, 40.0),
            score=0.9,
            level=level,
            quality=0.5,
            vector=vector,
            crop=rng.bytes(300) if frame % 2 else None,
        )
        updates.append(TrackUpdate(1 + 3 * (frame // 20) + place, [row]))
    return updates


def write(path: str | Path, frames: int, paced: bool = False) -> None:
    """Begins or continues the session and brings it to its end."""
    with Gallery.open(path, model=MODEL, create=True) as gallery:
        session = gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
        print("begun", flush=True)
        position = session.position
        while position < frames:
            if paced:
                sys.stdin.readline()
            end = min(position + BATCH, frames)
            updates = [update for frame in range(position, end) for update in rows_of(frame)]
            gallery.append(session.id, end, 0, updates, "done" if end == frames else "running")
            print(end, flush=True)
            position = end


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), paced="paced" in sys.argv[3:])
