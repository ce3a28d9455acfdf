"""Random observations, seeded, for the benchmarks of galleries: rows, queries, and how long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

import numpy as np

from reid import Calibration, Embeddings, LevelSet, ModelInfo
from storage import Gallery, ObservationRow, TrackUpdate

PER_TRACK = 20
"""Observations of a track."""

PER_APPEND = 2000
"""Observations of a commit."""

PER_PERSON = 50
"""Observations of a person."""

FIRST_TIME = 1.0
"""Start of a session, UTC seconds; 0 would say that it has no date."""

MANY = 64
"""Queries at once."""


@dataclass(frozen=True)
class Kind:
    """What rows are like: numbers in each sub-vector, and the lowest level that they have."""

    sizes: tuple[int, ...]
    lowest: int = 1


def a_model(sizes: tuple[int, ...]) -> ModelInfo:
    """A model of these sub-vectors with one plausible curve for all pairs of levels."""
    m = len(sizes)
    curve = Calibration(np.full((m, m), 5, np.float32), np.full((m, m), -6, np.float32))
    heights = tuple(32 * 2**k for k in range(m))
    return ModelInfo("random", "0123456789abcdef", LevelSet(heights), sizes, (256, 128), curve)


def vectors_of(start: int, n: int, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    """`n` vectors ``float32 (n, d)`` from row `start` on, and their levels ``int8 (n,)``."""
    sizes, rng = kind.sizes, np.random.default_rng([7, start])
    person = (np.arange(start, start + n) // PER_TRACK * 2654435761) % max(1, 10**6 // PER_PERSON)
    centre = np.random.default_rng(1).normal(size=(4096, sum(sizes))).astype(np.float32)
    vectors = centre[person % 4096] + rng.normal(size=(n, sum(sizes))).astype(np.float32)
    levels = rng.integers(kind.lowest, len(sizes) + 1, n).astype(np.int8)
    lengths = np.cumsum(sizes)[levels - 1]
    vectors[np.arange(sum(sizes)) >= lengths[:, None]] = 0
    return vectors.astype(np.float16).astype(np.float32), levels


def write(gallery: Gallery, first: int, last: int, kind: Kind) -> float:
    """Stores rows first..last - 1; returns the seconds of storing, without those of making them."""
    return store(gallery, first, commits(first, last, kind))


def commits(
    first: int, last: int, kind: Kind, size: int = PER_APPEND
) -> Iterator[list[TrackUpdate]]:
    """Rows first..last - 1, so many a commit."""
    for start in range(first, last, size):
        n = min(size, last - start)
        vectors, levels = vectors_of(start, n, kind)
        yield [
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


def store(
    gallery: Gallery, first: int, every: Iterable[list[TrackUpdate]], pace: float = np.inf
) -> float:
    """Stores commits of a session, `pace` rows a second at most; returns the seconds of storing."""
    session = gallery.begin_session("random", "random", f"from {first}", FIRST_TIME, 10.0)
    seconds, done, since = 0.0, 0, perf_counter()
    for updates in every:
        done += sum(len(update.observations) for update in updates)
        began = perf_counter()
        gallery.append(session.id, done, 0, updates)
        now = perf_counter()
        seconds += now - began
        sleep(max(0.0, done / pace - (now - since)))
    return seconds


def the_queries(n: int, level: int, kind: Kind) -> Embeddings:
    """Queries near stored persons, all of one level."""
    vectors, _ = vectors_of(0, n * PER_TRACK, kind)
    sizes, rng = kind.sizes, np.random.default_rng(9)
    whole = vectors[::PER_TRACK][:n]
    whole = np.where(whole == 0, rng.normal(size=whole.shape), whole).astype(np.float32)
    whole[:, sum(sizes[:level]) :] = 0
    return Embeddings(whole, np.full(n, level, np.int8), np.ones(n, np.float32), sizes)


def timed(call: Callable[[int], object], n: int) -> dict[str, float]:
    """Median and 99th percentile of `n` calls, milliseconds."""
    call(0)
    spent = []
    for i in range(n):
        began = perf_counter()
        call(i)
        spent.append(1e3 * (perf_counter() - began))
    return {"p50": float(np.median(spent)), "p99": float(np.percentile(spent, 99))}


def resident(process: int | str = "self") -> int:
    """Bytes of memory that a process holds; this one if no number is given."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmRSS")
