"""A rendered scene with known answers: people seen near and far by several cameras."""

from .crops import person_crops, write_people
from .errors import SamplesError
from .files import SampleFiles, read_truth, render
from .montage import montage
from .scene import Scene, TruthBox

__all__ = [
    "SampleFiles",
    "SamplesError",
    "Scene",
    "TruthBox",
    "montage",
    "person_crops",
    "read_truth",
    "render",
    "write_people",
]
