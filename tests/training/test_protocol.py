import numpy as np
import pytest

from training.datasets import Crop
from training.errors import TrainingError
from training.protocol import (
    Protocol,
    check_manifest,
    digest,
    draw,
    manifest,
    market_trial,
    split_identities,
    trials,
)

from .conftest import people

CROPS = people(10, 4, "all")


def blank(identity: str, camera: int, name: str, role: str = "") -> Crop:
    return Crop(np.zeros((4, 2, 3), np.uint8), identity, camera, name, role)


def caviar() -> list[Crop]:
    crops = []
    for who in range(6):
        for i in range(1, 5):
            if who == 5 and i > 2:
                continue
            crops.append(blank(f"caviar/all/{who}", 1 if i < 3 else 2, f"{who}{i}.jpg"))
    return crops


def test_splits_halve_the_people_and_stay_the_same_for_ever() -> None:
    seen = [split_identities(CROPS, n) for n in range(4)]
    for split in seen:
        assert len(split.train) == len(split.test) == 5
        assert not set(split.train) & set(split.test)
    assert len({split.train for split in seen}) == 4
    assert [name[-1] for name in seen[0].train] == ["1", "2", "3", "5", "6"]
    assert split_identities(list(reversed(CROPS)), 2) == seen[2]


def test_a_set_with_its_own_split_has_one() -> None:
    crops = people(3, split="train") + people(4, split="test")
    split = split_identities(crops, 5)
    assert (len(split.train), len(split.test)) == (3, 4)
    with pytest.raises(TrainingError, match="people for training"):
        split_identities([c for c in CROPS if c.camera == 0], 0)


def test_people_seen_by_one_camera_are_left_out() -> None:
    split = split_identities(caviar(), 0)
    assert "caviar/all/5" not in split.train + split.test


def test_a_trial_follows_the_rule() -> None:
    test = split_identities(CROPS, 0).test
    protocol = Protocol(rates=(2, 3, 4), trials=5)
    for number, trial in enumerate(trials(CROPS, test, protocol)):
        entries = {CROPS[i].identity: i for i in trial.gallery}
        assert set(entries) == set(test)
        assert len(entries) == len(trial.gallery)
        for name, entry in entries.items():
            rows = [i for i, c in enumerate(CROPS) if c.identity == name]
            literal = sorted(rows, key=lambda i: draw(0, number, "gallery", CROPS[i].name))
            assert literal[0] == entry
        expected = {
            i
            for i, c in enumerate(CROPS)
            if c.identity in entries and c.camera != CROPS[entries[c.identity]].camera
        }
        assert set(trial.query) == expected
        for i, rate in zip(trial.query, trial.rate, strict=True):
            assert rate == (2, 3, 4)[draw(0, number, "rate", CROPS[i].name) % 3]
    many = [rate for t in trials(CROPS, test, Protocol(trials=200)) for rate in t.rate]
    share = [many.count(rate) / len(many) for rate in (2, 3, 4)]
    assert min(share) > 0.3


def test_a_far_camera_is_looked_for_in_the_near_one() -> None:
    crops = caviar()
    split = split_identities(crops, 0)
    for trial in trials(crops, split.test, Protocol(trials=3)):
        assert all(crops[i].camera == 1 for i in trial.gallery)
        assert all(crops[i].camera == 2 for i in trial.query)
        assert set(trial.rate) == {2.0}


def test_unknown_cameras_leave_one_picture_out() -> None:
    crops = [blank(f"ilids/all/{who}", -1, f"{who}{i}") for who in range(4) for i in range(3)]
    split = split_identities(crops, 0)
    trial = trials(crops, split.test, Protocol(trials=1))[0]
    assert len(trial.gallery) == 2
    assert len(trial.query) == 4


def test_the_standard_evaluation_takes_the_sets_own_roles() -> None:
    crops = [
        blank("m/test/1", 1, "a", "query"),
        blank("m/test/1", 2, "b", "gallery"),
        blank("m/train/2", 2, "c", "train"),
    ]
    trial = market_trial(crops)
    assert (trial.query, trial.gallery, trial.rate) == ((0,), (1,), (1.0,))
    with pytest.raises(TrainingError, match="folders query and gallery"):
        market_trial(CROPS)


def test_a_manifest_tells_another_evaluation_apart() -> None:
    splits = [split_identities(CROPS, 0)]
    made = manifest("set", CROPS, splits, Protocol())
    check_manifest(made, manifest("set", list(CROPS), splits, Protocol()))
    for other in (
        manifest("set", CROPS, splits, Protocol(seed=1)),
        manifest("set", CROPS, splits, Protocol(kernel="cubic")),
        manifest("set", CROPS[:-1], splits, Protocol()),
    ):
        with pytest.raises(TrainingError, match="differs"):
            check_manifest(made, other)
    one, two = trials(CROPS, splits[0].test, Protocol(trials=2))
    assert digest(one, CROPS) != digest(two, CROPS)
