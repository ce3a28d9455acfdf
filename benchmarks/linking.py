"""How well tracks are linked over cameras of unlike resolution, beside what else one would do.

    python benchmarks/linking.py [--market TAR] [--caviar TAR] [--scene] [--campus FOLDER]
                                 [--peers FOLDER] [--cost N...] [--plot FILE] [--threads N] [--json]

Tracks are given, so that linking alone is judged:

- market: Market-1501's test people, a track for each person and camera. Cameras 2, 4 and 6 are
  shrunk to a height; tracks lie one after the other, so that looks alone decide. The defaults of
  the linker were chosen with the people of even numbers in view: those of odd ones are also judged
  by themselves.
- caviar: the people of CAVIAR4REID with a near track and a far one whom the weights that ship were
  not trained on, all of a camera in view at once; then all 50, of whom they know two thirds.
- scene: 40 rendered people before 6 cameras, boxes from its truth, two frames a second, with what
  its site file says of travel times.
- campus: 26 people who pass two or more of four real views over a path, and four others, told apart
  by eye (``campus/README.md``); as they are, and with two of the views at a third of their size.

Sides: nearfar with its defaults; the same with all crops at the sharpest level (level-blind);
complete linkage on nearfar's evidence; the networks in the folder ``--peers``
(osnet_x0_25_msmt17.onnx, person-reidentification-retail-0277.xml where openvino is installed), mean
vector of a track and complete linkage; for the scene, nearfar with tracks that come one by one, and
times without looks. Constraints are the same
for all. What has a threshold has the one where F1 is best on this very truth, which no user could
know; ``best prior`` gives nearfar the same favour, ``few
wrong`` the one that links most people and puts at most two tracks wrong.

Precision, recall and F1 are over pairs of tracks; IDF1 is over crops, with the best one-to-one
mapping of true people and found ones. ``linked`` are the people, of those who pass several cameras,
whom an identity holds in two of them, ``wrong`` the tracks that are with somebody else than most
of their identity. ``--cost`` links random tracks of that many, each number in a
process of its own, and then twenty more; ``--plot`` draws what it took.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from benchmarks.linking_sets import Track, campus, caviar, market, scene, shrunk  # noqa: E402
from benchmarks.linking_sides import (  # noqa: E402
    PRIORS,
    Facts,
    best_cut,
    by_time,
    cosine,
    disbelief,
    judged,
    linked,
    live,
    ours,
    peers,
)
from reid import Embedder, Embeddings  # noqa: E402
from tracker import Constraints, Linker, LinkSettings, Tracklet  # noqa: E402

HEIGHTS = (None, 64, 48, 32)
FEW_WRONG = 2
"""Tracks that may be with somebody else where a side is asked to be careful."""
LIVE = 20
"""Tracks of one live update whose cost is measured."""


class Sides:
    """All sides, which remember the pictures that they have seen."""

    def __init__(self, embedder: Embedder, folder: Path | None, threads: int) -> None:
        self._calibration = embedder.info.calibration
        self._ours = {"nearfar": ours(embedder, False), "level-blind": ours(embedder, True)}
        self._peers = list(peers(folder, threads)) if folder else []

    def judge(
        self, tracks: Sequence[Track], constraints: Constraints, timed: bool
    ) -> dict[str, Facts]:
        """What each side makes of a set; `timed` says that its times mean something."""
        default, out = LinkSettings().prior, {}
        for name, tracklets in self._ours.items():
            given = tracklets(tracks)
            tried = {
                prior: judged(tracks, linked(given, self._calibration, constraints, prior))
                for prior in {default, *PRIORS.tolist()}
            }
            out[name] = tried[default]
            best = max(sorted(tried), key=lambda prior: tried[prior]["f1"])
            out[f"{name}, best prior"] = {**tried[best], "prior": best}
            careful = [prior for prior in sorted(tried) if tried[prior]["wrong"] <= FEW_WRONG]
            if careful:
                most = max(careful, key=lambda prior: tried[prior]["linked"])
                out[f"{name}, few wrong"] = {**tried[most], "prior": most}
        given = self._ours["nearfar"](tracks)
        distance = disbelief(given, self._calibration)
        out["complete linkage"] = judged(tracks, best_cut(tracks, distance, constraints))
        crops = [c for t in tracks for c in t.crops]
        for name, embed in self._peers:
            distance = cosine(tracks, embed(crops))
            out[name] = judged(tracks, best_cut(tracks, distance, constraints))
        if timed:
            found = live(given, self._calibration, constraints)
            out["nearfar, live"] = judged(tracks, found)
            out["times alone"] = judged(tracks, by_time(tracks, constraints))
        return out


def random_tracklets(n: int, seed: int = 0) -> list[Tracklet]:
    """Random tracks of n / 10 people who dress in 200 ways, ten cameras, four looks a track at one
    of four levels."""
    generator = np.random.default_rng(seed)
    sizes = (128,) * 4
    people = generator.standard_normal((max(n // 10, 1), sum(sizes)), np.float32)
    people += generator.standard_normal((200, sum(sizes)), np.float32)[np.arange(len(people)) % 200]
    out = []
    for key in range(n):
        level = int(generator.integers(1, 5))
        vectors = people[key % len(people)] + generator.standard_normal((1, 512), np.float32)
        vectors = vectors + 0.5 * generator.standard_normal((4, 512), np.float32)
        vectors[:, sum(sizes[:level]) :] = 0
        first = float(generator.uniform(0, 2 * n))
        looks = Embeddings(vectors, np.full(4, level, np.int8), np.ones(4, np.float32), sizes)
        camera = f"camera {generator.integers(10)}"
        out.append(Tracklet(key, camera, first, first + float(generator.uniform(1, 20)), looks))
    return out


def cost(n: int) -> Facts:
    """Seconds and peak memory of linking `n` random tracks, and `LIVE` more, in this process."""
    calibration = Embedder.load(threads=2).info.calibration
    given = random_tracklets(n)
    later = random_tracklets(LIVE, seed=1)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    linker, started, worked = Linker(calibration), perf_counter(), process_time()
    found = linker.update(given)
    linked_at, work = perf_counter(), process_time() - worked
    linker.update(Tracklet(n + t.key, t.camera, t.first, t.last, t.embeddings) for t in later)
    return {
        "tracks": n,
        "seconds": linked_at - started,
        "cpu_seconds": work,
        "update_seconds": perf_counter() - linked_at,
        "identities": len(found),
        "given_mb": held,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def plot(costs: Sequence[Facts], path: Path) -> None:
    """Seconds of CPU and peak memory over the number of tracks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    n = [facts["tracks"] for facts in costs]
    left.loglog(n, [facts["cpu_seconds"] for facts in costs], "o-")
    right.loglog(n, [facts["peak_mb"] for facts in costs], "o-", label="the whole process")
    right.loglog(n, [facts["given_mb"] for facts in costs], "o-", label="before linking")
    right.legend()
    left.set(xlabel="tracks", ylabel="seconds of CPU")
    right.set(xlabel="tracks", ylabel="MB")
    figure.savefig(path, dpi=100)


def table(title: str, rows: dict[str, Facts]) -> str:
    """Sides in rows, figures in columns."""
    names = ("precision", "recall", "F1", "IDF1", "linked", "wrong")
    lines = [title, f"{'':<32}" + "".join(f"{name:>10}" for name in names)]
    for name, facts in rows.items():
        label = f"{name} ({facts['prior']:.1f})" if "prior" in facts else name
        cells = [f"{facts[k]:.3f}" for k in ("precision", "recall", "f1", "idf1")]
        cells += [f"{facts['linked']}/{facts['people']}", str(facts["wrong"])]
        lines.append(f"{label:<32}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Reads the command line; `--one` is for the processes that this one starts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--market", type=Path, metavar="TAR", help="Market-1501, tar or folder")
    parser.add_argument("--caviar", type=Path, metavar="TAR", help="CAVIAR4REID, tar or folder")
    parser.add_argument("--scene", action="store_true", help="the rendered scene")
    parser.add_argument("--campus", type=Path, metavar="FOLDER", help="with the four clips")
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="weights of others")
    parser.add_argument("--cost", type=int, nargs="+", metavar="N", default=[])
    parser.add_argument("--plot", type=Path, metavar="FILE", help="picture of --cost")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of the networks")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(cost(asked.one)))
        return
    results: dict[str, Any] = {}
    for n in asked.cost:
        call = [sys.executable, __file__, "--one", str(n)]
        done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True)
        facts = results[f"cost of {n}"] = json.loads(done.stdout)
        if not asked.json:
            print(
                f"{n:>8} tracks {facts['seconds']:>8.1f} s ({facts['cpu_seconds']:.1f} s of CPU), "
                f"{LIVE} more {1000 * facts['update_seconds']:>6.0f} ms, "
                f"{facts['peak_mb']:>8.0f} MB ({facts['given_mb']:.0f} MB before), "
                f"{facts['identities']} identities",
                flush=True,
            )
    if asked.plot:
        plot(list(results.values()), asked.plot)
    sides = Sides(Embedder.load(threads=asked.threads), asked.peers, asked.threads)
    for title, tracks, constraints, timed in _sets(asked):
        title = f"{title}: {len(tracks)} tracks of {len({t.person for t in tracks})} people"
        results[title] = sides.judge(tracks, constraints, timed)
        if not asked.json:
            print(table(title, results[title]), flush=True)
    if asked.json:
        print(json.dumps(results, indent=2))


def _sets(asked: argparse.Namespace) -> Iterator[tuple[str, list[Track], Constraints, bool]]:
    if asked.market:
        tracks = market(asked.market)
        for height in HEIGHTS:
            name = "native" if height is None else f"three cameras at {height} px"
            small = shrunk(tracks, height)
            yield f"Market-1501, {name}", small, Constraints(), False
        odd = [t for t in small if int(t.person.split("/")[-1]) % 2]
        yield f"Market-1501, {name}, people of odd numbers", odd, Constraints(), False
    if asked.caviar:
        tracks, unseen = caviar(asked.caviar)
        yield "CAVIAR, not trained on", unseen, Constraints(), False
        yield "CAVIAR, all", tracks, Constraints(), False
    if asked.scene:
        yield "rendered scene", *scene(), True
    if asked.campus:
        yield "campus", campus(asked.campus, False), Constraints(), False
        yield "campus, two views at a third", campus(asked.campus, True), Constraints(), False


if __name__ == "__main__":
    main()
