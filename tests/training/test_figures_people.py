from pathlib import Path

import cv2
import numpy as np
import pytest

from samples import person_crops
from training import figures_people as figures
from training.errors import TrainingError
from training.figures_people import RankedRow

CROPS = [crop for _, _, crop in person_crops(seed=3, people=2, views=2, height=64)]


def drawn(path: Path) -> np.ndarray:
    assert path.read_bytes()[:4] == b"\x89PNG"
    image = cv2.imread(str(path))
    assert image is not None
    assert 300 <= min(image.shape[:2])
    assert max(image.shape[:2]) <= 2600
    return image


def of_colour(image: np.ndarray, colour: str) -> np.ndarray:
    bgr = [int(colour[i : i + 2], 16) for i in (5, 3, 1)]
    return (np.abs(image.astype(int) - bgr) < 4).all(-1)


def row(rate: float, right: list[bool]) -> RankedRow:
    query = CROPS[0]
    small = cv2.resize(query, None, fx=1 / rate, fy=1 / rate, interpolation=cv2.INTER_AREA)
    return RankedRow(rate, small, [CROPS[1 + i % 3] for i in range(len(right))], right)


def test_frames_tell_right_from_wrong(tmp_path: Path) -> None:
    shares = []
    for right in ([True] * 12, [False] * 12, [True] * 6 + [False] * 6):
        figures.ranked_galleries(tmp_path / "a.png", [row(1, right), row(4, right)])
        image = drawn(tmp_path / "a.png")
        green = of_colour(image, figures.GREEN)
        shares.append((green.sum(), of_colour(image, figures.VERMILION).sum()))
    (all_green, no_red), (no_green, all_red), (some_green, some_red) = shares
    assert no_red < all_red / 50
    assert no_green < all_green / 50
    assert some_green == pytest.approx(all_green / 2, rel=0.2)
    assert some_red == pytest.approx(all_red / 2, rel=0.2)


def test_a_shrunken_query_is_blurred_at_the_same_size(tmp_path: Path) -> None:
    sharpness = []
    for rate in (1, 4):
        figures.ranked_galleries(tmp_path / "a.png", [row(rate, [True] * 12)])
        image = drawn(tmp_path / "a.png")
        query = image[150:250, 140:240]
        sharpness.append(cv2.Laplacian(cv2.cvtColor(query, cv2.COLOR_BGR2GRAY), cv2.CV_64F).std())
    assert sharpness[1] < 0.7 * sharpness[0]


def test_rows_may_differ_in_length(tmp_path: Path) -> None:
    figures.ranked_galleries(tmp_path / "a.png", [row(1, [True]), row(2, [False] * 3)])
    drawn(tmp_path / "a.png")


def test_ranked_galleries_want_answers(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for rows in ([], [row(1, [True]), row(2, [])]):
        with pytest.raises(TrainingError, match="at least one answer"):
            figures.ranked_galleries(path, rows)
    with pytest.raises(TrainingError, match="right or wrong"):
        figures.ranked_galleries(path, [RankedRow(1, CROPS[0], CROPS[:2], [True])])
    assert not path.exists()


def embedded(people: int, each: int = 4) -> tuple[np.ndarray, list[str], list[float]]:
    """Well parted persons at four rates, 16 dimensions, of which rate r fills ``4 (5 - r)``."""
    random = np.random.default_rng(1)
    vectors, names, rates = [], [], []
    for person in range(people):
        middle = random.normal(0, 3, 16)
        for i in range(each):
            rate = 1 + i % 4
            vector = middle + random.normal(0, 0.2, 16)
            vector[4 * (5 - rate) :] = 0
            vectors.append(vector)
            names.append(f"set/all/{person:04d}")
            rates.append(float(rate))
    return np.array(vectors, np.float32), names, rates


def test_persons_are_told_by_colour(tmp_path: Path) -> None:
    vectors, names, _ = embedded(2, 12)
    figures.tsne_by_identity(tmp_path / "a.png", vectors, names)
    figures.tsne_by_identity(tmp_path / "again.png", vectors, names)
    image = drawn(tmp_path / "a.png")
    assert np.array_equal(image, drawn(tmp_path / "again.png"))
    plane = image[:, : int(0.8 * image.shape[1])]
    assert all(of_colour(plane, colour).any() for colour in figures.COLOURS[:2])
    assert not any(of_colour(plane, colour).any() for colour in figures.COLOURS[2:6])


def test_at_most_fifteen_persons_are_shown(tmp_path: Path) -> None:
    vectors, names, rates = embedded(figures.PEOPLE + 2)
    kept = 4 * figures.PEOPLE
    for i, (v, n, r) in enumerate(
        [(vectors, names, rates), (vectors[:kept], names[:kept], rates[:kept])]
    ):
        figures.tsne_by_identity(tmp_path / f"person{i}.png", v, n)
        figures.tsne_by_resolution(tmp_path / f"rate{i}.png", v, n, r)
    for kind in ("person", "rate"):
        first, second = (drawn(tmp_path / f"{kind}{i}.png") for i in range(2))
        assert np.array_equal(first, second)


def test_resolutions_are_told_by_colour(tmp_path: Path) -> None:
    vectors, names, rates = embedded(3)
    figures.tsne_by_resolution(tmp_path / "four.png", vectors, names, rates)
    figures.tsne_by_resolution(tmp_path / "one.png", vectors, names, [1.0] * len(rates))
    four, one = drawn(tmp_path / "four.png"), drawn(tmp_path / "one.png")
    sharpest, coarsest = "#440154", "#bddf26"
    assert of_colour(four, sharpest).any()
    assert of_colour(four, coarsest).any()
    assert of_colour(one, sharpest).sum() > 2 * of_colour(four, sharpest).sum()
    assert not of_colour(one, coarsest).any()


def test_tsne_wants_as_many_labels_as_vectors(tmp_path: Path) -> None:
    vectors, names, rates = embedded(2)
    path = tmp_path / "a.png"
    with pytest.raises(TrainingError, match="8 vectors, but 7 identities"):
        figures.tsne_by_identity(path, vectors, names[1:])
    with pytest.raises(TrainingError, match="8 vectors, but 7 rates"):
        figures.tsne_by_resolution(path, vectors, names, rates[1:])
    with pytest.raises(TrainingError, match="at least four vectors"):
        figures.tsne_by_identity(path, vectors[:3], names[:3])
    assert not path.exists()
