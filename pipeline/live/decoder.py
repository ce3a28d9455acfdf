"""The child process of a camera: opens one stream, decodes, puts frames into shared memory.

It is a process of its own because a read that hangs can't be called off from inside. Orders come as
one JSON line on standard input, never as arguments, which anybody on the machine could read; what
happens goes as JSON lines to standard output:

``["open", height, width]``, ``["frame", number, height, width, arrival, stamp]`` (monotonic
seconds; seconds of the stream or null), ``["same"]`` (a picture exactly as the one before),
``["lost"]`` (one that did not decode), ``["end", cause, words]``.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from ..frame import upright
from .opening import Ended, Orders, explained, open_stream
from .ring import MOST_BYTES, Ring

UNSTAMPED = ("mpjpeg", "mjpeg", "h264", "hevc", "m4v", "image2pipe", "jpeg_pipe")
"""Formats that carry no timestamps; FFmpeg makes some up, by a rate that is not the camera's."""

MOST_BROKEN = 200
"""Packets in a row that may fail to decode before a stream counts as broken."""


def say(*message: Any) -> None:
    """One line to the parent; ends the process when there is nobody to tell."""
    try:
        os.write(1, json.dumps(message).encode() + b"\n")
    except BrokenPipeError:
        os._exit(1)


def main() -> None:
    """Follows the orders on standard input, until the stream ends or the parent does."""
    orders = Orders(**json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    av.logging.set_level(None)
    try:
        read(orders)
    except Ended as end:
        say("end", end.cause, end.words)
    except MemoryError:
        say("end", "broken", "no memory left to decode it")
    except Exception as error:
        say("end", "broken", f"the decoder failed ({type(error).__name__})")
    os._exit(0)  # closing a stream may hang as well as reading it


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def read(orders: Orders) -> None:
    """Reads a stream to its end.

    Raises:
        Ended: always.
    """
    ring = Ring(orders.memory)
    if orders.kind == "device":
        _from_device(orders, ring)
    container = open_stream(orders)
    try:
        _frames(container, orders, ring)
    except (av.FFmpegError, OSError) as error:
        raise explained(error, orders, 0.0, reading=True) from None


class Gate:
    """Lets the frames through that are wanted and new, into the ring."""

    def __init__(self, orders: Orders, ring: Ring) -> None:
        self._orders, self._ring = orders, ring
        self._number, self._due = 0, float("-inf")
        self._size: tuple[int, ...] = ()
        self._before = b""

    def take(
        self,
        picture: bytes,
        stamp: float | None,
        shape: Sequence[int],
        image: Callable[[], NDArray[np.uint8]],
    ) -> None:
        """Takes one frame.

        Args:
            picture: what tells it from another. stamp: its timestamp in seconds.
            shape: its height and width. image: ``uint8 (H, W, 3)`` BGR, made only if wanted.
        """
        arrival, fps = time.monotonic(), self._orders.fps
        if picture == self._before:
            return say("same")
        self._before = picture
        size = tuple(shape[:2])
        if size != self._size:
            if size[0] * size[1] * 3 > MOST_BYTES:
                raise Ended("no stream", f"pictures of {size[1]} x {size[0]} are too large")
            self._size = size
            say("open", *size)
        if fps is not None:
            if arrival < self._due - 0.25 / fps:
                return None
            self._due = (self._due if arrival - self._due < 1 / fps else arrival) + 1 / fps
        self._ring.write(self._number, image())
        say("frame", self._number, *size, arrival, stamp)
        self._number += 1


def _frames(container: av.container.InputContainer, orders: Orders, ring: Ring) -> None:
    """Takes the frames of an open stream; those of a file as they would come from a camera."""
    stream, colours = one_thread(container), VideoReformatter()
    gate = Gate(orders, ring)
    stamped = orders.kind == "file" or container.format.name not in UNSTAMPED
    began: tuple[float, float] | None = None
    heard: float | None = None
    for frame in _decoded(container, stream):
        now = time.monotonic()
        waited, heard = now - (heard or now), now
        if waited > orders.read_seconds - 0.5 and orders.kind != "file":  # FFmpeg gave up
            raise Ended("broken", f"no picture for {waited:.0f} s")
        if frame is None or frame.is_corrupt:
            say("lost")
            continue
        stamp = None if frame.time is None or not stamped else float(frame.time)
        if orders.kind == "file" and stamp is not None:
            began = began or (now, stamp)
            time.sleep(max(0.0, began[0] + stamp - began[1] - now))
        lies = round(frame.rotation / 90) % 2
        shape = (frame.width, frame.height) if lies else (frame.height, frame.width)
        gate.take(luma(frame), stamp, shape, partial(as_bgr, frame, colours))
    if orders.kind == "file":
        raise Ended("ended", "the file was played to its end")
    raise Ended("broken", "the camera ended the stream")


def one_thread(container: av.container.InputContainer) -> av.VideoStream:
    """The video of an open stream, set to be decoded without frames ahead."""
    stream = container.streams.video[0]
    stream.thread_type = "SLICE"
    stream.codec_context.thread_count = 1
    stream.codec_context.flags |= av.codec.context.Flags.low_delay
    return stream


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.VideoFrame | None]:
    """Frames as they come; None for a packet that does not decode."""
    broken = 0
    for packet in container.demux(stream):
        try:
            for frame in packet.decode():
                broken = 0
                yield frame
        except av.FFmpegError:
            broken += 1
            if broken > MOST_BROKEN:
                raise Ended("broken", "nothing of the stream can be decoded") from None
            yield None


def as_bgr(frame: av.VideoFrame, colours: VideoReformatter) -> NDArray[np.uint8]:
    """A picture as it is to be shown, ``uint8 (H, W, 3)``, by what is kept from one to the next."""
    image = colours.reformat(frame, format="bgr24", threads=1).to_ndarray()
    return upright(np.asarray(image, np.uint8), frame.rotation)


def luma(frame: av.VideoFrame) -> bytes:
    """The brightness of a picture (or its first plane), by which it is told from another."""
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width].tobytes()


def _from_device(orders: Orders, ring: Ring) -> None:
    """Reads a device of this machine, which FFmpeg as PyAV brings it can't open."""
    import cv2

    capture = cv2.VideoCapture(orders.url, cv2.CAP_V4L2)
    if not capture.isOpened():
        raise Ended("no stream", "no such device, or it is in use")
    gate = Gate(orders, ring)
    while True:
        found, image = capture.read()
        if not found:
            raise Ended("broken", "the device gives no more pictures")
        picture = np.asarray(image, np.uint8)
        gate.take(picture.tobytes(), None, picture.shape, picture.copy)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
