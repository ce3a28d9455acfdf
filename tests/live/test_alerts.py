"""Alerts: their level, one a visit, and their messages, which arrive in the end."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import QueryError, SiteError, SourceError
from pipeline.live.alerts import (
    Alarm,
    least_resemblance,
    most_resemblance,
    resemblance,
)
from pipeline.live.linker import LiveTrack
from pipeline.live.links import Links
from pipeline.live.outbox import Messages, Outbox, message
from pipeline.live.wanted import add
from pipeline.live.webhook import Hook, key_of, signature
from pipeline.site import Alerts, Site, Webhook, read_site
from reid import Embeddings
from storage import Alert, Gallery, GalleryFull, ObservationRow, TrackUpdate
from storage.watchlist import WatchList
from tracker import Observation

from ..pipeline.conftest import figures
from ..storage.conftest import SIZES, a_jpeg, a_model
from .clips import access_units, write_units
from .conftest import FPS
from .places import PAGE, free_port, rtsp_server, tcp_place
from .receiver import is_signed, receiver
from .watches import ENVIRONMENT, WATCHER, WatchProgram

MODEL = a_model()
RNG = np.random.default_rng(8)
FACES = RNG.normal(size=(3, sum(SIZES))).astype(np.float32)


def looks(person: int, n: int = 4) -> Embeddings:
    """Looks of one of three persons, all at the sharpest level."""
    noise = np.random.default_rng(person).normal(size=(n, sum(SIZES))) * 0.05
    vectors = (FACES[person] + noise).astype(np.float16).astype(np.float32)
    return Embeddings(vectors, np.full(n, 3, np.int8), np.ones(n, np.float32), SIZES)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.open(tmp_path / "nearfar.db", model=MODEL, create=True) as opened:
        opened.watchlist.add("Anna", looks(0), [a_jpeg(RNG) for _ in range(4)])
        yield opened


class Scene:
    """Persons who walk past a camera of a gallery; time is given by the test."""

    def __init__(self, gallery: Gallery, settings: Alerts) -> None:
        self.gallery, self.settings, self.number = gallery, settings, 0
        self.raised: list[Alert] = []
        self.restart(0.0)

    def restart(self, now: float) -> None:
        self.alarm = Alarm(
            self.gallery, MODEL.calibration, SIZES, self.settings, self.raised.append, now
        )

    def pass_by(self, person: int, camera: str, time: float) -> None:
        """One track of four looks, a second long."""
        self.number += 1
        session = self.gallery.begin_session(camera, "x", camera, 0, 10)
        seen = looks(person)
        track: LiveTrack | None = None
        for i, vector in enumerate(seen.vectors):
            at = time + i / 4
            frame = session.position + 10 * self.number + i
            box = (1.0, 1.0, 20.0, 40.0)
            row = ObservationRow(frame, at, box, 0.9, 3, 0.5 + i / 10, vector, a_jpeg(RNG))
            ids = self.gallery.append(session.id, frame + 1, 0, [TrackUpdate(self.number, [row])])
            if track is None:
                track = LiveTrack(ids[self.number], camera, at, at)
            track.see([Observation(frame, at, box, 0.9, 40.0, 3, row.quality, vector)])
            self.alarm.refresh(at)
            if track.is_mature(at):
                self.alarm.look(track)


def test_one_alert_a_visit(gallery: Gallery) -> None:
    scene = Scene(gallery, Alerts(visit_seconds=60))
    scene.pass_by(0, "gate", 100.0)
    scene.pass_by(1, "gate", 101.0)
    scene.pass_by(0, "gate", 130.0)  # the same visit, told from it by 60 s alone
    scene.pass_by(0, "hall", 131.0)
    scene.pass_by(0, "gate", 185.0)
    assert [(a.wanted, a.camera) for a in scene.raised] == [("Anna", "gate"), ("Anna", "hall")]
    scene.restart(200.0)
    scene.pass_by(0, "gate", 210.0)
    assert len(scene.raised) == 2, "a restart must know the visits that last"
    scene.pass_by(0, "gate", 300.0)
    scene.pass_by(2, "gate", 400.0)
    assert [a.camera for a in scene.raised] == ["gate", "hall", "gate"]
    first = gallery.watchlist.alerts()[0]
    assert (first.state, first.time) == ("kept", 100.25)
    assert first.log_odds >= first.least > 0
    best = max(gallery.observations(first.track)[:2], key=lambda o: o.quality)
    assert first.crop == best.crop


def test_everybody_is_looked_at(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gave one look and was gone, and who came while the gallery could not be written."""
    raised: list[Alert | Exception] = []
    site = Site(alerts=Alerts(false_alarms_per_day=50))
    links = Links(gallery, MODEL, site, raised.append)

    def see(camera: str, times: list[float]) -> None:
        session = gallery.begin_session(camera, "x", camera, 0, 10)
        box, vectors = (1.0, 1.0, 20.0, 40.0), looks(0).vectors
        seen = [
            Observation(i, at, box, 0.9, 40.0, 3, 0.5, vectors[i]) for i, at in enumerate(times)
        ]
        rows = [ObservationRow(o.frame, o.time, box, 0.9, 3, 0.5, o.vector) for o in seen]
        ids = gallery.append(session.id, len(times), 0, [TrackUpdate(1, rows)])
        links.put(ids[1], camera, seen)

    see("gate", [10.0])
    links._round(10.1)
    assert not raised
    links._round(14.0)
    see("hall", [20.0, 20.4])
    with monkeypatch.context() as patch:
        patch.setattr(Gallery, "save_identities", lambda *_: (_ for _ in ()).throw(GalleryFull()))
        with pytest.raises(GalleryFull):
            links._round(20.5)
    links._round(20.9)
    links._round(21.3)
    assert [a.camera for a in raised if isinstance(a, Alert)] == ["gate", "hall"]


def test_the_watch_list_may_change_meanwhile(gallery: Gallery) -> None:
    scene = Scene(gallery, Alerts())
    gallery.watchlist.add("Bert", looks(1), [a_jpeg(RNG) for _ in range(4)])
    scene.pass_by(1, "gate", 100.0)
    gallery.watchlist.remove("Anna")
    scene.pass_by(0, "gate", 500.0)
    assert [a.wanted for a in scene.raised] == ["Bert"]


@given(st.floats(0.3, 4), st.integers(100, 3000), st.integers(1, 5), st.floats(0.1, 10))
def test_false_alarms_are_no_more_than_was_said(
    apart: float, tracks: int, wanted: int, alarms: float
) -> None:
    """Log-odds of strangers, whatever the network can tell apart, pass the level rarely enough."""
    rng = np.random.default_rng(0)
    strangers = rng.normal(-(apart**2) / 2, apart, 200_000)
    share = float((strangers >= least_resemblance(alarms, tracks, wanted)).mean())
    expected = share * tracks * wanted
    assert expected <= alarms + 4 * np.sqrt(tracks * wanted * alarms / 200_000)


def test_a_height_that_is_none(tmp_path: Path) -> None:
    picture = tmp_path / "one.png"
    cv2.imwrite(str(picture), RNG.integers(0, 255, (90, 30, 3), np.uint8))
    for height in (0.0, -3.0, float("nan"), float("inf")):
        with pytest.raises(QueryError, match="must be above 0 px"):
            add("Anna", [picture], tmp_path / "new.db", height=height)
    assert not (tmp_path / "new.db").exists()


def test_more_pictures_are_surer() -> None:
    few, many = looks(0, 1), looks(0, 9)
    assert most_resemblance(few, MODEL.calibration) == MODEL.calibration.bound
    assert most_resemblance(many, MODEL.calibration) == 3 * MODEL.calibration.bound
    assert resemblance(looks(0, 9), many, MODEL.calibration) > resemblance(
        looks(0, 9), few, MODEL.calibration
    )
    assert resemblance(looks(1), many, MODEL.calibration) < 0


def test_the_signature_is_that_of_standard_webhooks() -> None:
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    found = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_messages_arrive_when_the_receiver_is_back(gallery: Gallery) -> None:
    port = free_port()
    scene = Scene(gallery, Alerts.model_validate({"webhook": {"url": "http://x"}}))
    scene.pass_by(0, "gate", time.time())
    told: list[dict[str, Any]] = []
    outbox = Outbox(gallery, [Hook(f"http://127.0.0.1:{port}/?key=word-71", b"key")], told.append)
    try:
        until(lambda: gallery.watchlist.alerts()[0].attempts >= 2)
        (alert,) = gallery.watchlist.alerts()
        assert alert.state == "waiting"
        assert "can't be reached" in (alert.trouble or "")
        assert "word-71" not in (alert.trouble or "")
        why = "the receiver can't be reached (Connection refused)"
        assert told == [
            {"event": "receiver", "receiver": "webhook", "state": "down", "reason": why}
        ]
        until(lambda: outbox.messages == Messages(1, 0, {"webhook": why}))
        with receiver(port, refuse=1) as got:
            until(lambda: gallery.watchlist.alerts()[0].state == "sent")
            until(lambda: outbox.messages == Messages())
            time.sleep(0.3)
    finally:
        outbox.close()
    assert [event["state"] for event in told] == ["down", "back"]
    (content,) = got.contents
    headers, body = got.messages[0]
    assert is_signed(headers, body, b"key")
    assert not is_signed(headers, body, b"another")
    assert headers["webhook-id"] == f"alert-{alert.id}"
    assert (content["wanted"], content["camera"]) == ("Anna", "gate")
    assert base64.b64decode(content["picture"]) == gallery.crop(alert.crop or "")


@pytest.mark.parametrize(
    "url", ["example.org/hook", "file:///etc/hostname", "ftp://word-71/x", "http://"]
)
def test_addresses_of_webhooks(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(f"alerts:\n  webhook:\n    url: '{url}'\n")
    with pytest.raises(SiteError, match=r"line 3: alerts.webhook.url: write http://HOST or https"):
        read_site(site)
    monkeypatch.setenv("WHOLE", url)
    hidden = Webhook(url="${WHOLE}")
    with pytest.raises(SourceError, match="is no webhook: write http://HOST") as caught:
        Hook.of(hidden, tmp_path)
    assert "word-71" not in str(caught.value)
    assert Webhook(url="https://${HOST}:${PORT}/${file:path}")


REDIRECTION = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"


def test_what_is_no_receiver_gets_it_again(gallery: Gallery) -> None:
    """Something that is no HTTP, and a redirection, which would lose the message's body."""
    scene = Scene(gallery, Alerts.model_validate({"webhook": {"url": "http://x"}}))
    scene.pass_by(0, "gate", time.time())
    (alert,) = scene.raised
    body = message(alert, None)
    with tcp_place(b"SSH-2.0-x\r\n") as shell, tcp_place(PAGE) as page:
        assert Hook(f"http://127.0.0.1:{shell}/", None).send(alert, body) == (
            "the receiver can't be reached (BadStatusLine)"
        )
        elsewhere = REDIRECTION % b"http://127.0.0.1:%d/" % page
        with tcp_place(elsewhere) as moved:
            assert Hook(f"http://127.0.0.1:{moved}/", None).send(alert, body) == (
                "the receiver answers 302"
            )


def test_a_message_is_not_sent_over_and_over_while_the_gallery_is_full(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(gallery, Alerts.model_validate({"webhook": {"url": "http://x"}}))
    scene.pass_by(0, "gate", time.time())
    tries = []

    def full(*_: object) -> None:
        tries.append(1)
        raise GalleryFull("no room")

    with receiver() as got:
        with monkeypatch.context() as patch:
            patch.setattr(WatchList, "sent", full)
            outbox = Outbox(gallery, [Hook(f"http://127.0.0.1:{got.port}/", None)], print)
            until(lambda: len(tries) >= 3)
        until(lambda: gallery.watchlist.alerts()[0].state == "sent")
        outbox.close()
    assert len(got.messages) == 1


def until(reached, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


RUN = [sys.executable, str(WATCHER), "watchlist"]


def a_wanted_one(folder: Path) -> Path:
    """A clip of a person whom the gallery in a folder looks for, by the command line."""
    crops = []
    for i, image in enumerate(figures(12)):
        if i % 3 == 0:
            crops.append(folder / f"crop{i}.png")
            cv2.imwrite(str(crops[-1]), image[40:124, 12 + 2 * i : 40 + 2 * i])
    call = [*RUN, "add", "red one", *map(str, crops)]
    subprocess.run(call, env=ENVIRONMENT, cwd=folder, check=True)
    return write_units(folder / "gate", access_units(figures(40), FPS))


def told_of(watch: WatchProgram) -> list[str]:
    """What a watch told of its receiver."""
    return [e["state"] for e in watch.events if e["event"] == "receiver"]


def test_a_watch_that_knows_whom_to_look_for(tmp_path: Path) -> None:
    """Pictures by the command line, an alert by a real webhook that is down at first."""
    clip = a_wanted_one(tmp_path)
    other = tmp_path / "other.png"
    cv2.imwrite(str(other), np.random.default_rng(0).integers(0, 255, (90, 30, 3), np.uint8))
    call = [*RUN, "add", "nobody", str(other)]
    subprocess.run(call, env=ENVIRONMENT, cwd=tmp_path, check=True)
    port = free_port()
    with rtsp_server(FPS, {"gate": clip}) as server:
        site = tmp_path / "site.yaml"
        site.write_text(
            f"cameras: {{gate: {{source: '{server.url('gate')}'}}}}\n"
            "alerts:\n  false_alarms_per_day: 20\n"
            f"  webhook: {{url: 'http://127.0.0.1:{port}/${{HOOK}}', secret: '${{HOOK}}'}}\n"
        )
        one = WatchProgram(site, environment={"HOOK": "hook-word-71"})
        try:
            one.until(lambda: any(e["event"] == "alert" for e in one.events))
            with Gallery.open(tmp_path / "nearfar.db", read_only=True) as gallery:
                until(lambda: gallery.watchlist.alerts()[0].attempts)
            one.until(lambda: told_of(one) == ["down"])
            one.until(lambda: one.status()["messages"]["waiting"] == 1)
            assert "can't be reached" in one.status()["messages"]["down"]["webhook"]
            assert '\nnearfar_receiver_down{receiver="webhook"} 1\n' in one.get("/metrics")[1]
            call = [sys.executable, str(WATCHER), "status", f"127.0.0.1:{one.port}"]
            status = subprocess.run(call, env=ENVIRONMENT, capture_output=True, text=True)
            assert "\n1 alerts wait to be sent, 0 given up\n" in status.stdout
            assert "webhook is down: the receiver can't be reached" in status.stderr
            with receiver(port) as got:
                until(lambda: got.messages)
                one.until(lambda: told_of(one) == ["down", "back"])
                time.sleep(3)
        finally:
            one.end()
    assert [c["wanted"] for c in got.contents] == ["red one"]
    assert is_signed(*got.messages[0], b"hook-word-71")
    assert "hook-word-71" not in one.output
    (alert,) = [e for e in one.events if e["event"] == "alert"]
    assert (alert["seen_at"], alert["id"]) == (got.contents[0]["time"], got.contents[0]["id"])
    assert all(isinstance(event["time"], float) for event in one.events)
    said = subprocess.run(
        [*RUN, "list"], env=ENVIRONMENT, cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    assert "red one: 4 pictures" in said
    assert "sent" in said
    subprocess.run([*RUN, "remove", "red one"], env=ENVIRONMENT, cwd=tmp_path, check=True)
    subprocess.run([*RUN, "remove", "nobody"], env=ENVIRONMENT, cwd=tmp_path, check=True)
    said = subprocess.run(
        [*RUN, "list"], env=ENVIRONMENT, cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    assert said.startswith("nobody is looked for\n")
    with Gallery.open(tmp_path / "nearfar.db", read_only=True) as gallery:
        assert gallery.watchlist.persons() == []
        assert gallery.check() == []
