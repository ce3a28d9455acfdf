"""Linking in parts, by windows and zones, beside linking all tracks at once: quality and cost.

    python benchmarks/linking_parts.py [--market TAR] [--scene] [--random N] [--cost N...] [--json]

The sets are those of ``linking.py``: Market-1501's test people with three cameras at 32 px, their
tracks in random order of time, or three of four tracks of a person within ten minutes (together);
the rendered scene; random tracks of people who come ten times each at random. Each is linked as a
whole, in 2, 4 and 10 windows of equal length, and with its cameras in two and three zones. F1 is
over pairs of tracks; ``bundles`` are what the second stage gets instead of the tracks.

``--cost`` writes random tracks with four looks each into a gallery on this disk, and links it as a
whole and in 10 windows of 24 h, each in a process of its own that is given nothing but the gallery.
Each person is seen five times in one window, and five times in another or the same.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from benchmarks.linking import random_tracklets  # noqa: E402
from benchmarks.linking_sets import Track, market, scene, shrunk  # noqa: E402
from benchmarks.linking_sides import judged, linked, ours  # noqa: E402
from pipeline.cut import WHOLE, Cut  # noqa: E402
from pipeline.linking import link_gallery  # noqa: E402
from reid import Calibration, Embedder  # noqa: E402
from storage import Gallery, ObservationRow, TrackUpdate  # noqa: E402
from tracker import (  # noqa: E402
    Constraints,
    LinkSettings,
    Tracklet,
    link_part,
    link_parts,
)

WINDOWS, ZONES = (2, 4, 10), (2, 3)
PER_APPEND = 500
"""Tracks of a commit."""
Facts = dict[str, Any]


def in_parts(
    given: Sequence[Tracklet],
    part_of: Callable[[Tracklet], int],
    calibration: Calibration,
    constraints: Constraints,
) -> tuple[np.ndarray, int]:
    """The identity of each track, ``int (n,)``, and the number of bundles."""
    parts: dict[int, list[Tracklet]] = defaultdict(list)
    for tracklet in given:
        parts[part_of(tracklet)].append(tracklet)
    bundles = [
        bundle
        for part in parts.values()
        for bundle in link_part(part, calibration, constraints, among=len(given))
    ]
    out = np.empty(len(given), int)
    for number, identity in enumerate(link_parts(bundles, calibration, constraints)):
        out[list(identity.tracks)] = number
    return out, len(bundles)


def quality(
    tracks: Sequence[Track],
    given: Sequence[Tracklet],
    calibration: Calibration,
    constraints: Constraints,
) -> dict[str, Facts]:
    """What is made of a set as a whole and in parts."""
    out: dict[str, Facts] = {}
    found = linked(given, calibration, constraints, LinkSettings().prior)
    out["whole"] = {**judged(tracks, found), "bundles": len(tracks)}
    first, last = min(t.first for t in given), max(t.first for t in given)
    for n in WINDOWS:
        length = (last - first) * 1.001 / n
        found, bundles = in_parts(
            given,
            lambda t, length=length: int((t.first - first) // length),  # type: ignore[misc]
            calibration,
            constraints,
        )
        out[f"{n} windows"] = {**judged(tracks, found), "bundles": bundles}
    cameras = sorted({t.camera for t in given})
    for n in ZONES:
        found, bundles = in_parts(
            given,
            lambda t, n=n: cameras.index(t.camera) * n // len(cameras),  # type: ignore[misc]
            calibration,
            constraints,
        )
        out[f"{n} zones"] = {**judged(tracks, found), "bundles": bundles}
    return out


def at_times(tracks: Sequence[Track], together: float) -> list[Track]:
    """Tracks at random times of a day, the share `together` of a person's within ten minutes."""
    generator = np.random.default_rng(0)
    home = {person: generator.uniform(0, 86_400) for person in sorted({t.person for t in tracks})}
    out = []
    for track in tracks:
        near = home[track.person] + generator.uniform(0, 600)
        first = near if generator.random() < together else generator.uniform(0, 86_400)
        out.append(replace(track, first=first, last=first + 5))
    return out


def random_set(n: int) -> tuple[list[Track], list[Tracklet]]:
    """The tracks of ``linking.py --cost``, with who they are."""
    given, nothing = random_tracklets(n), np.zeros((1, 1, 3), np.uint8)
    who = [str(t.key % max(n // 10, 1)) for t in given]
    tracks = [
        Track(person, t.camera, t.first, t.last, [nothing] * 4, (1.0,) * 4)
        for person, t in zip(who, given, strict=True)
    ]
    return tracks, given


def write(place: Path, n: int) -> None:
    """A gallery of `n` random tracks over ten windows of 24 h, in ten cameras."""
    info, generator = Embedder.load(threads=1).info, np.random.default_rng(0)
    given = random_tracklets(n)
    people = max(n // 10, 1)
    window = generator.integers(10, size=(people, 2))
    times: dict[str, list[tuple[float, Tracklet]]] = defaultdict(list)
    for tracklet in given:
        nth = tracklet.key // people
        start = 86_400.0 * window[tracklet.key % people, nth // 5] + generator.uniform(0, 86_000)
        times[tracklet.camera].append((start, tracklet))
    with Gallery.open(place, model=info, create=True) as gallery:
        for camera, own in sorted(times.items()):
            session = gallery.begin_session(camera, camera, camera, 0.0, 1.0)
            own.sort(key=lambda one: one[0])
            for at in range(0, len(own), PER_APPEND):
                updates = [
                    TrackUpdate(number, _rows(start, tracklet, info.sizes))
                    for number, (start, tracklet) in enumerate(own[at : at + PER_APPEND], at + 1)
                ]
                gallery.append(session.id, 10**6, 0, updates)


def _rows(start: float, tracklet: Tracklet, sizes: Sequence[int]) -> list[ObservationRow]:
    looks = tracklet.embeddings
    step = (tracklet.last - tracklet.first) / 3
    return [
        ObservationRow(
            int(start) + i,
            start + i * step,
            (0.0, 0.0, 10.0, 20.0),
            0.9,
            int(looks.levels[i]),
            0.9,
            looks.vectors[i],
        )
        for i in range(4)
    ]


def cost(place: Path, cut: Cut) -> Facts:
    """Seconds and peak memory of linking a gallery, in this process."""
    with Gallery.open(place) as gallery:
        held = _peak_mb()
        started, worked = perf_counter(), process_time()
        found = link_gallery(gallery, gallery.calibration, Constraints(), LinkSettings(), cut)
        return {
            "seconds": perf_counter() - started,
            "cpu_seconds": process_time() - worked,
            "identities": len(found),
            "before_mb": held,
            "peak_mb": _peak_mb(),
        }


def _peak_mb() -> float:
    """Most memory that this program held, without what the one that began it did."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _sets(asked: argparse.Namespace) -> Iterator[tuple[str, list[Track], Any, Constraints]]:
    embed = ours(Embedder.load(threads=2), False)
    if asked.market:
        small = shrunk(market(asked.market), 32)
        for name, together in (("at random", 0.0), ("together", 0.75)):
            tracks = at_times(small, together)
            yield f"Market-1501 at 32 px, {name}", tracks, embed(tracks), Constraints()
    if asked.scene:
        tracks, constraints = scene()
        yield "rendered scene", tracks, embed(tracks), constraints
    if asked.random:
        yield "random", *random_set(asked.random), Constraints()


def main() -> None:
    """Reads the command line; `--one` is for the processes that this one starts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--market", type=Path, metavar="TAR", help="Market-1501, tar or folder")
    parser.add_argument("--scene", action="store_true", help="the rendered scene")
    parser.add_argument("--random", type=int, metavar="N", help="random tracks")
    parser.add_argument("--cost", type=int, nargs="+", metavar="N", default=[])
    parser.add_argument("--only", choices=("whole", "windows"), help="one way of --cost")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(cost(asked.one, WHOLE if asked.only == "whole" else Cut(86_400.0))))
        return
    results: dict[str, Any] = {}
    for title, tracks, given, constraints in _sets(asked):
        title = f"{title}: {len(tracks)} tracks of {len({t.person for t in tracks})} people"
        calibration = Embedder.load(threads=1).info.calibration
        results[title] = quality(tracks, given, calibration, constraints)
        if not asked.json:
            print(title)
            for name, f in results[title].items():
                print(
                    f"{name:>12}: F1 {f['f1']:.3f}, precision {f['precision']:.3f}, recall "
                    f"{f['recall']:.3f}, {f['bundles']} bundles",
                    flush=True,
                )
    for n in asked.cost:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "random.db"
            write(place, n)
            for way in (asked.only,) if asked.only else ("windows", "whole"):
                call = [sys.executable, __file__, "--one", str(place), "--only", way]
                done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True)
                f = results[f"{n}, {way}"] = json.loads(done.stdout)
                if not asked.json:
                    print(
                        f"{n:>8} tracks, {way}: {f['seconds']:.1f} s ({f['cpu_seconds']:.1f} s of "
                        f"CPU), {f['peak_mb']:.0f} MB ({f['before_mb']:.0f} MB before), "
                        f"{f['identities']} identities",
                        flush=True,
                    )
    if asked.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
