"""Packets that are cut: a camera falls silent without a reset, becomes stale, comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.live.states import CameraState

from .conftest import FPS
from .network import network
from .places import RtspServer, rtsp_server
from .readers import Watched


@pytest.mark.parametrize(
    ("how", "transport"), [("cable", "tcp"), ("packets", "tcp"), ("packets", "udp")]
)
def test_packets_are_cut(
    watch: Callable[..., Watched],
    plain_clips: dict[str, Path],
    plain_server: RtspServer,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    transport: str,
) -> None:
    monkeypatch.setattr("pipeline.live.camera.OPEN_SECONDS", 3.0)
    with (
        network() as cable,
        rtsp_server(FPS, plain_clips, host=cable.host, inside=cable.inside) as server,
    ):
        one = watch(server.url("plain"), transport=transport)
        other = watch(plain_server.url("plain"))
        one.until(one.is_(CameraState.LIVE))
        other.until(other.is_(CameraState.LIVE))
        (cable.unplug if how == "cable" else cable.swallow)()
        cut = time.monotonic()
        one.until(one.is_(CameraState.STALE))
        assert time.monotonic() - cut < 5
        one.until(one.is_(CameraState.UNREACHABLE), 25)
        assert [state for state, _ in one.said][:3] == [
            CameraState.LIVE,
            CameraState.STALE,
            CameraState.BROKEN,
        ]
        assert one.said[2][1] == "no picture for 5 s"
        assert (other.camera.health().age or 0) < 2
        (cable.plug if how == "cable" else cable.deliver)()
        mended = time.monotonic()
        one.until(one.is_(CameraState.LIVE), 20)
        assert time.monotonic() - mended < 15
        frames = len(one.frames)
        one.until(lambda: len(one.frames) > frames + 5)
        assert [f.time for f in one.frames] == sorted({f.time for f in one.frames})
        assert [state for state, _ in other.said] == [CameraState.LIVE]
        assert other.camera.health().reconnects == 0
        one.camera.close()
