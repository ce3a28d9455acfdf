import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid import LevelSet
from tracker import State, Tracker, TrackerError, TrackerSettings

LEVELS = LevelSet((32, 64, 128, 256))
SIZE = (540, 960)


def follow(
    tracker: Tracker,
    boxes_by_frame: list[list[tuple[float, ...]]],
    fps: float = 10.0,
    first: int = 0,
) -> list[list[tuple[int, tuple[float, ...]]]]:
    """Numbers and boxes of confirmed tracks, frame by frame; a fifth value is the score."""
    out = []
    for i, boxes in enumerate(boxes_by_frame, first):
        array = np.array([b[:4] for b in boxes], np.float32).reshape(-1, 4)
        scores = np.array([b[4] if len(b) > 4 else 0.9 for b in boxes], np.float32)
        seen = tracker.update(i, i / fps, array, scores, SIZE)
        out.append([(t.number, t.last.box) for t in seen])
    return out


def walk(x: float, y: float, vx: float, n: int, h: float = 100) -> list[tuple[float, ...]]:
    return [(x + vx * i, y, h * 0.4, h) for i in range(n)]


def test_two_people_who_pass_each_other_keep_their_numbers() -> None:
    left, right = walk(100, 200, 8, 60), walk(600, 210, -8, 60)
    seen = follow(Tracker("a", LEVELS), [list(pair) for pair in zip(left, right, strict=True)])
    numbers = {n for frame in seen for n, _ in frame}
    assert numbers == {1, 2}
    by_number = dict(seen[-1])
    assert by_number[1][0] == pytest.approx(left[-1][0], abs=1)


def test_a_track_needs_three_boxes() -> None:
    seen = follow(Tracker("a", LEVELS), [[b] for b in walk(100, 100, 4, 2)] + [[]] * 3)
    assert seen == [[]] * 5


def test_a_faint_box_carries_a_track_on_but_starts_none() -> None:
    person = walk(100, 100, 4, 20)
    frames = [[(*b, 0.3 if 8 <= i < 14 else 0.9)] for i, b in enumerate(person)]
    seen = follow(Tracker("a", LEVELS), frames)
    assert all(len(f) == 1 and f[0][0] == 1 for f in seen[2:])
    assert follow(Tracker("b", LEVELS), [[(*b, 0.3)] for b in person]) == [[]] * 20


@pytest.mark.parametrize(("gap", "same"), [(0.7, True), (1.5, False)])
@pytest.mark.parametrize("fps", [5.0, 10.0, 25.0])
def test_a_lost_person_is_waited_for_in_seconds_not_frames(
    gap: float, same: bool, fps: float
) -> None:
    person = walk(100, 100, 40 / fps, int(6 * fps))
    first, back = int(2 * fps), int((2 + gap) * fps) + 1
    frames = [[] if first <= i < back else [b] for i, b in enumerate(person)]
    tracker = Tracker("a", LEVELS, TrackerSettings(lost_seconds=1.0))
    numbers = {n for frame in follow(tracker, frames, fps) for n, _ in frame}
    assert (len(numbers) == 1) is same


def test_a_box_cut_by_the_edge_keeps_the_level_of_the_person() -> None:
    tracker = Tracker("a", LEVELS)
    frames = [[(500, 300 + 10 * i, 60, min(150, 540 - (300 + 10 * i)))] for i in range(20)]
    levels, qualities = [], []
    for i, boxes in enumerate(frames):
        box = np.array(boxes, np.float32)
        for track in tracker.update(i, i / 10, box, np.full(1, 0.9, np.float32), SIZE):
            levels.append(track.last.level)
            qualities.append(track.last.quality)
    assert set(levels) == {3}
    assert qualities[-1] < qualities[0]


def test_an_enlarged_picture_does_not_raise_the_level() -> None:
    tracker = Tracker("a", LEVELS, native_scale=4.0)
    frames = [np.array([(100 + i, 100, 80, 240)], np.float32) for i in range(5)]
    for i, boxes in enumerate(frames):
        seen = tracker.update(i, i / 10, boxes, np.full(1, 0.9, np.float32), SIZE)
    assert seen[0].last.level == LEVELS.level_of(60)


def test_who_is_hidden_by_a_nearer_person_counts_less() -> None:
    tracker = Tracker("a", LEVELS)
    boxes = np.array([(100, 100, 40, 100), (110, 120, 50, 120)], np.float32)
    for i in range(4):
        seen = tracker.update(i, i / 10, boxes, np.full(2, 0.9, np.float32), SIZE)
    by_x = {t.last.box[0]: t.last.quality for t in seen}
    assert by_x[100.0] < 0.5 < by_x[110.0]


def test_time_must_advance() -> None:
    tracker = Tracker("gate", LEVELS)
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    tracker.update(0, 1.0, *nothing, SIZE)
    with pytest.raises(TrackerError, match=r"gate.*frame 1"):
        tracker.update(1, 1.0, *nothing, SIZE)


def test_two_trackers_share_nothing_and_numbers_go_on() -> None:
    a, b = Tracker("a", LEVELS), Tracker("b", LEVELS, first_number=8)
    person = [[box] for box in walk(100, 100, 4, 5)]
    assert {n for f in follow(a, person) for n, _ in f} == {1}
    assert {n for f in follow(b, person) for n, _ in f} == {8}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_any_boxes_give_unique_numbers_and_known_boxes(seed: int) -> None:
    random = np.random.default_rng(seed)
    tracker = Tracker("a", LEVELS, TrackerSettings(confirm=1))
    for i in range(12):
        n = int(random.integers(0, 8))
        boxes = (random.random((n, 4)) * (900, 500, 80, 200) + (0, 0, 2, 2)).astype(np.float32)
        scores = random.random(n).astype(np.float32)
        seen = tracker.update(i, i / 10, boxes, scores, SIZE)
        assert len({t.number for t in seen}) == len(seen)
        given_boxes = {tuple(float(v) for v in b) for b in boxes}
        assert all(t.last.box in given_boxes and t.state is State.TRACKED for t in seen)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 30))
def test_a_tracker_goes_on_from_its_state(seed: int, cut: int) -> None:
    generator = np.random.default_rng(seed)
    walks = [
        walk(
            *generator.uniform(50, 700, 2), generator.uniform(-9, 9), 30, generator.uniform(20, 99)
        )
        for _ in range(4)
    ]
    frames = [
        [(*w[i], float(generator.uniform(0.05, 1))) for w in walks if generator.random() < 0.8]
        for i in range(30)
    ]
    one, first, second = (Tracker("a", LEVELS) for _ in range(3))
    whole = follow(one, frames)
    begun = follow(first, frames[:cut])
    second.restore(json.loads(json.dumps(first.state())))
    rest = follow(second, frames[cut:], first=cut)
    assert [*begun, *rest] == whole
    assert second.state() == one.state()
