"""Text files in MOTChallenge format: one box a line, frame, id, x, y, w, h and more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tracker import BoxTable

from .errors import SourceError

MOST = 2**53 - 1
"""The largest frame or id: larger whole numbers are not told apart."""

PERSON = 1
"""Class of pedestrians in files of nine columns, as of MOT16 and later."""


def read_detections(path: Path) -> BoxTable:
    """Detections; their ids mean nothing, and rows may stand in any order.

    Raises:
        SourceError: with the line, when the file is not of the format.
    """
    return _table(_rows(path))


def read_tracks(path: Path) -> BoxTable:
    """Tracks of one sequence; raises as `read_truth`."""
    rows = _rows(path)
    _check_once(path, rows)
    return _table(rows)


def read_truth(path: Path) -> BoxTable:
    """The true boxes that count: seventh column not 0 and, where there are nine, class 1.

    Raises:
        SourceError: with the line, when the file is not of the format or has a person twice in a
            frame; when none of its boxes counts.
    """
    rows = _rows(path)
    counted = {
        n: row
        for n, row in rows.items()
        if (len(row) < 7 or row[6] != 0) and (len(row) != 9 or row[7] == PERSON)
    }
    if not counted:
        raise SourceError(
            f"truth {path}: none of {len(rows)} boxes counts (the seventh column must not be 0 "
            f"and, where there are nine, the class in the eighth {PERSON})"
        )
    _check_once(path, counted)
    return _table(counted)


def written(table: BoxTable) -> str:
    """The text of a file, by frame and id; the last columns, of 3D places, are -1."""
    order = np.lexsort((table.ids, table.frames))
    columns = (table.frames[order], table.ids[order], table.boxes[order], table.scores[order])
    return "".join(
        f"{frame},{number},{x:.2f},{y:.2f},{w:.2f},{h:.2f},{score:.3f},-1,-1,-1\n"
        for frame, number, (x, y, w, h), score in zip(*(c.tolist() for c in columns), strict=True)
    )


def pair_sequences(truth: Path, found: Path) -> dict[str, tuple[Path, Path]]:
    """Files of truth and of tracks by sequence.

    Args:
        truth, found: two files, or two folders; of truth with ``NAME/gt/gt.txt`` or ``NAME.txt``,
            of tracks with ``NAME.txt`` for each of those.

    Raises:
        SourceError: when a file is missing.
    """
    if truth.is_dir() != found.is_dir():
        folder, file = (truth, found) if truth.is_dir() else (found, truth)
        raise SourceError(f"{folder} is a folder and {file} is none: give two files or two folders")
    if not truth.is_dir():
        return {found.stem: (truth, found)}
    truths = {file.parents[1].name: file for file in truth.glob("*/gt/gt.txt")}
    truths |= {file.stem: file for file in truth.glob("*.txt")}
    if not truths:
        raise SourceError(f"folder {truth} holds no truth: NAME/gt/gt.txt or NAME.txt is wanted")
    missing = [name for name in sorted(truths) if not (found / f"{name}.txt").is_file()]
    if missing:
        raise SourceError(f"folder {found} has no tracks for {', '.join(missing)} (NAME.txt)")
    return {name: (truths[name], found / f"{name}.txt") for name in sorted(truths)}


Rows = Mapping[int, list[float]]
"""Values by number of the line, from 1."""


def _rows(path: Path) -> Rows:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SourceError(f"can't read {path} ({reason}): check the path") from None
    rows = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            rows[number] = _values(path, number, line)
    return rows


def _values(path: Path, number: int, line: str) -> list[float]:
    try:
        values = [float(v) for v in line.split(",")]
        wrong = _wrong(values)
    except ValueError:
        wrong = f"{line.strip()[:60]!r} is no row of numbers with commas"
    if wrong:
        raise SourceError(f"{path}, line {number}: {wrong} (frame, id, x, y, w, h, score, ...)")
    return values


def _wrong(values: list[float]) -> str | None:
    if not 6 <= len(values) <= 10:
        return f"{len(values)} columns instead of 6 to 10"
    if not np.isfinite(values[:7]).all():
        return "a value is not finite"
    if not 1 <= values[0] <= MOST or values[0] != int(values[0]):
        return f"frame {values[0]:g} is no whole number from 1"
    if abs(values[1]) > MOST or values[1] != int(values[1]):
        return f"id {values[1]:g} is no whole number up to 2^53"
    if values[4] <= 0 or values[5] <= 0:
        return f"the box is {values[4]:g} x {values[5]:g} px"
    return None


def _check_once(path: Path, rows: Rows) -> None:
    seen: dict[tuple[float, float], int] = {}
    for number, row in rows.items():
        first = seen.setdefault((row[0], row[1]), number)
        if first != number:
            raise SourceError(
                f"{path}, line {number}: id {row[1]:g} has a box in frame {row[0]:g} already, in "
                f"line {first}"
            )


def _table(rows: Rows) -> BoxTable:
    kept = sorted(rows.values(), key=lambda row: row[0])
    values = np.array([(*row[:6], row[6] if len(row) > 6 else 1.0) for row in kept], np.float64)
    values = values.reshape(-1, 7)
    return BoxTable(
        values[:, 0].astype(np.int64), values[:, 1].astype(np.int64), values[:, 2:6], values[:, 6]
    )
