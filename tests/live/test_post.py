"""A post without its cluster: what it tells, and what it does when nobody asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cluster import Models
from pipeline.detect import Detector
from pipeline.errors import DetectorError
from pipeline.live import post as module
from pipeline.live.address import resolve
from pipeline.live.post import News, Orders, Post
from pipeline.site import Camera
from reid import Embedder
from storage import Gallery, GalleryClaimed

from ..pipeline.conftest import encode, figures


def until(reached: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_free(gallery: Gallery, camera: str) -> bool:
    try:
        gallery.claim(camera).close()
    except GalleryClaimed:
        return False
    return True


def test_it_watches_while_it_is_asked(
    red_eyes: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_SECONDS", 1.0)
    place = str(tmp_path / "nearfar.db")
    encode(tmp_path / "gate.mp4", figures(600))
    model = Embedder.load(device="cpu").info
    with Gallery.open(place, model=model, create=True) as gallery:
        post, told = Post(), []
        post.open(Orders(Models(None, None, "cpu"), place, {}))

        def heard() -> list[News]:
            told.append(post.news())
            return told

        post.change({"gate": (Camera(source="gate.mp4"), resolve("gate.mp4", tmp_path))})
        until(lambda: sum(len(news.stored) for news in heard()) > 3)
        tracks = {t.id: t.camera for t in gallery.tracks(looks=0)}
        for track, camera, observations in (s for news in told for s in news.stored):
            assert tracks[track] == camera == "gate"
            assert observations
        assert [e["state"] for news in told for e in news.events] == ["live"]
        assert not is_free(gallery, "gate")
        until(lambda: is_free(gallery, "gate"))
        rows = gallery.info().observations
        time.sleep(0.5)
        assert gallery.info().observations == rows, "it read on although nobody asked"
        told.clear()
        until(lambda: any(c.state == "live" for c in heard()[-1].health.cameras))
        assert not is_free(gallery, "gate")
        assert next(s.state for s in gallery.sessions()) == "stopped"
        post.close()
        assert is_free(gallery, "gate")


def test_what_is_not_there(tmp_path: Path) -> None:
    place = str(tmp_path / "nearfar.db")
    Gallery.open(place, model=Embedder.load(device="cpu").info, create=True).close()
    with pytest.raises(DetectorError, match=r"none\.onnx don't exist"):
        Post().open(Orders(Models("none.onnx", None, "cpu"), place, {}))


def test_orders_show_no_secret() -> None:
    shown = repr(Orders(Models(None, None, "cpu"), "postgresql://u:word@h/x", {"PGPASSWORD": "p"}))
    assert "word" not in shown
    assert "PGPASSWORD" not in shown
