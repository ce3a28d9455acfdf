from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.datasets import Crop  # noqa: E402
from training.errors import TrainingError  # noqa: E402
from training.rates import RateBatches, augment, inputs_at, level_of  # noqa: E402
from training.recipe import Recipe  # noqa: E402

from .conftest import people  # noqa: E402

RECIPE = Recipe(size=(32, 16), persons=3, views=4)
CPU = torch.device("cpu")


def test_a_rate_goes_to_the_nearest_level() -> None:
    rates = (4, 3, 2, 1)
    assert [level_of(r, rates) for r in rates] == [1, 2, 3, 4]
    assert level_of(2.4, rates) == 3
    assert level_of(2.5, rates) == 2
    assert level_of(9, rates) == 1
    assert level_of(3, (8, 4, 2, 1)) == 2
    assert level_of(6, (9, 4, 1)) == 2  # halfway on a log scale: the sharper one


def test_inputs_are_shrunk_and_enlarged_again() -> None:
    crop = people(1, 1)[0]
    seen = inputs_at([crop], 4, (64, 32))[0]
    small = cv2.resize(crop.image, (20, 48), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(seen, cv2.resize(small, (32, 64)))


def test_a_far_camera_is_shrunk_by_what_is_left() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 30, 3), dtype=np.uint8)
    near, far = Crop(image, "caviar/all/1", 1), Crop(image, "caviar/all/1", 2)
    native = cv2.resize(image, (16, 32))
    for rate in (1, 2):
        np.testing.assert_array_equal(inputs_at([far], rate, (32, 16))[0], native)
    np.testing.assert_array_equal(inputs_at([far], 4, (32, 16)), inputs_at([near], 2, (32, 16)))
    crops = [replace(c, identity=f"caviar/all/{who}") for who in range(3) for c in (near, far) * 2]
    batches = RateBatches(crops, RECIPE, CPU)
    levels = {True: set(), False: set()}
    for step in range(20):
        batch = batches.batch(step)
        for picture, level in zip(batch.picture.tolist(), batch.level.tolist(), strict=True):
            levels[crops[picture].camera == 1].add(level)
    assert levels == {True: {1, 2, 3, 4}, False: {1, 2, 3}}


def test_a_batch_depends_on_its_step_alone() -> None:
    batches = RateBatches(people(), RECIPE, CPU)
    for name in ("images", "level", "identity", "picture"):
        a, b = (getattr(batches.batch(5), name) for _ in range(2))
        assert torch.equal(a, b)
    assert not torch.equal(batches.batch(5).images, batches.batch(6).images)


def test_persons_and_views_are_as_the_recipe_says() -> None:
    crops = people(6, 4)
    batches = RateBatches(crops, RECIPE, CPU)
    assert batches.steps == 2
    seen = np.zeros(len(crops), int)
    for step in range(60):
        batch = batches.batch(step)
        who = batch.identity.reshape(3, 4)
        assert (who == who[:, :1]).all()
        assert len(set(who[:, 0].tolist())) == 3
        seen[batch.picture] += 1
        for picture, identity in zip(batch.picture, batch.identity, strict=True):
            assert crops[picture].identity.endswith(f"{identity:04d}")
    assert seen.min() == 1 * (seen.max() > 0) * seen.min() > 0


def test_copies_bring_each_picture_sharp_and_shrunk() -> None:
    batches = RateBatches(people(), replace(RECIPE, copies=True), CPU)
    assert batches.steps == 2
    batch = batches.batch(3)
    assert (batch.level[::2] == 4).all()
    assert torch.equal(batch.picture[::2], batch.picture[1::2])
    assert len(set(batch.picture.tolist())) == 6


def test_augmentation_equals_a_literal_version() -> None:
    images = torch.from_numpy(
        np.random.default_rng(1).integers(0, 256, (5, 256, 128, 3), dtype=np.uint8)
    )
    found = augment(images, 0.0, np.random.default_rng(7)).numpy()
    random = np.random.default_rng(7)
    top, left = random.integers(0, 21, (2, 5, 1))
    flip = random.random(5) < 0.5
    for i in range(5):
        padded = np.zeros((276, 148, 3), np.uint8)
        padded[10:266, 10:138] = images[i]
        cut = padded[top[i, 0] : top[i, 0] + 256, left[i, 0] : left[i, 0] + 128]
        np.testing.assert_array_equal(found[i], cut[:, ::-1] if flip[i] else cut)


def test_erasing_hides_a_part_of_some() -> None:
    images = torch.full((200, 32, 16, 3), 77, dtype=torch.uint8)
    out = augment(images, 0.5, np.random.default_rng(3))[:, 1:-1, 1:-1]
    changed = ((out != 77).any(-1) & (out != 0).any(-1)).float().mean((1, 2))
    assert 0.3 < (changed > 0.02).float().mean() < 0.7


def test_too_few_people_are_refused() -> None:
    with pytest.raises(TrainingError, match="a batch has 3 people, the training set 2"):
        RateBatches(people(2), RECIPE, CPU)
