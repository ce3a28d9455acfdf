"""What the stages of a recording cost on this machine, for `scheduler.py`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cluster import FPS, render
from pipeline.cluster import Models, work
from pipeline.cluster.pieces import cut
from pipeline.cluster.ray import Workers
from pipeline.cluster.spread import PIECE_SECONDS, File
from pipeline.detect import Detector
from pipeline.engine import Engine
from pipeline.sources import Source, find_sources
from reid import Embedder
from storage import Gallery

__all__ = ["FPS", "PIECE_SECONDS", "record"]

CLIPS, SECONDS = 8, PIECE_SECONDS + 1
TASKS = 200
"""Tasks over which the costs of Ray are told."""

Facts = dict[str, Any]


def record() -> Facts:
    """Times in seconds.

    Returns:
        ``cut`` of a piece; ``pieces``, each with its ``detect``, ``follow`` and ``embed`` in
        processor time, ``store`` on the clock, and its number of ``embeddings``; ``ray`` as
        `overheads` says.
    """
    models = Models(None, None, "cpu")
    eyes, embedder = Detector.load(None, "cpu", 1), Embedder.load(None, "cpu", 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = find_sources([str(f) for f in render(folder / "clips", CLIPS, SECONDS)])
        with Gallery.open(folder / "g.db", model=embedder.info, create=True) as gallery:
            engine = Engine(eyes, embedder, gallery)
            began = time.perf_counter()
            cuts = [cut(source, PIECE_SECONDS, None) for source in sources]
            cutting = (time.perf_counter() - began) / sum(map(len, cuts))
            work.embed(models, sources[0], cuts[0][0], None, [], 90)
            pieces = [row for source in sources for row in timed(engine, models, source)]
        largest = max(pieces, key=lambda row: row["embeddings"])
        sizes = (int(largest["frames"]), int(largest["embeddings"]))
        return {"cut": cutting, "pieces": pieces, "ray": overheads(models, sizes)}


def timed(engine: Engine, models: Models, source: Source) -> list[Facts]:
    """The times of each whole piece of a recording, in this process."""
    file, rows = File(engine.begin(source)), []
    quality = engine.settings.embed.crop_quality
    whole = round(PIECE_SECONDS * source.fps)
    for piece in cut(source, PIECE_SECONDS, None):
        if piece.frames is None or len(piece.frames) < whole:
            continue
        marks = [time.process_time()]
        found = work.detect(models, source, piece, None, None)
        marks.append(time.process_time())
        due = [item for seen in found.seen for item in file.run.follow(seen)]
        marks.append(time.process_time())
        wanted = [work.Wanted(o.frame, o.box, o.level) for _, o in due]
        vectors = work.embed(models, source, piece, None, wanted, quality)
        marks.append(time.process_time())
        began = time.perf_counter()
        for (number, observation), (vector, jpeg) in zip(due, vectors, strict=True):
            file.run.keep(number, observation, vector, jpeg)
        file.store(engine.gallery)
        rows.append(
            dict(zip(("detect", "follow", "embed"), np.diff(marks).tolist(), strict=True))
            | {"store": time.perf_counter() - began}
            | {"frames": len(found.seen), "embeddings": len(due)}
        )
    return rows


def _hand_over(frames: int, embeddings: int) -> Sequence[Any]:
    """As much as a piece brings back, as many frames as embeddings."""
    seen = [np.zeros((10, 5), np.float32) for _ in range(frames)]
    return [seen, [(np.zeros(512, np.float32), bytes(4000)) for _ in range(embeddings)]]


def overheads(models: Models, sizes: tuple[int, int]) -> Facts:
    """What Ray costs.

    Returns:
        Of the calling process, ``submit`` and ``fetch`` a task, ``wait`` a task that is looked
        after, and to ``count`` the workers; ``worker``, what a task costs the one that runs it.
    """
    with Workers("local", models) as workers:
        import ray

        began = time.perf_counter()
        for _ in range(TASKS):
            assert workers.count
        count = (time.perf_counter() - began) / TASKS

        task = ray.remote(num_cpus=1)(_hand_over)
        ray.get([task.remote(1, 1) for _ in range(20)])
        began = time.perf_counter()
        waiting = [task.remote(*sizes) for _ in range(TASKS)]
        submit = (time.perf_counter() - began) / TASKS
        began = time.perf_counter()
        for _ in range(20):
            ray.wait(waiting, num_returns=1, timeout=0)
        wait = (time.perf_counter() - began) / 20 / TASKS
        ray.wait(waiting, num_returns=TASKS)
        began = time.perf_counter()
        for ref in waiting:
            ray.get(ref)
        fetch = (time.perf_counter() - began) / TASKS
        began = time.perf_counter()
        for _ in range(TASKS):
            ray.wait([task.remote(*sizes)])
        worker = (time.perf_counter() - began) / TASKS
    return {"submit": submit, "fetch": fetch, "wait": wait, "count": count, "worker": worker}
