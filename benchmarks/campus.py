"""The four campus clips from pictures to identities, held against who is who by eye.

    python benchmarks/campus.py FOLDER [--json]

`nearfar process` runs over the clips as anybody would run it, and again with links only where they
are nearly sure (``linking: {prior: -3.5}`` in the site file). A person's track in a view counts
for the identity that most of its true boxes were given (``campus/README.md``); from there on all is
judged as in `linking.py`, which is given the tracks. Tracks that were found nowhere are alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from benchmarks.linking_sets import CLIPS, Track  # noqa: E402
from benchmarks.linking_sides import judged  # noqa: E402
from pipeline import process  # noqa: E402
from pipeline.motchallenge import read_tracks, read_truth  # noqa: E402
from pipeline.site import Linking, Site  # noqa: E402
from tracker import BoxTable, overlap  # noqa: E402

PRIORS = (Linking().prior, -3.5)


def named(truth: BoxTable, found: BoxTable) -> dict[int, int]:
    """The identity that most boxes of each true person were given, IoU at least 0.5."""
    votes: dict[int, Counter[int]] = {}
    for frame in np.unique(truth.frames):
        true, seen = truth[truth.frames == frame], found[found.frames == frame]
        shared = overlap(true.boxes, seen.boxes)
        for person, row in zip(true.ids.tolist(), shared, strict=True):
            if len(row) and row.max() >= 0.5:
                votes.setdefault(person, Counter())[int(seen.ids[row.argmax()])] += 1
    return {person: count.most_common(1)[0][0] for person, count in votes.items()}


def measure(folder: Path, prior: float, place: Path) -> dict[str, Any]:
    """One run, judged."""
    result = process(
        [folder / f"{name}.webm" for name in CLIPS],
        place / "nearfar.db",
        place / "out",
        site=Site(linking=Linking(prior=prior)),
    )
    tracks, found, alone = [], [], -1
    for name in CLIPS:
        truth = read_truth(ROOT / "benchmarks" / "campus" / f"{name}.txt")
        identities = named(truth, read_tracks(place / "out" / f"{name}.txt"))
        for person in np.unique(truth.ids).tolist():
            tracks.append(Track(str(person), name, 0.0, 0.0, [], ()))
            found.append(identities.get(person, alone))
            alone -= 1
    facts = judged(tracks, np.unique(found, return_inverse=True)[1])
    facts.pop("idf1")  # of crops, and none are held here
    several = sum(len(i.cameras) > 1 for i in result.identities)
    return {"prior": prior, "identities": len(result.identities), "in several": several, **facts}


def main() -> None:
    """Reads the command line and prints a line a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="with the four clips")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        runs = [measure(asked.folder, prior, Path(place)) for prior in PRIORS]
    if asked.json:
        print(json.dumps(runs, indent=2))
        return
    for facts in runs:
        print(
            f"prior {facts['prior']}: {facts['identities']} identities, {facts['in several']} in "
            f"several views; {facts['linked']} of {facts['people']} people linked, "
            f"{facts['wrong']} tracks wrong; precision {facts['precision']:.3f}, "
            f"recall {facts['recall']:.3f}, F1 {facts['f1']:.3f}"
        )


if __name__ == "__main__":
    main()
