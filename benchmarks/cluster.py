"""What a cluster brings, what it costs, and whether anybody's death is seen in the rows.

    python benchmarks/cluster.py [--clips N] [--seconds N] [--rounds N] [--kills N] [--seed N]
                                 [--json]

Rendered clips (seeded) are processed without Ray, and over local Ray clusters of one and of two
nodes with one core each. Models have one thread everywhere. Time is that of the run alone: a
cluster that is up, workers that have opened their models, and no report. Then the same job runs
over two nodes into a gallery on PostgreSQL (package pgserver) again and again, and at a random
moment a worker, a node, the program itself or the database is killed (whoever it was begins anew);
each gallery must hold the rows of the undisturbed one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYTHONPATH"] = str(ROOT)

import pgserver  # noqa: E402
import psycopg  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from samples import Scene  # noqa: E402
from tests.storage.places import Place, ask, new_place  # noqa: E402

CAMERAS, FPS = 4, 10
ENCODING = {"g": "10", "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"}
PIECE_SECONDS = 5.0
RUN = f"""
import json, sys, time
from pathlib import Path
from pipeline.cluster import Models, spread
from pipeline.cluster.ray import Workers
from pipeline.detect import Detector
from pipeline.engine import Engine
from pipeline.sources import find_sources
from reid import Embedder
from storage import Gallery
spread.PIECE_SECONDS = {PIECE_SECONDS}
place, address, warm, *files = sys.argv[1:]
eyes, model = Detector.load(None, "cpu", 1), Embedder.load(None, "cpu", 1)
models = Models(None, None, "cpu")
def over(address, engine, sources):
    if address == "none":
        return engine.run(sources)
    with Workers(address, models) as workers:
        return spread.over_workers(workers, engine, sources)
if warm:
    with Gallery.open(warm, model=model.info, create=True) as gallery:
        over(address, Engine(eyes, model, gallery), find_sources(files[:2]))
with Gallery.open(place, model=model.info, create=True, durable=True) as gallery:
    engine = Engine(eyes, model, gallery)
    began = time.perf_counter()
    over(address, engine, find_sources(files))
    print(json.dumps({{"seconds": time.perf_counter() - began, "frames": engine.tally.frames}}))
"""
QUERY = (
    "SELECT camera.name, track.number, o.frame, o.time, o.x, o.y, o.w, o.h, o.level, o.crop_sha256,"
    " e.vector, s.position, s.state FROM observation o JOIN track ON track.id = o.track_id"
    " JOIN session s ON s.id = track.session_id JOIN camera ON camera.id = s.camera_id"
    " LEFT JOIN embedding e ON e.observation_id = o.id ORDER BY 1, 2, 3"
)


def rows(place: Place) -> list[tuple[Any, ...]]:
    """All that a gallery holds of what was seen, without its numbers."""
    return ask(place, QUERY)


def begun(place: Place, address: str, warm: str, clips: list[Path]) -> subprocess.Popen[str]:
    """A run in a program of its own; `warm` is a gallery for a first one that isn't timed, or
    empty."""
    call = [sys.executable, "-c", RUN, str(place), address, warm]
    return subprocess.Popen([*call, *map(str, clips)], stdout=subprocess.PIPE, text=True)


def timed(place: Path, address: str, clips: list[Path]) -> float:
    """Seconds of one run."""
    program = begun(place, address, f"{place}.warm", clips)
    out = program.communicate(timeout=3600)[0]
    if program.returncode:
        raise SystemExit(f"a run over {address} failed")
    return float(json.loads(out.splitlines()[-1])["seconds"])


def cluster_of(nodes: int) -> Cluster:
    """Ray's head without workers, and nodes of one core."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(nodes):
        cluster.add_node(num_cpus=1)
    return cluster


def disturbed(
    place: Place,
    server: pgserver.PostgresServer,
    cluster: Cluster,
    clips: list[Path],
    chance: random.Random,
) -> str:
    """One run with a death in it; returns whose."""
    victim = chance.choice(("worker", "node", "program", "database"))
    program = begun(place, cluster.address, "", clips)
    while not _stored(place) and program.poll() is None:
        time.sleep(0.05)
    time.sleep(chance.uniform(0, 3))
    if program.poll() is not None:
        return "nobody: it was over"
    if victim == "program":
        program.kill()
        program.wait()
        program = begun(place, cluster.address, "", clips)
    elif victim == "database":
        options = {"pgdata": server.pgdata, "user": server.system_user, "timeout": 30}
        pgserver.pg_ctl(["-m", "immediate", "-w", "stop"], **options)
        time.sleep(chance.uniform(0, 3))
        server.ensure_postgres_running()
    elif victim == "node":
        cluster.remove_node(chance.choice(list(cluster.worker_nodes)), allow_graceful=False)
        cluster.add_node(num_cpus=1)
    else:
        nodes = [p.process.pid for n in cluster.worker_nodes for p in n.all_processes["raylet"]]
        call = ["pgrep", "-P", ",".join(map(str, nodes)), "-f", "^ray::(detect|embed)"]
        found = subprocess.run(call, capture_output=True)
        if not found.stdout:
            victim = "nobody: no worker was at work"
        for pid in map(int, found.stdout.split()):
            os.kill(pid, signal.SIGKILL)
    if program.wait(3600):
        raise SystemExit(f"after the death of a {victim} the run failed")
    return victim


def _stored(place: Place) -> int:
    try:
        return int(ask(place, "SELECT sum(position) FROM session")[0][0] or 0)
    except psycopg.Error:
        return 0


def main() -> None:
    """Reads the command line and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clips", type=int, default=8, metavar="N")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each clip")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="of the timings")
    parser.add_argument("--kills", type=int, default=20, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    facts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = render(folder / "clips", asked.clips, asked.seconds)
        whole = rows_of = None
        times: dict[str, list[float]] = {"without Ray": [], "1 worker": [], "2 workers": []}
        for i in range(asked.rounds):
            for label, nodes in (("without Ray", 0), ("1 worker", 1), ("2 workers", 2)):
                place = folder / f"{label} {i}.db"
                if nodes:
                    cluster = cluster_of(nodes)
                    times[label].append(timed(place, cluster.address, clips))
                    cluster.shutdown()
                else:
                    times[label].append(timed(place, "none", clips))
                rows_of = rows(place)
                whole = whole or rows_of
                facts.setdefault("same rows", True)
                facts["same rows"] &= rows_of == whole
        best = {label: min(seconds) for label, seconds in times.items()}
        facts |= {"seconds": times, "rows": len(whole or [])}
        facts["2 workers / 1 worker"] = best["2 workers"] / best["1 worker"]
        facts["1 worker / without Ray"] = best["1 worker"] / best["without Ray"]
        if asked.kills:
            chance, cluster, dead = random.Random(asked.seed), cluster_of(2), []
            (folder / "server").mkdir()
            server = pgserver.get_server(folder / "server", cleanup_mode="delete")
            os.environ["NEARFAR_POSTGRES"] = server.get_uri()
            for i in range(asked.kills):
                with new_place("postgres", folder) as place:
                    dead.append(disturbed(place, server, cluster, clips, chance))
                    if rows(place) != whole:
                        raise SystemExit(f"run {i}, death of a {dead[-1]}: other rows")
            cluster.shutdown()
            server.cleanup()
            facts["deaths, the rows the same after each"] = dead
    print(json.dumps(facts, indent=2) if asked.json else _table(facts))


def render(folder: Path, clips: int, seconds: float) -> list[Path]:
    """Clips of rendered cameras, each from when somebody comes, with a key frame a second."""
    folder.mkdir()
    files = []
    for i in range(clips):
        scene = Scene(seed=40 + i // CAMERAS, people=12, cameras=CAMERAS, fps=FPS)
        camera = scene.cameras[i % CAMERAS]
        starts = [p.start for p in scene.passages if p.camera == camera and p.start >= 0]
        first = min(round(min(starts) * FPS), scene.frame_count - round(seconds * FPS))
        files.append(folder / f"clip{i}.mp4")
        with av.open(str(files[-1]), "w") as container:
            stream = container.add_stream("libx264", rate=FPS)
            stream.pix_fmt, stream.options = "yuv420p", ENCODING
            for index in range(round(seconds * FPS)):
                image = scene.frame(camera, first + index)[0]
                if not index:
                    stream.height, stream.width = image.shape[:2]
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = index, Fraction(1, FPS)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return files


def _table(facts: dict[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in facts.items())


if __name__ == "__main__":
    main()
