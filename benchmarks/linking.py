"""How well tracks are linked over cameras of unlike resolution, beside what else one would do.

    python benchmarks/linking.py [--market TAR] [--caviar TAR] [--scene] [--peers FOLDER]
                                 [--cost N...] [--json]

Tracks are given, so that linking alone is judged:

- market: Market-1501's test people, a track for each person and camera. Cameras 2, 4 and 6 are
  shrunk to a height; tracks lie one after the other, so that looks alone decide.
- caviar: CAVIAR4REID's 50 people with a near track and a far one, all of a camera in view at once.
  Two thirds of them were seen in the training of the weights that ship; the others are also judged
  by themselves.
- scene: 40 rendered people before 6 cameras, boxes from its truth, two frames a second, with what
  its site file says of travel times.

Sides: nearfar with its defaults; the same with all crops at the sharpest level (level-blind); the
networks in the folder ``--peers`` (osnet_x0_25_msmt17.onnx, person-reidentification-retail-0277.xml
where openvino is installed): mean vector of a track, complete-linkage clustering under the same
constraints, cut where F1 is best on this very truth, which no user could know. ``best prior`` gives
nearfar the same favour.

Precision, recall and F1 are over pairs of tracks; IDF1 is over crops, with the best one-to-one
mapping of true people and found ones. ``--cost`` links random tracks of that many, each number in a
process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from benchmarks.linking_sets import Pictures, Track, caviar, market, scene, shrunk  # noqa: E402
from reid import Calibration, Embedder, Embeddings, to_input  # noqa: E402
from tracker import Constraints, LinkSettings, Tracklet, link  # noqa: E402
from tracker.association import assign  # noqa: E402

HEIGHTS = (None, 64, 48, 32)
PRIORS = np.arange(-5.0, 1.1, 0.5)
Facts = dict[str, Any]


def tracklets(tracks: Sequence[Track], embedder: Embedder, blind: bool) -> list[Tracklet]:
    """What the linker gets; all at the sharpest level if `blind`."""
    crops = [c for t in tracks for c in t.crops]
    info = embedder.info.levels
    levels = [info.m if blind else info.level_of(len(c)) for c in crops]
    quality = [q for t in tracks for q in t.quality]
    found = embedder.embed(crops, levels=levels, quality=quality)
    starts = np.cumsum([0] + [len(t.crops) for t in tracks])
    return [
        Tracklet(i, t.camera, t.first, t.last, found[int(starts[i]) : int(starts[i + 1])])
        for i, t in enumerate(tracks)
    ]


def linked(
    given: Sequence[Tracklet], calibration: Calibration, constraints: Constraints, prior: float
) -> np.ndarray:
    """The identity of each track, ``int (n,)``."""
    out = np.empty(len(given), int)
    found = link(given, calibration, constraints, LinkSettings(prior=prior))
    for number, identity in enumerate(found):
        out[list(identity.tracks)] = number
    return out


def judged(tracks: Sequence[Track], found: np.ndarray) -> Facts:
    """Pairwise precision, recall and F1 of tracks, IDF1 of crops."""
    names = {p: i for i, p in enumerate(sorted({t.person for t in tracks}))}
    true = np.array([names[t.person] for t in tracks])
    right = _pairs(Counter(zip(true.tolist(), found.tolist(), strict=True)))
    claimed, all_true = _pairs(Counter(found.tolist())), _pairs(Counter(true.tolist()))
    counts = np.zeros((true.max() + 1, found.max() + 1))
    np.add.at(counts, (true, found), [len(t.crops) for t in tracks])
    rows, columns = assign(counts, 0.5)
    return {
        "precision": right / claimed if claimed else 1.0,
        "recall": right / all_true,
        "f1": 2 * right / (claimed + all_true),
        "idf1": float(counts[rows, columns].sum() / counts.sum()),
    }


def _pairs(sizes: Counter[Any]) -> int:
    return sum(n * (n - 1) // 2 for n in sizes.values())


def best_cut(tracks: Sequence[Track], vectors: np.ndarray, constraints: Constraints) -> np.ndarray:
    """Complete linkage on cosine distance, cut where F1 is best; ``int (n,)``.

    Args:
        vectors: ``float32 (crops, d)``, unit rows in the order of the tracks' crops.
    """
    from sklearn.cluster import AgglomerativeClustering

    from tracker.constraints import Conflicts

    n = len(tracks)
    starts = np.cumsum([0] + [len(t.crops) for t in tracks[:-1]])
    means = np.add.reduceat(vectors, starts, axis=0)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    distance = np.clip(1 - means @ means.T, 0, None).astype(float)
    empty = Embeddings.empty((1,))
    bare = [Tracklet(i, t.camera, t.first, t.last, empty) for i, t in enumerate(tracks)]
    every = np.arange(n)
    distance[Conflicts(bare, constraints).between(every[:, None], every[None, :])] = 9.0
    np.fill_diagonal(distance, 0.0)
    tree = AgglomerativeClustering(
        n_clusters=None, distance_threshold=0.0, metric="precomputed", linkage="complete"
    ).fit(distance)
    members = {i: [i] for i in range(n)}
    people = {i: Counter([t.person]) for i, t in enumerate(tracks)}
    all_true = _pairs(Counter(t.person for t in tracks))
    right = claimed = 0
    scores = [0.0]
    for step, (a, b) in enumerate(tree.children_):
        if tree.distances_[step] > 2:
            break
        right += sum(count * people[b][person] for person, count in people[a].items())
        claimed += len(members[a]) * len(members[b])
        members[n + step] = members[a] + members[b]
        people[n + step] = people[a] + people[b]
        scores.append(2 * right / (claimed + all_true))
    out = np.arange(n)
    for step in range(int(np.argmax(scores))):
        out[members[n + step]] = n + step
    return np.unique(out, return_inverse=True)[1]


def peers(folder: Path) -> Iterator[tuple[str, Callable[[Pictures], np.ndarray]]]:
    """Networks of others, each with what gives unit vectors of crops."""
    osnet, retail = (
        folder / "osnet_x0_25_msmt17.onnx",
        folder / "person-reidentification-retail-0277.xml",
    )
    if osnet.exists():
        yield "OSNet x0.25", lambda crops: _osnet(osnet, crops)
    if retail.exists():
        yield "retail-0277", lambda crops: _retail(retail, crops)


def _osnet(path: Path, crops: Pictures) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    out = []
    for crop in crops:
        image = (to_input(crop, (256, 128))[..., ::-1] / 255 - mean) / deviation
        batch = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)
        out.append(session.run(None, {name: batch})[0][0])
    vectors = np.array(out)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _retail(path: Path, crops: Pictures) -> np.ndarray:
    from training.datasets import Crop
    from training.teacher import teacher_vectors

    return teacher_vectors(path, [Crop(c, "", -1) for c in crops], threads=2)


def sides(
    tracks: Sequence[Track], constraints: Constraints, embedder: Embedder, folder: Path | None
) -> dict[str, Facts]:
    """All sides on one set of tracks."""
    assert embedder.info.calibration
    calibration, default = embedder.info.calibration, LinkSettings().prior
    out = {}
    for name, blind in (("nearfar", False), ("level-blind", True)):
        given = tracklets(tracks, embedder, blind)
        tried = {
            prior: judged(tracks, linked(given, calibration, constraints, prior))
            for prior in {default, *PRIORS.tolist()}
        }
        out[name] = tried[default]
        best = max(sorted(tried), key=lambda prior: tried[prior]["f1"])
        out[f"{name}, best prior"] = {**tried[best], "prior": best}
    crops = [c for t in tracks for c in t.crops]
    for name, embed in peers(folder) if folder else ():
        out[name] = judged(tracks, best_cut(tracks, embed(crops), constraints))
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
    """Seconds and peak memory of linking `n` random tracks in this process."""
    calibration = Embedder.load(threads=2).info.calibration
    assert calibration
    given = random_tracklets(n)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = perf_counter()
    found = link(given, calibration)
    return {
        "tracks": n,
        "seconds": perf_counter() - started,
        "identities": len(found),
        "given_mb": held,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def table(title: str, rows: dict[str, Facts]) -> str:
    """Sides in rows, figures in columns."""
    lines = [title, f"{'':<26}{'precision':>10}{'recall':>10}{'F1':>10}{'IDF1':>10}"]
    for name, facts in rows.items():
        label = f"{name} ({facts['prior']:.1f})" if "prior" in facts else name
        cells = (facts[k] for k in ("precision", "recall", "f1", "idf1"))
        lines.append(f"{label:<26}" + "".join(f"{cell:>10.3f}" for cell in cells))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Reads the command line; `--one` is for the processes that this one starts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--market", type=Path, metavar="TAR", help="Market-1501, tar or folder")
    parser.add_argument("--caviar", type=Path, metavar="TAR", help="CAVIAR4REID, tar or folder")
    parser.add_argument("--scene", action="store_true", help="the rendered scene")
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="weights of others")
    parser.add_argument("--cost", type=int, nargs="+", metavar="N", default=[])
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
                f"{n:>8} tracks {facts['seconds']:>8.1f} s {facts['peak_mb']:>8.0f} MB "
                f"({facts['given_mb']:.0f} MB before), {facts['identities']} identities",
                flush=True,
            )
    embedder = Embedder.load()
    for title, tracks, constraints in _sets(asked):
        title = f"{title}: {len(tracks)} tracks of {len({t.person for t in tracks})} people"
        results[title] = sides(tracks, constraints, embedder, asked.peers)
        if not asked.json:
            print(table(title, results[title]), flush=True)
    if asked.json:
        print(json.dumps(results, indent=2))


def _sets(asked: argparse.Namespace) -> Iterator[tuple[str, list[Track], Constraints]]:
    if asked.market:
        tracks = market(asked.market)
        for height in HEIGHTS:
            name = "native" if height is None else f"three cameras at {height} px"
            yield f"Market-1501, {name}", shrunk(tracks, height), Constraints()
    if asked.caviar:
        tracks = caviar(asked.caviar)
        yield "CAVIAR", tracks, Constraints()
        unseen = [t for t in tracks if int(t.person.split("/")[-1]) % 3 == 0]
        yield "CAVIAR, not trained on", unseen, Constraints()
    if asked.scene:
        yield "rendered scene", *scene()


if __name__ == "__main__":
    main()
