"""The tracker of one camera on given detections, beside those of the package `trackers`.

    python benchmarks/tracking.py --mot FOLDER [--peers-python PYTHON] [--repeat N] [--json]

FOLDER holds sequences in MOTChallenge format, ``NAME/det/det.txt`` and ``NAME/gt/gt.txt``. With
`--peers-python`, the interpreter of an environment with the package `trackers`, its trackers run on
the same detections with their defaults. Rows:

- nearfar, online: what was known at each frame, as the peers give it.
- nearfar, file: gaps closed and boxes made smooth afterwards, as `nearfar track` writes it.

HOTA, IDF1 and MOTA are means over sequences in percent, IDSW sums of switches of identity. The time
is that of the updates (and of closing gaps and smoothing), the least of N runs, as microseconds a
frame, mean over sequences. Settings were chosen on the sequences in `TUNED`; the others are apart.
"""

from __future__ import annotations

import argparse
import configparser
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from pipeline import PipelineError  # noqa: E402
from pipeline.motchallenge import read_tracks, read_truth  # noqa: E402
from pipeline.tracking import track_file  # noqa: E402
from tracker import BoxTable, TrackScore, score_tracks  # noqa: E402

TUNED = {"MOT17-02", "MOT17-09", "TUD-Campus", "Venice-2"}
FPS = {"TUD-Campus": 25.0, "TUD-Stadtmitte": 25.0}
"""Frames a second of sequences without a `seqinfo.ini`, where they are not 30."""
MEASURES = ("hota", "idf1", "mota")

Runs = dict[str, tuple[BoxTable, float]]
"""Tracks and seconds by sequence."""
Row = dict[str, float]


def fps_of(folder: Path) -> float:
    """Frames a second of a sequence."""
    info = configparser.ConfigParser()
    info.read(folder / "seqinfo.ini")
    return info.getfloat("Sequence", "frameRate", fallback=FPS.get(folder.name, 30.0))


def nearfar(folders: list[Path], online: bool, repeat: int) -> Runs:
    """Our tracks."""
    found: Runs = {}
    for folder in folders:
        path, fps = folder / "det" / "det.txt", fps_of(folder)
        runs = [track_file(path, fps, online=online) for _ in range(repeat)]
        found[folder.name] = runs[0].table, min(run.seconds for run in runs)
    return found


def peers(folders: list[Path], python: str, repeat: int) -> dict[str, Runs]:
    """The others' tracks, from a process of their own."""
    script = Path(__file__).with_name("tracking_peers.py")
    with tempfile.TemporaryDirectory() as out:
        call = [python, str(script), str(folders[0].parent), out, "--repeat", str(repeat)]
        done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit(f"the peers gave no result (status {done.returncode}), see above")
        spent: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
        return {
            name: {
                folder.name: (
                    read_tracks(Path(out) / name / f"{folder.name}.txt"),
                    seconds[folder.name],
                )
                for folder in folders
            }
            for name, seconds in spent.items()
        }


def row(sequences: list[str], scores: Mapping[str, TrackScore], micros: Mapping[str, float]) -> Row:
    """Figures of one tracker over some sequences."""
    n = len(sequences)
    means = {key: 100 * sum(getattr(scores[s], key) for s in sequences) / n for key in MEASURES}
    switches = sum(scores[s].switches for s in sequences)
    return {**means, "switches": switches, "micros": sum(micros[s] for s in sequences) / n}


def compare(folders: list[Path], found: Mapping[str, Runs]) -> dict[str, dict[str, Row]]:
    """Rows by group of sequences and by tracker."""
    truth = {folder.name: read_truth(folder / "gt" / "gt.txt") for folder in folders}
    names = list(truth)
    groups = {
        "tuned": [name for name in names if name in TUNED],
        "held out": [name for name in names if name not in TUNED],
        "all": names,
    }
    result: dict[str, dict[str, Row]] = {group: {} for group, members in groups.items() if members}
    for tracker, runs in found.items():
        scores = {name: score_tracks(truth[name], runs[name][0]) for name in names}
        micros = {name: 1e6 * runs[name][1] / truth[name].frames.max() for name in names}
        for group in result:
            result[group][tracker] = row(groups[group], scores, micros)
    return result


def table(result: Mapping[str, Mapping[str, Row]]) -> str:
    """The groups one below the other, and how far ours is from the best peer."""
    lines = []
    for group, rows in result.items():
        lines.append(f"{group:<18}{'HOTA':>7}{'IDF1':>7}{'MOTA':>7}{'IDSW':>7}{'us a frame':>12}")
        for name, r in rows.items():
            cells = "".join(f"{r[key]:>7.1f}" for key in MEASURES)
            lines.append(f"{name:<18}{cells}{r['switches']:>7.0f}{r['micros']:>12.0f}")
        others = {name: r for name, r in rows.items() if not name.startswith("nearfar")}
        for name, r in rows.items() if others else ():
            if name not in others:
                ahead = (
                    f"{k.upper()} {r[k] - max(o[k] for o in others.values()):+.1f}"
                    for k in MEASURES
                )
                fastest = min(o["micros"] for o in others.values())
                lines.append(
                    f"{name} against the best peer of each: {', '.join(ahead)}; "
                    f"{r['micros'] / fastest:.2f} x the time of the fastest"
                )
        lines.append("")
    return "\n".join(lines).rstrip()


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mot", type=Path, required=True, help="folder of sequences")
    parser.add_argument("--peers-python", help="interpreter with the package `trackers`")
    parser.add_argument("--repeat", type=int, default=3, help="runs, of which the fastest counts")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked: Any = parser.parse_args()
    folders = sorted(path.parents[1] for path in asked.mot.glob("*/det/det.txt"))
    if not folders:
        sys.exit(f"no sequences in {asked.mot}: NAME/det/det.txt and NAME/gt/gt.txt are wanted")
    try:
        found = {
            "nearfar, online": nearfar(folders, True, asked.repeat),
            "nearfar, file": nearfar(folders, False, asked.repeat),
        }
        if asked.peers_python:
            found |= peers(folders, asked.peers_python, asked.repeat)
        result = compare(folders, found)
    except PipelineError as error:
        sys.exit(str(error))
    print(json.dumps(result, indent=2) if asked.json else table(result))


if __name__ == "__main__":
    main()
