"""The scores against computations that follow their definitions word by word."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from pipeline.score import Labelled, Score, who_is

Frames = dict[int, list[Labelled]]


def iou(a: Labelled, b: Labelled) -> float:
    ax, ay, aw, ah = a.box
    bx, by, bw, bh = b.box
    w = max(0.0, min(ax + aw, bx + bw) - max(ax, bx))
    h = max(0.0, min(ay + ah, by + bh) - max(ay, by))
    return w * h / (aw * ah + bw * bh - w * h)


def literal(truth: Frames, found: Frames) -> tuple[float, float]:
    """Recall and IDF1: over all one-to-one mappings of identities, boxes matched frame by frame.

    For scenes whose people stand apart, so that a box can match one true box alone.
    """
    matched, true, total = 0, 0, 0
    together: dict[tuple[int, int], int] = {}
    for frame in set(truth) | set(found):
        for f in found.get(frame, []):
            total += 1
            for t in truth.get(frame, []):
                if iou(t, f) < 0.5:
                    continue
                if t.visibility < 0.5:
                    total -= 1
                else:
                    matched += 1
                    pair = (t.identity, f.identity)
                    together[pair] = together.get(pair, 0) + 1
        true += sum(t.visibility >= 0.5 for t in truth.get(frame, []))
    people = sorted({t for t, _ in together})
    names = sorted({f for _, f in together})
    while len(names) < len(people):
        names.append(-len(names) - 1000)
    best = max(
        sum(together.get(pair, 0) for pair in zip(people, order, strict=True))
        for order in permutations(names, len(people))
    )
    return matched / true, 2 * best / (true + total)


def random_case(rng: np.random.Generator) -> tuple[Frames, Frames]:
    """Four people in places of their own; some missed, some false, identities that change."""
    truth: Frames = {}
    found: Frames = {}
    for frame in range(12):
        for person in range(4):
            if rng.random() < 0.2:
                continue
            x, y = 200.0 * person + float(rng.uniform(0, 20)), float(rng.uniform(0, 50))
            seen = float(rng.choice([0.2, 0.9], p=[0.2, 0.8]))
            truth.setdefault(frame, []).append(Labelled(person, (x, y, 40.0, 90.0), seen))
            if rng.random() < 0.75:
                shift = float(rng.choice([0, 3, 30], p=[0.5, 0.4, 0.1]))
                name = 10 + (person if rng.random() < 0.6 else int(rng.integers(0, 5)))
                found.setdefault(frame, []).append(Labelled(name, (x + shift, y, 40.0, 90.0)))
        if rng.random() < 0.3:
            found.setdefault(frame, []).append(Labelled(10, (900.0, 0.0, 40.0, 90.0)))
    return truth, found


@pytest.mark.parametrize("seed", range(25))
def test_random_scenes(seed: int) -> None:
    truth, found = random_case(np.random.default_rng(seed))
    score = Score()
    score.add(truth, found)
    recall, idf1 = literal(truth, found)
    assert score.recall == pytest.approx(recall)
    assert score.idf1 == pytest.approx(idf1)


def test_several_cameras_share_one_space_of_identities() -> None:
    box = (0.0, 0.0, 10.0, 20.0)
    score = Score()
    score.add(
        {i: [Labelled(1, box)] for i in range(10)}, {i: [Labelled(5, box)] for i in range(10)}
    )
    assert (score.recall, score.idf1) == (1.0, 1.0)
    score.add(
        {i: [Labelled(1, box)] for i in range(10)}, {i: [Labelled(6, box)] for i in range(10)}
    )
    assert score.recall == 1.0
    assert score.idf1 == pytest.approx(2 * 10 / 40)


def test_each_true_box_is_matched_once() -> None:
    score = Score()
    box = (0.0, 0.0, 10.0, 20.0)
    score.add({0: [Labelled(1, box)]}, {0: [Labelled(5, box), Labelled(5, box)]})
    assert (score.true, score.found, score.matched) == (1, 2, 1)


def test_nothing_at_all() -> None:
    score = Score()
    score.add({}, {})
    assert (score.recall, score.idf1) == (1.0, 1.0)
    score.add({}, {0: [Labelled(5, (0.0, 0.0, 10.0, 20.0))]})
    assert score.idf1 == 0.0


def test_who_is() -> None:
    truth = [Labelled(1, (0.0, 0.0, 10.0, 20.0)), Labelled(2, (8.0, 0.0, 10.0, 20.0))]
    assert who_is(truth, (7.0, 0.0, 10.0, 20.0)) == 2
    assert who_is(truth, (50.0, 0.0, 10.0, 20.0)) is None
    assert who_is([], (0.0, 0.0, 1.0, 1.0)) is None
