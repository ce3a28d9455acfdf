"""What it takes to decode a live camera: PyAV, as `nearfar watch` does, beside OpenCV.

    python benchmarks/decoding.py [--seconds 20] [--rounds 2]

The rendered scene is played by GStreamer's RTSP server (see `.ci/run`) at 10 frames a second, H.264
over TCP, in 640 x 480 and 1920 x 1080. Each reader is a process of its own, one after the other,
round by round: PyAV with one thread; OpenCV as it comes and with one thread. Told are the
milliseconds of processor time a frame, from the first frame to the last, with the picture as BGR;
and the delay in milliseconds from the moment that the server has the frame until the reader has the
picture. Both get a frame no sooner than the next one begins, 100 ms later: FFmpeg waits for that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Event, Thread

import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from pipeline.live.decoder import as_bgr, one_thread  # noqa: E402
from pipeline.live.opening import Orders, open_stream  # noqa: E402
from samples import Scene  # noqa: E402
from tests.live.clips import access_units, write_units  # noqa: E402
from tests.live.places import rtsp_server  # noqa: E402

FPS, FRAMES = 10, 150
SIZES = ((480, 640), (1080, 1920))
BITS, SIDE = 8, 16
"""A frame bears its number in its corner: squares of so many pixels, dark or bright."""
READERS = ("pyav", "opencv", "opencv-1")


def numbered(image: np.ndarray, number: int) -> np.ndarray:
    """A picture with its number in its corner."""
    for bit in range(BITS):
        image[:SIDE, bit * SIDE : (bit + 1) * SIDE] = 255 * (number >> bit & 1)
    return image


def number_of(image: np.ndarray) -> int:
    """The number in a picture's corner."""
    middles = image[SIDE // 2, SIDE // 2 : BITS * SIDE : SIDE].mean(axis=1)
    return sum(int(value > 127) << bit for bit, value in enumerate(middles))


def pictures(reader: str, url: str) -> Iterator[np.ndarray]:
    """A camera's pictures, BGR, as they come."""
    if reader == "pyav":
        container = open_stream(orders(url))
        stream, colours = one_thread(container), VideoReformatter()
        for frame in container.decode(stream):
            yield as_bgr(frame, colours)
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp|fflags;nobuffer"
    options = [cv2.CAP_PROP_N_THREADS, 1] if reader == "opencv-1" else []
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, options)
    while True:
        found, image = capture.read()
        if not found:
            raise SystemExit("the stream ended")
        yield image


def read(reader: str, url: str, seconds: float) -> None:
    """Reads for a while, as a program of its own; prints what it took."""
    seen: list[tuple[int, float]] = []
    for image in pictures(reader, url):
        if not seen:
            began, used = time.monotonic(), time.process_time()
        seen.append((number_of(image), time.monotonic()))
        if seen[-1][1] - began > seconds:
            break
    took = time.process_time() - used
    print(json.dumps({"seen": seen, "cpu": took / (len(seen) - 1)}))


@contextmanager
def kept_playing(url: str) -> Iterator[None]:
    """Has the clip go on from one reader to the next."""
    container, over = open_stream(orders(url)), Event()

    def drain() -> None:
        for _ in container.demux(video=0):
            if over.is_set():
                return

    thread = Thread(target=drain)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        container.close()


def orders(url: str) -> Orders:
    return Orders("rtsp", url, "tcp", 8.0, 5.0, None, -1)


def measure(
    reader: str, url: str, began: float, length: float, seconds: float
) -> tuple[float, float, float]:
    """Milliseconds of processor time a frame; delay, median and 95th percentile. The clip began at
    a time on the monotonic clock, and is so many seconds long."""
    call = [sys.executable, __file__, "--read", reader, url, "--seconds", str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    out = subprocess.run(call, env=environment, check=True, capture_output=True, text=True).stdout
    facts = json.loads(out.splitlines()[-1])
    late = [(at - began - number / FPS) % length for number, at in facts["seen"][FPS:]]
    return 1000 * facts["cpu"], *(1000 * np.percentile(late, (50, 95))).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--read", nargs=2, metavar=("READER", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read(*options.read, options.seconds)
        return
    scene = Scene(cameras=1)
    frames = [image for image, _ in islice(scene.frames(scene.cameras[0]), FRAMES)]
    with tempfile.TemporaryDirectory() as folder:
        for height, width in SIZES:
            images = (
                numbered(cv2.resize(image, (width, height)), number)
                for number, image in enumerate(frames)
            )
            clip = write_units(Path(folder) / "clip", access_units(images, FPS))
            with rtsp_server(FPS, {"clip": clip}) as server:
                url = server.url("clip")
                with kept_playing(url):
                    began = server.began()
                    rows = [
                        (reader, measure(reader, url, began, len(frames) / FPS, options.seconds))
                        for _ in range(options.rounds)
                        for reader in READERS
                    ]
            for reader in READERS:
                own = np.array([row for name, row in rows if name == reader])
                cpu, median, late = own.mean(axis=0)
                print(
                    f"{width} x {height} {reader:9} {cpu:5.2f} ms a frame, "
                    f"delay {median:4.0f} ms, 95 % {late:4.0f} ms"
                )


if __name__ == "__main__":
    main()
