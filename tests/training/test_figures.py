from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from training import figures
from training.datasets import Crop
from training.errors import TrainingError

RANDOM = np.random.default_rng(0)
PNG = b"\x89PNG\r\n\x1a\n"


def drawn(path: Path) -> np.ndarray:
    """The figure as ``uint8 (H, W, 3)``, after a look at its kind and size."""
    assert path.read_bytes()[:8] == PNG
    image = cv2.imread(str(path))
    assert image is not None
    height, width = image.shape[:2]
    assert 600 <= width <= 2400
    assert 300 <= height <= 2400
    return image


def of_colour(image: np.ndarray, colour: str) -> np.ndarray:
    """Where `image` has that colour, ``bool (H, W)``."""
    bgr = [int(colour[i : i + 2], 16) for i in (5, 3, 1)]
    return (np.abs(image.astype(int) - bgr) < 4).all(-1)


def masks(value: float) -> list[np.ndarray]:
    return [np.full((4, channels), value) for channels in (64, 128)]


def test_a_better_curve_lies_higher(tmp_path: Path) -> None:
    figures.cmc_curves(tmp_path / "a.png", {"high": [70.0] * 40, "low": [30.0] * 40})
    image = drawn(tmp_path / "a.png")
    high, low = (of_colour(image, c).sum(1).argmax() for c in figures.COLOURS[:2])
    assert high < low


def test_many_curves_and_short_ones(tmp_path: Path) -> None:
    figures.cmc_curves(
        tmp_path / "a.png", {f"c{i}": [i, 50.0, 100.0][: 1 + i % 3] for i in range(20)}
    )
    drawn(tmp_path / "a.png")


def test_masks_show_closed_and_open_channels(tmp_path: Path) -> None:
    for value, colour in ((0.1, "#2d004b"), (0.9, "#7f3b08")):
        figures.mask_values(tmp_path / "a.png", masks(value))
        assert of_colour(drawn(tmp_path / "a.png"), colour).mean() > 0.2


def test_each_stage_of_masks_has_its_row(tmp_path: Path) -> None:
    figures.mask_values(tmp_path / "one.png", masks(0.5)[:1])
    figures.mask_values(tmp_path / "two.png", masks(0.5))
    assert len(drawn(tmp_path / "two.png")) > len(drawn(tmp_path / "one.png"))


def test_distances_of_same_and_different_persons_part(tmp_path: Path) -> None:
    pair = RANDOM.integers(1, 3, (2000, 2))
    same = RANDOM.random(2000) < 0.5
    overlap = []
    for gap in (0.0, 3.0):
        distance = RANDOM.normal(np.where(same, 0, gap), 0.3)
        figures.distance_histograms(tmp_path / "a.png", distance, pair, same)
        image = drawn(tmp_path / "a.png").astype(int)
        mixed = np.abs(image - [82, 157, 176]).max(-1) < 12
        overlap.append(mixed.mean())
    assert overlap[0] > 4 * overlap[1]


@pytest.mark.parametrize(
    ("same", "other", "nearer"),
    [([0, 1], [2, 3], 1), ([2, 3], [0, 1], 0), ([1], [1], 0.5), ([1, 3], [2], 0.5)],
)
def test_how_often_the_same_person_is_nearer(same: list, other: list, nearer: float) -> None:
    assert figures._nearer(np.array(same), np.array(other)) == nearer


def test_level_pairs_without_distances_stay_empty(tmp_path: Path) -> None:
    only = np.array([[3, 1], [1, 3]])
    figures.distance_histograms(
        tmp_path / "a.png", np.array([0.5, 1.0]), only, np.array([True, True])
    )
    orange = of_colour(drawn(tmp_path / "a.png"), figures.ORANGE)
    assert not orange.any()


def test_a_falling_loss_falls(tmp_path: Path) -> None:
    epoch = np.arange(1, 31)
    log = {"epoch": epoch, "lr": 1e-3 / epoch, "identity": 6 * np.exp(-epoch / 5)}
    figures.training_curves(tmp_path / "a.png", log)
    where = np.argwhere(of_colour(drawn(tmp_path / "a.png"), figures.COLOURS[0]))
    left, right = (where[abs(where[:, 1] - x) < 100][:, 0] for x in (250, 800))
    assert np.median(left) < np.median(right)


def test_stages_of_progressive_training_are_marked(tmp_path: Path) -> None:
    log = {"epoch": [1, 2, 3, 4], "lr": [1e-3] * 4, "identity": [4.0, 3, 2, 1]}
    figures.training_curves(tmp_path / "plain.png", log)
    figures.training_curves(tmp_path / "stages.png", {**log, "stage": [1, 1, 2, 2]})
    plain, stages = drawn(tmp_path / "plain.png"), drawn(tmp_path / "stages.png")
    assert plain.shape == stages.shape
    changed = np.flatnonzero((plain != stages).any((0, 2)))
    assert 0.4 < changed.min() / plain.shape[1] < 0.7


def test_a_log_of_one_epoch(tmp_path: Path) -> None:
    figures.training_curves(tmp_path / "a.png", {"epoch": [1], "lr": [1e-3], "identity": [3.0]})
    assert of_colour(drawn(tmp_path / "a.png"), figures.COLOURS[0]).any()


LOG = {"epoch": [1, 2], "lr": [1e-3, 1e-3]}


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda p: figures.cmc_curves(p, {}), "at least one rank"),
        (lambda p: figures.cmc_curves(p, {"a": []}), "at least one rank"),
        (lambda p: figures.cmc_curves(p, {"a": [101]}), "in percent"),
        (lambda p: figures.mask_values(p, []), "at least one stage"),
        (lambda p: figures.mask_values(p, [np.zeros((4, 0))]), "at least one stage"),
        (lambda p: figures.mask_values(p, [np.ones((4, 8)), np.ones((3, 8))]), r"\[4, 3\] levels"),
        (
            lambda p: figures.distance_histograms(
                p, np.zeros(0), np.zeros((0, 2), int), np.zeros(0, bool)
            ),
            "at least one distance",
        ),
        (
            lambda p: figures.distance_histograms(
                p, np.zeros(3), np.ones((2, 2), int), np.zeros(3, bool)
            ),
            r"3 distances, but level pairs \(2, 2\)",
        ),
        (lambda p: figures.training_curves(p, LOG), "epoch, lr and a loss"),
        (lambda p: figures.training_curves(p, {"epoch": [1], "a": [1]}), "epoch, lr and a loss"),
        (lambda p: figures.training_curves(p, {"epoch": [], "lr": [], "a": []}), "no row yet"),
        (lambda p: figures.training_curves(p, {**LOG, "a": [1]}), r"columns of \[1, 2\] rows"),
        (lambda p: figures.cmc_curves(p / "no" / "a.png", {"a": [1.0]}), "can't be written"),
    ],
)
def test_what_cannot_be_drawn(draw: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=message):
        draw(tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_ranked_gallery_has_no_picture_of_the_query_by_its_own_camera() -> None:
    pytest.importorskip("torch")
    from training.draw import _rows
    from training.protocol import Trial

    def crop(identity: str, camera: int, grey: int) -> Crop:
        image = np.full((16, 8, 3), grey, np.uint8)
        return Crop(image, f"market/all/{identity}", camera, f"{identity}_c{camera}_{grey}.png")

    crops = [crop("1", 1, 10), crop("1", 1, 20), crop("1", 2, 30), crop("2", 1, 40)]
    matcher = SimpleNamespace(distances=lambda _q, _r, gallery: np.zeros((1, len(gallery))))
    run, trial = SimpleNamespace(kernel="area"), Trial((2, 3), (0,), (1.0,))
    (row,) = _rows(matcher, crops, trial, [1.0], run)
    assert [image[0, 0, 0] for image in row.answers] == [30, 40]
    assert row.right == [True, False]
