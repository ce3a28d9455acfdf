import sys
from pathlib import Path

import numpy as np
import pytest

from training.datasets import read_cuhk03, read_set
from training.errors import TrainingError

h5py = pytest.importorskip("h5py")

PEOPLE = (2, 1, 1, 1, 1)
"""People of the five pairs of cameras in the little file."""


def colours(pair: int, person: int, view: int) -> np.ndarray:
    """An RGB picture that tells whose it is; its sides differ, as do its corners."""
    image = np.zeros((6, 4, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 50 * pair, 100 + person, view
    image[0, -1] = 255
    return image


@pytest.fixture
def mat(tmp_path: Path) -> Path:
    """A file as MATLAB writes it: axes in reverse, cells of references, empty cells as sizes."""
    path = tmp_path / "cuhk03_release" / "cuhk-03.mat"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        number = iter(range(10_000))

        def cell(references: np.ndarray, name: str | None = None):  # type: ignore[no-untyped-def]
            name = name or f"#refs#/{next(number)}"
            file.create_dataset(name, data=references.T, dtype=h5py.ref_dtype)
            return file[name].ref

        def matrix(values: np.ndarray):  # type: ignore[no-untyped-def]
            name = f"#refs#/{next(number)}"
            file[name] = values.T
            return file[name].ref

        def views(pair: int, person: int):  # type: ignore[no-untyped-def]
            empty = np.zeros(2, np.uint64)
            return [
                matrix(empty if view in (5, 10) else colours(pair, person, view))
                for view in range(1, 11)
            ]

        for boxes in ("labeled", "detected"):
            pairs = [
                cell(np.array([views(pair, person + 1) for person in range(people)], object))
                for pair, people in enumerate(PEOPLE, start=1)
            ]
            cell(np.array(pairs, object)[:, None], boxes)
        splits = [
            matrix(np.array([[1, 2], [3, 1]] if i == 0 else [[1, 1], [5, 1]], np.float64))
            for i in range(20)
        ]
        cell(np.array(splits, object)[:, None], "testsets")
    return path


def test_reads_pictures_people_and_cameras(mat: Path) -> None:
    crops = read_cuhk03(mat)
    assert len(crops) == 8 * sum(PEOPLE)
    assert len({c.name for c in crops}) == len(crops)
    tested = {c.identity for c in crops if c.role == ""}
    assert tested == {"cuhk03/test/1-0002", "cuhk03/test/3-0001"}
    assert {c.identity for c in crops if c.role == "train"} == {
        "cuhk03/train/1-0001",
        "cuhk03/train/2-0001",
        "cuhk03/train/4-0001",
        "cuhk03/train/5-0001",
    }
    by_name = {c.name: c for c in crops}
    crop = by_name["labeled/1_0002_c2_07"]
    assert (crop.identity, crop.camera) == ("cuhk03/test/1-0002", 2)
    assert crop.image.dtype == np.uint8
    assert np.array_equal(crop.image, colours(1, 2, 7)[..., ::-1])
    assert by_name["labeled/1_0002_c1_04"].camera == 1


def test_other_boxes_and_splits(mat: Path) -> None:
    crops = read_cuhk03(mat, "detected", 19)
    assert {c.name.split("/")[0] for c in crops} == {"detected"}
    assert {c.identity for c in crops if c.role == ""} == {
        "cuhk03/test/1-0001",
        "cuhk03/test/5-0001",
    }


def test_the_set_is_found_by_its_file_or_folder(mat: Path) -> None:
    names = [c.name for c in read_cuhk03(mat)]
    for path in (mat, mat.parent, mat.parent.parent):
        assert [c.name for c in read_set("cuhk03", path)] == names


def test_what_is_wrong_with_the_file(mat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainingError, match="no boxes 'labelled'; choose from labeled, detected"):
        read_cuhk03(mat, "labelled")
    for split in (-1, 20):
        with pytest.raises(TrainingError, match=rf"no test split {split}; give 0\.\.19"):
            read_cuhk03(mat, split=split)
    with h5py.File(mat, "a") as file:
        del file["testsets"]
    with pytest.raises(TrainingError, match=r"no whole cuhk-03\.mat with .* testsets"):
        read_cuhk03(mat)
    mat.write_bytes(mat.read_bytes()[:3000])
    with pytest.raises(TrainingError, match="copy it again"):
        read_set("cuhk03", mat)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(TrainingError, match="needs h5py: pip install"):
        read_cuhk03(mat)
