"""What a soak of `soak.py` says: slopes, a table, a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

Row = dict[str, float]
"""A sample: ``seconds`` since the start; in MB ``memory`` at most, ``least`` of it, that of the
``decoders``, ``database_mb``; ``held`` tracks in memory, ``observations`` and more."""


def slopes(rows: Sequence[Row], warm_minutes: float) -> dict[str, float]:
    """What grew after the warm-up.

    Returns:
        ``memory_mb_an_hour`` (of the least: what an inference takes comes and goes) and
        ``decoders_mb_an_hour`` by least squares; ``held`` tracks at the beginning and the end, and
        ``memory_mb_an_hour_at_equal_held``, where a number of tracks held is fitted beside the
        time; ``database_mb_an_hour`` and ``observations_an_hour``.
    """
    late = [row for row in rows if row["seconds"] >= 60 * warm_minutes]
    if len(late) < 3:
        return {}
    hours = np.array([row["seconds"] for row in late]) / 3600

    def column(name: str) -> np.ndarray:
        return np.array([row[name] for row in late])

    def slope(name: str) -> float:
        return float(np.polyfit(hours, column(name), 1)[0])

    held = column("held")
    causes = np.stack([hours - hours.mean(), held - held.mean()], axis=1)
    memory = column("least")
    apart = np.linalg.lstsq(causes, memory - memory.mean(), rcond=None)[0]
    return {
        "memory_mb_an_hour": slope("least"),
        "decoders_mb_an_hour": slope("decoders"),
        "held_first": float(held[0]),
        "held_last": float(held[-1]),
        "memory_mb_an_hour_at_equal_held": float(apart[0]),
        "database_mb_an_hour": slope("database_mb"),
        "observations_an_hour": slope("observations"),
    }


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """A line a sample."""
    lines = [",".join(f"{value:.6g}" for value in row.values()) for row in rows]
    path.write_text("\n".join([",".join(rows[0]), *lines]) + "\n")


def draw(rows: Sequence[Row], path: Path) -> None:
    """Memory, tracks held and the database over time, as a small PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    minutes = [row["seconds"] / 60 for row in rows]
    parts = (
        ("memory", "memory, least and most, MB"),
        ("held", "tracks held"),
        ("database_mb", "database, MB"),
    )
    for place, (name, label) in zip(figure.subplots(3, 1, sharex=True), parts, strict=True):
        place.plot(minutes, [row[name] for row in rows], color="#345995", linewidth=1)
        if name == "memory":
            place.plot(minutes, [row["least"] for row in rows], color="#9bb1d4", linewidth=1)
        place.set_ylabel(label)
        place.set_ylim(0, 1.15 * max(row[name] for row in rows) + 1)
        place.grid(alpha=0.3)
    place.set_xlabel("minutes")
    figure.savefig(path, dpi=80)
