"""The representation: levels of resolution, embeddings, distance and calibration."""

from .calibration import FALSE_MATCH_RATES, Calibration
from .embedder import Embedder
from .embeddings import Embeddings, distances
from .errors import ReidError
from .levels import LevelSet
from .model import ModelInfo
from .preprocess import to_input
from .runtime import open_session

__all__ = [
    "FALSE_MATCH_RATES",
    "Calibration",
    "Embedder",
    "Embeddings",
    "LevelSet",
    "ModelInfo",
    "ReidError",
    "distances",
    "open_session",
    "to_input",
]
