"""Results against truth: detection recall and IDF1 over cameras with one space of identities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tracker import assign, best_mapping, overlap

IOU = 0.5
"""Least overlap of a found box with a true one."""
VISIBLE = 0.5
"""Least visible share of a true box that must be found; boxes below count neither way."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Labelled:
    """A box x, y, w, h in pixels with an identity; `visibility` 0..1 is for truth alone."""

    identity: int
    box: Box
    visibility: float = 1.0


@dataclass
class Score:
    """Counts over frames and cameras, from which the figures come."""

    true: int = 0
    found: int = 0
    matched: int = 0
    pairs: Counter[tuple[int, int]] = field(default_factory=Counter)

    @property
    def recall(self) -> float:
        """Share of true boxes that were found."""
        return self.matched / self.true if self.true else 1.0

    @property
    def idf1(self) -> float:
        """``2 IDTP / (true + found)``, with the best one-to-one mapping of identities."""
        if not self.true + self.found:
            return 1.0
        true = {t: i for i, t in enumerate(sorted({t for t, _ in self.pairs}))}
        found = {f: i for i, f in enumerate(sorted({f for _, f in self.pairs}))}
        counts = np.zeros((len(true), len(found)))
        for (t, f), n in self.pairs.items():
            counts[true[t], found[f]] = n
        return 2 * best_mapping(counts) / (self.true + self.found)

    def add(
        self,
        truth: Mapping[int, Sequence[Labelled]],
        found: Mapping[int, Sequence[Labelled]],
    ) -> None:
        """Adds one camera: boxes by frame index."""
        for frame in sorted(set(truth) | set(found)):
            self._add_frame(truth.get(frame, ()), found.get(frame, ()))

    def _add_frame(self, truth: Sequence[Labelled], found: Sequence[Labelled]) -> None:
        iou = _overlaps(truth, found)
        counted = np.array([t.visibility >= VISIBLE for t in truth], bool)
        rows, columns = assign(np.where(iou >= IOU, iou + counted[:, None], 0), 1e-3)
        self.true += int(counted.sum())
        self.found += len(found) - sum(not counted[r] for r in rows)
        for r, c in zip(rows, columns, strict=True):
            if counted[r]:
                self.matched += 1
                self.pairs[truth[r].identity, found[c].identity] += 1


def who_is(truth: Sequence[Labelled], box: Box) -> int | None:
    """Identity of the true box that overlaps `box` most, None if none does enough."""
    if not truth:
        return None
    iou = _overlaps(truth, [Labelled(0, box)])[:, 0]
    return truth[int(iou.argmax())].identity if iou.max() >= IOU else None


def _overlaps(a: Sequence[Labelled], b: Sequence[Labelled]) -> np.ndarray:
    boxes = [np.array([x.box for x in side], float).reshape(-1, 4) for side in (a, b)]
    return overlap(boxes[0], boxes[1])
