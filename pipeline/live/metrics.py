"""The health of a watch as others read it: plain values, Prometheus' text, a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from .states import CameraHealth, CameraState
from .watching import WatchHealth

COLOURS = {
    CameraState.WAITING: "yellow",
    CameraState.CONNECTING: "cyan",
    CameraState.LIVE: "green",
    CameraState.ENDED: "dim",
}


def plain(health: WatchHealth) -> dict[str, Any]:
    """As values that JSON can hold."""
    info = health.gallery
    return {
        "alive": health.alive,
        "ready": health.ready,
        "rate": round(health.rate, 2),
        "trouble": health.trouble,
        "alerts": health.alerts,
        "held": health.held,
        "messages": asdict(health.messages),
        "gallery_id": health.gallery_id,
        "gallery": None
        if info is None
        else {
            "tracks": info.tracks,
            "observations": info.observations,
            "identities": info.identities,
            "bytes": info.database_bytes + info.crop_bytes,
        },
        "cameras": [
            {
                **asdict(c),
                "stale": c.stale,
                "age": _rounded(c.age),
                "delay": _rounded(c.delay),
                "delay_median": _rounded(c.delay_median),
            }
            for c in health.cameras
        ],
    }


_CAMERA: tuple[tuple[str, str, str, Callable[[CameraHealth], float | None]], ...] = (
    ("frames_total", "counter", "Frames that came.", lambda c: c.frames),
    ("processed_total", "counter", "Frames that went through the stages.", lambda c: c.processed),
    ("dropped_total", "counter", "Frames that came and were passed over.", lambda c: c.dropped),
    ("repeated_total", "counter", "Pictures exactly as the one before.", lambda c: c.repeated),
    ("lost_total", "counter", "Frames that did not decode.", lambda c: c.lost),
    ("reconnects_total", "counter", "Connections after the first.", lambda c: c.reconnects),
    ("bad_timestamps_total", "counter", "Timestamps that can't be right.", lambda c: c.bad_stamps),
    ("up", "gauge", "Whether the newest real frame is young enough.", lambda c: int(not c.stale)),
    ("frame_age_seconds", "gauge", "Age of the newest real frame.", lambda c: c.age),
    ("delay_seconds", "gauge", "From capture to stored, 95th percentile.", lambda c: c.delay),
)


def prometheus(health: WatchHealth) -> str:
    """In the text format 0.0.4 of Prometheus."""
    lines: list[str] = []
    for name, kind, text, value_of in _CAMERA:
        lines += _head(f"nearfar_camera_{name}", kind, text)
        for camera in health.cameras:
            value = value_of(camera)
            if value is not None:
                lines.append(f'nearfar_camera_{name}{{camera="{_escaped(camera.camera)}"}} {value}')
    lines += _head("nearfar_camera_state", "gauge", "1 for the state that the camera is in.")
    for camera in health.cameras:
        name = _escaped(camera.camera)
        lines += [
            f'nearfar_camera_state{{camera="{name}",state="{state}"}} {int(state is camera.state)}'
            for state in CameraState
        ]
    if any(camera.node for camera in health.cameras):
        lines += _head("nearfar_camera_node", "gauge", "1 for the node that watches the camera.")
    lines += [
        f'nearfar_camera_node{{camera="{_escaped(c.camera)}",node="{_escaped(c.node)}"}} 1'
        for c in health.cameras
        if c.node
    ]
    if health.messages.down:
        lines += _head("nearfar_receiver_down", "gauge", "1 for a receiver of alerts that is down.")
    lines += [f'nearfar_receiver_down{{receiver="{n}"}} 1' for n in health.messages.down]
    info = health.gallery
    room = None if info is None else info.database_bytes + info.crop_bytes
    single: Iterable[tuple[str, str, str, float | None]] = (
        ("inference_rate", "gauge", "Frames a second through the stages.", health.rate),
        ("alerts_total", "counter", "Alerts raised since the start.", health.alerts),
        ("alerts_waiting", "gauge", "Alerts still to be sent.", health.messages.waiting),
        ("alerts_given_up", "gauge", "Alerts sent in vain.", health.messages.given_up),
        ("held_tracks", "gauge", "Tracks in memory that new ones link to.", health.held),
        ("gallery_writable", "gauge", "Whether the last write went well.", int(not health.trouble)),
        ("gallery_identities", "gauge", "Identities.", None if info is None else info.identities),
        (
            "gallery_observations",
            "gauge",
            "Observations.",
            None if info is None else info.observations,
        ),
        ("gallery_bytes", "gauge", "Database and pictures.", room),
    )
    for name, kind, text, value in single:
        if value is not None:
            lines += [*_head(f"nearfar_{name}", kind, text), f"nearfar_{name} {value}"]
    return "\n".join(lines) + "\n"


def table(cameras: Sequence[dict[str, Any]]) -> Group:
    """A row a camera, of `plain`'s values, as wide as it has to be; reasons stand below, each
    behind its camera's name, since beside the figures a narrow terminal has no room for them."""
    heads = ["camera", "state", "frames", "processed", "dropped", "age", "delay", "reopened"]
    nodes = any(c["node"] for c in cameras)
    rows = [_row(c, nodes) for c in cameras]
    view = Table(box=None, pad_edge=False)
    for at, head in enumerate([*heads, "node"] if nodes else heads):
        width = max(cell_len(head), *map(len, CameraState)) if head == "state" else cell_len(head)
        width = max([width, *(row[at].cell_len for row in rows)])
        figures = heads.index("frames") <= at < len(heads)
        view.add_column(head, justify="right" if figures else "left", no_wrap=True, min_width=width)
    for row in rows:
        view.add_row(*row)
    reasons = [
        Text(f"{c['camera']}: {c['reason']}", style="dim", no_wrap=False, overflow="fold")
        for c in cameras
        if c["reason"]
    ]
    return Group(view, *reasons)


def _row(camera: dict[str, Any], node: bool) -> list[Text]:
    state, age, delay = CameraState(camera["state"]), camera["age"], camera["delay"]
    return [
        Text(camera["camera"]),
        Text(state, style=COLOURS.get(state, "red")),
        *(Text(str(camera[count])) for count in ("frames", "processed", "dropped")),
        Text("-" if age is None else f"{age:.1f} s"),
        Text("-" if delay is None else f"{delay:.2f} s"),
        Text(str(camera["reconnects"])),
        *([Text(camera["node"] or "-")] if node else []),
    ]


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
