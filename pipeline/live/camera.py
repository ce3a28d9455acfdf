"""A live camera: its decoder's process watched, ended and begun anew; its newest frame."""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread

import numpy as np

from ..frame import Frame
from .address import Address
from .ring import Ring, new_memory
from .states import STALE_SECONDS, CameraHealth, CameraState
from .timeline import Timeline

OPEN_SECONDS = 8.0
"""How long a camera may take until its first picture; a little more ends the process."""
READ_SECONDS = 5.0
"""How long a camera may be without any picture before it is opened anew."""
GRACE = 1.5
"""Seconds beyond its own time limit after which a decoder that hangs is ended."""
END_SECONDS = 2.0
"""How long to wait for the end of a process that was killed."""
HEALTHY = 10.0
"""Seconds of pictures after which pauses begin small again."""

DELAYS = 200
"""Frames over which the delay is told."""

Tell = Callable[[str, CameraState, str], None]
"""Told a camera's name, its new state and why."""

_ROOT = str(Path(__file__).resolve().parents[2])


class Pauses:
    """How long to wait before the next try: growing to a minute, each by chance a little off."""

    FIRST, GROWTH, MOST, JITTER = 0.5, 1.5, 60.0, 0.2

    def __init__(self, chance: random.Random | None = None) -> None:
        self._next, self._chance = self.FIRST, chance or random.Random()

    def __next__(self) -> float:
        pause, self._next = self._next, min(self.MOST, self._next * self.GROWTH)
        return min(self.MOST, pause * self._chance.uniform(1 - self.JITTER, 1 + self.JITTER))

    def reset(self) -> None:
        """Small pauses again."""
        self._next = self.FIRST


class Refused(Pauses):
    """After a wrong password: many cameras lock an account that is tried five times."""

    FIRST, GROWTH, MOST = 60.0, 2.0, 900.0


class LiveCamera:
    """Reads one camera until it is closed, whatever the camera does.

    Args:
        camera: its name. address: where it is. transport: of RTSP, ``tcp`` or ``udp``.
        fps: frames a second that are wanted at most; all if None.
        arrived: set whenever there is a new frame. tell: told each change of state.

    Attributes:
        processed: frames that went through the stages, counted by whoever takes them.
        epoch: of the frame last taken; it grows when the system's clock was set back, and times of
            one epoch are not to be compared with those of another.
        delays: seconds from capture to stored of the last frames, noted by whoever stores them.
    """

    def __init__(
        self,
        camera: str,
        address: Address,
        *,
        arrived: Event,
        tell: Tell,
        transport: str = "tcp",
        fps: float | None = None,
    ) -> None:
        self.camera, self.address = camera, address
        self.processed = 0
        self.delays: deque[float] = deque(maxlen=DELAYS)
        self._orders = {
            "kind": address.kind,
            "url": address.url,
            "transport": transport,
            "open_seconds": OPEN_SECONDS,
            "read_seconds": READ_SECONDS,
            "fps": fps,
        }
        self.epoch, self.closed = 0, False
        self._arrived, self._tell = arrived, tell
        self._lock, self._stop = Lock(), Event()
        self._state, self._reason = CameraState.CONNECTING, ""
        self._newest: tuple[int, int, int, int, int, float] | None = None
        self._taken = 0
        self._frames = self._repeated = self.lost = self._connections = 0
        self._seen_at: float | None = None
        self._began = 0.0
        self._size: tuple[int, int] | None = None
        self._timeline = Timeline()
        self._pauses, self._refused = Pauses(), Refused()
        self._memory = new_memory()
        self._ring = Ring(self._memory)
        self._thread = Thread(target=self._run, name=f"camera {camera}", daemon=True)
        self._thread.start()

    def take(self) -> Frame | None:
        """The newest frame, if it was not taken before; older ones are passed over."""
        while True:
            with self._lock:
                newest, self._newest = self._newest, None
                self._taken += newest is not None
            if newest is None:
                return None
            self.epoch, index, number, height, width, taken = newest
            image = self._ring.read(number, height, width)
            if image is not None:
                return Frame(self.camera, index, taken, image)
            with self._lock:
                self._taken -= 1

    @property
    def has_new(self) -> bool:
        """Whether there is a frame that was not taken."""
        return self._newest is not None

    def health(self) -> CameraHealth:
        """How it is now."""
        delays = list(self.delays)
        with self._lock:
            return CameraHealth(
                camera=self.camera,
                address=self.address.shown,
                state=self._state,
                reason=self._reason,
                frames=self._frames,
                processed=self.processed,
                dropped=self._frames - self._taken - (self._newest is not None),
                repeated=self._repeated,
                lost=self.lost,
                reconnects=max(0, self._connections - 1),
                age=None if self._seen_at is None else time.monotonic() - self._seen_at,
                size=self._size,
                delay=float(np.percentile(delays, 95)) if delays else None,
                delay_median=float(np.median(delays)) if delays else None,
                bad_stamps=self._timeline.jumps,
                clock_jumps=self._timeline.clock_jumps,
            )

    def stop(self) -> None:
        """Begins to end it; `close` waits."""
        self._stop.set()

    def close(self) -> None:
        """Ends the thread, the process and the memory; more than once does no harm."""
        self._stop.set()
        self._thread.join()
        with self._lock:
            if not self.closed:
                self.closed = True
                self._ring.close()
                os.close(self._memory)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                cause, words = self._connection()
            except Exception as error:  # no process, no memory: the next try may find some
                cause, words = CameraState.BROKEN, f"no decoder ({type(error).__name__})"
            if self._stop.is_set():
                return
            if cause is CameraState.ENDED:
                self._become(cause, words)
                return
            pause = next(self._refused if cause is CameraState.WRONG_PASSWORD else self._pauses)
            self._become(cause, f"{words}; next try in {pause:.0f} s" if pause >= 1 else words)
            self._stop.wait(pause)

    def _connection(self) -> tuple[CameraState, str]:
        """One process of the decoder, from its start to its end; what it ended of."""
        child = subprocess.Popen(
            [sys.executable, "-m", "pipeline.live.decoder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            pass_fds=(self._memory,),
            env={**os.environ, "PYTHONPATH": _path(), "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        assert child.stdin
        assert child.stdout
        orders = json.dumps({**self._orders, "memory": self._memory}) + "\n"
        try:
            os.write(child.stdin.fileno(), orders.encode())
            return self._listen(child.stdout.fileno())
        except BrokenPipeError:
            return CameraState.BROKEN, "the decoder ended at once"
        finally:
            child.kill()
            child.stdin.close()
            child.stdout.close()
            with suppress(subprocess.TimeoutExpired):  # one that the kernel holds is left behind
                child.wait(END_SECONDS)

    def _listen(self, pipe: int) -> tuple[CameraState, str]:
        """Follows what a decoder says until it ends, hangs or is no longer wanted."""
        with self._lock:
            self._connections += 1
            self._newest = None
            self._timeline.reconnect()
        started = heard = time.monotonic()
        first: float | None = None
        rest, said = b"", bytearray(1 << 16)
        while not self._stop.is_set():
            ready, _, _ = select.select([pipe], [], [], 0.2)
            now = time.monotonic()
            if ready:
                # os.read would leave a hole in memory for each message that is shorter than asked
                size = os.readv(pipe, [said])
                if not size:
                    return CameraState.BROKEN, "the decoder ended"
                *lines, rest = (rest + said[:size]).split(b"\n")
                for line in lines:
                    message = json.loads(line)
                    if message[0] == "end":
                        return CameraState(message[1]), self.address.masked(message[2])
                    if self._hear(message, now):
                        heard = now
                        first = first or now
            limit = (READ_SECONDS if first else 2 * OPEN_SECONDS) + GRACE
            if now - heard > limit:
                words = f"no picture for {now - heard:.0f} s"
                return (CameraState.BROKEN if first else CameraState.SILENT), words
            if first and now - first > HEALTHY:
                self._pauses.reset()
                self._refused.reset()
            self._look(now, first is not None, now - started)
        return CameraState.BROKEN, "stopped"

    def _hear(self, message: list, now: float) -> bool:
        """Takes in what a decoder said; whether it was a picture, be it a repeated one."""
        kind = message[0]
        with self._lock:
            if kind == "frame":
                _, number, height, width, arrival, stamp = message
                base = time.time() - time.monotonic()
                taken = self._timeline.time(arrival, stamp, base)
                epoch = self._timeline.epoch
                self._newest = (epoch, self._frames, number, height, width, taken)
                self._frames += 1
                self._seen_at = now
            elif kind == "same":
                self._repeated += 1
            elif kind == "lost":
                self.lost += 1
            elif kind == "open":
                self._size = (message[1], message[2])
        if kind == "frame":
            self._arrived.set()
        return kind in ("frame", "same")

    def _look(self, now: float, open_: bool, since: float) -> None:
        """Settles the state by the age of the newest real frame."""
        age = None if self._seen_at is None else now - self._seen_at
        if open_ and age is not None and age < STALE_SECONDS:
            self._become(CameraState.LIVE, "")
        elif open_:
            self._become(CameraState.STALE, f"no new picture for {STALE_SECONDS:g} s")
        elif self._state in (CameraState.LIVE, CameraState.STALE):
            self._become(CameraState.CONNECTING, "")

    def _become(self, state: CameraState, reason: str) -> None:
        with self._lock:
            changed = state is not self._state
            self._state, self._reason = state, reason
        if changed:
            self._tell(self.camera, state, reason)


def _path() -> str:
    """Where the decoder's process finds the package."""
    return os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
