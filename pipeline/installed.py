"""The models that `process` and `search` run, and what their files say of themselves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reid import Embedder, open_session
from reid.embedder import packaged

from .detect import Detector, weights_at

FIGURES = "nearfar-figures"
"""The key of a detector's ONNX metadata that holds what was measured of it, as JSON."""


@dataclass(frozen=True)
class Model:
    """A model file that can be used.

    Args:
        kind: ``embedder`` or ``detector``. name: as the file says. file: where it lies.
        bytes: its size. fingerprint: an embedder's own; of a detector the SHA-256 of the file, 16
            digits, empty for a folder. input: height and width in pixels, where they are fixed.
        levels: heights in pixels of an embedder's levels. precision: in which it computes.
        figures: what was measured of it; empty where the file says nothing.
    """

    kind: str
    name: str
    file: str
    bytes: int
    fingerprint: str
    input: tuple[int, int] | None = None
    levels: tuple[int, ...] = ()
    precision: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def installed(
    embedder: Path | None = None, detector: Path | None = None, device: str = "cpu"
) -> list[Model]:
    """The embedder and the detector: the packaged ones, or a user's own.

    Raises:
        ReidError: when the file is no embedder.
        DetectorError: when the file is no detector.
    """
    return [_embedder(embedder or packaged(device), device), _detector(weights_at(detector))]


def _embedder(path: Path, device: str) -> Model:
    info = Embedder.load(path, device).info
    return Model(
        "embedder",
        info.name,
        str(path),
        path.stat().st_size,
        info.fingerprint,
        info.input_size,
        info.levels.heights,
        info.precision,
        info.figures,
    )


def _detector(path: Path) -> Model:
    Detector.load(path, "cpu")
    if path.is_dir():
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return Model("detector", path.name, str(path), size, "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    said: dict[str, str] = {}
    if path.suffix.lower() == ".onnx":
        said = open_session(path, "cpu", 1).get_modelmeta().custom_metadata_map
    return Model(
        "detector",
        said.get("description", path.name),
        str(path),
        path.stat().st_size,
        digest,
        figures=json.loads(said.get(FIGURES, "{}")),
    )
