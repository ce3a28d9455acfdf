"""From videos to identities: sources, detection, the engine, search, report and command line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import PipelineError

if TYPE_CHECKING:
    from .detect import Detections, Detector
    from .frame import Frame
    from .processing import Result, process
    from .query import Answer, search
    from .settings import Settings

__all__ = [
    "Answer",
    "Detections",
    "Detector",
    "Frame",
    "PipelineError",
    "Result",
    "Settings",
    "process",
    "search",
]

_HOMES = {
    "Answer": "query",
    "Detections": "detect",
    "Detector": "detect",
    "Frame": "frame",
    "Result": "processing",
    "Settings": "settings",
    "process": "processing",
    "search": "query",
}


def __getattr__(name: str) -> Any:
    """Loads a name when it is first used, so that the command line starts fast."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
