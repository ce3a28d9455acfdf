"""What holds for the follower whatever the boxes are."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracker import Follower, TrackerError, TrackerSettings

Scene = list[tuple[float, np.ndarray, np.ndarray]]
"""Time, boxes x, y, w, h and scores of each frame."""

SEEDS = st.integers(0, 100_000)


def crowd(seed: int, frames: int = 40, people: int = 8, fps: float = 10.0) -> Scene:
    """People who walk through each other; misses, false boxes, shaky boxes, weak scores."""
    rng = np.random.default_rng(seed)
    place, step = rng.uniform(0, 300, (people, 2)), rng.uniform(-40, 40, (people, 2))
    height = rng.uniform(40, 160, people)
    scene = []
    for frame in range(frames):
        seen = rng.random(people) < 0.85
        x, y = (place + step * frame / fps)[seen].T
        h = height[seen]
        boxes = np.stack([x, y, 0.4 * h, h], axis=1) + rng.normal(0, 2, (seen.sum(), 4))
        false = rng.uniform(0, 300, (rng.integers(0, 3), 4)) + (0, 0, 5, 5)
        boxes = np.concatenate([boxes, false]).astype(np.float32)
        boxes = boxes[rng.permutation(len(boxes))]
        boxes[:, 2:] = np.maximum(boxes[:, 2:], 3)
        scene.append((frame / fps, boxes, rng.random(len(boxes)).astype(np.float32) ** 0.3))
    return scene


def follow(follower: Follower, scene: Scene) -> list[np.ndarray]:
    """Numbers of the boxes, frame by frame."""
    return [follower.update(*frame) for frame in scene]


def walk(seconds: float, fps: float, gap: tuple[float, float] = (0, 0)) -> Scene:
    """One person of 100 px who walks 40 px a second, not seen inside the gap."""
    scene = []
    for frame in range(int(seconds * fps)):
        time = frame / fps
        there = not gap[0] <= time < gap[1]
        boxes = np.array([(100 + 40 * time, 100, 40, 100)] * there, np.float32).reshape(-1, 4)
        scene.append((time, boxes, np.full(len(boxes), 0.9, np.float32)))
    return scene


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_a_track_has_one_box_a_frame_and_ids_are_never_used_again(seed: int) -> None:
    follower = Follower(TrackerSettings(lost_seconds=0.3))
    ended: set[int] = set()
    for numbers in map(follower.update, *zip(*crowd(seed), strict=True)):
        held = numbers[numbers > 0].tolist()
        assert len(set(held)) == len(held)
        ended |= set(follower.ended.tolist())
        assert not ended & set(held)
        assert not follower.are_sure(np.array(sorted(ended), np.int64)).any()


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(0, 40))
def test_a_scene_in_two_parts_gives_what_it_gives_whole(seed: int, cut: int) -> None:
    scene = crowd(seed)
    whole, parts = Follower(), Follower()
    expected = follow(whole, scene)
    found = follow(parts, scene[:cut]) + follow(parts, scene[cut:])
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=20, deadline=None)
@given(SEEDS, SEEDS)
def test_two_followers_share_nothing(first: int, second: int) -> None:
    scenes = crowd(first), crowd(second)
    alone = [follow(Follower(), scene) for scene in scenes]
    a, b = Follower(), Follower()
    together = [(a.update(*x), b.update(*y)) for x, y in zip(*scenes, strict=True)]
    for (x, y), p, q in zip(together, *alone, strict=True):
        np.testing.assert_array_equal(x, p)
        np.testing.assert_array_equal(y, q)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.floats(1e8, 2e9))
@example(40185, 268435456.0)
def test_only_time_that_passes_counts(seed: int, start: float) -> None:
    """The clock may begin anywhere: a day in 2026 as well as 0."""
    start = round(start)
    scene = crowd(seed)
    later = [(start + time, boxes, scores) for time, boxes, scores in scene]
    for a, b in zip(follow(Follower(), scene), follow(Follower(), later), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("fps", [5.0, 10.0, 12.5, 25.0, 30.0])
@pytest.mark.parametrize(("wait", "same"), [(0.7, True), (1.5, False)])
def test_lifetimes_are_in_seconds(fps: float, wait: float, same: bool) -> None:
    follower = Follower(TrackerSettings(lost_seconds=1.0))
    scene = walk(6, fps, gap=(2, 2 + wait))
    numbers = {n for frame in follow(follower, scene) for n in frame.tolist()}
    assert len(numbers) == (1 if same else 2)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 3.0), st.floats(0.1, 3.5), st.sampled_from([10.0, 20.0, 30.0]))
def test_every_second_frame_dropped_changes_no_lifetime(
    lost: float, wait: float, fps: float
) -> None:
    if abs(lost - wait) < 4 / fps:  # when the person is back depends on the frames that there are
        return
    scene = walk(8, fps, gap=(2, 2 + wait))
    tracks = [
        len(
            {
                n
                for frame in follow(Follower(TrackerSettings(lost_seconds=lost)), some)
                for n in frame
            }
        )
        for some in (scene, scene[::2])
    ]
    assert tracks == [1 if wait < lost else 2] * 2


@pytest.mark.parametrize("fps", [5.0, 10.0, 30.0])
def test_an_unseen_person_is_expected_for_a_while(fps: float) -> None:
    follower = Follower(TrackerSettings(coast_seconds=0.6, hidden_seconds=0.6))
    expected = []
    for time, boxes, scores in walk(4, fps, gap=(2, 4)):
        follower.update(time, boxes, scores)
        numbers, places = follower.unseen()
        assert numbers.tolist() == [1] * len(places)
        if len(places):
            expected.append(time)
            assert places[0] == pytest.approx((100 + 40 * time, 100, 40, 100), abs=3)
    assert expected[-1] - expected[0] == pytest.approx(0.6 - 1 / fps, abs=1 / fps + 1e-6)


def test_a_hidden_person_is_expected_for_longer() -> None:
    wall = (180.0, 90.0, 60.0, 200.0)
    for hidden in (False, True):
        follower = Follower(TrackerSettings(coast_seconds=0.2, hidden_seconds=0.8))
        expected = 0
        for time, boxes, _ in walk(4, 10, gap=(2, 4)):
            with_wall = np.concatenate(
                [boxes, np.array([wall] if hidden else [], np.float32).reshape(-1, 4)]
            )
            follower.update(time, with_wall, np.full(len(with_wall), 0.9))
            expected += len(follower.unseen()[0])
        assert expected == (8 if hidden else 2)


def test_an_empty_hour_ends_all_tracks_and_costs_nothing() -> None:
    follower = Follower()
    first = follow(follower, crowd(1))
    assert follower.busy
    begun = perf_counter()
    numbers = follower.update(3600.0, *crowd(1)[-1][1:])
    assert perf_counter() - begun < 0.5
    assert not set(numbers[numbers > 0].tolist()) & {n for f in first for n in f.tolist()}
    assert len(follower.ended) > 0
    assert not follower.are_sure(np.arange(1, numbers.max() + 1)).any()


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 39), st.floats(3.01, 10_000))
def test_a_gap_longer_than_a_track_waits_joins_nobody(seed: int, cut: int, gap: float) -> None:
    scene = crowd(seed)
    later = [(time + gap, boxes, scores) for time, boxes, scores in scene[cut:]]
    numbers = follow(Follower(TrackerSettings(lost_seconds=3.0)), scene[:cut] + later)
    before, after = (
        {n for frame in part for n in frame.tolist() if n}
        for part in (numbers[:cut], numbers[cut:])
    )
    assert not before & after


def test_two_hundred_people_in_one_frame() -> None:
    rng = np.random.default_rng(5)
    columns, rows = np.meshgrid(np.arange(20), np.arange(10))
    place = np.stack([columns.ravel() * 90.0, rows.ravel() * 100.0], axis=1)
    step = rng.uniform(-15, 15, (200, 2))
    follower = Follower()
    begun = perf_counter()
    for frame in range(20):
        corner = place + step * frame / 10
        boxes = np.concatenate([corner, np.tile((40.0, 90.0), (200, 1))], axis=1)
        numbers = follower.update(frame / 10, boxes, np.full(200, 0.9))
        assert numbers.tolist() == list(range(1, 201))
    assert perf_counter() - begun < 5


def test_a_camera_that_moves_does_not_break_tracks() -> None:
    """A jump of 300 px to the side, a turn and a zoom, told to the follower."""
    turn = np.array(
        [[1.2 * np.cos(0.1), -1.2 * np.sin(0.1)], [1.2 * np.sin(0.1), 1.2 * np.cos(0.1)]]
    )
    moved = np.concatenate([turn, [[300.0], [20.0]]], axis=1)
    told, untold = Follower(), Follower()
    for time, boxes, scores in walk(2, 10):
        jump = time == 1.0
        if time >= 1.0:
            centre = boxes[:, :2] + boxes[:, 2:] / 2
            size = boxes[:, 2:] * 1.2
            boxes = np.concatenate([centre @ turn.T + moved[:, 2] - size / 2, size], axis=1)
        a = told.update(time, boxes, scores, moved if jump else None)
        b = untold.update(time, boxes, scores)
    assert (a.tolist(), b.tolist()) == ([1], [2])


def test_time_must_advance() -> None:
    follower = Follower()
    nothing = np.zeros((0, 4)), np.zeros(0)
    follower.update(1.0, *nothing)
    with pytest.raises(TrackerError, match=r"1\.000 s does not come after 1\.000 s"):
        follower.update(1.0, *nothing)
