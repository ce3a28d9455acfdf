"""A watch whose gallery is on a PostgreSQL server, which is stopped and begun anew meanwhile."""

from __future__ import annotations

import os
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage import Gallery, GalleryClaimed

from ..pipeline.conftest import figures
from .clips import access_units, write_units
from .conftest import FPS
from .places import rtsp_server
from .watches import WatchProgram


class Server:
    """A PostgreSQL server of its own that may be stopped."""

    def __init__(self, folder: str) -> None:
        import pgserver

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server = pgserver.get_server(folder, cleanup_mode="delete")
        self._control: Any = pgserver.pg_ctl
        self.url = str(self._server.get_uri())

    def stop(self) -> None:
        call = ["-w", "-m", "immediate", "stop"]
        self._control(call, pgdata=self._server.pgdata, user=self._server.system_user, timeout=20)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self._server.ensure_postgres_running()
        self._server.cleanup()


@pytest.fixture
def server() -> Iterator[Server]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pgserver  # noqa: F401
            import psycopg  # noqa: F401
    except ImportError:
        message = "no PostgreSQL that can be stopped: install pgserver and psycopg"
        if os.environ.get("NEARFAR_NEVER_SKIP_POSTGRES"):
            pytest.fail(message)
        pytest.skip(message)
    one = Server(tempfile.mkdtemp(prefix="nearfar-pg-"))
    yield one
    one.close()


def is_refused(gallery: Gallery, camera: str, seconds: float = 10.0) -> bool:
    """Whether a claim on a camera is refused, soon at least."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            gallery.claim(camera).close()
        except GalleryClaimed:
            return True
        time.sleep(0.1)
    return False


def test_a_server_that_is_away_for_a_while(server: Server, tmp_path: Path) -> None:
    clips = {
        name: write_units(tmp_path / name, access_units(figures(40, people, phase), FPS))
        for name, people, phase in (("gate", 1, 0), ("hall", 2, 9))
    }
    with rtsp_server(FPS, clips) as cameras:
        site = tmp_path / "site.yaml"
        lines = (f"  {name}: {{source: '{cameras.url(name)}'}}\n" for name in clips)
        site.write_text("cameras:\n" + "".join(lines))
        one = WatchProgram(site, "--gallery", server.url)
        try:
            one.until(one.is_live("gate"))
            one.until(one.is_live("hall"))
            one.until(lambda: one.camera("gate")["processed"] > 20)
            assert one.get("/readyz")[0] == 200
            server.stop()
            stopped = time.monotonic()
            one.until(lambda: one.get("/readyz")[0] == 503)
            assert "no connection to postgresql://" in one.get("/readyz")[1]
            assert "nearfar_gallery_writable 0" in one.get("/metrics")[1]
            before = one.camera("gate")["processed"]
            one.until(lambda: one.camera("gate")["processed"] > before + 20)
            away = time.monotonic() - stopped
            assert away > 2
            server.start()
            one.until(lambda: one.get("/readyz")[0] == 200)
            with Gallery.open(server.url) as other:
                assert is_refused(other, "gate"), "the watch must take its cameras again at once"
            after = one.camera("gate")["processed"]
            one.until(lambda: one.camera("gate")["processed"] > after + 5)
            status, took = one.end()
            assert (status, took < 5) == (0, True)
        finally:
            one.end(signal.SIGKILL)
    troubles = [e["problem"] for e in one.events if e["event"] == "gallery"]
    assert 1 <= len(troubles) <= 3, "told of once for each place, not over and over"
    assert all("no connection to" in trouble for trouble in troubles)
    assert {s for name in clips for s in one.states(name)} == {"live"}
    with Gallery.open(server.url) as gallery:
        assert gallery.check() == []
        for name in clips:
            (session,) = gallery.sessions([name])
            assert session.state == "stopped"
            rows = gallery.boxes(session.id)
            times = sorted({o.time for t in gallery.tracks([name])
                            for o in gallery.observations(t.id)})  # fmt: skip
            assert np.diff(times).max() < away / 2, "what came meanwhile was kept"
            assert all(row.identity for row in rows if row.frame < session.position - 10)
