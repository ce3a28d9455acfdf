"""What partitions of the vectors cost and bring on PostgreSQL, by how many there are.

    python benchmarks/partitions.py [--rows 200000] [--partitions 1,10,100,1000] [--json]

Rows as in benchmarks/gallery.py, so many times over, in a new database each. ``write`` is rows a
second, ``load`` the seconds until the first search from memory has its answer, ``look`` the
milliseconds to see that nothing is new, ``fetch`` those to read one observation's vector. Then the
older half is purged and the gallery vacuumed, while one process stores ten rows at a time and one
reads the newest vector: ``vacuum`` in seconds, and the longest that each of the two had to wait, in
milliseconds. Times of one run on one machine; compare the lines.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import make_url, text

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from benchmarks.gallery_rows import Kind, a_model, the_queries, timed, write  # noqa: E402
from storage import Gallery, partitions  # noqa: E402

KIND = Kind((128, 128, 128, 128))
TEN = 10
PATIENCE = 600.0
"""Seconds that the two beside a vacuum wait at most."""
FETCH = text("SELECT vector FROM embedding WHERE observation_id = :number")


def fetch(gallery: Gallery, number: int) -> None:
    """Reads one vector."""
    with gallery._database.read() as connection:
        connection.execute(FETCH, {"number": number}).all()


def beside(place: str, rows: int, per: int, what: str, stop: Event, told: Any) -> None:
    """Stores or reads until told to stop, then says the longest time that one call took."""
    partitions.ROWS = per
    longest = 0.0
    with Gallery.open(place, model=a_model(KIND.sizes), timeout=PATIENCE) as gallery:
        told.send(None)
        at = rows
        while not stop.is_set():
            began = perf_counter()
            if what == "store":
                write(gallery, at, at + TEN, KIND)
                at += TEN
            else:
                fetch(gallery, rows)
            longest = max(longest, 1e3 * (perf_counter() - began))
    told.send(longest)


def measure(place: str, rows: int, count: int) -> dict[str, Any]:
    """Fills a gallery of so many partitions, and measures it."""
    per = partitions.ROWS = -(-(rows + 1) // count)
    model, out = a_model(KIND.sizes), dict[str, Any]()
    with Gallery.open(place, model=model, create=True) as gallery:
        out["write"] = rows / write(gallery, 0, rows, KIND)
        with gallery._database.read() as connection:
            out["partitions"] = len(partitions.names(connection))
    query = the_queries(1, len(KIND.sizes), KIND)
    with Gallery.open(place, model=model) as gallery:
        began = perf_counter()
        gallery.search(query)
        out["load"] = perf_counter() - began
        assert gallery._searcher is not None
        out["look"] = timed(lambda _: gallery.warm(), 20)["p50"]
        out["fetch"] = timed(lambda i: fetch(gallery, rows - i), 50)["p50"]
        gallery.life.purge(before=rows / 2)
        context = get_context("spawn")
        stop, others = context.Event(), {}
        for what in ("store", "read"):
            here, there = context.Pipe()
            process = context.Process(target=beside, args=(place, rows, per, what, stop, there))
            process.start()
            here.recv()
            others[what] = process, here
        began = perf_counter()
        gallery.life.vacuum()
        out["vacuum"] = perf_counter() - began
        stop.set()
        for what, (process, here) in others.items():
            out[f"longest {what}"] = here.recv()
            process.join()
        with gallery._database.read() as connection:
            out["partitions left"] = len(partitions.names(connection))
    return out


def main() -> None:
    """Reads the command line and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--partitions", default="1,10,100,1000", help="how many, about")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    import pgserver

    found = []
    with tempfile.TemporaryDirectory() as folder:
        server = pgserver.get_server(folder, cleanup_mode="delete")
        for count in map(int, asked.partitions.split(",")):
            server.psql(f"CREATE DATABASE p{count}")
            place = make_url(server.get_uri()).set(database=f"p{count}")
            found.append(measure(place.render_as_string(hide_password=False), asked.rows, count))
            server.psql(f"DROP DATABASE p{count} WITH (FORCE)")
    print(json.dumps(found, indent=2) if asked.json else "\n".join(map(str, found)))


if __name__ == "__main__":
    main()
