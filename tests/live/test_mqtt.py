"""Alerts by MQTT: kept while the broker is down, as those to a webhook; no password shown."""

from __future__ import annotations

import base64
import builtins
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pipeline.errors import CallError, SiteError, SourceError
from pipeline.live.broker import Broker
from pipeline.live.outbox import Outbox, message
from pipeline.live.webhook import Hook
from pipeline.site import Alerts, Mqtt, read_site
from storage import Alert, Gallery

from ..storage.conftest import a_model
from .brokers import PASSWORD, USER, broker
from .brokers import Broker as Place
from .conftest import FPS
from .places import PAGE, free_port, rtsp_server, tcp_place
from .receiver import receiver
from .test_alerts import Scene, a_wanted_one, gallery, until
from .watches import WatchProgram

__all__ = ["gallery"]

MODEL = a_model()
SITE = {"mqtt": {"url": "mqtt://x"}}


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with broker(tmp_path_factory.mktemp("broker")) as one:
        yield one


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER", PASSWORD)
    monkeypatch.setenv("WRONG", PASSWORD + "!")


def to(port: int, user: str = f"{USER}:${{BROKER}}@", topic: str = "nearfar/alerts") -> Broker:
    return Broker.of(Mqtt(url=f"mqtt://{user}127.0.0.1:{port}", topic=topic), Path())


@contextmanager
def subscriber(port: int) -> Iterator[SimpleQueue[Any]]:
    """What comes for a client that the broker knows from one connection to the next."""
    got: SimpleQueue[Any] = SimpleQueue()
    ready: SimpleQueue[int] = SimpleQueue()
    client = Client(CallbackAPIVersion.VERSION2, client_id="reader", protocol=MQTTv5)
    client.username_pw_set(USER, PASSWORD)
    client.on_message = lambda _, __, came: got.put(came)
    client.on_subscribe = lambda *a: ready.put(1)
    kept = Properties(PacketTypes.CONNECT)
    kept.SessionExpiryInterval = 600
    client.connect("127.0.0.1", port, clean_start=False, properties=kept)
    client.subscribe("nearfar/#", qos=1)
    client.loop_start()
    try:
        ready.get(timeout=10)
        yield got
    finally:
        client.disconnect()
        client.loop_stop()


def an_alert(gallery: Gallery) -> Alert:
    scene = Scene(gallery, Alerts.model_validate(SITE))
    scene.pass_by(0, "gate", time.time())
    (alert,) = scene.raised
    return alert


def test_alerts_arrive_when_the_broker_is_back(gallery: Gallery, place: Place, words: None) -> None:
    place.start()
    with subscriber(place.port):
        pass
    place.stop()
    alert = an_alert(gallery)
    assert alert.state == "waiting"
    told: list[dict[str, Any]] = []
    outbox = Outbox(gallery, [to(place.port)], told.append)
    try:
        until(lambda: gallery.watchlist.alerts()[0].attempts >= 2)
        (waiting,) = gallery.watchlist.alerts()
        assert waiting.state == "waiting"
        assert waiting.trouble == "the broker can't be reached (Connection refused)"
        place.start()
        until(lambda: gallery.watchlist.alerts()[0].state == "sent")
    finally:
        outbox.close()
    assert [(e["receiver"], e["state"]) for e in told] == [("broker", "down"), ("broker", "back")]
    with subscriber(place.port) as got:
        came = got.get(timeout=10)
        with pytest.raises(Empty):
            got.get(timeout=0.5)
    content = json.loads(came.payload)
    assert (came.topic, came.qos, came.retain) == ("nearfar/alerts", 1, False)
    assert (content["wanted"], content["camera"], content["id"]) == ("Anna", "gate", alert.id)
    assert base64.b64decode(content["picture"]) == gallery.crop(alert.crop or "")


def test_one_that_is_down_keeps_nothing_from_the_other(
    gallery: Gallery, place: Place, words: None
) -> None:
    """A webhook and a broker get each alert once, whichever of them is down."""
    an_alert(gallery)
    with receiver() as got:
        hook = Hook(f"http://127.0.0.1:{got.port}/", None)
        outbox = Outbox(gallery, [hook, to(place.port)], print)
        try:
            until(lambda: got.messages)
            until(lambda: gallery.watchlist.alerts()[0].attempts >= 2)
            assert list(outbox.messages.down) == ["broker"]
            place.start()
            until(lambda: gallery.watchlist.alerts()[0].state == "sent")
        finally:
            outbox.close()
        assert len(got.messages) == 1


def test_what_keeps_a_message_from_a_broker(gallery: Gallery, place: Place, words: None) -> None:
    place.start()
    alert = an_alert(gallery)
    body = message(alert, None)
    wrong = to(place.port, f"{USER}:${{WRONG}}@")
    with tcp_place(None) as silent, tcp_place(PAGE) as page:
        cases: list[tuple[Broker, Callable[[str], bool]]] = [
            (wrong, lambda said: said == "the broker refuses (not authorized)"),
            (to(place.port, ""), lambda said: said == "the broker refuses (not authorized)"),
            (to(place.port, topic="other"), lambda s: s == "the broker refuses (not authorized)"),
            (to(free_port()), lambda said: "Connection refused" in said),
            (to(silent), lambda said: said == "the broker does not answer within 5 s"),
            (to(page), lambda said: said.startswith("the broker ")),
        ]
        for one, expected in cases:
            said = one.send(alert, body)
            assert said is not None
            assert expected(said), said
            for secret in (PASSWORD, "b%2Fro"):
                assert secret not in said + repr(one)
    assert to(place.port).send(alert, body) is None


def test_addresses_of_brokers(tmp_path: Path, words: None, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site.yaml"
    for url in ("http://a:word-71@h", "mqtt://", "mqtt://h:99999999", "nothing"):
        monkeypatch.setenv("WHOLE", url)
        with pytest.raises(SourceError, match="is no broker") as caught:
            Broker.of(Mqtt(url="${WHOLE}"), tmp_path)
        site.write_text(f"alerts: {{mqtt: {{url: '{url}'}}}}\n")
        with pytest.raises(SiteError, match=r"alerts\.mqtt\.url: write mqtt") as wrong:
            read_site(site)
        assert "word-71" not in f"{caught.value} {wrong.value}"
    with pytest.raises(SourceError, match="no variable NOT_SET"):
        Broker.of(Mqtt(url="mqtt://u:${NOT_SET}@h"), tmp_path)
    site.write_text("alerts: {mqtt: {url: 'mqtt://h', topic: 'all/#'}}\n")
    with pytest.raises(SiteError, match=r"line 1.*topic"):
        read_site(site)

    load = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("paho"):
            raise ImportError(name)
        return load(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CallError, match="pip install"):
        Broker.of(Mqtt(url="mqtt://h"), tmp_path)


def test_a_watch_with_a_broker(tmp_path: Path, place: Place) -> None:
    place.start()
    with subscriber(place.port) as got, rtsp_server(FPS, {"gate": a_wanted_one(tmp_path)}) as gate:
        site = tmp_path / "site.yaml"
        site.write_text(
            f"cameras: {{gate: {{source: '{gate.url('gate')}'}}}}\n"
            "alerts:\n  false_alarms_per_day: 20\n"
            f"  mqtt: {{url: 'mqtt://{USER}:${{BROKER}}@127.0.0.1:{place.port}', "
            "topic: nearfar/plaza}\n"
        )
        one = WatchProgram(site, environment={"BROKER": PASSWORD})
        try:
            came = got.get(timeout=40)
            with Gallery.open(tmp_path / "nearfar.db", read_only=True) as gallery:
                until(lambda: gallery.watchlist.alerts()[0].state == "sent")
            everything = one.get("/status")[1] + one.get("/metrics")[1]
        finally:
            one.end()
    assert came.topic == "nearfar/plaza"
    assert json.loads(came.payload)["wanted"] == "red one"
    for word in (PASSWORD, "b%2Fro"):
        assert word not in everything + one.output
        for part in tmp_path.rglob("*"):
            assert not part.is_file() or word.encode() not in part.read_bytes()
