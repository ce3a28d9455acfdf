"""What a gallery costs: writing, loading into memory, memory, searching by level of the query.

    python benchmarks/gallery.py [--rows 10000,100000] [--queries 20] [--sizes 128,128,128,128]
                                 [--levels mixed] [--gallery URL] [--beside [--commit 500]]
                                 [--rivals] [--json]

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
rows a second, and 3,000 with ``durable``, `--commit` rows at a time, and how many it can write; how
long a writer waits at most while another process purges half of the rows; what the database takes
before that and after a vacuum.

``rough`` is a search with a first pass over the first sub-vector (`Gallery.open(...,
rough_above=0)`); its recall is the share of the ten persons of the exact search.

``exact`` is the share of queries whose likeliest track scores what the literal definition says.
Observations have no pictures here, so writing is that of rows and vectors.

``read`` is the time to add up the bytes that a query of that level needs, on all cores: a floor
that no exact search gets under. ``rss`` is how much the process grew by loading, over the bytes of
the vectors; the compiler of the search's loops was loaded before. Times are in milliseconds, the
median and the 99th percentile.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from benchmarks.gallery_beside import beside  # noqa: E402
from benchmarks.gallery_rows import (  # noqa: E402
    MANY,
    PER_APPEND,
    PER_TRACK,
    Kind,
    a_model,
    resident,
    the_queries,
    timed,
    vectors_of,
    write,
)
from reid import Embeddings  # noqa: E402
from storage import Gallery  # noqa: E402
from storage.blocks import widened  # noqa: E402
from storage.search import PIECE  # noqa: E402
from storage.threads import spread  # noqa: E402


def needed_bytes(gallery: Gallery, level: int) -> float:
    """Milliseconds to add up all numbers that a query of this level is compared with."""
    assert gallery._searcher is not None
    pieces = [
        block[start : min(start + PIECE, part.count)].view(np.uint64)
        for part in gallery._searcher.mirror.segments.filled()
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


def measure(place: str, rows: int, kind: Kind, n: int, *, beside_others: bool) -> dict[str, Any]:
    """Fills a gallery up to so many rows and measures it."""
    sizes, model = kind.sizes, a_model(kind.sizes)
    with Gallery.open(place, model=model, create=True) as gallery:
        there = gallery.info().embeddings
        seconds = write(gallery, there, rows, kind)
        out: dict[str, Any] = {
            "rows": rows,
            "written_per_second": (rows - there) / seconds if rows > there else None,
            "database_bytes": gallery.info().database_bytes,
        }
    with Gallery.open(place, model=model, read_only=True) as gallery:
        first = the_queries(1, 1, kind)
        widened(np.zeros((1, 1), np.float16))
        before, began = resident(), perf_counter()
        gallery.search(first)
        out["load_seconds"] = perf_counter() - began
        grown = resident() - before
        assert gallery._searcher is not None
        held = [
            part.count * sum(part.segment.sizes) * 2
            for part in gallery._searcher.mirror.segments.filled()
        ]
        out["vector_bytes"], out["rss"] = sum(held), grown / sum(held)
        searches: dict[str, dict[str, Any]] = {}
        for level in range(1, len(sizes) + 1):
            q = the_queries(n, level, kind)
            took = timed(lambda i, q=q: gallery.search(q[i : i + 1]), n)
            searches[str(level)] = {"nearfar": took, "read": needed_bytes(gallery, level)}
            many = the_queries(MANY, level, kind)
            one_by_one = [many[i : i + 1] for i in range(MANY)]
            searches[str(level)][str(MANY)] = timed(
                lambda _, q=one_by_one: gallery.search_many(q), max(2, n // 10)
            )
        out["rough"] = rough(place, gallery, n, kind)
        parts = [
            vectors_of(start, min(PER_APPEND, rows - start), kind)
            for start in range(0, rows, PER_APPEND)
        ]
        literal = Literal(
            np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), sizes
        )
        del parts
        for level in range(1, len(sizes) + 1):
            q = the_queries(n, level, kind)
            searches[str(level)]["numpy"] = timed(
                lambda i, q=q, k=level: literal.best(q.vectors[i], k), n
            )
            searches[str(level)]["exact"] = exact(gallery, literal, q[: min(n, 5)])
    out["search"] = searches
    if beside_others:
        from benchmarks.rivals import measured

        full = the_queries(max(n, MANY), len(sizes), kind)
        right = [literal.best(q, len(sizes)) for q in full.vectors[:n]]
        unit = literal.matrix / np.maximum(literal.norms[:, -1:], 1e-12)
        del literal
        looks = full.vectors / np.linalg.norm(full.vectors, axis=1, keepdims=True)
        out["rivals"] = measured(unit, looks, right, n)
    return out


def rough(place: str, exact: Gallery, n: int, kind: Kind) -> dict[str, Any]:
    """A first pass over the first sub-vector: by level, times and the share of the ten persons."""
    out = {}
    with Gallery.open(place, model=exact.model, read_only=True, rough_above=0) as gallery:
        gallery.search(the_queries(1, 1, kind))
        for level in range(1, len(kind.sizes) + 1):
            queries = the_queries(n, level, kind)
            shares = []
            for i in range(n):
                right = {hit.best.track for hit in exact.search(queries[i : i + 1])}
                found = {hit.best.track for hit in gallery.search(queries[i : i + 1])}
                shares.append(len(right & found) / len(right))
            took = timed(lambda i, q=queries: gallery.search(q[i : i + 1]), n)
            out[str(level)] = {**took, "recall": float(np.mean(shares))}
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
    parser.add_argument("--commit", type=int, default=500, help="rows at a time with --beside")
    parser.add_argument("--rivals", action="store_true", help="faiss, sqlite-vec, pgvector")
    parser.add_argument("--levels", choices=["mixed", "top"], default="mixed", help="of the rows")
    parser.add_argument("--json", action="store_true", help="print all figures")
    arguments = parser.parse_args()
    sizes = tuple(int(size) for size in arguments.sizes.split(","))
    kind = Kind(sizes, len(sizes) if arguments.levels == "top" else 1)
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.gallery or str(Path(folder) / "nearfar.db")
        results = [
            measure(place, int(rows), kind, arguments.queries, beside_others=arguments.rivals)
            for rows in arguments.rows.split(",")
        ]
        both = {}
        if arguments.beside:
            both = beside(place, results[-1]["rows"], kind, arguments.commit)
    if arguments.json:
        print(json.dumps({"alone": results, "beside": both}, indent=2))
    else:
        print(table(results))
        for what, facts in both.items():
            print(what, *(f"{name} {value:,.0f}" for name, value in facts.items()), sep="  ")


if __name__ == "__main__":
    main()
