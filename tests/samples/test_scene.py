from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from samples import SamplesError, Scene, TruthBox
from samples.gait import pose, walking_speed
from samples.people import make_people
from samples.stage import build_stage

STEP = 4
BANDS = {"near": (200, 420), "middle": (88, 160), "far": (26, 63)}


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene()


@pytest.fixture(scope="module")
def sampled(scene: Scene) -> dict[str, list[list[TruthBox]]]:
    """Truth of every fourth frame."""
    return {
        camera: [scene.frame(camera, index)[1] for index in range(0, scene.frame_count, STEP)]
        for camera in scene.cameras
    }


def test_default_scene_has_three_cameras_and_fits_the_demo(scene: Scene) -> None:
    assert scene.cameras == ("near", "middle", "far")
    assert 28 <= scene.duration <= 42
    image, truth = scene.frame("middle", 150)
    assert image.shape == (540, 960, 3)
    assert image.dtype == np.uint8
    assert truth


def test_same_seed_same_frames_and_truth(scene: Scene) -> None:
    again = Scene()
    for camera in scene.cameras:
        image, truth = scene.frame(camera, 133)
        other, other_truth = again.frame(camera, 133)
        assert np.array_equal(image, other)
        assert truth == other_truth


def test_other_seeds_have_other_people() -> None:
    first, second = make_people(1, 12), make_people(2, 12)
    assert [p.upper for p in first] != [p.upper for p in second]
    assert make_people(1, 12) == first
    assert len({(p.upper, p.lower, p.height) for p in make_people(3, 60)}) == 60


@pytest.mark.parametrize("camera", ["near", "middle", "far"])
def test_everyone_is_well_seen_at_the_promised_height(
    sampled: dict[str, list[list[TruthBox]]], camera: str
) -> None:
    seen: dict[int, list[int]] = {}
    heights = []
    for number, truth in enumerate(sampled[camera]):
        for person in truth:
            if person.visibility > 0.85:
                x, y, w, h = person.box
                seen.setdefault(person.identity, []).append(number)
                if x > 0 and y > 0 and x + w < 960 and y + h < 540:
                    heights.append(h)
    low, high = BANDS[camera]
    assert min(heights) >= low
    assert max(heights) <= high
    for identity in range(1, 13):
        run = longest = 0
        for a, b in pairwise(seen[identity]):
            run = run + 1 if b - a == 1 else 0
            longest = max(longest, run)
        assert longest * STEP >= 12, f"person {identity} is hardly seen in {camera}"


def test_nobody_is_in_two_places_at_once(scene: Scene) -> None:
    for identity in range(1, 13):
        walks = sorted((p.start, p.end) for p in scene.passages if p.identity == identity)
        assert all(b[0] - a[1] >= 2.0 for a, b in pairwise(walks))


def test_boxes_agree_with_what_is_drawn(scene: Scene) -> None:
    nobody = Scene()
    nobody.passages = []
    checked = 0
    for camera in scene.cameras:
        for index in range(60, scene.frame_count, 50):
            image, truth = scene.frame(camera, index)
            empty, _ = nobody.frame(camera, index)
            changed = np.abs(image.astype(int) - empty).max(2) > 16
            for person in truth:
                x, y, w, h = person.box
                room = [abs(t.box[0] - x) > 2.5 * w for t in truth if t is not person]
                if person.visibility < 0.99 or not all(room) or x < 0.3 * h:
                    continue
                left, top = int(x - 0.2 * h), max(0, int(y - 0.2 * h))
                part = changed[top : int(y + 0.4 * h), left : int(x + w + 0.2 * h)]
                rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
                slack = 2.0 + 0.02 * h
                assert abs(rows[0] + top - y) <= slack
                assert columns[0] + left >= x - slack
                assert columns[-1] + left <= x + w + slack
                checked += 1
    assert checked >= 8


def test_a_column_lowers_visibility_but_not_the_box(
    sampled: dict[str, list[list[TruthBox]]],
) -> None:
    covered = []
    for person in (person for truth in sampled["middle"] for person in truth):
        x, _, w, h = person.box
        if x > 5 and x + w < 955 and person.visibility < 0.7:
            covered.append(h)
    assert len(covered) >= 5
    assert min(covered) >= BANDS["middle"][0]


def test_people_cut_by_the_frame_keep_their_box_inside(
    sampled: dict[str, list[list[TruthBox]]],
) -> None:
    for person in (person for truth in sampled["near"] for person in truth):
        x, y, w, h = person.box
        assert min(x, y) >= 0
        assert min(w, h) > 0
        assert x + w <= 960
        assert y + h <= 540
        assert 0 < person.visibility <= 1


def test_more_cameras_take_turns_in_distance() -> None:
    names = [build_stage(7, index).name for index in range(4)]
    assert names == ["near", "middle", "far", "near2"]


def test_a_small_scene_of_one_camera() -> None:
    scene = Scene(seed=7, people=2, cameras=1, fps=5.0)
    assert scene.cameras == ("near",)
    truths = [scene.frame("near", index)[1] for index in range(0, scene.frame_count, 4)]
    seen = {person.identity for truth in truths for person in truth}
    assert seen == {1, 2}


def test_feet_stand_on_the_ground_and_do_not_slide() -> None:
    for person in make_people(4, 3):
        assert 0.8 < walking_speed(person) < 2.0
        for phase in np.linspace(0, 1, 9):
            joints = pose(person, float(phase))
            assert min(joints.ankles[:, 2].min(), joints.toes[:, 2].min()) > 0
            assert 0.9 * person.height < joints.head[2] + 0.066 * person.height


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"people": 61}, "people is 61"),
        ({"people": 0}, "people is 0"),
        ({"cameras": 0}, "cameras is 0"),
        ({"fps": 0.0}, "fps is 0.0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(arguments: dict, words: str) -> None:
    with pytest.raises(SamplesError, match=words) as error:
        Scene(**arguments)
    assert "\n" not in str(error.value)


def test_unknown_camera_and_frame(scene: Scene) -> None:
    with pytest.raises(SamplesError, match="no camera is called 'roof'"):
        scene.frame("roof", 0)
    with pytest.raises(SamplesError, match="no frame 99999"):
        scene.frame("near", 99999)
