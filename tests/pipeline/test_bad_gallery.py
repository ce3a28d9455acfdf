"""Galleries that can't be used, and disks without room; what was stored before stays readable."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import suppress
from pathlib import Path

import cv2
import pytest

from storage import Gallery

from .conftest import Call, checked, figures, one_line

pytestmark = pytest.mark.usefixtures("red_eyes")


def calls(clips: dict[str, Path]) -> list[tuple]:
    """A call of each command that opens a gallery."""
    cv2.imwrite("query.png", next(figures(1))[30:130, 5:50])
    return [("process", clips["hall"]), ("search", "query.png"), ("gallery", "info", "nearfar.db")]


def test_no_gallery(nearfar: Call, clips: dict[str, Path]) -> None:
    for call in calls(clips)[1:]:
        one_line(nearfar(*call), 2, "no gallery at nearfar.db", "process a video first")
    assert not Path("nearfar.db").exists()
    said = nearfar("process", clips["gate"], "--gallery", "none/nearfar.db")
    one_line(said, 2, "no folder none", "make it first")


def test_not_a_database(nearfar: Call, clips: dict[str, Path]) -> None:
    junk = b"\xff\xd8 not a database " * 500
    Path("nearfar.db").write_bytes(junk)
    for call in calls(clips):
        one_line(nearfar(*call), 2, "nearfar.db is not a database", "nearfar gallery")
    assert Path("nearfar.db").read_bytes() == junk


def test_a_newer_schema(nearfar: Call, stored: Path, clips: dict[str, Path]) -> None:
    connection = sqlite3.connect(stored)
    connection.execute("UPDATE nearfar_schema SET version_num = '0815'")
    connection.commit()
    connection.close()
    for call in calls(clips):
        one_line(nearfar(*call), 2, "nearfar.db has schema 0815", "update nearfar")


def test_another_model(nearfar: Call, stored: Path, clips: dict[str, Path]) -> None:
    connection = sqlite3.connect(stored)
    connection.execute(
        "UPDATE model SET fingerprint = 'feed', info = replace(info, fingerprint, 'feed')"
    )
    connection.commit()
    connection.close()
    before = checked(stored)
    for call in calls(clips)[:2]:
        one_line(nearfar(*call), 2, "nearfar.db holds vectors of", "feed", "another gallery")
    assert checked(stored) == before
    assert nearfar("gallery", "info", stored).status == 0


def test_a_locked_gallery(
    nearfar: Call, stored: Path, clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Gallery.open.__func__.__kwdefaults__, "timeout", 0.2)
    other = sqlite3.connect(stored, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    process, *readers = calls(clips)
    one_line(nearfar(*process), 1, "nearfar.db locked", "wait until it ends")
    for call in readers:
        assert nearfar(*call).status == 0
    other.execute("ROLLBACK")
    other.close()
    checked(stored)
    assert nearfar(*process).status == 0


def fill(folder: Path, spare: int = 0) -> Path:
    """Leaves `spare` bytes of a disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    os.truncate(filler, max(0, filler.stat().st_size - spare))
    return filler


def test_a_read_only_gallery(nearfar: Call, small_disk: Path, clips: dict[str, Path]) -> None:
    gallery = small_disk / "nearfar.db"
    assert nearfar("process", clips["gate"], "--gallery", gallery).status == 0
    before = checked(gallery)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    process, search, _ = calls(clips)
    said = nearfar(*process, "--gallery", gallery)
    one_line(said, 1, "can't be written", str(small_disk), "copy the gallery elsewhere")
    said = nearfar("process", clips["hall"], "--gallery", "other.db", "--out", small_disk)
    one_line(said, 1, f"can't write {small_disk}", "choose another place")
    assert not Path("other.db").exists()
    assert nearfar(*search, "--gallery", gallery).status == 0
    assert nearfar("gallery", "info", gallery).status == 0
    assert checked(gallery) == before


def test_a_full_disk_for_the_gallery(
    nearfar: Call, small_disk: Path, clips: dict[str, Path]
) -> None:
    gallery = small_disk / "nearfar.db"
    assert nearfar("process", clips["gate"], "--gallery", gallery).status == 0
    before = checked(gallery)
    filler = fill(small_disk)
    process, search, _ = calls(clips)
    said = nearfar(*process, "--gallery", gallery)
    one_line(said, 1, "no room left on the disk of", str(small_disk), "free some space")
    assert checked(gallery) == before
    assert nearfar(*search, "--gallery", gallery).status == 0
    filler.unlink()
    assert nearfar(*process, "--gallery", gallery).status == 0
    assert checked(gallery) > before


def test_a_full_disk_for_the_results(
    nearfar: Call, small_disk: Path, clips: dict[str, Path]
) -> None:
    out = small_disk / "out"
    call = ("process", clips["gate"], "--out", out, "--save-video")
    assert nearfar(*call).status == 0
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    (out / "gate.mp4").unlink()
    filler = fill(small_disk, spare=8192)
    said = nearfar(*call)
    one_line(said, 1, "no room left on the disk of", str(out), "free some space")
    checked(Path("nearfar.db"))
    for path in out.iterdir():
        assert path.read_bytes() == before[path.name], "an older result must stay whole"
    filler.unlink()
    assert nearfar(*call).status == 0
    assert {p.name for p in out.iterdir()} == set(before)
