"""The watch list and the live page behind the API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from console import create_app
from console.models import LiveFrame
from console.state import Console
from console.watching import Live, mark
from pipeline.frame import Frame
from pipeline.live.frames import Frames
from pipeline.live.server import HealthServer
from pipeline.live.states import CameraHealth, CameraState
from pipeline.live.watching import WatchHealth
from reid import Embedder
from storage import Gallery

from .conftest import OWN, png

Crops = dict[tuple[int, int], np.ndarray]


def test_somebody_is_looked_for_by_what_is_stored_and_sent(
    client: TestClient, gallery: Gallery, crops: Crops
) -> None:
    seen = gallery.browse.best([1])[1]
    sent = client.post("/api/v1/queries", files={"picture": png(crops[0, 0])}, headers=OWN).json()
    body = {"name": "lost child", "like": [seen.id], "query": sent["id"]}
    made = client.post("/api/v1/watchlist", json=body, headers=OWN)
    assert made.json()["pictures"] == 2
    (person,) = gallery.watchlist.persons()
    assert (person.name, len(person.looks)) == ("lost child", 2)
    listed = client.get("/api/v1/watchlist").json()["persons"]
    assert [(p["name"], p["pictures"]) for p in listed] == [("lost child", 2)]
    assert client.delete("/api/v1/watchlist/lost child", headers=OWN).status_code == 204
    assert gallery.watchlist.persons() == []
    assert client.delete("/api/v1/watchlist/lost child", headers=OWN).status_code == 404
    for wrong, code in (
        ({"name": "x"}, 422),
        ({"name": "x", "like": [999_999]}, 404),
        ({"name": "", "like": [seen.id]}, 422),
        ({"name": "x", "query": "gone"}, 404),
    ):
        assert client.post("/api/v1/watchlist", json=wrong, headers=OWN).status_code == code


def test_an_alert_is_shown_with_its_picture(client: TestClient, gallery: Gallery) -> None:
    seen = gallery.browse.best([1])[1]
    assert seen.crop is not None
    client.post("/api/v1/watchlist", json={"name": "ada", "like": [seen.id]}, headers=OWN)
    gallery.watchlist.raise_alert("ada", seen.track, seen.time, 7.5, 5.0, seen.crop, send=False)
    for found in (client.get("/api/v1/watchlist").json(), client.get("/api/v1/live").json()):
        (alert,) = found["alerts"]
        assert (alert["wanted"], alert["camera"], alert["log_odds"]) == ("ada", seen.camera, 7.5)
        assert client.get(alert["crop"]).content == gallery.crop(seen.crop)


@contextmanager
def beside_a_watch(gallery: Gallery, embedder: Embedder, written: str) -> Iterator[TestClient]:
    """A console beside a watch of a gallery, by its id, whose camera `far` is down."""
    near = CameraHealth(
        "near",
        "rtsp://near",
        CameraState.LIVE,
        "",
        9,
        9,
        0,
        0,
        0,
        0,
        0.2,
        (480, 640),
        0.4,
        0.3,
        0,
        0,
    )
    reason = "nobody answers at far:554"
    far = replace(near, camera="far", state=CameraState.UNREACHABLE, reason=reason, age=31.0)
    health = WatchHealth((near, far), 9.5, 0.1, None, 0, None, written)
    frames = Frames()
    frames.plain()
    track = gallery.browse.identity(2).tracks[0]
    boxes = [(track, (10.0, 20.0, 40.0, 100.0)), (None, (90.0, 20.0, 40.0, 100.0))]
    frames.put(Frame("near", 0, 1e9, np.full((480, 640, 3), 90, np.uint8)), boxes)
    server = HealthServer("127.0.0.1:0", lambda: health, frames)
    app = create_app(Console(gallery, embedder), sign_in=False, watch=f"127.0.0.1:{server.port}")
    try:
        yield TestClient(app, base_url="http://127.0.0.1")
    finally:
        server.close()


@pytest.fixture
def watched(gallery: Gallery, embedder: Embedder) -> Iterator[TestClient]:
    """A console beside a watch of its gallery."""
    with beside_a_watch(gallery, embedder, gallery.id) as client:
        yield client


def test_tiles_say_how_cameras_are(watched: TestClient, client: TestClient) -> None:
    found = watched.get("/api/v1/live").json()
    assert found["watch"]
    tiles = {t["camera"]: t for t in found["tiles"]}
    assert tiles["near"]["state"] == "live"
    assert tiles["far"]["stale"]
    assert tiles["far"]["reason"] == "nobody answers at far:554"
    assert len(tiles["near"]["people"]) == 5
    assert {p["identity"] for p in tiles["near"]["people"]} == set(range(1, 6))
    page = watched.get("/live").text
    assert "nobody answers at far:554" in page
    alone = client.get("/api/v1/live").json()
    assert not alone["watch"]
    assert [t["state"] for t in alone["tiles"]] == [None, None]


def test_tiles_have_the_newest_frame_and_who_is_in_it(
    watched: TestClient, client: TestClient, gallery: Gallery
) -> None:
    gallery.audit.note_searches(True)
    tiles = {t["camera"]: t for t in watched.get("/api/v1/live").json()["tiles"]}
    assert tiles["far"]["frame"] is None
    frame = tiles["near"]["frame"]
    assert (frame["width"], frame["height"]) == (640, 480)
    assert [box["identity"] for box in frame["boxes"]] == [2, None]
    for _ in range(2):
        picture = watched.get(frame["picture"])
        assert picture.headers["content-type"] == "image/jpeg"
        assert picture.headers["cache-control"] == "private, no-store"
    looks = [e.details for e in gallery.audit.entries("look")]
    assert looks == [{"camera": "near"}]
    page = watched.get("/live").text
    assert f'href="{frame["picture"]}"' in page
    assert page.count("<rect") == 2
    gone = frame["picture"].rpartition("/")[0] + "/99"
    for path in (gone, "/api/v1/live/far/frames/1", "/api/v1/live/..%2Fstatus/frames/1"):
        assert watched.get(path).status_code == 404
    assert client.get(frame["picture"]).status_code == 404, "no watch"


def test_nothing_is_shown_of_a_watch_of_another_gallery(
    gallery: Gallery, embedder: Embedder, tmp_path: Path
) -> None:
    with Gallery.open(tmp_path / "other.db", create=True) as other:
        written = other.id
    with beside_a_watch(gallery, embedder, written) as client:
        found = client.get("/api/v1/live").json()
        page = client.get("/live").text
        assert client.get("/api/v1/live/near/frames/1").status_code == 404
    assert not found["watch"]
    assert re.fullmatch("the watch at 127.0.0.1:[0-9]+ writes another gallery", found["trouble"])
    assert found["trouble"] in page
    for tile in found["tiles"]:
        assert (tile["state"], tile["reason"], tile["frame"]) == (None, None, None)
    assert '<svg class="now"' not in page
    assert "nobody answers" not in page


def test_the_mark_changes_with_what_is_shown_alone(gallery: Gallery) -> None:
    found = Live(gallery, None).now()
    tile = found.tiles[0]

    def with_first(**changes: object) -> str:
        tiles = [tile.model_copy(update=changes), *found.tiles[1:]]
        return mark(found.model_copy(update={"tiles": tiles}))

    assert with_first(newest=5.0, delay=0.3) == with_first(newest=6.0, delay=0.4) == mark(found)
    seen = LiveFrame(number=1, time=1.0, width=9, height=9, picture="/1", boxes=[])
    later = seen.model_copy(update={"number": 2})
    assert with_first(frame=seen) == with_first(frame=later) != mark(found)
    assert with_first(stale=True) != mark(found)
    assert with_first(people=[]) != mark(found)


def test_a_watch_that_does_not_answer(gallery: Gallery, embedder: Embedder) -> None:
    app = create_app(Console(gallery, embedder), sign_in=False, watch="127.0.0.1:9")
    found = TestClient(app, base_url="http://127.0.0.1").get("/api/v1/live").json()
    assert "no watch listens at 127.0.0.1:9" in found["trouble"]
    assert len(found["tiles"]) == 2
