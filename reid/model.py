"""What an embedder's file says of itself: levels, sub-vectors, input, calibration, fingerprint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .calibration import Calibration
from .errors import ReidError
from .levels import LevelSet

KEY = "nearfar"
"""The key of the ONNX metadata that holds a `ModelInfo` as JSON."""


@dataclass(frozen=True)
class ModelInfo:
    """An embedder as the rest of the house knows it.

    Args:
        name: short, for people.
        fingerprint: hash of weights, level set, sub-vector sizes and preprocessing, 16 hex digits;
            vectors of two fingerprints are never compared.
        levels: the heights that the levels stand for.
        sizes: the sub-vector sizes ``d_1..d_m``.
        input_size: (height, width) in pixels that each crop is resized to, bilinear.
        calibration: from distances to log-odds.
        precision: ``float`` or ``int8``, in which the file computes; both have one fingerprint,
            since their vectors can be compared.
        figures: what was measured of it, as its card has it; empty where nothing was.
    """

    name: str
    fingerprint: str
    levels: LevelSet
    sizes: tuple[int, ...]
    input_size: tuple[int, int]
    calibration: Calibration
    precision: str = "float"
    figures: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.sizes) != self.levels.m:
            raise ReidError(f"{self.levels.m} levels need as many sub-vectors, got {self.sizes}")

    @property
    def dimension(self) -> int:
        """Length of the longest representation, ``d``."""
        return sum(self.sizes)

    def to_json(self) -> str:
        """As one line of JSON, for metadata of a model file or a row of the gallery."""
        return json.dumps(
            {
                "name": self.name,
                "fingerprint": self.fingerprint,
                "heights": self.levels.heights,
                "sizes": self.sizes,
                "input_size": self.input_size,
                "calibration": self.calibration.to_json(),
                "precision": self.precision,
                "figures": dict(self.figures),
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> ModelInfo:
        """Inverse of `to_json`.

        Raises:
            ReidError: when `text` is no such description.
        """
        try:
            data = json.loads(text)
            return cls(
                name=data["name"],
                fingerprint=data["fingerprint"],
                levels=LevelSet(tuple(data["heights"])),
                sizes=tuple(data["sizes"]),
                input_size=(data["input_size"][0], data["input_size"][1]),
                calibration=Calibration.from_json(data["calibration"]),
                precision=data.get("precision", "float"),
                figures=data.get("figures", {}),
            )
        except (KeyError, TypeError, IndexError, json.JSONDecodeError) as error:
            raise ReidError(f"not the description of a nearfar embedder: {error}") from error
