from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reid import Embedder, Embeddings, LevelSet  # noqa: E402
from training.augment import LOWEST, degrade, shrink, training_input  # noqa: E402
from training.by_height import by_height, near_far_draws  # noqa: E402
from training.calibrate import fit, flat_calibration, pair_distances  # noqa: E402
from training.camera import CameraBatches, Data, held_out  # noqa: E402
from training.datasets import Crop  # noqa: E402
from training.errors import TrainingError  # noqa: E402
from training.export import describe, write_onnx  # noqa: E402
from training.fit import split_of, training_crops  # noqa: E402
from training.recipe import RECIPES  # noqa: E402
from training.run import Run, load_network, save_weights  # noqa: E402
from training.trainer import Trainer, train  # noqa: E402

from .conftest import people  # noqa: E402

RECIPE = replace(RECIPES["camera"], size=(32, 16), epochs=3, persons=3, views=2, sizes=(8, 8, 8, 8))
CPU = torch.device("cpu")


def data() -> Data:
    crops = people()
    teacher = np.random.default_rng(1).normal(size=(len(crops), 6)).astype(np.float32)
    return Data(crops, teacher / np.linalg.norm(teacher, axis=1, keepdims=True))


def trainer() -> Trainer:
    return Trainer(RECIPE, CameraBatches(data(), RECIPE), CPU)


def test_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole = trainer()
    train(whole, tmp_path / "whole")
    first = trainer()
    for step in first.run(lambda row: None):
        if step == 5:
            break
    (tmp_path / "cut").mkdir()
    first.save(tmp_path / "cut" / "state.pt")
    resumed = trainer()
    train(resumed, tmp_path / "cut")
    assert resumed.step_number == whole.step_number == whole.total
    for a, b in zip(whole.trained.parameters(), resumed.trained.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_from_a_run_to_a_calibrated_embedder(tmp_path: Path) -> None:
    made = trainer()
    train(made, tmp_path)
    run = Run(RECIPE, ("set",), 0, "area", "random", 192.0)
    run.write(tmp_path)
    save_weights(made.trained, tmp_path / "weights.safetensors")
    path = tmp_path / "small.onnx"
    network, found = load_network(tmp_path)
    assert found == run
    write_onnx(network, RECIPE, path)
    assert describe(path, "small", run, flat_calibration(4)).levels.heights == (32, 64, 128, 256)
    embedder = Embedder.load(path, "cpu")
    unseen = people(8, 6)
    calibration = fit(pair_distances(embedder, unseen), embedder.info.levels.m)
    assert (calibration.slope < 0).all()
    np.testing.assert_array_equal(calibration.slope, calibration.slope.T)
    assert set(by_height(embedder, unseen, (None, 24), draws=1)) == {None, 24}


def test_held_out_people_are_the_test_ones_and_each_third() -> None:
    def of(label: str) -> bool:
        return held_out(Crop(np.zeros((2, 2, 3), np.uint8), label, 0))

    assert of("market1501/test/0001")
    assert not of("market1501/train/0003")
    assert of("viper/all/003")
    assert not of("viper/all/004")
    assert not of("prid/single-b/0300")


def test_query_and_gallery_come_from_two_cameras() -> None:
    single = Crop(np.zeros((90, 30, 3), np.uint8), "set/train/9999", 1, "train/9999_0.jpg")
    crops = [*people(), single]
    draws = near_far_draws(crops, 4)
    assert draws == near_far_draws(crops, 4)
    assert any(a != b for a in draws for b in draws)
    for queries, gallery in draws:
        entry = {crops[i].identity: crops[i].camera for i in gallery}
        assert len(gallery) == len(entry) == 7
        assert sorted({crops[i].identity for i in queries}) == sorted(entry)[:-1]
        assert all(entry[crops[i].identity] != crops[i].camera for i in queries)


class Brightness:
    """Embeds a crop as its mean colours: enough to tell the drawn people apart."""

    def embed(self, crops: Sequence[np.ndarray], /) -> Embeddings:
        halves = [
            np.r_[c[: len(c) // 2].mean((0, 1)), c[len(c) // 2 :].mean((0, 1))] for c in crops
        ]
        n = len(crops)
        return Embeddings(
            np.array(halves, np.float32) - 128, np.ones(n, np.int8), np.ones(n, np.float32), (6,)
        )


def test_anything_that_embeds_is_measured() -> None:
    found = by_height(Brightness(), people(), (None, 24), draws=2)
    assert found[None].rank1 == found[24].rank1 == 100


def test_crops_are_shrunk_and_never_enlarged() -> None:
    image = people(1, 1)[0].image
    assert shrink(image, 48).shape == (48, 20, 3)
    assert shrink(image, 500) is image
    random = np.random.default_rng(0)
    heights = [degrade(image, random)[1] for _ in range(200)]
    assert min(heights) < 40
    assert LOWEST * 0.5 < min(heights) <= max(heights) <= len(image)
    made, level = training_input(image, LevelSet((32, 64, 128, 256)), (64, 32), random, 0.4)
    assert made.shape == (64, 32, 3)
    assert 1 <= level <= 4


@pytest.mark.parametrize("recipe", ["best", "camera"])
def test_nobody_is_tested_who_was_trained_on(recipe: str) -> None:
    crops = people(12, 4, "all")
    run = Run(RECIPES[recipe], ("set",), 2, "area", "random", 192.0)
    trained = {c.identity for c in training_crops({"set": crops}, 2, run.recipe)}
    split = split_of("set", crops, run)
    assert trained == set(split.train)
    assert split.test
    assert not trained & set(split.test)
    everybody = replace(run, split=None)
    assert split_of("other", crops, everybody).test
    with pytest.raises(TrainingError, match="trained on everybody of set"):
        split_of("set", crops, everybody)
