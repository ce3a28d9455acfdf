"""Annotated videos: boxes and identities drawn into the frames, H.264 that a browser plays."""

from __future__ import annotations

import colorsys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from storage import BoxRow

from .files import replacing
from .frame import Frame


def colour(identity: int | None) -> tuple[int, int, int]:
    """A BGR colour that stays with an identity; grey for none."""
    if identity is None:
        return (128, 128, 128)
    r, g, b = colorsys.hsv_to_rgb((identity * 0.618034) % 1, 0.75, 0.95)
    return int(255 * b), int(255 * g), int(255 * r)


def draw(image: NDArray[np.uint8], rows: Sequence[BoxRow]) -> NDArray[np.uint8]:
    """A copy of `image` with boxes and identity numbers."""
    out = image.copy()
    for row in rows:
        x, y, w, h = (round(v) for v in row.box)
        cv2.rectangle(out, (x, y), (x + w, y + h), colour(row.identity), 2, cv2.LINE_AA)
        text = "?" if row.identity is None else str(row.identity)
        size = max(0.4, min(0.8, h / 200))
        (tw, th), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
        top = max(0, y - th - 6)
        cv2.rectangle(out, (x - 1, top), (x + tw + 5, top + th + 6), colour(row.identity), -1)
        cv2.putText(
            out,
            text,
            (x + 2, top + th + 2),
            cv2.FONT_HERSHEY_SIMPLEX,
            size,
            (255,) * 3,
            1,
            cv2.LINE_AA,
        )
    return out


def write_video(path: Path, frames: Iterator[Frame], rows: Sequence[BoxRow], fps: float) -> None:
    """Writes an MP4 of all `frames` with the boxes of `rows`; even sizes, as browsers want them."""
    by_frame: dict[int, list[BoxRow]] = defaultdict(list)
    for row in rows:
        by_frame[row.frame].append(row)
    options = {"movflags": "faststart"}
    with (
        replacing(path) as part,
        av.open(str(part), "w", format="mp4", options=options) as container,
    ):
        stream = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
                stream.height, stream.width = (v // 2 * 2 for v in frame.image.shape[:2])
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": "23", "preset": "veryfast"}
            image = draw(frame.image, by_frame[frame.index])[: stream.height, : stream.width]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            for packet in stream.encode(picture):
                container.mux(packet)
        if stream is not None:
            for packet in stream.encode():
                container.mux(packet)
