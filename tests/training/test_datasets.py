import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.datasets import NAMES, read_set
from training.errors import TrainingError

FILES = {
    "market1501": [
        ("bounding_box_train/0002_c1s1_000451_03.jpg", "market1501/train/0002", 1),
        ("query/0003_c4s2_000123_00.jpg", "market1501/test/0003", 4),
        ("bounding_box_test/0003_c2s1_000001_01.jpg", "market1501/test/0003", 2),
    ],
    "cuhk03": [
        ("train/0000_c1_00.jpg", "cuhk03/train/0000", 1),
        ("test/0000_c2_01.jpg", "cuhk03/test/0000", 2),
    ],
    "caviar": [("0003001.jpg", "caviar/all/0003", 1), ("0003011.jpg", "caviar/all/0003", 2)],
    "viper": [
        ("cam_a/000_45.jpg", "viper/all/000", 1),
        ("cam_b/000_90.jpg", "viper/all/000", 2),
    ],
    "prid": [
        ("0001_a.jpg", "prid/all/0001", 1),
        ("0001_b.jpg", "prid/all/0001", 2),
        ("0300_b.jpg", "prid/single-b/0300", 2),
    ],
    "ilids": [("0001_001.jpg", "ilids/all/0001", -1)],
}


def write(folder: Path, name: str) -> None:
    for i, (file, _, _) in enumerate(FILES[name]):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((40 + i, 20, 3), 50, np.uint8))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("packed", [False, True])
def test_reads_labels_from_names(name: str, packed: bool, tmp_path: Path) -> None:
    folder = tmp_path / name
    write(folder, name)
    source = folder
    if packed:
        source = tmp_path / f"{name}.tar"
        with tarfile.open(source, "w") as tar:
            tar.add(folder, name)
    found = {(c.identity, c.camera) for c in read_set(name, source)}
    assert found == {(identity, camera) for _, identity, camera in FILES[name]}


def test_wrong_paths_say_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="unknown set 'duke'"):
        read_set("duke", tmp_path)
    with pytest.raises(TrainingError, match="no set viper at"):
        read_set("viper", tmp_path / "nowhere")
    with pytest.raises(TrainingError, match=r"named like VIPeR/cam_a/000_45\.jpg"):
        read_set("viper", tmp_path)
    rubbish = tmp_path / "a.tar"
    rubbish.write_bytes(b"no tar")
    with pytest.raises(TrainingError, match="neither a folder nor a tar"):
        read_set("viper", rubbish)


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    write(tmp_path, "ilids")
    (tmp_path / "0002_001.jpg").write_bytes(b"not a jpeg")
    with pytest.raises(TrainingError, match=r"0002_001\.jpg is no picture"):
        read_set("ilids", tmp_path)
