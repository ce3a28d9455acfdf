"""The representation: levels of resolution, embeddings, distance and calibration."""

from .calibration import Calibration, probability
from .embeddings import Embeddings, distances
from .errors import ReidError
from .levels import LevelSet
from .model import ModelInfo
from .preprocess import to_input

__all__ = [
    "Calibration",
    "Embeddings",
    "LevelSet",
    "ModelInfo",
    "ReidError",
    "distances",
    "probability",
    "to_input",
]
