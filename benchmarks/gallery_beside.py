"""What writers, readers and a purge do to each other, for benchmarks/gallery.py; see there."""

from __future__ import annotations

import gc
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.gallery_rows import PER_TRACK, Kind, a_model, commits, store, the_queries, write
from storage import Gallery

PACES = {False: 10_000.0, True: 3_000.0}
"""Rows a second that are written while another process searches, not durable and durable."""


def search_on(place: str, kind: Kind, stop: Event, told: Connection) -> None:
    """Searches until told to stop, then hands over the milliseconds of each search."""
    query, spent = the_queries(1, len(kind.sizes), kind), []
    with Gallery.open(place, model=a_model(kind.sizes), read_only=True) as gallery:
        gallery.search(query)
        gc.freeze()  # as the console does
        told.send(None)
        while not stop.is_set():
            began = perf_counter()
            gallery.search(query)
            spent.append(1e3 * (perf_counter() - began))
    told.send(spent)


def purge_half(place: str, kind: Kind, before: float, told: Connection) -> None:
    """Purges what was seen before a time and hands over the seconds."""
    with Gallery.open(place, model=a_model(kind.sizes)) as gallery:
        told.send(None)
        began = perf_counter()
        removed = gallery.life.purge(before=before)
        told.send((removed.observations, perf_counter() - began))


def beside(place: str, rows: int, kind: Kind, commit: int) -> dict[str, Any]:
    """What writers, readers and a purge do to each other, in processes of their own.

    Args:
        commit: rows of a commit while another process searches. They are made before that.
    """
    context, out = get_context("spawn"), {}
    more = rows
    for durable in (False, True):
        pace, n = PACES[durable], min(round(10 * PACES[durable]), rows)
        made = list(commits(more, more + n, kind, commit))
        stop, (here, there) = context.Event(), context.Pipe()
        reader = context.Process(target=search_on, args=(place, kind, stop, there))
        reader.start()
        here.recv()
        with Gallery.open(place, model=a_model(kind.sizes), durable=durable) as gallery:
            store(gallery, more, made, pace)
            stop.set()
            spent = here.recv()
            reader.join()
            more += n
            seconds = write(gallery, more, more + n, kind)
        more += n
        out["durable" if durable else "normal"] = {
            "paced": pace,
            "search_p50": float(np.median(spent)),
            "search_p99": float(np.percentile(spent, 99)),
            "written_per_second": n / seconds,
        }
    here, there = context.Pipe()
    purger = context.Process(target=purge_half, args=(place, kind, rows / 2, there))
    with Gallery.open(place, model=a_model(kind.sizes)) as gallery:
        before = gallery.info().database_bytes
        purger.start()
        here.recv()
        waits = []
        while not here.poll():
            waits.append(1e3 * write(gallery, more, more + PER_TRACK, kind))
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
