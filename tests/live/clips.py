"""Clips for the RTSP server: pictures as H.264 access units."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def access_units(images: Iterable[np.ndarray], fps: int) -> list[bytes]:
    """H.264 with a key frame a second, parameters in band, no frames out of order.

    Args:
        images: ``uint8 (H, W, 3)`` BGR, of even height and width.
    """
    encoder: av.VideoCodecContext | None = None
    units: list[bytes] = []
    for index, image in enumerate(images):
        if encoder is None:
            encoder = av.CodecContext.create("libx264", "w")
            encoder.height, encoder.width = image.shape[:2]
            encoder.pix_fmt = "yuv420p"
            encoder.time_base = Fraction(1, fps)
            encoder.framerate = Fraction(fps)
            encoder.options = {
                "preset": "veryfast",
                "tune": "zerolatency",
                "threads": "1",
                "crf": "20",
                "x264-params": f"keyint={fps}:min-keyint={fps}:scenecut=0",
            }
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        frame.pts, frame.time_base = index, Fraction(1, fps)
        units += [bytes(packet) for packet in encoder.encode(frame)]
    assert encoder is not None
    return units + [bytes(packet) for packet in encoder.encode(None)]


def transport_stream(images: Iterable[np.ndarray], fps: int, start: float) -> list[bytes]:
    """An MPEG transport stream, a part for each picture; its timestamps begin at `start` s."""
    whole, parts, at = io.BytesIO(), [], 0
    options = {"flush_packets": "1", "muxdelay": "0"}
    with av.open(whole, "w", format="mpegts", options=options) as container:
        stream = container.add_stream("h264", rate=fps)
        for index, unit in enumerate(access_units(images, fps)):
            if index == 0:
                stream.height, stream.width = 240, 320
            packet = av.Packet(unit)
            packet.stream, packet.time_base = stream, Fraction(1, fps)
            packet.pts = packet.dts = round(start * fps) + index
            container.mux(packet)
            parts.append(whole.getvalue()[at:])
            at = len(whole.getvalue())
    return parts


def write_units(path: Path, units: Sequence[bytes]) -> Path:
    """A file that the server plays."""
    path.write_bytes(b"".join(struct.pack(">I", len(unit)) + unit for unit in units))
    return path
