"""Embedders beside each other: retrieval by the height of the query, and crops a second.

    python benchmarks/embedder.py --data FOLDER [--weights FOLDER] [--embedder FILE] [--json]

FOLDER of `--data` holds the tars (or folders) of the sets, that of `--weights` the peers: those of
the Open Model Zoo (``person-reidentification-retail-0277.xml``, package `openvino`) and OSNet
(``osnet_x0_25_msmt17.onnx``, ``osnet_x0_25_market1501.pth``). Peers that are not there are left
out. Rows:

- nearfar: `--embedder`, the packaged one without it. nearfar int8: `--int8`,
  or the packaged one beside the packaged one.
- nearfar, level-blind: each crop at the sharpest level, whatever its height.
- the peers, each crop enlarged to their input, cosines compared.

People are those that the packaged weights were not trained on; with `--everybody`, all of each set,
for weights that have not seen it. One gallery picture a person at native size, queries from other
cameras shrunk by averaging; mean over draws that SHA-256 decides (`training/by_height.py`). Crops
a second are by CPU time, so that other work on the machine hardly counts: from a crop in memory to
its vector, `--threads` threads, the best of some rounds in which all take turns, in batches as
used: ours 32, OSNet 32 (by ONNX Runtime both), the Open Model Zoo's 1, as their files fix it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from benchmarks.embedder_peers import PEERS, open_peer  # noqa: E402
from reid import Embedder, Embeddings, ReidError  # noqa: E402
from reid.embedder import WEIGHTS, WEIGHTS_INT8  # noqa: E402
from training.augment import Image, shrink  # noqa: E402
from training.by_height import HEIGHTS, Embeds, by_height, label  # noqa: E402
from training.camera import held_out  # noqa: E402
from training.datasets import Crop, read_set  # noqa: E402
from training.errors import TrainingError  # noqa: E402

SETS = ("market1501", "cuhk03", "caviar", "viper", "prid", "ilids")
TIMED, ROUNDS = 128, 5
"""Crops of one timing, and how often each embedder is timed."""
LEADS = {
    "osnet_x0_25_msmt17": dict.fromkeys(HEIGHTS, 25.0),
    "retail-0277": dict(zip(HEIGHTS, (0.0, 3.0, 5.0, 10.0, 10.0), strict=True)),
}
"""Points of mean rank 1 by which ours should lead, by query height."""

Figures = dict[str, dict[str, dict[str, float]]]
"""By set (and ``mean``), by height: rank 1 and mAP in percent."""


class LevelBlind:
    """An embedder that takes each crop for a sharp one."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def embed(self, crops: Sequence[Image], /) -> Embeddings:
        """Embeddings at the sharpest level."""
        return self._embedder.embed(crops, levels=[self._embedder.info.levels.m] * len(crops))


def contestants(asked: argparse.Namespace) -> dict[str, Embeds]:
    """Ours and the peers that are there, by name."""
    ours = Embedder.load(asked.embedder, "cpu", asked.threads)
    found: dict[str, Embeds] = {"nearfar": ours}
    small = asked.int8 or (WEIGHTS_INT8 if asked.embedder == WEIGHTS else None)
    if small:
        found["nearfar int8"] = Embedder.load(small, "cpu", asked.threads)
    found["nearfar, level-blind"] = LevelBlind(ours)
    for name in PEERS if asked.weights else ():
        peer = open_peer(name, asked.weights, asked.threads)
        if peer:
            found[name] = peer
        else:
            print(f"{name} is not in {asked.weights}: left out", file=sys.stderr)
    return found


def read_people(data: Path, names: Sequence[str], everybody: bool) -> dict[str, list[Crop]]:
    """Crops of each set that are measured on."""
    found = {}
    for name in names:
        path = data / f"{name}.tar"
        crops = read_set(name, path if path.exists() else data / name)
        found[name] = crops if everybody else [c for c in crops if held_out(c)]
    return found


def accuracy(embedder: Embeds, sets: Mapping[str, Sequence[Crop]], draws: int) -> Figures:
    """Figures by set, and their mean over sets."""
    found: Figures = {}
    for name, crops in sets.items():
        figures = by_height(embedder, crops, HEIGHTS, draws)
        found[name] = {
            label(h): {"rank1": f.rank1, "mAP": f.mean_precision} for h, f in figures.items()
        }
    found["mean"] = {
        label(h): {
            key: float(np.mean([found[name][label(h)][key] for name in sets]))
            for key in ("rank1", "mAP")
        }
        for h in HEIGHTS
    }
    return found


def speed(embedders: Mapping[str, Embeds], crops: Sequence[Crop]) -> dict[str, float]:
    """Crops a second of CPU time, the best of `ROUNDS`; crops of all heights, mixed."""
    heights = [128, *(h for h in HEIGHTS if h)]
    images = [shrink(crops[i % len(crops)].image, heights[i % len(heights)]) for i in range(TIMED)]

    def seconds(call: Callable[[Sequence[Image]], Embeddings]) -> float:
        started = process_time()
        call(images)
        return process_time() - started

    best = dict.fromkeys(embedders, float("inf"))
    for _ in range(ROUNDS):
        for name, embedder in embedders.items():
            best[name] = min(best[name], seconds(embedder.embed))
    return {name: TIMED / least for name, least in best.items()}


def table(result: Mapping[str, Any]) -> str:
    """One table a set and one of means, in Markdown, and where ours falls short."""
    names = list(result["figures"])
    lines = []
    for group in [*result["people"], "mean"]:
        people = result["people"].get(group)
        title = f"{group}, {people} people" if people else f"mean of {len(result['people'])} sets"
        lines.append(f"| {title} | " + " | ".join(map(label, HEIGHTS)) + " | crops a second |")
        lines.append("|---" * (len(HEIGHTS) + 2) + "|")
        for name in names:
            rows = result["figures"][name][group]
            cells = [
                f"{rows[label(h)]['rank1']:.1f} / {rows[label(h)]['mAP']:.1f}" for h in HEIGHTS
            ]
            rate = f"{result['crops_per_second'][name]:.0f}" if group == "mean" else ""
            lines.append(f"| {name} | " + " | ".join(cells) + f" | {rate} |")
        lines.append("")
    return "\n".join([*lines, *shortfalls(result["figures"])])


def shortfalls(figures: Mapping[str, Figures]) -> list[str]:
    """How ours stands against the leads it should have, a line each."""
    lines = []
    for peer, leads in LEADS.items():
        if peer in figures:
            said = []
            for height, wanted in leads.items():
                ours, theirs = (
                    figures[n]["mean"][label(height)]["rank1"] for n in ("nearfar", peer)
                )
                missed = wanted - (ours - theirs)
                verdict = f"misses {wanted:g} by {missed:.1f}" if missed > 0 else "reached"
                said.append(f"{label(height)} {ours - theirs:+.1f} ({verdict})")
            lines.append(f"mean rank 1 against {peer}: {', '.join(said)}")
    return lines


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--weights", type=Path, help="folder of the peers' weights")
    parser.add_argument("--embedder", type=Path, default=WEIGHTS, help="ours, the packaged if none")
    parser.add_argument("--int8", type=Path, help="ours in int8, the packaged if none")
    parser.add_argument("--sets", default=",".join(SETS), help="names, with commas between")
    parser.add_argument("--everybody", action="store_true", help="all people of the sets")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    try:
        sets = read_people(asked.data, asked.sets.split(","), asked.everybody)
        embedders = contestants(asked)
        rates = speed(embedders, [c for crops in sets.values() for c in crops])
        figures = {}
        for name, embedder in embedders.items():
            print(f"{name}: {rates[name]:.0f} crops a second", file=sys.stderr)
            figures[name] = accuracy(embedder, sets, asked.draws)
    except (ReidError, TrainingError) as error:
        sys.exit(str(error))
    result = {
        "people": {name: len({c.identity for c in crops}) for name, crops in sets.items()},
        "draws": asked.draws,
        "threads": asked.threads,
        "crops_per_second": rates,
        "figures": figures,
    }
    print(json.dumps(result, indent=2) if asked.json else table(result))


if __name__ == "__main__":
    main()
