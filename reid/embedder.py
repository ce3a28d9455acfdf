"""The embedder at run time: crops of mixed levels in, embeddings of varying length out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .embeddings import Embeddings, Floats
from .errors import ReidError
from .model import KEY, ModelInfo
from .preprocess import to_input
from .runtime import open_session, providers

if TYPE_CHECKING:
    import onnxruntime

WEIGHTS = Path(__file__).parent / "weights" / "embedder.onnx"
"""The weights that come with the project; their card lies beside them."""
WEIGHTS_INT8 = WEIGHTS.with_name("embedder-int8.onnx")
"""The same in 8 bits, for CPUs."""

BATCH, BATCH_ON_CPU = 32, 8
"""Crops at once. On a CPU more are no faster, and the runtime keeps the memory of the most that
ever came at once."""


def packaged(device: str) -> Path:
    """The weights that come with the project, for a device: in 8 bits for a CPU.

    Raises:
        ReidError: when the device is unknown or not there.
    """
    return WEIGHTS_INT8 if providers(device)[0] == "CPUExecutionProvider" else WEIGHTS


class Embedder:
    """Runs the paper's network from an ONNX file with the level as its second input.

    Use `Embedder.load`; the attribute `info` says what the model is.
    """

    def __init__(self, session: onnxruntime.InferenceSession, info: ModelInfo) -> None:
        self._session = session
        cpu = session.get_providers()[0] == "CPUExecutionProvider"
        self._batch = BATCH_ON_CPU if cpu else BATCH
        self.info = info

    @classmethod
    def load(
        cls, weights: str | Path | None = None, device: str = "auto", threads: int = 2
    ) -> Embedder:
        """Opens an embedder.

        Args:
            weights: an ONNX file made by `nearfar`'s export; the `packaged` one if None.
            device: ``auto``, ``cpu`` or ``cuda``.
            threads: CPU threads of one inference.

        Raises:
            ReidError: when the file is missing, no ONNX model or no nearfar embedder, or the
                device is unknown or not there.
        """
        path = Path(weights) if weights else packaged(device)
        session = open_session(path, device, threads)
        said = session.get_modelmeta().custom_metadata_map
        inputs = {source.name for source in session.get_inputs()}
        if KEY not in said or inputs != {"images", "level"}:
            reason = (
                "it is a detector: give it with --detector"
                if "names" in said
                else ("it carries no level set: make one with nearfar export")
            )
            raise ReidError(f"{path} is an ONNX model, but no nearfar embedder; {reason}")
        return cls(session, ModelInfo.from_json(said[KEY]))

    def embed(
        self,
        crops: Sequence[NDArray[np.uint8]],
        heights: Sequence[float] | None = None,
        *,
        levels: Sequence[int] | None = None,
        quality: Sequence[float] | None = None,
    ) -> Embeddings:
        """Embeds crops, each at its level.

        Args:
            crops: N pictures ``uint8 (H, W, 3)`` BGR of any size.
            heights: height in pixels of each person as the camera saw it; the height of each
                crop if neither this nor `levels` is given.
            levels: the levels themselves, where the caller knows better (a track's hysteresis).
            quality: 0..1 of each crop; 1 if not given.

        Returns:
            N embeddings, zero past each one's length.
        """
        if levels is None:
            pixels = heights if heights is not None else [len(c) for c in crops]
            levels = [self.info.levels.level_of(h) for h in pixels]
        n = len(crops)
        if n == 0:
            return Embeddings.empty(self.info.sizes)
        level = np.asarray(levels, np.int64)
        parts: list[Floats] = []
        for i in range(0, n, self._batch):
            some = slice(i, i + self._batch)
            images = np.stack([to_input(c, self.info.input_size) for c in crops[some]])
            inputs = {"images": images, "level": level[some]}
            parts.append(self._session.run(None, inputs)[0])
        return Embeddings(
            np.concatenate(parts).astype(np.float32),
            level.astype(np.int8),
            np.ones(n, np.float32) if quality is None else np.asarray(quality, np.float32),
            self.info.sizes,
        )
