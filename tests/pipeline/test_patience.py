"""A run over a gallery that can't be written for a while: it holds what it has and goes on."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import Detector, Settings, patience, process
from pipeline.patience import MOST_UNSAVED, Patience
from storage import Gallery, GalleryFull, GalleryLocked, GalleryReadOnly, GalleryUnreachable

from ..storage.places import require_server

QUICK = Settings(commit_seconds=0.3, patience=60)


def boxes(place: str | Path) -> dict[str, list[tuple]]:
    """All boxes by camera; the gallery must be sound."""
    with Gallery.open(place, read_only=True) as gallery:
        assert gallery.check() == []
        assert {s.state for s in gallery.sessions()} == {"done"}
        return {
            s.camera: sorted((b.frame, *b.box) for b in gallery.boxes(s.id))
            for s in gallery.sessions()
        }


@pytest.fixture
def whole(red_eyes: Detector, clips: dict[str, Path], tmp_path: Path) -> dict[str, list[tuple]]:
    """What an undisturbed run stores."""
    process(list(clips.values()), tmp_path / "whole.db", tmp_path / "whole")
    return boxes(tmp_path / "whole.db")


def test_a_server_that_crashes_and_starts_again(
    whole: dict[str, list[tuple]],
    clips: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_server()
    pgserver = pytest.importorskip("pgserver")
    monkeypatch.setattr(patience, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(patience, "MOST_UNSAVED", 5)
    (tmp_path / "server").mkdir()
    server = pgserver.get_server(tmp_path / "server", cleanup_mode="delete")
    told: list[str] = []
    starter = threading.Timer(1.0, server.ensure_postgres_running)
    stopped = threading.Event()

    def progress(camera: str, frame: int, _: object) -> None:
        if frame == 12 and not stopped.is_set():
            stopped.set()
            options = {"pgdata": server.pgdata, "user": server.system_user, "timeout": 30}
            pgserver.pg_ctl(["-m", "immediate", "-w", "stop"], **options)

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 1:
            starter.start()

    try:
        url = server.get_uri()
        result = process(
            list(clips.values()),
            url,
            tmp_path / "out",
            settings=QUICK,
            progress=progress,
            tell=tell,
        )
        assert all(camera.done for camera in result.cameras)
        assert "no connection" in told[0]
        assert told[1:] == ["the gallery can be written again: going on"]
        assert boxes(url) == whole
    finally:
        starter.cancel()
        with suppress(RuntimeError):  # it was never started
            starter.join(60)
        server.cleanup()


def test_a_disk_that_is_full_for_a_while(
    whole: dict[str, list[tuple]], clips: dict[str, Path], small_disk: Path, tmp_path: Path
) -> None:
    filler, told = small_disk / "filler", []

    def progress(camera: str, frame: int, _: object) -> None:
        if frame == 5 and not filler.exists():
            with filler.open("wb", buffering=0) as file, suppress(OSError):
                while file.write(bytes(4096)):
                    pass

    def tell(line: str) -> None:
        told.append(line)
        filler.write_bytes(b"")

    place = small_disk / "nearfar.db"
    process(
        list(clips.values()),
        place,
        tmp_path / "out",
        settings=QUICK,
        progress=progress,
        tell=tell,
    )
    assert "no room left" in told[0]
    assert told[1:] == ["the gallery can be written again: going on"]
    assert boxes(place) == whole


def test_without_patience_the_run_ends_and_the_next_goes_on(
    red_eyes: Detector, clips: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise GalleryLocked("somebody else writes")

    place, told = tmp_path / "nearfar.db", []
    settings = Settings(patience=0)
    with monkeypatch.context() as patch:
        patch.setattr(Gallery, "append", locked)
        with pytest.raises(GalleryLocked):
            process(list(clips.values()), place, tmp_path, settings=settings, tell=told.append)
    assert told == []
    process(list(clips.values()), place, tmp_path)
    assert boxes(place)


@given(
    unsaved=st.sampled_from([0, MOST_UNSAVED, MOST_UNSAVED + 1]),
    failures=st.integers(0, 4),
    error=st.sampled_from([GalleryFull, GalleryUnreachable, GalleryReadOnly]),
)
def test_what_is_tried_and_told(
    unsaved: int, failures: int, error: type[GalleryFull | GalleryUnreachable | GalleryReadOnly]
) -> None:
    tried, told = [], []

    def call() -> None:
        tried.append(1)
        if len(tried) <= failures:
            raise error("trouble")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patience, "RETRY_SECONDS", 0)
        one = Patience(60, told.append, None)
        if failures and not error.passing:
            with pytest.raises(error):
                one.store(call, unsaved)
            assert told == []
            return
        one.store(call, unsaved)
        assert len(tried) == (failures + 1 if unsaved > MOST_UNSAVED else 1)
        while len(tried) <= failures:
            one.store(call, unsaved)
    assert len(told) == (2 if failures else 0)


def test_a_stop_ends_the_waiting() -> None:
    def call() -> None:
        raise GalleryFull("trouble")

    stop, told = threading.Event(), []
    one = Patience(60, told.append, stop)
    one.store(call, 0)
    stop.set()
    with pytest.raises(GalleryFull):
        one.store(call, MOST_UNSAVED + 1)
    assert len(told) == 1
