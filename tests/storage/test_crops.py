"""Crops reach the disk before their rows, and none is left without one."""

from __future__ import annotations

import os
import signal
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from reid import ModelInfo
from storage import Gallery, StorageError, TrackUpdate, writing

from .conftest import a_model, a_row
from .places import ask


def append(gallery: Gallery, number: int, seed: int = 0) -> list[Path]:
    """Stores a track of five pictures; returns their files."""
    rng = np.random.default_rng(100 * seed + number)
    session = gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
    rows = [a_row(rng, frame, crop=True) for frame in range(5)]
    gallery.append(session.id, 5, 0, [TrackUpdate(number, rows)])
    track = max(t.id for t in gallery.tracks())
    return [gallery.crop_path(o.crop) for o in gallery.observations(track) if o.crop]


def files(path: Path) -> set[Path]:
    """The pictures beside a gallery, whole ones and others."""
    return {p for p in path.with_suffix(".crops").rglob("*.*") if p.is_file()}


def test_pictures_and_their_folders_are_on_the_disk_before_the_rows(
    filed: Gallery, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    at_commit: list[set[int]] = []
    real_sync, real_tracks = os.fsync, writing._settle_tracks

    def sync(handle: int) -> None:
        synced.add(os.fstat(handle).st_ino)
        real_sync(handle)

    def settle(*arguments: object) -> dict[int, int]:
        at_commit.append(set(synced))
        return real_tracks(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(writing, "_settle_tracks", settle)
    stored = append(filed, 1)
    places = {*stored, *(file.parent for file in stored), path.with_suffix(".crops")}
    assert {place.stat().st_ino for place in places} <= at_commit[0]


def killed(path: Path, model: ModelInfo) -> None:
    def kill(*_: object) -> dict[int, int]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    writing._settle_tracks = kill
    with Gallery.open(path, model=model) as gallery:
        append(gallery, 2)


@pytest.fixture
def cut_off(path: Path, model: ModelInfo) -> set[Path]:
    """A gallery whose writer was killed between pictures and rows; what it had before."""
    with Gallery.open(path, model=model, create=True) as gallery:
        append(gallery, 1)
    before = files(path)
    child = get_context("fork").Process(target=killed, args=(path, model))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert len(files(path)) == len(before) + 5
    return before


def test_a_killed_writers_pictures_go_when_the_gallery_is_opened(
    cut_off: set[Path], path: Path
) -> None:
    with Gallery.open(path, read_only=True):
        assert len(files(path)) > len(cut_off)
    with Gallery.open(path) as gallery:
        assert files(path) == cut_off
        assert gallery.check() == []


def test_a_killed_writers_pictures_are_taken_up_by_a_writer_that_was_open(
    path: Path, model: ModelInfo
) -> None:
    with Gallery.open(path, model=model, create=True) as gallery:
        append(gallery, 1)
        child = get_context("fork").Process(target=killed, args=(path, model))
        child.start()
        child.join()
        again = append(gallery, 2)  # the same pictures
        other = append(gallery, 3)
        assert set(again) | set(other) <= files(path)
        assert gallery.check() == []
        assert len(files(path)) == 15


def test_pictures_of_a_writer_at_work_stay(path: Path, model: ModelInfo) -> None:
    with Gallery.open(path, model=model, create=True) as gallery:
        append(gallery, 1)
        with gallery._database.write() as connection:
            gallery._crops.add(connection, {"0" * 64: b"of a row to come"})
            with Gallery.open(path, model=model, timeout=0.1) as other:
                assert other.check() == []
            assert gallery.crop_path("0" * 64).exists()


def test_strays_are_named_and_removed(filed: Gallery, path: Path) -> None:
    append(filed, 1)
    before = files(path)
    folder = path.with_suffix(".crops") / "ab"
    folder.mkdir(exist_ok=True)
    (folder / f"ab{'0' * 62}.jpg").write_bytes(b"stray")
    (folder / f"ab{'1' * 62}.77.part").write_bytes(b"half")
    assert len(filed.check()) == 2
    repair = filed.repair()
    assert repair.done == ("removed 2 files of crops that no row names",)
    assert repair.left == ()
    assert files(path) == before


def test_pictures_inside_the_database(path: Path, model: ModelInfo) -> None:
    with Gallery.open(path, model=model, create=True, crops="inside") as gallery:
        session = gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
        rows = [a_row(np.random.default_rng(frame), frame, crop=True) for frame in range(5)]
        gallery.append(session.id, 5, 0, [TrackUpdate(1, rows)])
        gallery.append(session.id, 5, 0, [TrackUpdate(2, rows)])
        assert files(path) == set()
        with pytest.raises(StorageError, match="keeps its crops inside"):
            gallery.crop_path("0" * 64)
    with Gallery.open(path) as gallery:
        kept = [o.crop for o in gallery.observations(1)]
        assert [gallery.crop(sha) for sha in kept if sha] == [row.crop for row in rows]
        assert gallery.check() == []
        ask(path, "UPDATE picture SET jpeg = x'0000'")
        assert len(gallery.check()) == 5
    with pytest.raises(StorageError, match="keeps its crops inside the database"):
        Gallery.open(path, crops="folder")


def test_a_gallery_with_files_keeps_them(path: Path) -> None:
    with Gallery.open(path, model=a_model(), create=True, crops="folder") as gallery:
        append(gallery, 1)
    with pytest.raises(StorageError, match="in a folder beside"):
        Gallery.open(path, crops="inside")
