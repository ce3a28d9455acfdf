"""ONNX files of floats made to compute in 8 bits, for CPUs."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from .half import restore_floats, store_half


def in_8_bits(
    model: onnx.ModelProto, inputs: Iterator[dict[str, Any]], kinds: Sequence[str]
) -> onnx.ModelProto:
    """A model whose weights and activations have 8 bits in nodes of some kinds; metadata is lost.

    Weights have a scale a channel, and 7 of the 8 bits, without which CPUs that lack VNNI would
    saturate. Scales of activations are the extremes over `inputs`. Other weights are stored in 16
    bits.

    Args:
        model: of floats, which may be stored in 16 bits. inputs: what it is run on.
    """
    floats = onnx.ModelProto()
    floats.CopyFrom(model)
    restore_floats(floats)
    with tempfile.TemporaryDirectory() as scratch:
        source, out = Path(scratch) / "floats.onnx", Path(scratch) / "int8.onnx"
        onnx.save(floats, source)
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)  # it advises symbolic shapes, which change nothing here
        try:
            quantize_static(
                source,
                out,
                _Reader(inputs),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(kinds),
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            root.setLevel(level)
        made = onnx.load(out)
    store_half(made)
    return made


class _Reader(CalibrationDataReader):
    def __init__(self, inputs: Iterator[dict[str, Any]]) -> None:
        self._inputs = inputs

    def get_next(self) -> dict[str, Any] | None:
        return next(self._inputs, None)
