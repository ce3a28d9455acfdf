"""The measures against their definitions, word by word, and against another implementation."""

from __future__ import annotations

import json
import os
import subprocess
from itertools import permutations
from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from tracker import BoxTable, TrackScore, score_tracks

Frames = dict[int, dict[int, tuple[float, float, float, float]]]
"""Boxes x, y, w, h by frame and id."""


def iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    w = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h)


def best(rows: list[int], columns: list[int], worth: dict[tuple[int, int], float]) -> list:
    """The pairs of the one-to-one mapping that is worth most, by trying all."""
    if len(rows) > len(columns):
        turned = {(c, r): v for (r, c), v in worth.items()}
        return [(r, c) for c, r in best(columns, rows, turned)]
    choices = [list(zip(rows, chosen, strict=True)) for chosen in permutations(columns, len(rows))]
    return max(choices, key=lambda pairs: sum(worth.get(pair, 0) for pair in pairs))


def literal_hota(truth: Frames, found: Frames) -> tuple[float, float, float]:
    """HOTA, DetA and AssA."""
    t_count, f_count, potential = {}, {}, {}
    for frame in set(truth) | set(found):
        ts, fs = truth.get(frame, {}), found.get(frame, {})
        for t in ts:
            t_count[t] = t_count.get(t, 0) + 1
        for f in fs:
            f_count[f] = f_count.get(f, 0) + 1
        for t in ts:
            for f in fs:
                one = iou(ts[t], fs[f])
                rest = sum(iou(ts[t], fs[o]) for o in fs) + sum(iou(ts[o], fs[f]) for o in ts)
                if one:
                    potential[t, f] = potential.get((t, f), 0) + one / (rest - one)
    totals = []
    for alpha in np.arange(1, 20) / 20:
        pairs: dict[tuple[int, int], int] = {}
        for frame in set(truth) & set(found):
            ts, fs = truth[frame], found[frame]
            worth = {
                (t, f): potential.get((t, f), 0)
                / (t_count[t] + f_count[f] - potential.get((t, f), 0))
                * iou(ts[t], fs[f])
                for t in ts
                for f in fs
            }
            for t, f in best(list(ts), list(fs), worth):
                if iou(ts[t], fs[f]) >= alpha - 1e-12:
                    pairs[t, f] = pairs.get((t, f), 0) + 1
        tp = sum(pairs.values())
        deta = tp / (sum(t_count.values()) + sum(f_count.values()) - tp)
        same = sum(n * n / (t_count[t] + f_count[f] - n) for (t, f), n in pairs.items())
        assa = same / tp if tp else 0
        totals.append((sqrt(deta * assa), deta, assa))
    return tuple(np.mean(totals, 0).tolist())  # type: ignore[return-value]


def literal_clear(truth: Frames, found: Frames) -> tuple[float, int]:
    """MOTA and switches."""
    misses = false = switches = 0
    before: dict[int, int] = {}
    ever: dict[int, int] = {}
    for frame in sorted(set(truth) | set(found)):
        ts, fs = truth.get(frame, {}), found.get(frame, {})
        worth = {}
        for t in ts:
            for f in fs:
                if iou(ts[t], fs[f]) >= 0.5:
                    worth[t, f] = iou(ts[t], fs[f]) + (1000 if before.get(t) == f else 0)
        matched = [pair for pair in best(list(ts), list(fs), worth) if pair in worth]
        misses += len(ts) - len(matched)
        false += len(fs) - len(matched)
        switches += sum(t in ever and ever[t] != f for t, f in matched)
        ever.update(matched)
        if ts and fs:
            before = dict(matched)
    return 1 - (misses + false + switches) / sum(map(len, truth.values())), switches


def literal_idf1(truth: Frames, found: Frames) -> float:
    together: dict[tuple[int, int], float] = {}
    for frame in set(truth) & set(found):
        for t, a in truth[frame].items():
            for f, b in found[frame].items():
                together[t, f] = together.get((t, f), 0) + (iou(a, b) >= 0.5)
    people, names = ({i for boxes in side.values() for i in boxes} for side in (truth, found))
    right = sum(together.get(pair, 0) for pair in best(list(people), list(names), together))
    return 2 * right / sum(len(boxes) for side in (truth, found) for boxes in side.values())


def random_case(seed: int) -> tuple[Frames, Frames]:
    """Three people who walk close together; misses, false boxes and ids that change."""
    rng = np.random.default_rng(seed)
    truth: Frames = {}
    found: Frames = {}
    starts, steps = rng.uniform(0, 90, (3, 2)), rng.uniform(-4, 4, (3, 2))
    names = rng.permutation(4)
    for frame in range(1, 16):
        for person in range(3):
            x, y = starts[person] + frame * steps[person]
            if rng.random() < 0.8:
                truth.setdefault(frame, {})[person + 1] = (x, y, 40.0, 90.0)
            if rng.random() < 0.15:
                names = rng.permutation(4)
            if rng.random() < 0.8:
                dx, dy = rng.normal(0, 6, 2)
                found.setdefault(frame, {})[int(names[person])] = (x + dx, y + dy, 42.0, 88.0)
    return truth, found


def boxes(frames: Frames, shuffle: int = 0) -> BoxTable:
    rows = [(frame, i, *box) for frame, here in frames.items() for i, box in here.items()]
    table = np.array(rows, float).reshape(-1, 6)
    table = table[np.random.default_rng(shuffle).permutation(len(table))]
    frames, ids = table[:, :2].astype(np.int64).T
    return BoxTable(frames, ids, table[:, 2:], np.ones(len(table)))


@pytest.mark.parametrize("seed", range(20))
def test_random_scenes(seed: int) -> None:
    truth, found = random_case(seed)
    score = score_tracks(boxes(truth, seed), boxes(found, seed + 1))
    assert (score.hota, score.deta, score.assa) == pytest.approx(literal_hota(truth, found))
    assert (score.mota, score.switches) == pytest.approx(literal_clear(truth, found))
    assert score.idf1 == pytest.approx(literal_idf1(truth, found))


def test_perfect_tracks_and_none() -> None:
    truth, found = random_case(1)
    score = score_tracks(boxes(truth), boxes(truth))
    assert (score.hota, score.mota, score.idf1, score.switches) == pytest.approx((1, 1, 1, 0))
    for a, b in ((truth, {}), ({}, found), ({}, {})):
        score = score_tracks(boxes(a), boxes(b))
        assert (score.hota, score.mota, score.idf1, score.switches) == (0, 0, 0, 0)


def test_scores_add_to_that_of_all_boxes() -> None:
    first, second = random_case(2), random_case(3)

    def moved(frames: Frames) -> Frames:
        """Later, and with ids of their own."""
        return {n + 100: {i + 50: box for i, box in b.items()} for n, b in frames.items()}

    whole = [boxes({**a, **moved(b)}) for a, b in zip(first, second, strict=True)]
    both = score_tracks(*whole)
    parts = [score_tracks(boxes(a), boxes(b)) for a, b in (first, second)]
    total = sum(parts, TrackScore())
    for measure in ("hota", "deta", "assa", "mota", "idf1", "switches"):
        assert getattr(total, measure) == pytest.approx(getattr(both, measure))


PEER = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from trackers.eval import evaluate_mot_sequence
out = []
for truth, found in json.load(sys.stdin):
    r = evaluate_mot_sequence(truth, found, metrics=["CLEAR", "HOTA", "Identity"])
    out.append([r.HOTA.HOTA, r.HOTA.DetA, r.HOTA.AssA, r.CLEAR.MOTA, r.Identity.IDF1, r.CLEAR.IDSW])
print(json.dumps(out))
"""


def test_another_implementation_agrees(tmp_path: Path) -> None:
    python = os.environ.get("NEARFAR_PEERS_PYTHON")
    if not python:
        pytest.skip("NEARFAR_PEERS_PYTHON names no interpreter that has the package `trackers`")
    calls, ours = [], []
    for seed in range(30):
        paths = []
        for side, frames in zip(("gt", "found"), random_case(seed), strict=True):
            path = tmp_path / f"{side}{seed}.txt"
            path.write_text(
                "".join(
                    f"{n},{i},{','.join(map(repr, map(float, box)))},1,1,1\n"
                    for n, here in frames.items()
                    for i, box in here.items()
                )
            )
            paths.append(str(path))
        calls.append(paths)
        s = score_tracks(*(boxes(side) for side in random_case(seed)))
        ours.append([s.hota, s.deta, s.assa, s.mota, s.idf1, s.switches])
    done = subprocess.run(
        [python, "-c", PEER], input=json.dumps(calls), capture_output=True, text=True, check=True
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(ours, theirs, atol=5e-5)
