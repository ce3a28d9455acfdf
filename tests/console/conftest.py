"""A small gallery of rendered people behind a console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, sync_playwright

from console import create_app
from console.state import Console
from pipeline import Detector
from pipeline.crops import encode
from reid import Embedder
from samples import person_crops
from storage import Gallery, ObservationRow, TrackUpdate

from .serving import CHROMIUM

CAMERAS = {"near": 256, "far": 40}
PEOPLE, VIEWS = 5, 4
OWN = {"X-Nearfar": "1"}


class Blocks:
    """A detector for frames that are made of crops on a green ground."""

    def find(self, images: list[np.ndarray], sizes: list[int]) -> list[np.ndarray]:
        return [self._find(image) for image in images]

    def _find(self, image: np.ndarray) -> np.ndarray:
        other = (np.abs(image.astype(int) - (0, 255, 0)).sum(2) > 60).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(other)
        rows = [(x, y, x + w, y + h, 0.9) for x, y, w, h, area in stats[1:] if area > 400]
        return np.array(rows, np.float32).reshape(-1, 5)


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    return Embedder.load(device="cpu")


@pytest.fixture(scope="session")
def crops() -> dict[tuple[int, int], np.ndarray]:
    """Pictures of rendered people by person and view."""
    return {(who - 1, view): c for who, view, c in person_crops(5, PEOPLE, VIEWS)}


@pytest.fixture
def gallery(
    tmp_path: Path, embedder: Embedder, crops: dict[tuple[int, int], np.ndarray]
) -> Iterator[Gallery]:
    """Each person has a track on each camera, small in `far`; person i is identity i + 1."""
    with Gallery.open(tmp_path / "g.db", model=embedder.info, create=True) as opened:
        for place, (camera, height) in enumerate(CAMERAS.items()):
            session = opened.begin_session(camera, f"{camera}.mp4", camera, 1e9, 10.0)
            updates = []
            for who in range(PEOPLE):
                rows = []
                for view in (0, 1):
                    image = crops[who, 2 * place + view]
                    image = cv2.resize(image, (height // 2, height), interpolation=cv2.INTER_AREA)
                    found = embedder.embed([image], [float(height)])
                    rows.append(
                        ObservationRow(
                            frame=view,
                            time=1e9 + 60 * place + view,
                            box=(10.0, 10.0, height / 2, float(height)),
                            score=0.9,
                            level=int(found.levels[0]),
                            quality=0.9,
                            vector=found.vectors[0],
                            crop=encode(image),
                        )
                    )
                updates.append(TrackUpdate(who + 1, rows))
            opened.append(session.id, 2, 0, updates, "done")
        tracks = opened.tracks(looks=0)
        opened.save_identities(
            {t.id: t.number for t in tracks}, {t.id: float(t.id) for t in tracks}
        )
        yield opened


Make = Callable[..., TestClient]


@pytest.fixture
def make(gallery: Gallery, embedder: Embedder) -> Make:
    """A client of a console over the gallery."""

    def made(*, sign_in: bool = False) -> TestClient:
        console = Console(gallery, embedder, Detector(Blocks()))
        app = create_app(console, sign_in=sign_in)
        return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)

    return made


@pytest.fixture
def client(make: Make) -> TestClient:
    """Nobody signs in."""
    return make()


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def frame_of(*crops: np.ndarray) -> np.ndarray:
    """A wide frame with people on a green ground, from left to right."""
    frame = np.zeros((320, 260 * len(crops) + 200, 3), np.uint8)
    frame[:] = (0, 255, 0)
    for i, crop in enumerate(crops):
        frame[30 : 30 + len(crop), 60 + 260 * i : 60 + 260 * i + crop.shape[1]] = crop
    return frame


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as tools:
        chromium = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page; what the browser complains about fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 850})
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    yield opened
    context.close()
    assert said == []
