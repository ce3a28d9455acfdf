"""Charts of an evaluation and of a training run: arrays in, one PNG out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike, NDArray

from .calibrate import Reliability
from .errors import TrainingError
from .figure_style import BLUE, COLOURS, DARK, MIDDLE, ORANGE, figure_at, need

_RANKS = (1, 5, 10, 20, 30, 40, 50)
_Floats = NDArray[np.floating[Any]]


def cmc_curves(path: Path, curves: Mapping[str, Sequence[float]]) -> None:
    """Cumulative matching characteristics.

    Args:
        curves: by name, percent of the queries with a right answer among the first 1, 2, ...
            pictures of the gallery.

    Raises:
        TrainingError: when there is no curve, or one is empty or not in percent.
    """
    need(bool(curves) and all(len(c) for c in curves.values()), "give curves of at least one rank")
    if not all(0 <= value <= 100 for curve in curves.values() for value in curve):
        raise TrainingError("a CMC curve is in percent, 0 to 100")
    longest = max(len(c) for c in curves.values())
    with figure_at(path, 6, 4, "Queries answered among the first k of the gallery") as figure:
        axes = figure.add_subplot(xlabel="rank k", ylabel="queries with a right answer (%)")
        axes.grid(axis="y")
        best_first = sorted(curves.items(), key=lambda c: -c[1][0])
        for i, (name, curve) in enumerate(best_first):
            axes.plot(
                range(1, len(curve) + 1),
                curve,
                color=COLOURS[i % len(COLOURS)],
                linestyle=("-", "--", ":")[i // len(COLOURS) % 3],
                marker="os^Dv"[i % 5],
                markersize=4.5,
                markevery=[k - 1 for k in _RANKS if k <= len(curve)],
                label=f"{name}: {curve[0]:.1f} % at rank 1",
                clip_on=False,
            )
        axes.set(xticks=[k for k in _RANKS if k <= longest], xlim=(0, longest + 1))
        axes.set_ylim(top=100)
        axes.legend(loc="best")


def reliability_diagram(path: Path, found: Mapping[tuple[int, int], Reliability]) -> None:
    """Probabilities beside what was so, a panel for each pair of levels.

    Dots are as large as the share of pairs in their bin; on the diagonal a probability is right.

    Raises:
        TrainingError: when there is nothing measured.
    """
    need(bool(found), "too few people for a reliability diagram")
    columns = min(5, len(found))
    rows = -(-len(found) // columns)
    title = "Of pairs of crops called so probably one person, how many were"
    with figure_at(path, 1 + 1.7 * columns, 0.7 + 1.8 * rows, title) as figure:
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axes in panels.flat[len(found) :]:
            axes.set_axis_off()
        for axes, ((low, high), one) in zip(panels.flat, found.items(), strict=False):
            axes.plot((0, 1), (0, 1), color=MIDDLE, linewidth=0.8, linestyle=":")
            axes.plot(one.said, one.found, color=BLUE, linewidth=1)
            axes.scatter(one.said, one.found, s=4 + 250 * one.weight, color=BLUE, alpha=0.5)
            axes.set(xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))
            axes.set_title(f"levels {low} and {high}, error {one.error:.3f}", fontsize=7.5)
        figure.supxlabel("probability that was said", fontsize=8)
        figure.supylabel("share that shows one person", fontsize=8)


def mask_values(path: Path, masks: Sequence[_Floats]) -> None:
    """How much of each channel the masks let through, by stage and level.

    Args:
        masks: of each stage ``float (m, C)`` in 0..1, after the sigmoid; row k - 1 is level k.

    Raises:
        TrainingError: when there is no mask, or one is empty or has another number of levels.
    """
    need(len(masks) > 0 and all(np.size(x) for x in masks), "give the masks of at least one stage")
    m = len(masks[0])
    if any(len(x) != m for x in masks):
        raise TrainingError(f"stages with {[len(x) for x in masks]} levels; all have the same")
    levels, spread = range(1, m + 1), max(0.05, *(float(np.abs(x - 0.5).max()) for x in masks))
    title = f"What the masks let through of each channel (level {m} is the sharpest)"
    with figure_at(path, 8, 1.1 + len(masks) * (0.45 + 0.17 * m), title) as figure:
        grid = figure.subplots(len(masks), 2, squeeze=False, sharex="col", width_ratios=(4, 1))
        for i, (mask, (map_, means)) in enumerate(zip(masks, grid, strict=True), start=1):
            drawn = map_.imshow(
                np.repeat(mask[:, np.argsort(mask[0], kind="stable")], 64, axis=0),
                "PuOr_r",
                vmin=0.5 - spread,
                vmax=0.5 + spread,
                aspect="auto",
                origin="lower",
                extent=(0, 100, 0.5, m + 0.5),
                interpolation="antialiased",
            )
            map_.set(yticks=levels, ylabel="level")
            map_.set_title(f"stage {i}: {mask.shape[1]} channels", loc="left")
            low, high = np.quantile(mask, (0.1, 0.9), axis=1)
            means.hlines(levels, low, high, color=BLUE, linewidth=3, alpha=0.3)
            means.plot(mask.mean(1), levels, "o", color=BLUE, markersize=4)
            means.axvline(0.5, color=MIDDLE, linewidth=0.8, linestyle=":", zorder=0)
            means.set(yticks=levels, ylim=(0.5, m + 0.5), xlim=(0.5 - spread, 0.5 + spread))
        grid[0, 1].set_title("mean, 10 to 90 %", loc="left")
        grid[-1, 0].set_xlabel("channels in the order of level 1 (%)")
        grid[-1, 1].set_xlabel("mask value")
        figure.colorbar(drawn, ax=grid[:, 0], label="mask value", location="right", aspect=30)


def distance_histograms(
    path: Path,
    distance: _Floats,
    level_pair: NDArray[np.integer[Any]],
    same: NDArray[np.bool_],
) -> None:
    """Distances of same and of different persons, for each pair of levels.

    The percentage over a panel is how often a distance of one person is below one of different
    persons (the area under the ROC curve).

    Args:
        distance: ``float (N,)``.
        level_pair: ``int (N, 2)``, levels in 1..m of the two that were compared, in any order.
        same: ``bool (N,)``, whether both show one person.

    Raises:
        TrainingError: when there is no distance or the shapes do not fit.
    """
    need(len(distance) > 0, "give at least one distance")
    if level_pair.shape != (len(distance), 2) or same.shape != (len(distance),):
        raise TrainingError(
            f"{len(distance)} distances, but level pairs {level_pair.shape}, same {same.shape}"
        )
    low, high = np.sort(level_pair, axis=1).T
    m = int(high.max())
    bins = np.linspace(float(distance.min()), float(distance.max()) + 1e-6, 41)
    title = "Distances of same and of different persons, by the levels of the two"
    with figure_at(path, max(5.0, 0.6 + 1.8 * m), 1.2 + 1.3 * m, title) as figure:
        grid = figure.subplots(m, m, squeeze=False, sharex=True)
        for (i, k), axes in np.ndenumerate(grid):
            if i > k:
                axes.axis("off")
                continue
            here = (low == i + 1) & (high == k + 1)
            one, two = distance[here & same], distance[here & ~same]
            for values, colour in ((one, BLUE), (two, ORANGE)):
                if len(values):
                    axes.hist(values, bins, density=True, color=colour, alpha=0.6)
            nearer = f": {100 * _nearer(one, two):.1f} %" if len(one) and len(two) else ""
            axes.set_title(f"levels {i + 1}, {k + 1}{nearer}")
            axes.set(yticks=[])
            axes.spines["left"].set_visible(False)
            if i == k:
                axes.tick_params(labelbottom=True)
                axes.set(xlabel="distance", ylabel="density")
        kinds = [Patch(color=c, alpha=0.6) for c in (BLUE, ORANGE)]
        labels = ["same person", "different persons"]
        meaning = "%: how often the same person is nearer than a different one"
        legend = figure.legend(kinds, labels, loc="outside lower left", ncols=2, title=meaning)
        legend.set_alignment("left")


def _nearer(same: _Floats, other: _Floats) -> float:
    """Probability that a distance of `same` is below one of `other`; a tie counts half."""
    ordered = np.sort(other)
    below = np.searchsorted(ordered, same, "left") + np.searchsorted(ordered, same, "right")
    return 1 - float(below.mean()) / (2 * len(other))


def training_curves(path: Path, log: Mapping[str, ArrayLike]) -> None:
    """Losses and learning rate over the epochs.

    Args:
        log: columns of a log, all of one length: ``epoch``, ``lr``, where masks came in
            progressively ``stage`` (Algorithm 1), and each loss by its name.

    Raises:
        TrainingError: when a column is missing, there is no row, or the columns differ in length.
    """
    columns = {name: np.asarray(values, np.float64) for name, values in log.items()}
    losses = [name for name in columns if name not in ("epoch", "lr", "stage")]
    need({"epoch", "lr"} <= columns.keys() and bool(losses), "give epoch, lr and a loss")
    epoch = columns["epoch"]
    need(len(epoch) > 0, "the log has no row yet")
    if any(c.shape != epoch.shape for c in columns.values()):
        raise TrainingError(f"columns of {sorted({len(c) for c in columns.values()})} rows")
    with figure_at(path, 6, 4.5, "Training: losses and learning rate") as figure:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        for i, name in enumerate(losses):
            marker = "os^Dv"[i % 5] if len(epoch) < 2 else ""
            colour, line = COLOURS[i % len(COLOURS)], ("-", "--")[i // len(COLOURS) % 2]
            above.plot(epoch, columns[name], color=colour, ls=line, marker=marker, label=name)
        below.plot(epoch, columns["lr"], color=DARK, marker="" if len(epoch) > 1 else "o")
        above.set(ylabel="loss (weighted, mean of the epoch)", yscale="log")
        above.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        above.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        above.yaxis.set_minor_formatter(NullFormatter())
        below.set(ylabel="learning rate", yscale="log", xlabel="epoch")
        below.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        below.set_xlim(0, epoch.max() + 0.5)
        for axes in (above, below):
            axes.grid(axis="y")
        stage = columns.get("stage", np.zeros_like(epoch))
        for start in np.flatnonzero(np.diff(stage)) + 1:
            for axes in (above, below):
                axes.axvline(epoch[start] - 0.5, color=MIDDLE, linewidth=0.8, linestyle=":")
            above.text(
                epoch[start] - 0.4,
                0.99,
                f"stage {stage[start]:.0f}",
                transform=above.get_xaxis_transform(),
                va="top",
                fontsize=8,
                color=MIDDLE,
            )
        above.legend(loc="upper left", bbox_to_anchor=(1, 1))
