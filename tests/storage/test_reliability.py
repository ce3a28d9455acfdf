"""Killed, full, locked and read at the same time: what was committed is whole."""

from __future__ import annotations

import itertools
import os
import random
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from reid import Embeddings
from storage import Gallery, GalleryFull, GalleryLocked, StorageError, TrackUpdate, crops

from . import writer
from .places import Place, ask

ROOT = Path(__file__).parents[2]
FRAMES = 900

KILLS = int(os.environ.get("NEARFAR_KILLS", "15"))
"""How often a writer is killed; a hundred take two minutes."""


def start_writer(place: Place, frames: int, *options: str) -> subprocess.Popen[str]:
    program = str(Path(__file__).with_name("writer.py"))
    return subprocess.Popen(
        [sys.executable, program, str(place), str(frames), *options],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def contents(place: Place) -> list[tuple]:
    """All that was stored about the session, ids left out."""
    return ask(
        place,
        "SELECT t.number, o.frame, o.time, o.x, o.level, o.crop_sha256, e.vector "
        "FROM observation o JOIN track t ON t.id = o.track_id "
        "JOIN embedding e ON e.observation_id = o.id ORDER BY 1, 2",
    )


def test_a_killed_writer_leaves_whole_frames_and_can_go_on(place: Place, tmp_path: Path) -> None:
    chance = random.Random(5)
    alive = 0
    for attempt in range(KILLS):
        process = start_writer(place, FRAMES, "paced")
        assert process.stdin is not None
        assert process.stdout is not None
        acknowledged = 0
        if attempt < 3:  # while it starts, migrates or has just opened
            time.sleep(chance.uniform(0.2, 0.8))
        else:
            process.stdout.readline()
            process.stdin.write("\n" * chance.randint(1, FRAMES // writer.BATCH // KILLS))
            process.stdin.flush()
            time.sleep(chance.uniform(0, 0.05))
        process.kill()
        for line in process.stdout:
            acknowledged = int(line) if line.strip().isdigit() else acknowledged
        process.stdin.close()
        process.stdout.close()
        process.wait()
        if isinstance(place, Path) and not place.exists():
            continue
        with Gallery.open(place, model=writer.MODEL, create=True) as gallery:
            assert gallery.check() == []
            for session in gallery.sessions():
                alive += session.state == "running"
                assert session.position >= acknowledged
                assert session.position % writer.BATCH == 0
                frames = {row.frame for row in gallery.boxes(session.id)}
                assert frames == set(range(session.position))
    assert alive >= KILLS * 2 // 3, "the kills came too late to mean anything"

    writer.write(place, FRAMES)
    whole = tmp_path / "whole.db"
    writer.write(whole, FRAMES)
    assert contents(place) == contents(whole)
    with Gallery.open(place) as gallery:
        assert gallery.check() == []
        assert [(s.position, s.state) for s in gallery.sessions()] == [(FRAMES, "done")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=1M", "none", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk can't be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def append_all(gallery: Gallery, session: int) -> None:
    """Appends frame by frame without end."""
    for position in itertools.count():
        gallery.append(session, position + 1, 0, writer.rows_of(position))


@pytest.mark.parametrize("crops", [True, False])
def test_a_full_disk(small_disk: Path, crops: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not crops:
        rows_of = writer.rows_of

        def without(frame: int) -> list[TrackUpdate]:
            return rows_of(frame - frame % 2) if frame % 2 == 0 else []

        monkeypatch.setattr(writer, "rows_of", without)
    path = small_disk / "nearfar.db"
    with Gallery.open(path, model=writer.MODEL, create=True) as gallery:
        session = gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
        with pytest.raises(GalleryFull, match="no room left"):
            append_all(gallery, session.id)
        position = gallery.sessions()[0].position
        assert position > 0
        assert gallery.check() == []
    with Gallery.open(path, read_only=True) as gallery:
        assert gallery.sessions()[0].position == position
        assert gallery.check() == []
        assert gallery.search(gallery.tracks()[0].embeddings[:1])
    subprocess.run(["mount", "-o", "remount,size=8M", str(small_disk)], check=True)
    with Gallery.open(path) as gallery:
        gallery.append(session.id, position + 5, 0, writer.rows_of(position))
        assert gallery.check() == []


def test_a_disk_without_a_byte_left_can_be_read(small_disk: Path) -> None:
    path = small_disk / "nearfar.db"
    with Gallery.open(path, model=writer.MODEL, create=True) as gallery:
        session = gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
        gallery.append(session.id, 2, 0, writer.rows_of(1))
    with (small_disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    with Gallery.open(path, read_only=True) as gallery:
        assert gallery.check() == []
        assert gallery.search(gallery.tracks()[0].embeddings[:1])
    with pytest.raises(GalleryFull, match="no room left"):
        Gallery.open(path)


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "nearfar.db"
    with Gallery.open(path, model=writer.MODEL, create=True) as gallery:
        session = gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
        try:
            with pytest.raises(StorageError, match=str(path)):
                append_all(gallery, session.id)
            position = gallery.sessions()[0].position
            assert position > 0
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        gallery.append(session.id, position + 1, 0, writer.rows_of(position))
        assert gallery.check() == []


def test_no_room_for_a_crop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(path: str, mode: str) -> BinaryIO:
        raise OSError(28, "No space left on device")

    with Gallery.open(tmp_path / "nearfar.db", model=writer.MODEL, create=True) as gallery:
        session = gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
        monkeypatch.setattr(crops, "open", no_room, raising=False)
        with pytest.raises(GalleryFull, match=r"nearfar\.crops"):
            gallery.append(session.id, 2, 0, writer.rows_of(1))
        assert gallery.sessions()[0].position == 0
        monkeypatch.undo()
        gallery.append(session.id, 2, 0, writer.rows_of(1))
        assert gallery.check() == []


def test_locked_by_another_writer(tmp_path: Path) -> None:
    path = tmp_path / "nearfar.db"
    Gallery.open(path, model=writer.MODEL, create=True).close()
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        with Gallery.open(path, model=writer.MODEL, timeout=0.2) as gallery:
            with pytest.raises(GalleryLocked, match=r"more than 0\.2 s"):
                gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
            assert gallery.tracks() == []
            other.communicate()
            gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
    finally:
        other.kill()
        other.communicate()


def test_a_reader_sees_whole_appends_while_one_writes(place: Place) -> None:
    writer.write(place, 3)
    process = start_writer(place, FRAMES // 3, "paced")
    assert process.stdin is not None
    query = Embeddings(
        np.ones((1, 32), np.float32), np.array([2], np.int8), np.ones(1, np.float32), writer.SIZES
    )
    seen = set()
    try:
        with Gallery.open(place, read_only=True) as gallery:
            while process.poll() is None:
                with suppress(BrokenPipeError):  # it may have ended
                    process.stdin.write("\n" * 5)
                    process.stdin.flush()
                tracks = gallery.tracks()
                count = sum(t.count for t in tracks)
                assert count % (3 * writer.BATCH) == 0
                assert count == sum(len(t.embeddings) for t in tracks)
                assert len(gallery.search(query, top=10_000)) >= len(tracks)
                seen.add(count)
            assert len(gallery.search(query, top=10_000)) == len(gallery.tracks())
    finally:
        process.communicate()
    assert len(seen) > 2
    assert process.returncode == 0


def in_threads(work: Callable[[int], None], n: int) -> list[BaseException]:
    errors: list[BaseException] = []

    def run(i: int) -> None:
        try:
            work(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_several_programs_create_and_write_one_gallery(place: Place) -> None:

    def work(i: int) -> None:
        with Gallery.open(place, model=writer.MODEL, create=True) as gallery:
            session = gallery.begin_session(f"camera {i % 2}", "x", f"content {i}", 0.0, 10.0)
            for frame in range(20):
                gallery.append(session.id, frame + 1, 0, writer.rows_of(frame))

    assert in_threads(work, 4) == []
    with Gallery.open(place) as gallery:
        info = gallery.info()
        assert (info.cameras, info.sessions, info.observations) == (2, 4, 4 * 60)
        assert gallery.check() == []
