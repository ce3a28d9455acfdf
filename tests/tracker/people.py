"""Tracks of people whose looks are known, and who is who among them."""

import numpy as np

from reid import Calibration, Embeddings
from tracker import Constraints, Tracklet, link

SIZES = (8, 8, 8)
CALIBRATION = Calibration(np.full((3, 3), 5.0, np.float32), np.full((3, 3), -8.0, np.float32))


def tracklet(
    key: int,
    camera: str,
    first: float,
    who: int,
    level: int = 3,
    last: float | None = None,
    noise: float = 0.25,
) -> Tracklet:
    """Three looks at person `who`, for three seconds unless `last` is given."""
    person = np.random.default_rng(who).normal(size=sum(SIZES))
    around = np.random.default_rng(key + 1000).normal(size=(3, sum(SIZES)))
    vectors = (person + noise * around).astype(np.float32)
    vectors[:, sum(SIZES[:level]) :] = 0
    embeddings = Embeddings(vectors, np.full(3, level, np.int8), np.ones(3, np.float32), SIZES)
    return Tracklet(key, camera, first, first + 3 if last is None else last, embeddings)


def site(seed: int, silent: int = 0) -> list[Tracklet]:
    """Tracks of a minute by three cameras; the first `silent` of them have no looks."""
    generator = np.random.default_rng(seed)
    tracks = [
        tracklet(
            key,
            f"c{generator.integers(3)}",
            float(generator.uniform(0, 60)),
            who=int(generator.integers(6)),
            level=int(generator.integers(1, 4)),
            noise=float(generator.choice((0.1, 0.6))),
        )
        for key in range(24)
    ]
    none = Embeddings.empty(SIZES)
    unheard = [Tracklet(t.key, t.camera, t.first, t.last, none) for t in tracks[:silent]]
    return unheard + tracks[silent:]


def groups(
    tracklets: list[Tracklet], constraints: Constraints | None = None
) -> set[tuple[int, ...]]:
    """Keys of the tracks of each identity that the linker finds."""
    return {i.tracks for i in link(tracklets, CALIBRATION, constraints)}


def allowed(constraints: Constraints, a: Tracklet, b: Tracklet) -> bool:
    """Whether one person can be in both tracks."""
    gap = max(a.first - b.last, b.first - a.last)
    return gap >= constraints.least_gap(a.camera, b.camera)
