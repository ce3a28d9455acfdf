"""How a live camera is doing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

STALE_SECONDS = 4.0
"""Age of the newest real frame from which a camera counts as stale."""


class CameraState(StrEnum):
    """Where a camera stands; docs/live.md says what to do about each."""

    WAITING = "waiting"
    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    WRONG_PASSWORD = "wrong password"
    WRONG_HOST = "wrong host"
    UNREACHABLE = "unreachable"
    SILENT = "silent"
    NO_STREAM = "no stream"
    BROKEN = "broken"
    ENDED = "ended"


@dataclass(frozen=True)
class CameraHealth:
    """A camera at one moment; counts are since it was added.

    Args:
        camera: its name. address: without secrets. state, reason: how it is, and why, in words.
        frames: that came. processed: that went through the stages. dropped: that came and were
            passed over, since the machine was busy. repeated: pictures exactly as the one before.
            lost: that did not decode. reconnects: connections after the first.
        age: of the newest real frame in seconds, None before the first.
        size: height and width in pixels. delay: seconds from capture to stored, the 95th
            percentile of the last frames; and their median.
        bad_stamps, clock_jumps: times at which the stream's timestamps or our clock were wrong.
        node: of the cluster that watches it, None without one.
    """

    camera: str
    address: str
    state: CameraState
    reason: str
    frames: int
    processed: int
    dropped: int
    repeated: int
    lost: int
    reconnects: int
    age: float | None
    size: tuple[int, int] | None
    delay: float | None
    delay_median: float | None
    bad_stamps: int
    clock_jumps: int
    node: str | None = None

    @property
    def stale(self) -> bool:
        """Whether there is no real frame that is young enough, whatever the reason."""
        return self.age is None or self.age >= STALE_SECONDS


@dataclass(frozen=True)
class StationHealth:
    """A station at one moment.

    Args:
        rate: frames a second that go through the stages. busy: when the worker last came round,
            seconds ago. trouble: why the gallery can't be written now.
    """

    cameras: tuple[CameraHealth, ...]
    rate: float
    busy: float
    trouble: str | None


def absent(camera: str, address: str, reason: str) -> CameraHealth:
    """A camera that nobody reads yet; `address` without secrets."""
    return CameraHealth(
        camera=camera,
        address=address,
        state=CameraState.WAITING,
        reason=reason,
        frames=0,
        processed=0,
        dropped=0,
        repeated=0,
        lost=0,
        reconnects=0,
        age=None,
        size=None,
        delay=None,
        delay_median=None,
        bad_stamps=0,
        clock_jumps=0,
    )
