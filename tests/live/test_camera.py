"""Cameras that play, change, freeze, die and lie."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.live.camera import Pauses
from pipeline.live.states import CameraState

from .clips import transport_stream
from .conftest import FPS, noise
from .places import (
    PAGE,
    RtspServer,
    decoders_of,
    free_port,
    http_camera,
    mjpeg_server,
    rtsp_server,
    tcp_place,
)
from .readers import Watched


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_that_plays(
    watch: Callable[..., Watched], plain_server: RtspServer, transport: str
) -> None:
    one = watch(plain_server.url("plain"), transport=transport)
    one.until(lambda: len(one.frames) >= 12)
    health = one.camera.health()
    assert (health.state, health.size, health.reconnects) == (CameraState.LIVE, (240, 320), 0)
    assert health.frames >= 12
    assert health.age is not None
    assert health.age < 1
    assert not health.stale
    times = np.array([f.time for f in one.frames])
    assert abs(times[-1] - time.time()) < 1
    assert np.allclose(np.diff(times[2:]), 1 / FPS, atol=0.05)
    assert [f.index for f in one.frames] == sorted({f.index for f in one.frames})
    assert one.frames[0].image.shape == (240, 320, 3)
    assert one.frames[0].image.std() > 10


def test_a_camera_over_http(watch: Callable[..., Watched]) -> None:
    with mjpeg_server(list(noise(20)), FPS) as port:
        one = watch(f"http://127.0.0.1:{port}/video?user=a&password=word")
        one.until(lambda: len(one.frames) >= 8)
        assert one.camera.health().state is CameraState.LIVE
        assert one.camera.health().address == f"http://127.0.0.1:{port}/video?***"
        times = [f.time for f in one.frames]
        assert abs(np.diff(times[2:]).mean() - 1 / FPS) < 0.05
        assert abs(times[-1] - time.time()) < 1
        one.camera.close()


def test_the_newest_frame_is_taken_and_the_others_are_counted(
    watch: Callable[..., Watched], plain_server: RtspServer
) -> None:
    one = watch(plain_server.url("plain"))
    one.until(lambda: one.frames)
    time.sleep(1)
    one.until(lambda: len(one.frames) == 2)
    assert time.time() - one.frames[1].time < 0.35
    assert one.camera.health().dropped >= 6
    assert one.frames[1].index - one.frames[0].index >= 7


def test_no_more_frames_than_are_wanted(
    watch: Callable[..., Watched], plain_server: RtspServer
) -> None:
    one = watch(plain_server.url("plain"), fps=2.5)
    one.until(lambda: len(one.frames) >= 5)
    assert abs(np.diff([f.time for f in one.frames]).mean() - 0.4) < 0.06


def test_a_frame_rate_that_varies(
    watch: Callable[..., Watched], plain_clips: dict[str, Path]
) -> None:
    with rtsp_server(FPS, plain_clips, "--gaps", "1,1,5") as server:
        one = watch(server.url("plain"))
        one.until(lambda: len(one.frames) >= 16)
        frames = one.frames[3:]
        steps = np.diff([f.time for f in frames]) * FPS
        assert one.camera.health().dropped == 0
        assert (np.minimum(abs(steps - 1), abs(steps - 5)) < 0.6).all(), steps
        assert sum(steps > 3) >= 4
        assert one.camera.health().bad_stamps == 0
        one.camera.close()


def test_timestamps_that_leap(watch: Callable[..., Watched]) -> None:
    """A camera whose clock leaps to and fro each two seconds."""
    parts = [transport_stream(noise(20), FPS, start) for start in (50.0, 1050.0)]
    with http_camera("video/mp2t", [*parts[0], *parts[1]], FPS) as port:
        one = watch(f"http://127.0.0.1:{port}/video.ts")
        one.until(lambda: one.camera.health().bad_stamps >= 2)
        one.until(lambda: len(one.frames) > 40)
        times = np.array([f.time for f in one.frames])
        assert abs(times[-1] - time.time()) < 1.5
        assert np.diff(times)[10:].max() < 1
        assert [s for s, _ in one.said] == [CameraState.LIVE]
        one.camera.close()


def test_the_resolution_changes(watch: Callable[..., Watched], plain_server: RtspServer) -> None:
    one = watch(plain_server.url("sizes"))
    one.until(lambda: {f.image.shape for f in one.frames} == {(240, 320, 3), (360, 640, 3)})
    for frame in one.frames:
        assert frame.image.std() > 10
    assert [s for s, _ in one.said] == [CameraState.LIVE]


def test_garbage_in_a_stream_is_counted(
    watch: Callable[..., Watched], plain_server: RtspServer
) -> None:
    one = watch(plain_server.url("torn"))
    one.until(lambda: len(one.frames) > 10 and one.camera.health().lost > 1)
    assert {s for s, _ in one.said} == {CameraState.LIVE}


def test_repeated_pictures_are_counted_and_are_no_sign_of_life(
    watch: Callable[..., Watched], plain_server: RtspServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.live.camera.STALE_SECONDS", 1.5)
    one = watch(plain_server.url("still"))
    one.until(lambda: CameraState.STALE in [s for s, _ in one.said])
    assert one.camera.health().repeated > 10
    one.until(one.is_(CameraState.LIVE))


def test_a_server_that_freezes_dies_and_comes_back(
    watch: Callable[..., Watched], plain_clips: dict[str, Path]
) -> None:
    with rtsp_server(FPS, plain_clips) as server:
        one = watch(server.url("plain"))
        one.until(one.is_(CameraState.LIVE))
        server.freeze()
        frozen = time.monotonic()
        one.until(one.is_(CameraState.STALE))
        assert time.monotonic() - frozen < 5
        one.until(lambda: one.camera.health().reconnects)
        server.thaw()
        back = time.monotonic()
        one.until(one.is_(CameraState.LIVE))
        server.kill()
        one.until(one.is_(CameraState.UNREACHABLE))
        time.sleep(1)
        server.start()
        back = time.monotonic()
        one.until(one.is_(CameraState.LIVE))
        assert time.monotonic() - back < 15
        health = one.camera.health()
        assert health.reconnects >= 2
        assert [f.time for f in one.frames] == sorted({f.time for f in one.frames})


PASSWORD = "p@ss/w:rd-71"


def test_passwords(
    watch: Callable[..., Watched],
    plain_clips: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("GATE", PASSWORD)
    (tmp_path / "word").write_text(PASSWORD + "\n")
    monkeypatch.setenv("WRONG", PASSWORD + "!")
    with rtsp_server(FPS, plain_clips, "--user", "viewer", "--password", PASSWORD) as server:
        for user in ("viewer:${GATE}", f"viewer:${{file:{tmp_path}/word}}"):
            right = watch(server.url("plain", user))
            right.until(right.is_(CameraState.LIVE))
        for user in ("viewer:${WRONG}", ""):
            wrong = watch(server.url("plain", user))
            wrong.until(wrong.is_(CameraState.WRONG_PASSWORD))
            assert re.search("; next try in (4[89]|[56].|7[0-2]) s$", wrong.said[-1][1])
            for secret in (PASSWORD, "p%40ss"):
                assert secret not in repr((wrong.said, wrong.camera.health()))
        time.sleep(3)
        assert wrong.camera.health().reconnects == 0, "a camera may lock the account"
        for decoder in decoders_of(os.getpid()):
            for file in ("cmdline", "environ"):
                assert b"p%40ss" not in Path(f"/proc/{decoder}/{file}").read_bytes()


@pytest.mark.parametrize(
    ("source", "state", "words"),
    [
        ("rtsp://nobody.invalid/x", CameraState.WRONG_HOST, "no host is called nobody.invalid"),
        ("rtsp://127.0.0.1:{free}/x", CameraState.UNREACHABLE, "refuses connections to port"),
        ("rtsp://127.0.0.1:{silent}/x", CameraState.SILENT, "says nothing"),
        ("http://127.0.0.1:{silent}/x", CameraState.SILENT, "says nothing"),
        ("rtsp://127.0.0.1:{page}/x", CameraState.NO_STREAM, "no video stream"),
        ("http://127.0.0.1:{page}/", CameraState.NO_STREAM, "no video stream"),
        ("rtsp://127.0.0.1:{server}/none", CameraState.NO_STREAM, "nothing at this path"),
        ("no-such-file.mp4", CameraState.NO_STREAM, "no such file"),
        ("97", CameraState.NO_STREAM, "no such device"),
    ],
)
def test_each_wrong_address_has_its_state_and_line(
    watch: Callable[..., Watched],
    plain_server: RtspServer,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    state: CameraState,
    words: str,
) -> None:
    monkeypatch.setattr("pipeline.live.camera.OPEN_SECONDS", 2.0)
    with tcp_place(None) as silent, tcp_place(PAGE) as page:
        one = watch(
            source.format(silent=silent, page=page, free=free_port(), server=plain_server.port)
        )
        one.until(lambda: one.said)
        assert one.said[0][0] is state
        assert words in one.said[0][1]
        assert "\n" not in one.said[0][1]
        assert not one.frames


def test_pauses_are_small_again_after_seconds_of_pictures_alone(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A camera that breaks off after a second of pictures is left alone for longer and longer."""
    waited: list[float] = []

    class Noted(Pauses):
        def __next__(self) -> float:
            waited.append(super().__next__())
            return waited[-1] / 4

    monkeypatch.setattr("pipeline.live.camera.Pauses", Noted)
    monkeypatch.setattr("pipeline.live.camera.HEALTHY", 3.0)
    pictures = list(noise(20))
    with mjpeg_server(pictures, FPS, most=FPS) as port:
        one = watch(f"http://127.0.0.1:{port}/video")
        one.until(lambda: len(waited) == 4, 30)
        assert waited[3] > 2 * waited[0]
        one.camera.close()
    del waited[:]
    with mjpeg_server(pictures, FPS, most=5 * FPS) as port:
        one = watch(f"http://127.0.0.1:{port}/video")
        one.until(lambda: len(waited) == 3, 40)
        assert max(waited) <= Pauses.FIRST * (1 + Pauses.JITTER)
        one.camera.close()


def test_a_decoder_that_hangs_is_ended(
    watch: Callable[..., Watched], plain_server: RtspServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.live.camera.READ_SECONDS", 1.0)
    monkeypatch.setattr("pipeline.live.camera.GRACE", 0.5)
    one = watch(plain_server.url("plain"))
    one.until(one.is_(CameraState.LIVE))
    (decoder,) = decoders_of(os.getpid())
    os.kill(decoder, signal.SIGSTOP)
    one.until(one.is_(CameraState.BROKEN))
    one.until(one.is_(CameraState.LIVE))
    assert one.camera.health().reconnects == 1


def test_a_file_is_played_in_real_time(watch: Callable[..., Watched], tmp_path: Path) -> None:
    from ..pipeline.conftest import encode, figures

    one = watch(str(encode(tmp_path / "walk.mp4", figures(20))))
    began = time.monotonic()
    one.until(one.is_(CameraState.ENDED))
    assert 1.7 < time.monotonic() - began < 6
    assert one.camera.health().frames == 20


def test_a_picture_that_lies_on_its_side_is_shown_upright(
    watch: Callable[..., Watched], tmp_path: Path
) -> None:
    from ..pipeline.conftest import encode, figures, turned

    lying = encode(tmp_path / "lying.mp4", (np.rot90(image, -1) for image in figures(5)))
    one = watch(str(turned(lying, tmp_path / "walk.mp4", 1)))
    one.until(one.is_(CameraState.ENDED))
    drawn = next(figures(1))
    assert np.abs(one.frames[0].image.astype(int) - drawn).mean() < 12
