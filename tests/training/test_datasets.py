import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.datasets import NAMES, Crop, read_set
from training.errors import TrainingError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "reid"

FILES = {
    "market1501": [
        ("bounding_box_train/0002_c1s1_000451_03.jpg", "market1501/train/0002", 1, "train"),
        ("query/0003_c4s2_000123_00.jpg", "market1501/test/0003", 4, "query"),
        ("bounding_box_test/0003_c2s1_000001_01.jpg.jpg", "market1501/test/0003", 2, "gallery"),
        (
            "bounding_box_test/0000_c2s1_000009_01.jpg",
            "market1501/distractor/bounding_box_test:0000_c2s1_000009_01.jpg",
            2,
            "gallery",
        ),
    ],
    "dukemtmc": [
        ("bounding_box_train/0001_c2_f0046182.jpg", "dukemtmc/train/0001", 2, "train"),
        ("query/0005_c2_f0046985.jpg", "dukemtmc/test/0005", 2, "query"),
        ("bounding_box_test/0005_c8_f0046985.jpg", "dukemtmc/test/0005", 8, "gallery"),
    ],
    "market": [
        ("bounding_box_train/17_c12_door.png", "market/train/17", 12, "train"),
        ("query/a/0003_c4s2_000123_00.jpg", "market/test/0003", 4, "query"),
        ("bounding_box_test/0003_c2.JPEG", "market/test/0003", 2, "gallery"),
    ],
    "cuhk03": [
        ("train/0000_c1_00.jpg", "cuhk03/train/0000", 1, "train"),
        ("test/0000_c2_01.jpg", "cuhk03/test/0000", 2, ""),
    ],
    "caviar": [
        ("0003001.jpg", "caviar/all/0003", 1, ""),
        ("0003011.jpg", "caviar/all/0003", 2, ""),
    ],
    "viper": [
        ("cam_a/000_45.bmp", "viper/all/000", 1, ""),
        ("cam_b/000_90.bmp", "viper/all/000", 2, ""),
    ],
    "prid": [
        ("0001_a.jpg", "prid/all/0001", 1, ""),
        ("0001_b.jpg", "prid/all/0001", 2, ""),
        ("0300_b.jpg", "prid/single-b/0300", 2, ""),
    ],
    "ilids": [("0001_001.jpg", "ilids/all/0001", -1, "")],
}


def write(folder: Path, *files: str) -> Path:
    for i, file in enumerate(files):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((40 + i, 20, 3), 50, np.uint8))
    return folder


def pack(folder: Path, top: str = ".") -> Path:
    packed = folder.with_suffix(".tar")
    with tarfile.open(packed, "w") as tar:
        tar.add(folder, top)
    return packed


def labels(crops: list[Crop]) -> list[tuple[str, str, int, str]]:
    return [(c.name, c.identity, c.camera, c.role) for c in crops]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "place",
    [
        lambda folder: folder,
        lambda folder: folder.parent,
        pack,
        lambda folder: pack(folder, "copy/of/it"),
    ],
    ids=["folder", "folder above", "tar", "tar with a top folder"],
)
def test_labels_and_names_do_not_depend_on_the_place(
    name: str, place: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = write(tmp_path / "set", *(row[0] for row in FILES[name]))
    (folder / "readme.txt").write_text("not a picture")
    assert labels(read_set(name, place(folder))) == sorted(FILES[name])


def test_own_folder_in_any_folders(tmp_path: Path) -> None:
    files = ("0003_c1.jpg", "hall/0003_c2_x.png", "hall/-1_c2_y.png", "hall/0000_c2.png")
    expected = [
        ("0003_c1.jpg", "market/all/0003", 1, ""),
        ("hall/0000_c2.png", "market/distractor/hall:0000_c2.png", 2, ""),
        ("hall/0003_c2_x.png", "market/all/0003", 2, ""),
    ]
    folder = write(tmp_path / "mine", *files)
    assert labels(read_set("market", folder)) == expected
    assert labels(read_set("market", pack(folder, "top"))) == expected


def test_own_folder_may_have_training_pictures_alone(tmp_path: Path) -> None:
    write(tmp_path / "mine", "bounding_box_train/0000_c1.jpg")
    expected = [("bounding_box_train/0000_c1.jpg", "market/train/0000", 1, "train")]
    assert labels(read_set("market", tmp_path)) == expected


def test_published_prid(tmp_path: Path) -> None:
    files = [
        "single_shot/cam_a/person_0001.png",
        "single_shot/cam_b/person_0300.png",
        "multi_shot/cam_a/person_0001/0001.png",
    ]
    assert labels(read_set("prid", write(tmp_path, *files))) == [
        (files[0], "prid/all/0001", 1, ""),
        (files[1], "prid/single-b/0300", 2, ""),
    ]


@pytest.mark.parametrize(
    ("name", "keep", "missing"),
    [
        ("market1501", "bounding_box_train", "none of folder query and bounding_box_test"),
        ("dukemtmc", "query", "none of folder bounding_box_train and bounding_box_test"),
        ("market", "query", "none of folder bounding_box_test"),
        ("cuhk03", "train", "none of folder test"),
        ("viper", "cam_a", "none of camera b"),
        ("prid", "_b", "none of camera a"),
    ],
)
def test_half_a_set_says_what_is_missing(
    name: str, keep: str, missing: str, tmp_path: Path
) -> None:
    write(tmp_path, *(row[0] for row in FILES[name] if keep in row[0]))
    with pytest.raises(TrainingError, match=missing):
        read_set(name, tmp_path)


def test_two_copies_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a/0003001.jpg", "b/0003001.jpg")
    with pytest.raises(TrainingError, match=r"0003001\.jpg for one"):
        read_set("caviar", tmp_path)


def test_wrong_paths_say_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="unknown set 'duke'"):
        read_set("duke", tmp_path)
    with pytest.raises(TrainingError, match="no set viper at"):
        read_set("viper", tmp_path / "nowhere")
    with pytest.raises(TrainingError, match=r"named like VIPeR/cam_a/000_45\.jpg"):
        read_set("viper", tmp_path)
    rubbish = tmp_path / "a.tar"
    rubbish.write_bytes(b"no tar")
    with pytest.raises(TrainingError, match="neither a folder nor an uncompressed tar"):
        read_set("viper", rubbish)


@pytest.mark.parametrize("cut", [100, 512, 700, 1024, 1300, 2048])
def test_a_cut_tar_is_refused_wherever_it_was_cut(cut: int, tmp_path: Path) -> None:
    packed = pack(write(tmp_path / "set", "0001_001.jpg", "0002_001.jpg"))
    packed.write_bytes(packed.read_bytes()[:cut])
    with pytest.raises(TrainingError, match=r"cut off|nor an uncompressed tar"):
        read_set("ilids", packed)


@pytest.mark.parametrize(
    ("name", "file"),
    [("ilids", "0002_001.jpg"), ("market", "query/0002_c1.png"), ("viper", "cam_a/000_0.bmp")],
)
@pytest.mark.parametrize("part", [0, 0.6])
def test_a_broken_picture_is_named(name: str, file: str, part: float, tmp_path: Path) -> None:
    picture = write(tmp_path, *(row[0] for row in FILES[name]), file) / file
    data = picture.read_bytes()
    picture.write_bytes(data[: int(part * len(data))])
    with pytest.raises(TrainingError, match=f"{file} is no whole picture"):
        read_set(name, tmp_path)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "images", "people"),
    [
        ("caviar", {"": 1220}, {"": 72}),
        ("viper", {"": 1264}, {"": 632}),
        ("prid", {"": 1134}, {"": 934}),
        ("ilids", {"": 477}, {"": 120}),
        ("cuhk03", {"train": 4446, "": 938}, {"train": 743, "": 100}),
        (
            "market1501",
            {"train": 12936, "query": 3368, "gallery": 6286},
            {"train": 751, "query": 750, "gallery": 750},
        ),
    ],
)
def test_the_sets_are_whole(name: str, images: dict[str, int], people: dict[str, int]) -> None:
    packed = SHARED / f"{name}.tar"
    if not packed.exists():
        pytest.skip(f"{packed} is absent")
    crops = read_set(name, packed)
    assert Counter(c.role for c in crops) == images
    assert Counter(role for _, role in {(c.identity, c.role) for c in crops}) == people
    assert len({c.name for c in crops}) == len(crops)
