"""How long the console takes from a picture to the finished page, with several people at once.

    python benchmarks/console.py [--rows 1000000] [--people 5] [--searches 11] [--json]

A gallery of random observations in clusters, those of `benchmarks/gallery.py`, with persons of
three tracks each and a picture for one observation a track; `nearfar serve` runs over it as a
program of its own, beside what looks like a watch of eight cameras. Each of the people sends a
rendered picture, waits for the page and for its pictures, and sends the next; all together fewer
than the 60 pictures that one user may send in a minute. Times are from the first byte sent to the
last received, in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import cv2
import httpx2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from benchmarks.gallery_rows import PER_TRACK, Kind, vectors_of  # noqa: E402
from pipeline.crops import encode  # noqa: E402
from pipeline.frame import Frame  # noqa: E402
from pipeline.live.frames import Frames  # noqa: E402
from pipeline.live.server import HealthServer  # noqa: E402
from pipeline.live.states import CameraHealth, CameraState  # noqa: E402
from pipeline.live.watching import WatchHealth  # noqa: E402
from reid import Embedder, ModelInfo  # noqa: E402
from samples import person_crops  # noqa: E402
from storage import Gallery, ObservationRow, TrackUpdate  # noqa: E402

PER_APPEND = 4000
TRACKS_A_PERSON = 3
CAMERAS = 8
LIVE_SECONDS = 10.0
SERVE = "from pipeline.cli import main; main()"


def fill(place: Path, model: ModelInfo, rows: int, pictures: list[bytes]) -> None:
    """Stores the observations, on eight cameras, and groups their tracks into persons."""
    with Gallery.open(place, model=model, create=True) as gallery:
        for camera in range(CAMERAS):
            first, last = rows * camera // CAMERAS, rows * (camera + 1) // CAMERAS
            name = f"camera{camera}"
            session = gallery.begin_session(name, name, name, 0.0, 10.0)
            for start in range(first, last, PER_APPEND):
                n = min(PER_APPEND, last - start)
                vectors, levels = vectors_of(start, n, Kind(model.sizes))
                updates: dict[int, list[ObservationRow]] = {}
                for i in range(n):
                    at = start - first + i
                    updates.setdefault(1 + at // PER_TRACK, []).append(
                        ObservationRow(
                            frame=at,
                            time=at / 10,
                            box=(0.0, 0.0, 40.0, 100.0),
                            score=0.9,
                            level=int(levels[i]),
                            quality=0.5,
                            vector=vectors[i],
                            crop=pictures[at // PER_TRACK % len(pictures)]
                            if at % PER_TRACK == 0
                            else None,
                        )
                    )
                tracks = [TrackUpdate(k, v) for k, v in updates.items()]
                gallery.append(session.id, start - first + n, 0, tracks)
        ids = [t.id for t in gallery.tracks(looks=0)]
        persons = max(1, len(ids) // TRACKS_A_PERSON)
        gallery.save_identities({track: i % persons for i, track in enumerate(ids)}, {})


def one_user(address: str, pictures: list[bytes], searches: int, spent: list[float]) -> None:
    """Sends picture after picture and waits for each page with all that is on it."""
    with httpx2.Client(base_url=address, follow_redirects=True, timeout=120) as client:
        for i in range(searches):
            began = perf_counter()
            page = client.post(
                "/search",
                files={"picture": pictures[i % len(pictures)]},
                headers={"X-Nearfar": "1"},
            )
            page.raise_for_status()
            for image in set(re.findall(r'src="(/api/v1/[^"]+)"', page.text)):
                client.get(image).raise_for_status()
            spent.append(perf_counter() - began)


@contextmanager
def watched(written: str) -> Iterator[str]:
    """Where a watch of a gallery seems to listen; its cameras have new frames of ten people."""
    frames = Frames()
    rng = np.random.default_rng(1)
    image = cv2.resize(rng.integers(0, 255, (45, 80, 3), np.uint8), (1280, 720))
    names = [f"camera{i}" for i in range(CAMERAS)]
    health = WatchHealth(
        tuple(
            CameraHealth(
                *(name, f"rtsp://{name}", CameraState.LIVE, ""),
                *(900, 900, 0, 0, 0, 0, 0.2, (720, 1280), 0.4, 0.3, 0, 0),
            )
            for name in names
        ),
        80.0,
        0.1,
        None,
        0,
        None,
        written,
    )
    server = HealthServer("127.0.0.1:0", lambda: health, frames)
    over = threading.Event()

    def film() -> None:
        while not over.wait(0.1):
            boxes = [(i, (100.0 * i, 200.0, 80.0, 240.0)) for i in range(1, 11)]
            for name in names:
                frames.put(Frame(name, 0, time.time(), image), boxes)

    camera = threading.Thread(target=film)
    camera.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        over.set()
        camera.join()
        server.close()


def live_share(address: str, process: int) -> tuple[float, int]:
    """Of one core, what the console uses while somebody looks at the live page as a browser does,
    with all pictures; and the pictures that were shown."""
    seen = 0
    with (
        httpx2.Client(base_url=address, timeout=LIVE_SECONDS) as client,
        client.stream("GET", "/api/v1/live/events", timeout=LIVE_SECONDS) as events,
    ):
        lines = events.iter_lines()
        while '"picture"' not in next(lines):
            pass
        before, began = _cpu_seconds(process), perf_counter()
        while perf_counter() - began < LIVE_SECONDS:
            line = next(lines)
            if '"picture"' in line:
                for frame in json.loads(line.removeprefix("data: ")).values():
                    seen += client.get(frame["picture"]).status_code == 200
        return (_cpu_seconds(process) - before) / (perf_counter() - began), seen


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(rows: int, people: int, searches: int) -> dict[str, float]:
    """Fills a gallery, serves it and asks."""
    crops = [c for _, _, c in person_crops(3, 4, 2)]
    asked = [cv2.imencode(".png", c)[1].tobytes() for c in crops]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "gallery.db"
        fill(place, Embedder.load(device="cpu").info, rows, [encode(c) for c in crops])
        with Gallery.open(place) as gallery:
            written = gallery.id
        command = [sys.executable, "-u", "-c", SERVE, "serve", "--gallery", str(place)]
        command += ["--port", "0"]
        with (
            watched(written) as watch,
            subprocess.Popen(
                [*command, "--watch", watch], stdout=subprocess.PIPE, text=True, cwd=ROOT
            ) as console,
        ):
            try:
                assert console.stdout is not None
                address = console.stdout.readline().split()[2]
                first: list[float] = []
                one_user(address, asked, 1, first)
                spent: list[float] = []
                users = [
                    threading.Thread(target=one_user, args=(address, asked[u:], searches, spent))
                    for u in range(people)
                ]
                for user in users:
                    user.start()
                for user in users:
                    user.join()
                live, pictures = live_share(address, console.pid)
            finally:
                console.terminate()
    if len(spent) < people * searches:
        raise SystemExit(f"{people * searches - len(spent)} searches failed: see above")
    return {
        "rows": rows,
        "people": people,
        "first": first[0],
        "p50": float(np.percentile(spent, 50)),
        "p95": float(np.percentile(spent, 95)),
        "searches": len(spent),
        "live": live,
        "pictures": pictures,
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=5, help="who search at once, 1 to 8")
    parser.add_argument("--searches", type=int, default=11, help="of each")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.rows, options.people, options.searches)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(
        f"{found['rows']:,} observations, {found['people']} people at once, {found['searches']} "
        f"searches: median {found['p50']:.2f} s, 95th percentile {found['p95']:.2f} s; the very "
        f"first, while the gallery is read into memory, {found['first']:.2f} s; the live page of "
        f"{CAMERAS} cameras takes {100 * found['live']:.1f} % of a core, with "
        f"{found['pictures'] / LIVE_SECONDS:.1f} pictures a second"
    )


if __name__ == "__main__":
    main()
