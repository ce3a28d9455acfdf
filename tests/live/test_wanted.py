"""One of twelve is wanted: the rendered scene's far camera, with the models that ship."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np

from pipeline.crops import cut_out, encode
from pipeline.detect import Detector
from pipeline.engine import Engine
from pipeline.frame import Frame
from pipeline.live.links import Links
from pipeline.live.outbox import Outbox
from pipeline.live.wanted import add_looks
from pipeline.live.webhook import Hook
from pipeline.runs import CameraRun
from pipeline.score import Labelled, who_is
from pipeline.settings import Settings
from pipeline.site import Alerts, Site
from reid import Embedder
from samples import Scene
from storage import Alert, Gallery

from .places import free_port
from .receiver import is_signed, receiver

SCENE = Scene(cameras=4)
PERSON = 1
STEP = 3
"""Each third frame is looked at, as on a machine that does not keep up."""
LATER = 120.0
"""Seconds after which the same walk is another visit."""


def pictures(person: int, most: int = 12) -> list[np.ndarray]:
    """Crops of a person, spread over its walks before the near cameras."""
    crops = []
    for walk in SCENE.passages:
        if walk.identity == person and walk.camera in ("near", "near2"):
            last = min(int(walk.end * SCENE.fps), SCENE.frame_count)
            for index in range(max(0, int(walk.start * SCENE.fps)), last, 4):
                image, boxes = SCENE.frame(walk.camera, index)
                crops += [
                    cut_out(image, b.box)
                    for b in boxes
                    if b.identity == person and b.visibility > 0.95
                ]
    return [crops[i] for i in np.linspace(0, len(crops) - 1, most).astype(int)]


def test_one_of_twelve_is_wanted(tmp_path: Path) -> None:
    """A person of 40 px in the far camera, known by pictures of the near ones: one alert a visit,
    to a receiver that is down for the first minute, and none of the eleven others."""
    embedder = Embedder.load(device="cpu")
    port, now = free_port(), time.time()
    with Gallery.open(tmp_path / "nearfar.db", model=embedder.info, create=True) as gallery:
        crops = pictures(PERSON)
        add_looks(gallery, "wanted", embedder.embed(crops), [encode(c) for c in crops])
        alerts = Alerts.model_validate({"webhook": {"url": "http://x"}})
        raised: list[Alert | Exception] = []
        links = Links(gallery, embedder.info, Site(alerts=alerts), raised.append)
        engine = Engine(Detector.load(device="cpu"), embedder, gallery, settings=Settings())
        session = gallery.begin_session("far", "far", "far", now, SCENE.fps)
        run = CameraRun("far", session, engine.tracker("far", session), engine.settings)
        truth: dict[int, list[Labelled]] = {}
        seen: list[float] = []

        def play(first: int, last: int, shift: float) -> None:
            """Shows the worker and the linker what the far camera sees."""
            for index in range(first, last, STEP):
                image, boxes = SCENE.frame("far", index)
                at = now + index / SCENE.fps + shift
                frame = index + round(shift * SCENE.fps)
                truth[frame] = [Labelled(b.identity, b.box, b.visibility) for b in boxes]
                seen.extend(b.box[3] for b in boxes if b.identity == PERSON)
                engine.step([(run, Frame("far", frame, at, image))])
                for track, observations in run.commit(gallery, "running", at).items():
                    links.put(track, "far", observations)
                links._round(at)

        outbox = Outbox(gallery, [Hook(f"http://127.0.0.1:{port}/", b"key")], print)
        try:
            play(0, SCENE.frame_count, 0.0)
            assert len(raised) == 1, raised
            down = time.monotonic()
            walk = next(w for w in SCENE.passages if w.identity == PERSON and w.camera == "far")
            play(int(walk.start * SCENE.fps), int(walk.end * SCENE.fps), LATER)
            assert len(raised) == 2, raised
            time.sleep(max(0.0, down + 60 - time.monotonic()))
            waiting = gallery.watchlist.alerts()
            assert [a.state for a in waiting] == ["waiting", "waiting"]
            assert min(a.attempts for a in waiting) >= 3
            with receiver(port) as got:
                deadline = time.monotonic() + 100
                while any(a.state != "sent" for a in gallery.watchlist.alerts()):
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
        finally:
            outbox.close()
        assert 35 < np.median(seen) < 45
        for alert in gallery.watchlist.alerts():
            own = gallery.observations(alert.track)
            shown = Counter(who_is(truth.get(o.frame, []), o.box) for o in own)
            assert shown.most_common(1)[0][0] == PERSON
        assert sorted(c["id"] for c in got.contents) == [a.id for a in gallery.watchlist.alerts()]
        assert all(is_signed(*message, b"key") for message in got.messages)
