"""Takes the pictures of the console that the docs show, over what `make demo` left.

    python docs/screenshots.py [--demo demo] [--out docs/console]

Everything that changes the gallery is done to a copy. The cameras of the live page are the demo's
videos, one of them said to be down. Needs Chromium.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from console.models import WantedIn  # noqa: E402
from console.state import Console  # noqa: E402
from console.watching import look_for  # noqa: E402
from pipeline.frame import Frame  # noqa: E402
from pipeline.live.frames import Frames  # noqa: E402
from pipeline.live.server import HealthServer  # noqa: E402
from pipeline.live.states import CameraHealth, CameraState  # noqa: E402
from pipeline.live.watching import WatchHealth  # noqa: E402
from reid import Embedder  # noqa: E402
from storage import Gallery, StoredIdentity  # noqa: E402
from tests.console.serving import CHROMIUM, Served  # noqa: E402

WIDE, PHONE = (1200, 800), (390, 780)
QUALITY = 80


def take(page: Page, out: Path, name: str) -> None:
    """Keeps what the page shows."""
    page.wait_for_load_state("networkidle")
    image = Image.open(io.BytesIO(page.screenshot()))
    image.save(out / f"{name}.webp", quality=QUALITY, method=6)
    print(f"{name}.webp  {(out / f'{name}.webp').stat().st_size / 1000:.0f} kB")


@contextmanager
def opened(browser: Browser, size: tuple[int, int], scheme: str = "light") -> Iterator[Page]:
    """A page of a fresh browser."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    yield context.new_page()
    context.close()


def busiest(gallery: Gallery, session: int) -> int:
    """The frame of a session with the most people, identities first."""
    counts: dict[int, int] = {}
    for box in gallery.boxes(session):
        counts[box.frame] = counts.get(box.frame, 0) + (2 if box.identity else 1)
    return max(counts, key=lambda frame: (counts[frame], -frame))


@contextmanager
def watched(gallery: Gallery, scene: Path, down: str) -> Iterator[str]:
    """Where a watch of the demo's cameras seems to listen."""
    frames, health = Frames(), []
    frames.plain()
    for session in gallery.sessions():
        number = busiest(gallery, session.id)
        video = cv2.VideoCapture(str(scene / f"{session.camera}.mp4"))
        video.set(cv2.CAP_PROP_POS_FRAMES, number)
        _, image = video.read()
        video.release()
        boxes = [(b.track, b.box) for b in gallery.boxes(session.id) if b.frame == number]
        frames.put(Frame(session.camera, number, time.time(), image), boxes)
        camera = CameraHealth(
            *(session.camera, f"rtsp://10.0.0.5/{session.camera}", CameraState.LIVE, ""),
            *(900, 900, 0, 0, 0, 0, 0.2, image.shape[:2], 0.4, 0.3, 0, 0),
        )
        if session.camera == down:
            reason = "nobody answers at 10.0.0.5:554; next try in 12 s"
            camera = replace(camera, state=CameraState.UNREACHABLE, reason=reason, age=95.0)
        health.append(camera)
    server = HealthServer(
        "127.0.0.1:0",
        lambda: WatchHealth(tuple(health), 30.0, 0.1, None, 0, None, gallery.id),
        frames,
    )
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        server.close()


def seen_everywhere(gallery: Gallery) -> StoredIdentity:
    """A person of as many cameras as can be had, with pictures near and far."""
    return max(gallery.identities(), key=lambda one: (len(one.appearances), -one.id))


def picture_of(one: StoredIdentity, camera: str) -> int:
    """The number of the person's observation with a picture in a camera."""
    best = next(a.best for a in one.appearances if a.camera == camera)
    assert best is not None
    return best.id


def all_pages(gallery: Gallery, embedder: Embedder, scene: Path, out: Path) -> None:
    """Every page, one after the other."""
    console = Console(gallery, embedder)
    one = seen_everywhere(gallery)
    far = picture_of(one, "far")
    wanted = WantedIn(name="lost child", like=[far, picture_of(one, "near")])
    look_for(console, gallery, wanted, gallery.actor)
    track = gallery.browse.sighting(far)
    gallery.watchlist.raise_alert(
        "lost child", track.track, track.time, 9.4, 4.6, track.crop, send=False
    )
    with (
        sync_playwright() as tools,
        watched(gallery, scene, down="middle") as watch,
        Served(console, watch=watch) as url,
    ):
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with opened(browser, WIDE) as page:
            for name, path in (
                ("search", "/"),
                ("results", f"/search?like={far}&camera=near"),
                ("identities", "/identities"),
                ("identity", f"/identities/{one.id}"),
                ("review", "/review"),
                ("live", "/live"),
                ("watchlist", "/watchlist"),
                ("gallery", "/gallery"),
                ("api", "/api"),
                ("sign-in", "/sign-in"),
            ):
                page.goto(url + path)
                take(page, out, name)
            page.goto(url)
            page.set_input_files("#picture", frame_file(gallery, scene, out))
            page.wait_for_selector("rect[data-person]")
            take(page, out, "pick")
        with opened(browser, WIDE, "dark") as page:
            page.goto(f"{url}/live")
            take(page, out, "live-dark")
        for name, path in (("phone", f"/search?like={far}"), ("phone-review", "/review")):
            with opened(browser, PHONE, "dark") as page:
                page.goto(url + path)
                take(page, out, name)
        browser.close()


def frame_file(gallery: Gallery, scene: Path, out: Path) -> dict[str, object]:
    """A whole frame of the near camera with several people."""
    session = next(s for s in gallery.sessions() if s.camera == "near")
    video = cv2.VideoCapture(str(scene / "near.mp4"))
    video.set(cv2.CAP_PROP_POS_FRAMES, busiest(gallery, session.id))
    _, image = video.read()
    video.release()
    data = cv2.imencode(".png", image)[1].tobytes()
    return {"name": "frame.png", "mimeType": "image/png", "buffer": data}


def main() -> None:
    """Copies the demo's gallery and takes the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--demo", type=Path, default=Path("demo"), help="what make demo left")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "console")
    options = parser.parse_args()
    embedder = Embedder.load(device="cpu")
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(options.demo / "nearfar.crops", Path(folder) / "nearfar.crops")
        shutil.copy(options.demo / "nearfar.db", folder)
        with Gallery.open(Path(folder) / "nearfar.db", model=embedder.info, actor="ada") as gallery:
            all_pages(gallery, embedder, options.demo / "scene", options.out)


if __name__ == "__main__":
    main()
