"""The look that all figures share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .errors import TrainingError

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, "#CC79A7", "#56B4E9", "#6B6B6B", "#7A4A12")
"""The palette of Okabe and Ito, which colour-blind readers can tell apart, without its yellow."""

DARK, MIDDLE, LIGHT = "#444444", "#8a8a8a", "#d6d6d6"

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": DARK,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "figure.titlesize": 10.5,
    "grid.color": LIGHT,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}
_DPI = 200


@contextmanager
def figure_at(path: Path, width: float, height: float, title: str) -> Iterator[Figure]:
    """A figure of `width` x `height` inches that becomes a PNG at `path` once it has been drawn.

    Raises:
        TrainingError: when `path` can't be written.
    """
    with rc_context(_STYLE):
        figure = Figure((width, height), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title)
        yield figure
        try:
            figure.savefig(path, dpi=_DPI, format="png")
        except OSError as error:
            raise TrainingError(f"{path} can't be written: {error.strerror}") from error


def need(given: bool, what: str) -> None:
    """Raises TrainingError, asking for `what`, unless it was given."""
    if not given:
        raise TrainingError(f"nothing to draw: {what}")
