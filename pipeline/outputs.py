"""What a run leaves in its folder beside the report: MOTChallenge text and a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from storage import BoxRow

from .files import replacing, write_text
from .linking import Linked

COLUMNS = (
    "identity",
    "camera",
    "track",
    "first",
    "last",
    "boxes",
    "lowest_level",
    "highest_level",
    "evidence",
)


def write_boxes(path: Path, rows: Sequence[BoxRow]) -> None:
    """Boxes in MOTChallenge format: frame from 1, identity, x, y, w, h, score, -1, -1, -1."""
    lines = [
        f"{r.frame + 1},{r.identity if r.identity is not None else -1},"
        + ",".join(f"{v:.2f}" for v in r.box)
        + f",{r.score:.3f},-1,-1,-1\n"
        for r in sorted(rows, key=lambda r: (r.frame, r.track))
    ]
    write_text(path, "".join(lines))


def write_identities(path: Path, identities: Sequence[Linked]) -> None:
    """One row a track, ordered by identity and time; evidence in nats."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for one in identities:
            for t in one.tracks:
                table.writerow(
                    (
                        one.identity,
                        t.camera,
                        t.number,
                        iso(t.first),
                        iso(t.last),
                        t.count,
                        t.lowest,
                        t.highest,
                        f"{one.support[t.id]:.2f}",
                    )
                )


def iso(time: float) -> str:
    """UTC seconds as ISO 8601 with milliseconds."""
    return (
        datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
