"""Reading MOTChallenge text, and what `evaluate tracks` says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.motchallenge import read_detections, read_truth

from .conftest import Call, one_line

TRUTH = "".join(
    f"{frame},{person},{100 * person + frame},50,40,90,1,1,1\n"
    for frame in range(1, 9)
    for person in (1, 2)
)


def test_rows_may_stand_in_any_order_and_frames_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("det.txt").write_text(
        "7,-1,1,2,3,4,0.5\n2, -1, 5, 6, 7, 8, 0.9, -1, -1, -1\n\n7,-1,9,9,9,9\n"
    )
    table = read_detections(Path("det.txt"))
    assert table.frames.tolist() == [2, 7, 7]
    assert table.boxes[0].tolist() == [5, 6, 7, 8]
    assert table.scores.tolist() == [0.9, 0.5, 1.0]


def test_truth_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nine = ["1,1,0,0,9,9,1,1,1", "1,2,0,0,9,9,0,1,1", "1,3,0,0,9,9,1,7,1"]
    Path("gt.txt").write_text("\n".join(nine))
    assert read_truth(Path("gt.txt")).ids.tolist() == [1]
    ten = ["1,1,0,0,9,9,1,4.4,5.5,0", "1,2,0,0,9,9,0,4.4,5.5,0", "1,3,0,0,9,9,1,-1,-1,-1"]
    Path("gt.txt").write_text("\n".join(ten))
    assert read_truth(Path("gt.txt")).ids.tolist() == [1, 3]


WRONG = [
    ("1,-1,0,0,9", "5 columns instead of 6 to 10"),
    ("1 -1 0 0 9 9 1", "no row of numbers with commas"),
    ("frame,id,x,y,w,h", "no row of numbers with commas"),
    ("1,-1,nan,0,9,9,1", "not finite"),
    ("0,-1,0,0,9,9,1", "frame 0 is no whole number from 1"),
    ("1.5,-1,0,0,9,9,1", "frame 1.5 is no whole number from 1"),
    ("1,0.5,0,0,9,9,1", "id 0.5 is no whole number"),
    ("1,-1,0,0,9,0,1", "the box is 9 x 0 px"),
]


@pytest.mark.parametrize(("line", "what"), WRONG)
def test_a_wrong_line_is_named(nearfar: Call, line: str, what: str) -> None:
    Path("gt.txt").write_text(TRUTH)
    Path("found.txt").write_text(f"1,-1,0,0,9,9,1\n\n{line}\n")
    one_line(nearfar("evaluate", "tracks", "gt.txt", "found.txt"), 2, "found.txt, line 3", what)
    one_line(nearfar("evaluate", "tracks", "found.txt", "gt.txt"), 2, "found.txt, line 3", what)


def test_a_person_twice_in_a_frame(nearfar: Call) -> None:
    Path("gt.txt").write_text(TRUTH)
    Path("found.txt").write_text(TRUTH + "3,2,0,0,9,9,1\n")
    said = nearfar("evaluate", "tracks", "gt.txt", "found.txt")
    one_line(said, 2, "found.txt, line 17", "id 2 has a box in frame 3 already", "line 6")


def test_files_that_can_not_be_read(nearfar: Call) -> None:
    Path("gt.txt").write_text(TRUTH)
    Path("binary.txt").write_bytes(b"\xff\xfe\x00")
    Path("folder").mkdir()
    call = ("evaluate", "tracks")
    one_line(nearfar(*call, "gt.txt", "none.txt"), 2, "can't read none.txt", "No such file")
    one_line(nearfar(*call, "gt.txt", "binary.txt"), 2, "can't read binary.txt", "no text")
    one_line(nearfar(*call, "gt.txt", "folder"), 2, "folder is a folder and gt.txt is none")
    one_line(nearfar(*call, "folder", "folder"), 2, "holds no truth")


def test_one_sequence(nearfar: Call) -> None:
    Path("gt.txt").write_text(TRUTH)
    said = nearfar("evaluate", "tracks", "gt.txt", "gt.txt")
    assert said.out.split() == ["HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW", "gt"] + [
        "100.00"
    ] * 5 + ["0"]
    facts = json.loads(nearfar("evaluate", "tracks", "gt.txt", "gt.txt", "--json").out)
    assert facts == {"hota": 1, "deta": 1, "assa": 1, "mota": 1, "idf1": 1, "switches": 0}


def test_several_sequences(nearfar: Call) -> None:
    for name in ("a", "b"):
        Path(f"gt/{name}/gt").mkdir(parents=True)
        Path(f"gt/{name}/gt/gt.txt").write_text(TRUTH)
    Path("out").mkdir()
    Path("out/a.txt").write_text(TRUTH)
    one_line(nearfar("evaluate", "tracks", "gt", "out"), 2, "folder out has no tracks for b")
    Path("out/b.txt").write_text(TRUTH.replace(",2,2", ",3,2", 3))
    facts = json.loads(nearfar("evaluate", "tracks", "gt", "out", "--json").out)
    assert list(facts) == ["a", "b", "mean", "combined"]
    assert facts["b"]["switches"] == facts["mean"]["switches"] == facts["combined"]["switches"] == 1
    assert facts["mean"]["idf1"] == pytest.approx((1 + facts["b"]["idf1"]) / 2)
    assert "combined" in nearfar("evaluate", "tracks", "gt", "out").out


@pytest.mark.parametrize("rows", ["", "1,1,10,10,50,100,0\n", "1,1,10,10,50,100,1,-1,-1\n"])
def test_a_truth_of_which_nothing_counts(nearfar: Call, rows: str) -> None:
    Path("gt.txt").write_text(rows)
    Path("found.txt").write_text("1,1,10,10,50,100\n")
    said = nearfar("evaluate", "tracks", "gt.txt", "found.txt")
    one_line(said, 2, f"none of {rows.count(chr(10))} boxes counts")


@pytest.mark.parametrize("line", ["1,1e19,10,10,50,100", "1,9007199254740993,1,1,5,9"])
def test_ids_that_can_not_be_told_apart(nearfar: Call, line: str) -> None:
    Path("gt.txt").write_text(TRUTH)
    Path("found.txt").write_text(line)
    one_line(nearfar("evaluate", "tracks", "gt.txt", "found.txt"), 2, "line 1", "up to 2^53")
    Path("det.txt").write_text("1e30,-1,1,1,5,9\n")
    said = nearfar("track", "det.txt", "--online", "--out", "out.txt")
    one_line(said, 2, "frame 1e+30 is no whole number")


def test_a_mark_of_the_byte_order_is_no_value(tmp_path: Path) -> None:
    (tmp_path / "det.txt").write_bytes(b"\xef\xbb\xbf1,-1,1,2,3,4,0.5\r\n")
    assert read_detections(tmp_path / "det.txt").frames.tolist() == [1]
