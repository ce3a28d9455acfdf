from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reid import Embedder, LevelSet  # noqa: E402
from training.augment import LOWEST, degrade, shrink, training_input  # noqa: E402
from training.datasets import Crop  # noqa: E402
from training.embedder import Trainer, train  # noqa: E402
from training.embedder_data import Data, batches, held_out  # noqa: E402
from training.errors import TrainingError  # noqa: E402
from training.export import calibrate, describe, export, flat_calibration, load_network  # noqa: E402
from training.protocol import by_height, near_far_split, retrieval  # noqa: E402
from training.recipe import Recipe  # noqa: E402

RECIPE = Recipe(size=(32, 16), steps=6, persons=3, views=2, warmup=2, sizes=(8, 8, 8, 8))


def people(n: int = 6, views: int = 4, split: str = "train") -> list[Crop]:
    """People who differ in the colours of their upper and lower halves."""
    random = np.random.default_rng(0)
    crops = []
    for who in range(n):
        colours = random.integers(0, 256, (2, 3))
        for view in range(views):
            image = np.repeat(np.repeat(colours, [96, 96], 0)[:, None], 80, 1)
            noise = random.normal(0, 8, image.shape)
            crops.append(
                Crop(
                    np.clip(image + noise, 0, 255).astype(np.uint8),
                    f"set/{split}/{who:04d}",
                    view % 2,
                )
            )
    return crops


def data() -> Data:
    crops = people()
    teacher = np.random.default_rng(1).normal(size=(len(crops), 6)).astype(np.float32)
    return Data(crops, teacher / np.linalg.norm(teacher, axis=1, keepdims=True))


def test_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole = train(data(), RECIPE, tmp_path / "whole")
    first = Trainer(RECIPE, 6, 6)
    for batch in batches(data(), RECIPE):
        first.step(batch)
        if first.step_number == 3:
            break
    (tmp_path / "cut").mkdir()
    first.save(tmp_path / "cut" / "checkpoint.pt")
    resumed = train(data(), RECIPE, tmp_path / "cut")
    assert resumed.step_number == whole.step_number == RECIPE.steps
    for a, b in zip(whole.average.parameters(), resumed.average.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_checkpoint_to_calibrated_embedder(tmp_path: Path) -> None:
    train(data(), RECIPE, tmp_path)
    path = tmp_path / "small.onnx"
    network, recipe = load_network(tmp_path / "checkpoint.pt")
    assert recipe == RECIPE
    export(network, recipe, path)
    describe(path, "small", RECIPE, flat_calibration(4))
    embedder = Embedder.load(path, "cpu")
    unseen = people(8, 6)
    calibration = calibrate(embedder, [unseen])
    assert (calibration.slope < 0).all()
    np.testing.assert_array_equal(calibration.slope, calibration.slope.T)
    assert set(by_height(embedder, unseen, (None, 24), trials=1)) == {None, 24}


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"rubbish")
    for path in (tmp_path / "checkpoint.pt", tmp_path / "nowhere.pt"):
        with pytest.raises(TrainingError, match="no checkpoint of"):
            load_network(path)


def test_held_out_people_are_the_test_ones_and_each_third() -> None:
    def of(label: str) -> bool:
        return held_out(Crop(np.zeros((2, 2, 3), np.uint8), label, 0))

    assert of("market1501/test/0001")
    assert not of("market1501/train/0003")
    assert of("viper/all/003")
    assert not of("viper/all/004")
    assert not of("prid/single-b/0300")


def test_retrieval_equals_a_literal_computation() -> None:
    random = np.random.default_rng(5)
    distance = random.random((7, 12)).astype(np.float32)
    query = [f"p{i % 4}" for i in range(7)]
    gallery = [f"p{i % 5}" for i in range(12)]
    rank1, precisions = 0, []
    for row, who in zip(distance, query, strict=True):
        order = sorted(range(12), key=lambda j: row[j])
        rank1 += gallery[order[0]] == who
        hits, precision = 0, []
        for rank, j in enumerate(order, start=1):
            if gallery[j] == who:
                hits += 1
                precision.append(hits / rank)
        precisions.append(sum(precision) / len(precision))
    found = retrieval(distance, query, gallery)
    assert found.rank1 == pytest.approx(100 * rank1 / 7)
    assert found.mean_precision == pytest.approx(100 * np.mean(precisions))


def test_query_and_gallery_come_from_two_cameras() -> None:
    queries, gallery = near_far_split(people(), np.random.default_rng(0))
    entry = {c.identity: c.camera for c in gallery}
    assert len(gallery) == len(queries) == 6
    assert all(entry[q.identity] != q.camera for q in queries)


def test_crops_are_shrunk_and_never_enlarged() -> None:
    image = people(1, 1)[0].image
    assert shrink(image, 48).shape == (48, 20, 3)
    assert shrink(image, 500) is image
    random = np.random.default_rng(0)
    heights = [degrade(image, random)[1] for _ in range(200)]
    assert min(heights) < 40
    assert LOWEST * 0.5 < min(heights) <= max(heights) <= len(image)
    made, level = training_input(image, LevelSet((32, 64, 128, 256)), (64, 32), random)
    assert made.shape == (64, 32, 3)
    assert 1 <= level <= 4
