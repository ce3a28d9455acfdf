"""A small model, random observations, a gallery on a temporary path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from reid import Calibration, LevelSet, ModelInfo
from storage import Gallery, ObservationRow, StoredTrack

from .places import KINDS, Place, new_place

SIZES = (4, 6, 8)


def a_model(fingerprint: str = "0123456789abcdef") -> ModelInfo:
    m = len(SIZES)
    intercept = np.linspace(2, 5, m * m, dtype=np.float32).reshape(m, m)
    slope = -np.linspace(3, 6, m * m, dtype=np.float32).reshape(m, m)
    return ModelInfo(
        name="toy",
        fingerprint=fingerprint,
        levels=LevelSet((32, 64, 128)),
        sizes=SIZES,
        input_size=(32, 16),
        calibration=Calibration((intercept + intercept.T) / 2, (slope + slope.T) / 2),
    )


def of_session(gallery: Gallery, session: int) -> list[StoredTrack]:
    """The tracks of one session, by id."""
    return [track for track in gallery.tracks() if track.session == session]


def a_vector(rng: np.random.Generator, level: int) -> np.ndarray:
    vector = np.zeros(sum(SIZES), np.float32)
    length = sum(SIZES[:level])
    vector[:length] = rng.normal(size=length)
    return vector


def a_jpeg(rng: np.random.Generator) -> bytes:
    image = rng.integers(0, 255, (8, 4, 3), np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def a_row(rng: np.random.Generator, frame: int, *, crop: bool = False) -> ObservationRow:
    level = int(rng.integers(1, len(SIZES) + 1))
    height = float(rng.uniform(20, 300))
    return ObservationRow(
        frame=frame,
        time=1000 + frame / 10,
        box=(float(rng.uniform(0, 100)), 5.0, height / 2, height),
        score=float(rng.uniform(0.3, 1)),
        level=level,
        quality=float(rng.uniform(0.1, 1)),
        vector=a_vector(rng, level),
        crop=a_jpeg(rng) if crop else None,
    )


@pytest.fixture
def model() -> ModelInfo:
    return a_model()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "nearfar.db"


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A path, then a URL of PostgreSQL, of no gallery yet."""
    with new_place(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def gallery(place: Place, model: ModelInfo) -> Iterator[Gallery]:
    """An empty gallery at `place`."""
    with Gallery.open(place, model=model, create=True) as opened:
        yield opened


@pytest.fixture
def filed(path: Path, model: ModelInfo) -> Iterator[Gallery]:
    """An empty gallery at `path`, whose crops are files."""
    with Gallery.open(path, model=model, create=True) as opened:
        yield opened
