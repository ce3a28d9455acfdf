"""ONNX Runtime sessions: one place that opens model files, picks devices and explains failures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ReidError

if TYPE_CHECKING:
    import onnxruntime

DEVICES = ("auto", "cpu", "cuda")


def providers(device: str) -> list[str]:
    """ONNX Runtime providers for a device.

    Args:
        device: ``auto`` (CUDA where it is there, else CPU), ``cpu`` or ``cuda``.

    Raises:
        ReidError: when the device is unknown, or is ``cuda`` and this install has none.
    """
    import onnxruntime

    if device not in DEVICES:
        raise ReidError(f"unknown device {device!r}; choose from {', '.join(DEVICES)}")
    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not cuda:
        raise ReidError("no CUDA device for ONNX Runtime; install nearfar[gpu] or use --device cpu")
    return (["CUDAExecutionProvider"] if cuda and device != "cpu" else []) + [
        "CPUExecutionProvider"
    ]


def open_session(path: Path, device: str, threads: int) -> onnxruntime.InferenceSession:
    """Opens an ONNX file.

    Args:
        path: the file. device: see `providers`. threads: of one inference.

    Raises:
        ReidError: when the file is missing, empty or no ONNX model, or the device unusable.
    """
    chosen = providers(device)
    if not path.is_file():
        raise ReidError(f"no weights at {path}: check the path")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # threads that wait for each other in a loop take the cores from decoding and other programs
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=chosen)
    except Exception as error:  # the runtime's exception classes share no public base
        raise ReidError(
            f"{path} is no usable ONNX model ({_first_line(error)}): copy or export it again"
        ) from error
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise ReidError("CUDA does not start; check the driver or use --device cpu")
    return session


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
