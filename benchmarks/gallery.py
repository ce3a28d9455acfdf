"""What a gallery costs: writing, loading into memory, memory, searching by level of the query.

    python benchmarks/gallery.py [--rows 10000,100000] [--queries 20] [--sizes 128,128,128,128]
                                 [--levels mixed] [--gallery URL] [--beside] [--rivals] [--json]

Observations are random and seeded: vectors in clusters, one a person, of mixed levels (or all of
the highest, with ``--levels top``). Searches are compared with as many threads as the process has
cores, and one query after the other unless it says "64", which is so many at once; 64 is then the
time of all. Beside the search of `Gallery` stand, on the same vectors in the same process:

- numpy: one float32 matrix of full-length vectors, zero past each one's level, with kept norms of
  each prefix; a matrix product and the best ten, without persons, filters or evidence.

and with ``--rivals`` (benchmarks/rivals.py), as far as they are installed:

- faiss flat, faiss fp16: `IndexFlatL2` and `IndexScalarQuantizer(QT_fp16)` over the same matrix.
- sqlite-vec: a table ``vec0`` of float32, scanned.
- pgvector: a table of ``vector`` on a PostgreSQL server, scanned, and by an HNSW index of the usual
  settings. A rival's vectors are scaled to length one before, so that all rank alike.

Rivals compare a query with zeros where a row's level is lower, which is not the distance that is
wanted: ``recall`` says which share of the ten rows that the literal definition calls nearest they
name, for queries of the highest level.

With ``--beside``, on the largest gallery: how searches fare while another process writes 10,000
rows a second, and 3,000 with ``durable``, and how many it can write; how long a writer waits at
most while another process purges half of the rows; what the database takes before that and after
a vacuum.

``rough`` is a search with a first pass over the first sub-vector (`Gallery.open(...,
rough_above=0)`); its recall is the share of the ten persons of the exact search.

``exact`` is the share of queries whose likeliest track scores what the literal definition says.
Observations have no pictures here, so writing is that of rows and vectors.

``read`` is the time to add up the bytes that a query of that level needs, on all cores: a floor
that no exact search gets under. ``rss`` is how much the process grew by loading, over the bytes of
the vectors. Times are in milliseconds, the median and the 99th percentile.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from reid import Calibration, Embeddings, LevelSet, ModelInfo  # noqa: E402
from storage import Gallery, ObservationRow, TrackUpdate  # noqa: E402
from storage.search import PIECE  # noqa: E402
from storage.threads import spread  # noqa: E402

PER_TRACK = 20
"""Observations of a track."""

PER_APPEND = 2000
"""Observations of a commit."""

PER_PERSON = 50
"""Observations of a person."""

PACES = {False: 10_000.0, True: 3_000.0}
"""Rows a second that are written while another process searches, not durable and durable."""


def a_model(sizes: tuple[int, ...]) -> ModelInfo:
    """A model of these sub-vectors with one plausible curve for all pairs of levels."""
    m = len(sizes)
    curve = Calibration(np.full((m, m), 5, np.float32), np.full((m, m), -6, np.float32))
    heights = tuple(32 * 2**k for k in range(m))
    return ModelInfo("random", "0123456789abcdef", LevelSet(heights), sizes, (256, 128), curve)


MANY = 64
"""Queries at once."""

LOWEST = {"mixed": 1, "top": 0}
"""The lowest level of rows; 0 for the highest that there is."""

lowest = LOWEST["mixed"]


def vectors_of(start: int, n: int, sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """`n` vectors ``float32 (n, d)`` from row `start` on, and their levels ``int8 (n,)``."""
    rng = np.random.default_rng([7, start])
    person = (np.arange(start, start + n) // PER_TRACK * 2654435761) % max(1, 10**6 // PER_PERSON)
    centre = np.random.default_rng(1).normal(size=(4096, sum(sizes))).astype(np.float32)
    vectors = centre[person % 4096] + rng.normal(size=(n, sum(sizes))).astype(np.float32)
    levels = rng.integers(lowest or len(sizes), len(sizes) + 1, n).astype(np.int8)
    lengths = np.cumsum(sizes)[levels - 1]
    vectors[np.arange(sum(sizes)) >= lengths[:, None]] = 0
    return vectors.astype(np.float16).astype(np.float32), levels


def write(
    gallery: Gallery, first: int, last: int, sizes: tuple[int, ...], pace: float = np.inf
) -> float:
    """Stores rows first..last - 1, `pace` a second at most; returns the seconds of storing."""
    session = gallery.begin_session("random", "random", f"from {first}", 0.0, 10.0)
    seconds = 0.0
    for start in range(first, last, PER_APPEND):
        n = min(PER_APPEND, last - start)
        vectors, levels = vectors_of(start, n, sizes)
        updates = [
            TrackUpdate(
                1 + (start - first + at) // PER_TRACK,
                [
                    ObservationRow(
                        start - first + i,
                        float(start + i),
                        (0.0, 0.0, 10.0, 20.0),
                        0.9,
                        int(levels[i]),
                        0.5,
                        vectors[i],
                    )
                    for i in range(at, min(at + PER_TRACK, n))
                ],
            )
            for at in range(0, n, PER_TRACK)
        ]
        began = perf_counter()
        gallery.append(session.id, start - first + n, 0, updates)
        spent = perf_counter() - began
        seconds += spent
        sleep(max(0.0, n / pace - spent))
    return seconds


def resident() -> int:
    """Bytes of memory that this process holds."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmRSS")


def timed(call: Callable[[int], object], n: int) -> dict[str, float]:
    """Median and 99th percentile of `n` calls, milliseconds."""
    call(0)
    spent = []
    for i in range(n):
        began = perf_counter()
        call(i)
        spent.append(1e3 * (perf_counter() - began))
    return {"p50": float(np.median(spent)), "p99": float(np.percentile(spent, 99))}


def the_queries(n: int, level: int, sizes: tuple[int, ...]) -> Embeddings:
    """Queries near stored persons, all of one level."""
    vectors, _ = vectors_of(0, n * PER_TRACK, sizes)
    rng = np.random.default_rng(9)
    whole = vectors[::PER_TRACK][:n]
    whole = np.where(whole == 0, rng.normal(size=whole.shape), whole).astype(np.float32)
    whole[:, sum(sizes[:level]) :] = 0
    return Embeddings(whole, np.full(n, level, np.int8), np.ones(n, np.float32), sizes)


def needed_bytes(gallery: Gallery, level: int) -> float:
    """Milliseconds to add up all numbers that a query of this level is compared with."""
    assert gallery._searcher is not None
    pieces = [
        block[start : min(start + PIECE, part.count)].view(np.uint64)
        for part in gallery._searcher.mirror.segments.parts()
        for block in part.segment.blocks[:level]
        for start in range(0, part.count, PIECE)
    ]
    return timed(lambda _: spread(np.sum, pieces), 20)["p50"]


class Literal:
    """Full-length rows in one matrix, with kept norms of each prefix."""

    def __init__(self, matrix: np.ndarray, levels: np.ndarray, sizes: tuple[int, ...]) -> None:
        self.matrix, self.levels, self.ends = matrix, levels, np.cumsum(sizes)
        squared = [(matrix[:, :end] ** 2).sum(1) for end in self.ends]
        self.norms = np.sqrt(np.stack(squared, 1))

    def distances(self, query: np.ndarray, level: int) -> np.ndarray:
        """The distance that is wanted: on the part that both fill, each scaled to length one."""
        compared = np.minimum(self.levels, level) - 1
        mine = self.norms[np.arange(len(self.levels)), compared]
        theirs = np.array([np.linalg.norm(query[:end]) for end in self.ends])[compared]
        return 2 - 2 * (self.matrix @ query) / np.maximum(mine * theirs, 1e-12)

    def best(self, query: np.ndarray, level: int) -> np.ndarray:
        """The ten nearest rows."""
        return np.argpartition(self.distances(query, level), 10)[:10]


def exact(gallery: Gallery, literal: Literal, queries: Embeddings) -> float:
    """Share of queries whose likeliest track scores what the literal definition says."""
    assert gallery.model is not None
    curve, right = gallery.model.calibration, 0
    for i in range(len(queries)):
        hits = gallery.search(queries[i : i + 1], top=1)
        distance = literal.distances(queries.vectors[i], int(queries.levels[i]))
        odds = np.clip(curve.intercept[0, 0] + curve.slope[0, 0] * distance, -6, 6)
        tracks = np.sort(odds[: len(odds) // PER_TRACK * PER_TRACK].reshape(-1, PER_TRACK), axis=1)
        right += abs(hits[0].log_odds - float(tracks[:, -3:].mean(1).max())) < 1e-4
    return right / len(queries)


def measure(
    place: str, rows: int, sizes: tuple[int, ...], n: int, *, beside_others: bool
) -> dict[str, Any]:
    """Fills a gallery up to so many rows and measures it."""
    model = a_model(sizes)
    with Gallery.open(place, model=model, create=True) as gallery:
        there = gallery.info().embeddings
        seconds = write(gallery, there, rows, sizes)
        out: dict[str, Any] = {
            "rows": rows,
            "written_per_second": (rows - there) / seconds if rows > there else None,
            "database_bytes": gallery.info().database_bytes,
        }
    with Gallery.open(place, model=model, read_only=True) as gallery:
        first = the_queries(1, 1, sizes)
        before, began = resident(), perf_counter()
        gallery.search(first)
        out["load_seconds"] = perf_counter() - began
        grown = resident() - before
        assert gallery._searcher is not None
        held = [
            part.count * sum(part.segment.sizes) * 2
            for part in gallery._searcher.mirror.segments.parts()
        ]
        out["vector_bytes"], out["rss"] = sum(held), grown / sum(held)
        searches: dict[str, dict[str, Any]] = {}
        for level in range(1, len(sizes) + 1):
            q = the_queries(n, level, sizes)
            took = timed(lambda i, q=q: gallery.search(q[i : i + 1]), n)
            searches[str(level)] = {"nearfar": took, "read": needed_bytes(gallery, level)}
            many = the_queries(MANY, level, sizes)
            one_by_one = [many[i : i + 1] for i in range(MANY)]
            searches[str(level)][str(MANY)] = timed(
                lambda _, q=one_by_one: gallery.search_many(q), max(2, n // 10)
            )
        out["rough"] = rough(place, gallery, n, sizes)
        parts = [
            vectors_of(start, min(PER_APPEND, rows - start), sizes)
            for start in range(0, rows, PER_APPEND)
        ]
        literal = Literal(
            np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), sizes
        )
        del parts
        for level in range(1, len(sizes) + 1):
            q = the_queries(n, level, sizes)
            searches[str(level)]["numpy"] = timed(
                lambda i, q=q, k=level: literal.best(q.vectors[i], k), n
            )
            searches[str(level)]["exact"] = exact(gallery, literal, q[: min(n, 5)])
    out["search"] = searches
    if beside_others:
        from benchmarks.rivals import measured

        full = the_queries(max(n, MANY), len(sizes), sizes)
        right = [literal.best(q, len(sizes)) for q in full.vectors[:n]]
        unit = literal.matrix / np.maximum(literal.norms[:, -1:], 1e-12)
        del literal
        looks = full.vectors / np.linalg.norm(full.vectors, axis=1, keepdims=True)
        out["rivals"] = measured(unit, looks, right, n)
    return out


def rough(place: str, exact: Gallery, n: int, sizes: tuple[int, ...]) -> dict[str, Any]:
    """A first pass over the first sub-vector: by level, times and the share of the ten persons."""
    out = {}
    with Gallery.open(place, model=exact.model, read_only=True, rough_above=0) as gallery:
        gallery.search(the_queries(1, 1, sizes))
        for level in range(1, len(sizes) + 1):
            queries = the_queries(n, level, sizes)
            shares = []
            for i in range(n):
                right = {hit.best.track for hit in exact.search(queries[i : i + 1])}
                found = {hit.best.track for hit in gallery.search(queries[i : i + 1])}
                shares.append(len(right & found) / len(right))
            took = timed(lambda i, q=queries: gallery.search(q[i : i + 1]), n)
            out[str(level)] = {**took, "recall": float(np.mean(shares))}
    return out


def search_on(place: str, sizes: tuple[int, ...], stop: Event, told: Connection) -> None:
    """Searches until told to stop, then hands over the milliseconds of each search."""
    query, spent = the_queries(1, len(sizes), sizes), []
    with Gallery.open(place, model=a_model(sizes), read_only=True) as gallery:
        gallery.search(query)
        told.send(None)
        while not stop.is_set():
            began = perf_counter()
            gallery.search(query)
            spent.append(1e3 * (perf_counter() - began))
    told.send(spent)


def purge_half(place: str, sizes: tuple[int, ...], before: float, told: Connection) -> None:
    """Purges what was seen before a time and hands over the seconds."""
    with Gallery.open(place, model=a_model(sizes)) as gallery:
        told.send(None)
        began = perf_counter()
        removed = gallery.life.purge(before=before)
        told.send((removed.observations, perf_counter() - began))


def beside(place: str, rows: int, sizes: tuple[int, ...]) -> dict[str, Any]:
    """What writers, readers and a purge do to each other, in processes of their own."""
    context, out = get_context("spawn"), {}
    more = rows
    for durable in (False, True):
        stop, (here, there) = context.Event(), context.Pipe()
        reader = context.Process(target=search_on, args=(place, sizes, stop, there))
        reader.start()
        here.recv()
        pace, n = PACES[durable], min(round(10 * PACES[durable]), rows)
        with Gallery.open(place, model=a_model(sizes), durable=durable) as gallery:
            write(gallery, more, more + n, sizes, pace)
            stop.set()
            spent = here.recv()
            reader.join()
            more += n
            seconds = write(gallery, more, more + n, sizes)
        more += n
        out["durable" if durable else "normal"] = {
            "paced": pace,
            "search_p50": float(np.median(spent)),
            "search_p99": float(np.percentile(spent, 99)),
            "written_per_second": n / seconds,
        }
    here, there = context.Pipe()
    purger = context.Process(target=purge_half, args=(place, sizes, rows / 2, there))
    with Gallery.open(place, model=a_model(sizes)) as gallery:
        before = gallery.info().database_bytes
        purger.start()
        here.recv()
        waits = []
        while not here.poll():
            waits.append(1e3 * write(gallery, more, more + PER_TRACK, sizes))
            more += PER_TRACK
        count, seconds = here.recv()
        purger.join()
        gallery.life.vacuum()
        out["purge"] = {
            "observations": count,
            "seconds": seconds,
            "writer_p50": float(np.median(waits)),
            "writer_longest": max(waits),
            "bytes_before": before,
            "bytes_after": gallery.info().database_bytes,
        }
    return out


def table(results: list[dict[str, Any]]) -> str:
    """The measurements as Markdown."""
    levels = list(results[0]["search"])
    head = ["rows", "written/s", "load s", "rss", "numpy"]
    for k in levels:
        head += [f"level {k}", "read", str(MANY)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for one in results:
        rate = one["written_per_second"]
        cells = [
            f"{one['rows']:,}",
            "-" if rate is None else f"{rate:,.0f}",
            f"{one['load_seconds']:.2f}",
            f"{one['rss']:.2f}",
            pair(one["search"][levels[-1]]["numpy"]),
        ]
        for k in levels:
            took = one["search"][k]
            cells += [pair(took["nearfar"]), f"{took['read']:.1f}", f"{took[str(MANY)]['p50']:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    for one in results:
        for level, facts in one["rough"].items():
            share = f"{facts['recall']:.3f}"
            lines.append(f"{one['rows']:,} rough, level {level}: {pair(facts)}, recall {share}")
    for one in results:
        for name, facts in one.get("rivals", {}).items():
            many = f"{facts[str(MANY)]['p50']:.0f}" if str(MANY) in facts else "-"
            lines.append(
                f"{one['rows']:,} {name}: {pair(facts['one'])}, {MANY}: {many}, "
                f"recall {facts['recall']:.3f}"
            )
    return "\n".join(lines)


def pair(took: dict[str, float]) -> str:
    """Median and 99th percentile."""
    return f"{took['p50']:.1f} / {took['p99']:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="10000,100000", help="numbers of rows, ascending")
    parser.add_argument("--queries", type=int, default=20, help="of each level")
    parser.add_argument("--sizes", default="128,128,128,128", help="numbers in each sub-vector")
    parser.add_argument("--gallery", help="an empty place; a file that is removed if none")
    parser.add_argument("--beside", action="store_true", help="writers, readers, a purge at once")
    parser.add_argument("--rivals", action="store_true", help="faiss, sqlite-vec, pgvector")
    parser.add_argument("--levels", choices=list(LOWEST), default="mixed", help="of the rows")
    parser.add_argument("--json", action="store_true", help="print all figures")
    arguments = parser.parse_args()
    global lowest
    lowest = LOWEST[arguments.levels]
    sizes = tuple(int(size) for size in arguments.sizes.split(","))
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.gallery or str(Path(folder) / "nearfar.db")
        results = [
            measure(place, int(rows), sizes, arguments.queries, beside_others=arguments.rivals)
            for rows in arguments.rows.split(",")
        ]
        both = beside(place, results[-1]["rows"], sizes) if arguments.beside else {}
    if arguments.json:
        print(json.dumps({"alone": results, "beside": both}, indent=2))
    else:
        print(table(results))
        for what, facts in both.items():
            print(what, *(f"{name} {value:,.0f}" for name, value in facts.items()), sep="  ")


if __name__ == "__main__":
    main()
