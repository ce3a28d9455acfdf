"""How soon the cameras of a node that died are live on others.

    python benchmarks/watch_cluster.py [--kills N] [--cameras N] [--json]

`nearfar watch --ray` watches rendered clips, played in real time, with three nodes that are
processes here, and a PostgreSQL server of the package pgserver. Again and again one node's
processes are all killed, and another one is begun. A camera counts as live when a new frame of it
came. Meanwhile it is looked whether two decoders ever had one clip open.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYTHONPATH"] = str(ROOT)

import numpy as np  # noqa: E402

from samples import Scene  # noqa: E402
from storage import Gallery  # noqa: E402
from tests.live.nodes import Cluster, Readers, repeat  # noqa: E402
from tests.live.watches import WatchProgram  # noqa: E402
from tests.pipeline.conftest import FPS, encode  # noqa: E402
from tests.storage.places import new_place  # noqa: E402

ROUND_SECONDS = 240
"""That a round may take, which the clips must last."""


def render(folder: Path, cameras: int, seconds: float) -> Path:
    """A site file with so many cameras, all of one clip that is played over and over."""
    scene = Scene(people=3, cameras=1, fps=FPS)
    walk = next(p for p in scene.passages if p.camera == scene.cameras[0])
    first = round(max(0.0, walk.start) * FPS)
    images = (scene.frame(walk.camera, first + i)[0][::2, ::2] for i in range(4 * FPS))
    clip = encode(folder / "clip.mp4", map(np.ascontiguousarray, images))
    for n in range(cameras):
        repeat(clip, folder / f"{n}.mp4", round(seconds / 4))
    lines = [f"  camera {n}: {{source: {n}.mp4, fps: 2}}\n" for n in range(cameras)]
    (folder / "site.yaml").write_text("cameras:\n" + "".join(lines))
    return folder / "site.yaml"


def live(watch: WatchProgram) -> dict[str, str]:
    """The node of each camera that is live."""
    cameras = watch.status()["cameras"]
    return {c["camera"]: c["node"] for c in cameras if c["state"] == "live"}


def round_of(watch: WatchProgram, cluster: Cluster, cameras: int, number: int) -> dict[str, Any]:
    """Kills the node with the most cameras; how long each of them was away, in seconds."""
    before = live(watch)
    dead = Counter(before.values()).most_common(1)[0][0]
    hit = {camera for camera, node in before.items() if node == dead}
    cluster.kill(dead)
    died, back = time.monotonic(), {}

    def returned() -> bool:
        for camera, node in live(watch).items():
            if camera in hit and node != dead:
                back.setdefault(camera, time.monotonic() - died)
        return set(back) == hit

    watch.until(returned, 120)
    cluster.add(f"node {number + 3}")
    most = -(-cameras // 3)

    def is_even() -> bool:
        counts = Counter(live(watch).values())
        return len(counts) == 3 and sum(counts.values()) == cameras and max(counts.values()) == most

    watch.until(is_even, ROUND_SECONDS)
    return {"cameras": len(hit), "seconds": max(back.values()), "load": os.getloadavg()[0]}


def main() -> None:
    """Reads the command line and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=10, metavar="N")
    parser.add_argument("--cameras", type=int, default=4, metavar="N")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, new_place("postgres", Path(name)) as gallery:
        site = render(Path(name), asked.cameras, ROUND_SECONDS * (asked.kills + 1))
        cluster = Cluster("node 0", "node 1", "node 2")
        readers = Readers(site.parent)
        watch = WatchProgram(site, "--gallery", str(gallery), "--ray", cluster.address)
        try:
            watch.until(lambda: any(e["event"] == "start" for e in watch.events), 120)
            watch.until(lambda: len(set(live(watch).values())) == 3, 120)
            watch.until(lambda: len(live(watch)) == asked.cameras, 120)
            for number in range(asked.kills):
                rounds.append(round_of(watch, cluster, asked.cameras, number))
                print(rounds[-1], file=sys.stderr)
            status, ended = watch.end()
        finally:
            readers.close()
            watch.end(9)
            cluster.close()
        with Gallery.open(str(gallery), read_only=True) as opened:
            problems = opened.check()
    seconds = [r["seconds"] for r in rounds]
    facts = {
        "kills": len(rounds),
        "seconds, median": round(statistics.median(seconds), 1),
        "seconds, worst": round(max(seconds), 1),
        "decoders of one clip at a time, most": max(readers.most.values()),
        "seconds to end": round(ended, 1),
        "exit status": status,
        "problems of the gallery": problems,
    }
    print(json.dumps({**facts, "rounds": rounds}) if asked.json else _table(facts))


def _table(facts: dict[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in facts.items())


if __name__ == "__main__":
    main()
