"""Figures of pictures and their embeddings: ranked galleries and t-SNE; arrays in, one PNG out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from .errors import TrainingError
from .figure_style import COLOURS, DARK, GREEN, LIGHT, VERMILION, figure_at, need

PEOPLE = 15
"""How many persons a t-SNE figure shows, as Fig. 5 of the paper does."""

_Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class RankedRow:
    """The answers to a query at one resolution.

    Args:
        rate: by which the query was shrunk.
        query: ``uint8 (H, W, 3)`` BGR, shrunk; it is drawn as the network sees it, enlarged again.
        answers: gallery pictures, BGR, the nearest first.
        right: whether each of them shows the query's person.
    """

    rate: float
    query: NDArray[np.uint8]
    answers: Sequence[NDArray[np.uint8]]
    right: Sequence[bool]


def ranked_galleries(path: Path, rows: Sequence[RankedRow]) -> None:
    """The nearest gallery pictures to one query at several resolutions, as Fig. 4 of the paper.

    A frame tells right (solid, with a tick) from wrong (dashed, with a cross).

    Raises:
        TrainingError: when there is no row, or one without answers or without a `right` for each.
    """
    need(bool(rows) and all(len(r.answers) for r in rows), "give rows with at least one answer")
    if any(len(r.answers) != len(r.right) for r in rows):
        raise TrainingError("each answer of a ranked gallery is either right or wrong: say which")
    shown = max(len(r.answers) for r in rows)
    pitch, high, first, margin = 1.14, 2.14, 1.4, 1.1
    wide, tall = margin + first + pitch * shown + 0.9, high * len(rows) + 0.4
    inch = 10 / (margin + first + pitch * 12 + 0.9)
    title = f"The {shown} nearest gallery pictures to one query at {len(rows)} resolutions"
    with figure_at(path, inch * wide, inch * tall + 0.35, title) as figure:
        axes = figure.add_subplot(aspect="equal")
        axes.axis("off")
        heading: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 8, "color": DARK}
        axes.text(0.5, -0.1, "query", **heading)
        for i in range(shown):
            axes.text(first + pitch * i + 0.5, -0.1, str(i + 1), **heading)
        for i, row in enumerate(rows):
            y = high * i
            axes.text(-0.12, y + 1, _rate(row.rate), ha="right", va="center")
            _picture(axes, row.query, (0, y), DARK, "-")
            for k, (answer, right) in enumerate(zip(row.answers, row.right, strict=True)):
                _answer(axes, answer, (first + pitch * k, y), bool(right))
            end = first + pitch * len(row.answers)
            axes.text(end, y + 1, f"{sum(row.right)} right", va="center", fontsize=8)
        axes.set(xlim=(-margin, wide - margin), ylim=(tall - 0.4, -0.4))


def _answer(axes: Any, image: NDArray[np.uint8], corner: tuple[float, float], right: bool) -> None:
    colour = GREEN if right else VERMILION
    _picture(axes, image, corner, colour, "-" if right else (0, (2.5, 1)))
    axes.text(
        corner[0] + 0.92,
        corner[1] + 1.9,
        "✓" if right else "✗",
        ha="right",
        va="bottom",
        color="white",
        fontsize=7,
        bbox={"boxstyle": "square,pad=0.12", "facecolor": colour, "linewidth": 0},
    )


def _picture(
    axes: Any, image: NDArray[np.uint8], corner: tuple[float, float], colour: str, line: Any
) -> None:
    """`image` enlarged to the network's input, in a frame one unit wide and two high."""
    (x, y), seen = corner, cv2.resize(image, (128, 256), interpolation=cv2.INTER_LINEAR)
    axes.imshow(seen[..., ::-1], extent=(x, x + 1, y + 2, y), interpolation="antialiased")
    axes.add_patch(Rectangle(corner, 1, 2, fill=False, edgecolor=colour, lw=2, linestyle=line))


def tsne_by_identity(path: Path, vectors: _Floats, identities: Sequence[str]) -> None:
    """Embeddings in the plane, coloured by person, as Fig. 5 (a) of the paper.

    Args:
        vectors: ``float (N, d)``, zero-padded.
        identities: of the rows; those of the first `PEOPLE` persons are drawn.

    Raises:
        TrainingError: when there are fewer than four vectors or not as many identities.
    """
    rows = _shown(vectors, identities)
    names = np.asarray(identities)[rows]
    people = list(dict.fromkeys(names.tolist()))
    title = f"Embeddings of {len(people)} persons (t-SNE), coloured by person"
    with figure_at(path, 6.3, 5.5, title) as figure:
        axes, points = _plane(figure, vectors[rows])
        for i, person in enumerate(people):
            x, y = points[names == person].T
            colour, marker = COLOURS[i % len(COLOURS)], "o^"[i // len(COLOURS) % 2]
            axes.scatter(x, y, 20, colour, marker, linewidths=0, label=person.rsplit("/", 1)[-1])
        figure.legend(loc="outside right center", title="person", handletextpad=0.1)


def tsne_by_resolution(
    path: Path, vectors: _Floats, identities: Sequence[str], rates: Sequence[float]
) -> None:
    """The plane of `tsne_by_identity`, coloured by resolution, as Fig. 5 (b) of the paper.

    Thin lines tie the pictures of a person together.

    Args:
        vectors, identities: as there.
        rates: by which the rows' pictures were shrunk.

    Raises:
        TrainingError: when there are fewer than four vectors, or not as many of the others.
    """
    rows = _shown(vectors, identities)
    if len(rates) != len(vectors):
        raise TrainingError(f"{len(vectors)} vectors, but {len(rates)} rates")
    names, rate = np.asarray(identities)[rows], np.asarray(rates)[rows]
    title = f"Embeddings of {len(set(names))} persons (t-SNE), coloured by resolution"
    with figure_at(path, 6.3, 5.5, title) as figure:
        axes, points = _plane(figure, vectors[rows])
        middles = {name: points[names == name].mean(0) for name in set(names)}
        ties = [(point, middles[name]) for point, name in zip(points, names, strict=True)]
        axes.add_collection(LineCollection(ties, colors=LIGHT, linewidths=0.6, zorder=0))
        kinds = sorted(set(rate.tolist()))
        colours = colormaps["viridis"](np.linspace(0, 0.9, len(kinds)))
        for i, (kind, colour) in enumerate(zip(kinds, colours, strict=True)):
            x, y = points[rate == kind].T
            axes.scatter(x, y, 20, colour[None], "osD^vP"[i % 6], linewidths=0, label=_rate(kind))
        figure.legend(loc="outside right center", title="resolution", handletextpad=0.1)


def _shown(vectors: _Floats, identities: Sequence[str]) -> NDArray[np.intp]:
    """Rows of the first `PEOPLE` persons."""
    if len(vectors) != len(identities):
        raise TrainingError(f"{len(vectors)} vectors, but {len(identities)} identities")
    rows = np.flatnonzero(np.isin(identities, list(dict.fromkeys(identities))[:PEOPLE]))
    need(len(rows) >= 4, "t-SNE wants at least four vectors")
    return rows


def _plane(figure: Figure, vectors: _Floats) -> tuple[Any, _Floats]:
    """Empty axes and the places ``(N, 2)`` of `vectors` in them, the same at each call."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(vectors) - 1) / 3)
    points = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(vectors)
    axes = figure.add_subplot(xlabel="t-SNE axis 1", ylabel="t-SNE axis 2", xticks=[], yticks=[])
    axes.set_aspect("equal", "datalim")
    return axes, points


def _rate(rate: float) -> str:
    return "full size" if rate == 1 else f"1/{rate:g}"
