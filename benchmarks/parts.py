"""What a gallery in parts costs: searches over Ray nodes that hold one, two and four parts of it.

    python benchmarks/parts.py [--rows 200000] [--parts 1,2,4] [--queries 20] [--gallery URL]
                               [--json]

Rows as in benchmarks/gallery.py, those of one person linked whatever their time, so that most
persons have rows in several parts. Nodes are processes of this machine with one core each; they
share its cores, so what is to be seen is what asking and merging cost, not what more machines
bring. Each search looks for rows that are new, compares, merges, and reads what is shown; its
time is the median of `--queries`, in milliseconds, beside that of one process that holds all
rows. ``64 at once`` is the time of all. ``processor`` is what a search takes of the cores, of
all levels on average, in the process that asks, then in each that holds a part; other programs
disturb it less. ``MB`` is what the process of each holder takes, Python and Ray included.
Answers must be the same: persons, order, scores, observations.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from ray.cluster_utils import Cluster  # noqa: E402

from benchmarks.gallery_rows import (  # noqa: E402
    MANY,
    PER_PERSON,
    Kind,
    a_model,
    resident,
    the_queries,
    timed,
    write,
)
from pipeline.cluster import holding  # noqa: E402
from storage import Gallery, SearchHit  # noqa: E402

KIND = Kind((128, 128, 128, 128))
WINDOW = 3600.0
"""Seconds; rows are one a second."""


@contextmanager
def a_place(given: str | None) -> Iterator[str]:
    """The URL of an empty database."""
    if given:
        yield given
        return
    import pgserver

    with tempfile.TemporaryDirectory() as folder:
        yield str(pgserver.get_server(folder, cleanup_mode="delete").get_uri())


def fill(gallery: Gallery, rows: int) -> None:
    """Rows of one camera, linked to persons whose tracks lie anywhere in time."""
    write(gallery, gallery.info().embeddings, rows, KIND)
    tracks = [t.id for t in gallery.tracks(looks=0)]
    persons = max(1, rows // PER_PERSON)
    gallery.save_identities({t: t * 2654435761 % persons for t in tracks}, {})


def holders(cluster: Cluster) -> list[int]:
    """The processes that hold parts."""
    nodes = [p.process.pid for n in cluster.worker_nodes for p in n.all_processes["raylet"]]
    nodes += [p.process.pid for p in cluster.head_node.all_processes["raylet"]]
    call = ["pgrep", "-P", ",".join(map(str, nodes)), "-f", "^ray::Holder"]
    return [int(pid) for pid in subprocess.run(call, capture_output=True).stdout.split()]


def said(hits: list[SearchHit]) -> list[tuple[Any, ...]]:
    """What must be the same."""
    return [(h.identity, h.best, h.log_odds, h.level, h.distance) for h in hits]


def processor(process: int) -> float:
    """Milliseconds that a process has had of the cores."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return 1e3 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(gallery: Gallery, n: int, held: list[int]) -> tuple[dict[str, Any], list[Any]]:
    """Times of searches by the level of the query, and what they found.

    Args:
        held: the processes that hold parts.
    """
    times: dict[str, Any] = {}
    found = []
    own = [os.getpid(), *held]
    before = [processor(process) for process in own]
    for level in range(1, len(KIND.sizes) + 1):
        q = the_queries(n, level, KIND)
        times[f"level {level}"] = timed(lambda i, q=q: gallery.search(q[i : i + 1]), n)["p50"]
        found += [said(gallery.search(q[i : i + 1])) for i in range(n)]
    searches = len(KIND.sizes) * (2 * n + 1)
    after = [processor(process) for process in own]
    times["processor"] = [(b - a) / searches for a, b in zip(before, after, strict=True)]
    many = the_queries(MANY, len(KIND.sizes), KIND)
    queries = [many[i : i + 1] for i in range(MANY)]
    times[f"{MANY} at once"] = timed(lambda _: gallery.search_many(queries), 3)["p50"]
    return times, found


def main() -> None:
    """Reads the command line and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--parts", default="1,2,4", help="how many, one after the other")
    parser.add_argument("--queries", type=int, default=20, metavar="N", help="of each level")
    parser.add_argument("--gallery", metavar="URL", help="of an empty PostgreSQL database")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    counts = [int(count) for count in asked.parts.split(",")]
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(max(counts)):
        cluster.add_node(num_cpus=1)
    facts: dict[str, Any] = {}
    with a_place(asked.gallery) as place:
        with Gallery.open(place, model=a_model(KIND.sizes), create=True) as gallery:
            fill(gallery, asked.rows)
            gallery.warm()
            times, whole = measure(gallery, asked.queries, [])
        facts["one process"] = {"ms": times}
        for count in counts:
            began = perf_counter()
            held = holding.spread(cluster.address, place, count, WINDOW)
            took = perf_counter() - began
            with (
                Gallery.open(place, read_only=True) as gallery,
                holding.where_it_lies(cluster.address, place, gallery) as spread,
            ):
                own, found = measure(spread, asked.queries, holders(cluster))
            facts[f"{len(held)} parts"] = {
                "ms": own,
                "of one process": {k: own[k] / times[k] for k in own if k != "processor"},
                "same answers": found == whole,
                "rows": [h.rows for h in held],
                "nodes": len({h.node for h in held}),
                "MB": [round(resident(pid) / 1e6) for pid in holders(cluster)],
                "spread_seconds": took,
            }
        holding.gather(cluster.address, place)
    cluster.shutdown()
    print(json.dumps(facts, indent=2) if asked.json else _table(facts))


def _table(facts: dict[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in facts.items())


if __name__ == "__main__":
    main()
