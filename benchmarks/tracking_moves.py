"""The tracker of one camera where the camera moves: known moves, put on recorded detections.

    python benchmarks/tracking_moves.py --mot FOLDER [--draws 3] [--spread 0.07 ...] [--margin ...]

FOLDER is that of `tracking.py`. Of its sequences those count that settings were chosen on, whose
cameras stand still. Their boxes, found and true, are moved as a camera would: `walk` sways with
steps, up and down and to the side, and turns slowly; `pan` turns faster, slower and back by
chance. For `fewer` the camera stands still, a fifth of the detections is left out, and the rest
lies beside the people by a fiftieth of their height: what is no move should not be taken for one.
The tracker is not told of any of it.

Prints HOTA, IDF1 and MOTA of the online tracks, means over sequences and draws, in percent; of
several values of `SPREAD` and `MARGIN` in `tracker/sway.py`, where several are given.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

import tracker.sway  # noqa: E402
from benchmarks.tracking import MEASURES, TUNED, fps_of  # noqa: E402
from pipeline.motchallenge import read_detections, read_truth, written  # noqa: E402
from pipeline.tracking import track_file  # noqa: E402
from tracker import BoxTable, score_tracks  # noqa: E402

Floats = NDArray[np.float64]
Case = tuple[Path, float, BoxTable]
"""File of detections, frames a second, true boxes."""

STEPS = 1.9
"""Steps a second of one who walks with a camera."""
CALM = 1.0
"""Seconds in which a turn that is not kept up falls to 0.37 of its speed."""


def turned(rng: np.random.Generator, seconds: Floats, strength: float) -> Floats:
    """Where a camera looks that turns by chance, ``(N, 2)``; speeds drift by `strength` a root of
    a second, upwards and downwards by a third of it."""
    step = seconds[1] - seconds[0]
    push = rng.normal(size=(len(seconds), 2)) * np.sqrt(step) * strength * [1, 0.3]
    speed = np.zeros_like(push)
    for i in range(1, len(push)):
        speed[i] = speed[i - 1] * (1 - step / CALM) + push[i]
    return np.cumsum(speed * step, axis=0)


def walked(rng: np.random.Generator, seconds: Floats) -> Floats:
    """Where the camera of one who walks looks, ``(N, 2)``."""
    side, up = rng.uniform(0, 2 * np.pi, 2)
    turn = 2 * np.pi * STEPS * seconds
    steps = np.stack([0.018 * np.sin(turn / 2 + side), 0.03 * np.sin(turn + up)], axis=1)
    return turned(rng, seconds, 0.5) + steps


def rested(rng: np.random.Generator, seconds: Floats) -> Floats:
    """Where a camera looks that stands still, ``(N, 2)``."""
    return np.zeros((len(seconds), 2))


MOVES: dict[str, Callable[[np.random.Generator, Floats], Floats]] = {
    "still": rested,
    "walk": walked,
    "pan": lambda rng, seconds: turned(rng, seconds, 1.5),
    "fewer": rested,
}
"""Heights of a person by which a camera moved, at each frame."""


def fewer(rng: np.random.Generator, table: BoxTable) -> BoxTable:
    """Four fifths of the detections, each a little beside its person."""
    table = table[rng.random(len(table)) > 0.2]
    off = 0.02 * table.boxes[:, 3:] * rng.normal(size=table.boxes.shape)
    return replace(table, boxes=table.boxes + off)


def cases(folders: list[Path], kind: str, draws: int, out: Path) -> Iterator[Case]:
    """The sequences with a kind of move, each so many times."""
    for folder, draw in itertools.product(folders, range(draws)):
        found = read_detections(folder / "det" / "det.txt")
        true = read_truth(folder / "gt" / "gt.txt")
        fps, rng = fps_of(folder), np.random.default_rng([draw, *folder.name.encode()])
        last = max(found.frames.max(), true.frames.max())
        path = MOVES[kind](rng, np.arange(last + 1) / fps) * np.median(true.boxes[:, 3])
        if kind == "fewer":
            found = fewer(rng, found)
        file = out / f"{folder.name}-{kind}-{draw}.txt"
        file.write_text(written(along(found, path)))
        yield file, fps, along(true, path)


def along(table: BoxTable, path: Floats) -> BoxTable:
    """Boxes that moved with the picture."""
    moved = table.boxes.copy()
    moved[:, :2] += path[table.frames]
    return replace(table, boxes=moved)


def scores(some: list[Case]) -> Floats:
    """Means of `MEASURES`, percent."""
    every = [
        score_tracks(true, track_file(file, fps, online=True).table) for file, fps, true in some
    ]
    return 100 * np.array([[getattr(one, m) for m in MEASURES] for one in every]).mean(axis=0)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mot", type=Path, required=True, help="folder of sequences")
    parser.add_argument("--draws", type=int, default=3, help="moves of each kind a sequence")
    parser.add_argument("--spread", type=float, nargs="+", default=[tracker.sway.SPREAD])
    parser.add_argument("--margin", type=float, nargs="+", default=[tracker.sway.MARGIN])
    asked = parser.parse_args()
    folders = [asked.mot / name for name in sorted(TUNED) if (asked.mot / name).is_dir()]
    if not folders:
        sys.exit(f"none of {', '.join(sorted(TUNED))} in {asked.mot}")
    print(f"{'spread':<8}{'margin':<8}" + "".join(f"{kind:>22}" for kind in (*MOVES, "mean")))
    with tempfile.TemporaryDirectory() as out:
        sets = {
            kind: list(cases(folders, kind, 1 if kind == "still" else asked.draws, Path(out)))
            for kind in MOVES
        }
        for spread, margin in itertools.product(asked.spread, asked.margin):
            tracker.sway.SPREAD, tracker.sway.MARGIN = spread, margin
            found = [scores(some) for some in sets.values()]
            cells = ("".join(f"{x:>7.1f}" for x in row) for row in [*found, np.mean(found, axis=0)])
            print(f"{spread:<8g}{margin:<8g}" + "".join(f"{cell:>22}" for cell in cells))


if __name__ == "__main__":
    main()
