"""What a site costs in machines, memory, disks and money, carried on from what was measured.

    python benchmarks/costs.py STAGES.json [--cameras 2000] [--fps 2] [--people 1] [--embedded 0.5]
                               [--days 30] [--crop-bytes 4000] [--search-ms 42] [--bytes 723]
                               [--core 10] [--memory 2] [--disk 0.05] [--json]

STAGES.json holds the times of the stages, as `scheduler.py record` wrote them. What a row takes in
the database is measured here, with 20,000 of them. The rest is said: `--fps` frames a second of a
camera that are looked at, `--people` in view in the mean over day and night, the share of their
boxes that is `--embedded`, `--days` that all is kept, bytes of a picture, what a search of a
million rows takes of one core in milliseconds and bytes of a row in memory (docs/gallery.md), and
prices a month of a core, of a GB of memory and of a GB on disks, in whatever money.

Copies, spares, the network and the people who look after it are not in it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from benchmarks.gallery_rows import Kind, a_model, write  # noqa: E402
from storage import Gallery, ObservationRow, TrackUpdate  # noqa: E402

SIZES = (128, 128, 128, 128)
ROWS = 20_000
DAY = 86_400.0
SEARCHED = 1.0
"""Seconds that a search of everything may take."""

Facts = dict[str, Any]


def bytes_of_rows() -> tuple[float, float]:
    """What an observation takes in the database, without and with a vector of mixed levels."""
    with tempfile.TemporaryDirectory() as name:
        boxes, vectors = Path(name) / "boxes.db", Path(name) / "vectors.db"
        with Gallery.open(boxes, model=a_model(SIZES), create=True) as gallery:
            session = gallery.begin_session("random", "random", "boxes", 0.0, 10.0)
            row = [
                ObservationRow(i, i / 10, (1.5, 2.5, 10.5, 20.5), 0.9, 1, 0.5) for i in range(20)
            ]
            updates = [TrackUpdate(n, row) for n in range(1, ROWS // 20 + 1)]
            gallery.append(session.id, 20, 0, updates)
            gallery.life.vacuum()
        with Gallery.open(vectors, model=a_model(SIZES), create=True) as gallery:
            write(gallery, 0, ROWS, Kind(SIZES))
            gallery.life.vacuum()
        return boxes.stat().st_size / ROWS, vectors.stat().st_size / ROWS


def costs(asked: argparse.Namespace, stages: Facts) -> list[tuple[str, float, float, float]]:
    """What is needed, by camera, by a million observations that are kept, and in all."""
    pieces = stages["pieces"]
    frames = sum(p["frames"] for p in pieces)
    look = sum(p["detect"] for p in pieces) / frames
    embed = sum(p["embed"] for p in pieces) / sum(p["embeddings"] for p in pieces)
    order = sum(p["follow"] + p["store"] for p in pieces) / frames
    box, row = bytes_of_rows()

    rate = asked.cameras * asked.fps
    observed = rate * asked.people
    kept = observed * DAY * asked.days
    compared = kept * asked.embedded
    lookers = rate * look + observed * asked.embedded * embed
    followers = rate * order
    searchers = compared / 1e6 * asked.search_ms / 1e3 / SEARCHED
    memory = compared * asked.bytes / 1e9
    disk = ((kept - compared) * box + compared * (row + asked.crop_bytes)) / 1e9
    money = (
        (lookers + followers + searchers) * asked.core + memory * asked.memory + disk * asked.disk
    )
    needs = {
        "observations kept, millions": kept / 1e6,
        "cores that look and embed": lookers,
        "cores that follow and store": followers,
        f"cores that search all in {SEARCHED:g} s": searchers,
        "memory of the vectors, GB": memory,
        "disk, GB": disk,
        "money a month": money,
    }
    return [(n, v / asked.cameras, v / (kept / 1e6), v) for n, v in needs.items()]


def main() -> None:
    """Reads the command line and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("stages", type=Path, metavar="STAGES.json")
    parser.add_argument("--cameras", type=int, default=2000)
    parser.add_argument("--fps", type=float, default=2.0)
    parser.add_argument("--people", type=float, default=1.0)
    parser.add_argument("--embedded", type=float, default=0.5)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--crop-bytes", type=float, default=4000.0)
    parser.add_argument("--search-ms", type=float, default=42.0)
    parser.add_argument("--bytes", type=float, default=723.0)
    parser.add_argument("--core", type=float, default=10.0)
    parser.add_argument("--memory", type=float, default=2.0)
    parser.add_argument("--disk", type=float, default=0.05)
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    rows = costs(asked, json.loads(asked.stages.read_text()))
    if asked.json:
        print(json.dumps({n: {"camera": a, "million": b, "all": c} for n, a, b, c in rows}))
        return
    print("| | a camera | a million observations | in all |\n|---|---|---|---|")
    for name, *values in rows:
        print(
            f"| {name} | {' | '.join(f'{v:,.3g}' if v < 1000 else f'{v:,.0f}' for v in values)} |"
        )


if __name__ == "__main__":
    main()
